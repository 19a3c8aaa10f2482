// SPDX-License-Identifier: GPL-3.0-or-later
#include "pair.hpp"

#include "quic/pings_impl.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace kith::quic::testing {
namespace {

std::vector<PingOutcome> outcomes(const Host& host) {
  std::vector<PingOutcome> out;
  for (const Event& event : host.events) {
    if (event.kind == Event::Kind::pinged) out.push_back(event.ping);
  }
  return out;
}

TEST(PingsTest, AnAnswerTellsTheRoundTrip) {
  Pair pair;
  const ConnectionId id = pair.connect();
  for (std::uint64_t n = 1; n <= 3; ++n) {
    pair.alice.endpoint->ping(id, PingId{n});
    pair.run();
    const auto got = outcomes(pair.alice);
    ASSERT_EQ(got.size(), n);
    EXPECT_EQ(got.back().id, PingId{n});
    EXPECT_FALSE(got.back().lost);
    EXPECT_GE(got.back().rtt, 2 * pair.delay);
    EXPECT_LE(got.back().rtt, 2 * pair.delay + milliseconds(1)) << "the peer's delay is not part of the way";
  }
}

// The newest packet that bob acknowledges is alice's own ACK: then ngtcp2 takes no sample, and the PING was answered all the same.
TEST(PingsTest, AnAckThatLeftBehindThePingHidesNoAnswer) {
  Pair pair;
  const Duration way = std::exchange(pair.delay, seconds(1)); // the last sample is of a longer way
  const ConnectionId id = pair.connect();
  pair.run(seconds(30)); // path MTU probes are over
  auto out = std::make_shared<Pipe>(pair.bob.slabs);
  const auto stream = pair.bob.endpoint->open_uni_stream(pair.bob.find(Event::Kind::ready)->connection, out).value();
  stream->start_sending({});
  for (int packet = 0; packet < 2; ++packet) { // two are acknowledged at once
    out->write(Bytes(10));
    stream->produced();
    pair.pump(pair.bob);
  }
  pair.now += pair.delay - std::chrono::microseconds(1);
  pair.delay = way;
  pair.alice.endpoint->ping(id, PingId{1});
  pair.run();
  ASSERT_EQ(outcomes(pair.alice).size(), 1U);
  EXPECT_FALSE(outcomes(pair.alice)[0].lost);
  EXPECT_GE(outcomes(pair.alice)[0].rtt, 2 * pair.delay);
}

// As after a migration: QUIC has forgotten what it knew of round trips.
TEST(PingsTest, OnANewPathTheFirstRoundTripStandsForItself) {
  const TimePoint asked{std::chrono::hours(1)};
  const TimePoint now = asked + milliseconds(40);
  ngtcp2_conn_info before{};
  before.min_rtt = UINT64_MAX;
  before.smoothed_rtt = 333 * NGTCP2_MILLISECONDS;
  Pings pings;
  const auto ping = [&](PingId id) {
    before.bytes_in_flight = 0;
    pings.ask(id);
    pings.sent(before, asked);
    before.bytes_in_flight = 3000;
  };
  ping(PingId{1});
  ngtcp2_conn_info after = before;
  after.bytes_in_flight = 1000; // something older was acknowledged, which gives no sample
  EXPECT_TRUE(pings.received(before, after, now).empty());
  after.bytes_in_flight = 0;
  auto got = pings.received(before, after, now);
  ASSERT_EQ(got.size(), 1U);
  EXPECT_EQ(got[0].rtt, milliseconds(40));
  ping(PingId{2});
  after.latest_rtt = after.smoothed_rtt = after.min_rtt = 40 * NGTCP2_MILLISECONDS;
  got = pings.received(before, after, now);
  ASSERT_EQ(got.size(), 1U);
  EXPECT_EQ(got[0].rtt, milliseconds(40));
}

TEST(PingsTest, TheAcceptorMeasuresAsWell) {
  Pair pair;
  pair.connect();
  pair.bob.endpoint->ping(pair.bob.find(Event::Kind::ready)->connection, PingId{7});
  pair.run();
  ASSERT_EQ(outcomes(pair.bob).size(), 1U);
  EXPECT_FALSE(outcomes(pair.bob)[0].lost);
}

TEST(PingsTest, ALostPingIsLostThoughItsRepeatIsAnswered) {
  Pair pair;
  const ConnectionId id = pair.connect();
  pair.run(seconds(5)); // path MTU probes are over
  int dropped = 0;
  pair.drop = [&](const Host& from, const Datagram&) { return &from == &pair.alice && dropped++ == 0; };
  pair.alice.endpoint->ping(id, PingId{1});
  pair.run();
  ASSERT_GE(dropped, 2) << "it was sent again";
  ASSERT_EQ(outcomes(pair.alice).size(), 1U);
  EXPECT_TRUE(outcomes(pair.alice)[0].lost);
  pair.alice.endpoint->ping(id, PingId{2});
  pair.run();
  ASSERT_EQ(outcomes(pair.alice).size(), 2U);
  EXPECT_FALSE(outcomes(pair.alice)[1].lost);
}

TEST(PingsTest, APeerThatIsGoneGivesNoOutcome) {
  Pair pair;
  const ConnectionId id = pair.connect();
  pair.drop = [](const Host&, const Datagram&) { return true; };
  for (std::uint64_t n = 1; n <= 2 * max_pings; ++n) {
    pair.alice.endpoint->ping(id, PingId{n});
    pair.run(milliseconds(10));
  }
  EXPECT_TRUE(outcomes(pair.alice).empty());
  pair.drop = nullptr;
  pair.alice.endpoint->ping(id, PingId{1000});
  pair.run(seconds(20));
  EXPECT_EQ(outcomes(pair.alice).size(), max_pings) << "the oldest were forgotten";
  EXPECT_EQ(outcomes(pair.alice).back().id, PingId{1000});
}

TEST(PingsTest, BesideATransferEveryPingHasItsAnswer) {
  Pair pair;
  const ConnectionId id = pair.connect();
  auto in = std::make_shared<Pipe>(pair.alice.slabs);
  auto out = std::make_shared<Pipe>(pair.alice.slabs);
  const auto stream = pair.alice.endpoint->open_stream(id, in, out).value();
  out->write(Bytes(200'000));
  stream->start_sending({});
  for (std::uint64_t n = 1; n <= 10; ++n) {
    pair.alice.endpoint->ping(id, PingId{n});
    pair.run(milliseconds(3));
  }
  pair.run();
  const auto got = outcomes(pair.alice);
  ASSERT_EQ(got.size(), 10U);
  for (const PingOutcome& each : got) {
    EXPECT_FALSE(each.lost);
    EXPECT_GT(each.rtt, 2 * pair.delay - std::chrono::nanoseconds(8)); // it is worked back from a mean of whole nanoseconds
    EXPECT_LE(each.rtt, 4 * pair.delay);
  }
}

TEST(PingsTest, UnknownConnectionsAreNoMatter) {
  Pair pair;
  pair.alice.endpoint->ping(ConnectionId{99}, PingId{1});
  pair.run();
  EXPECT_TRUE(outcomes(pair.alice).empty());
}

// --- qlog

class Notes : public TraceSink {
public:
  struct Log : TraceLog {
    explicit Log(Notes& notes) : notes_(notes) {}
    ~Log() override { ++notes_.ends; }
    void write(std::string_view piece) override { notes_.text.append(piece); }
    Notes& notes_;
  };
  std::unique_ptr<TraceLog> open(std::string_view odcid) override {
    names.emplace_back(odcid);
    return refuse ? nullptr : std::make_unique<Log>(*this);
  }
  std::vector<std::string> names;
  std::string text;
  int ends = 0;
  bool refuse = false;
};

Result<ConnectionId> traced(Pair& pair, TraceSink& sink) {
  Dial dial;
  dial.identity = pair.alice.credentials.id;
  dial.peer = pair.bob.credentials.id;
  dial.alpn = "kith/1";
  dial.remote = pair.bob.address;
  dial.trace = &sink;
  return pair.alice.endpoint->connect(dial, pair.now);
}

TEST(TraceTest, AConnectionIsRecordedFromItsFirstPacketToItsEnd) {
  Notes notes;
  Pair pair;
  const auto id = traced(pair, notes);
  ASSERT_TRUE(id);
  pair.run();
  ASSERT_EQ(notes.names.size(), 1U);
  EXPECT_EQ(notes.names[0].size(), 32U);
  EXPECT_TRUE(notes.text.starts_with("\x1e{\"qlog_format\":\"JSON-SEQ\"")) << notes.text.substr(0, 80);
  EXPECT_NE(notes.text.find(notes.names[0]), std::string::npos) << "the file's name is the odcid that is in it";
  EXPECT_NE(notes.text.find("\"initial\""), std::string::npos);
  EXPECT_NE(notes.text.find("handshake_done"), std::string::npos);
  EXPECT_EQ(notes.ends, 0);
  pair.alice.endpoint->close(*id, Code::cancelled, "", pair.now);
  pair.run();
  EXPECT_EQ(notes.ends, 1);
}

// RFC 9000 §8.2.2: a challenge is answered on the path where it came. Whoever asks whether we are still at an address that we have left hears nothing.
TEST(TraceTest, AChallengeToAnAddressThatWasLeftIsNotAnsweredFromTheNewOne) {
  struct Seen {
    std::size_t challenges;
    std::size_t responses;
  };
  const auto see = [](bool old_one_hears) {
    Notes notes;
    Pair pair;
    const auto id = traced(pair, notes);
    pair.run();
    const auto count = [&](std::string_view what) {
      std::size_t found = 0;
      for (std::size_t at = 0; (at = notes.text.find(what, at)) != std::string::npos; ++at) ++found;
      return found;
    };
    if (old_one_hears) pair.alice.others.push_back(pair.alice.address);
    pair.alice.address = make_v4({127, 0, 7, 7}, 4433);
    pair.alice.endpoint->move(*id, pair.alice.address, pair.now);
    pair.run(std::chrono::seconds(5));
    return Seen{count("\"frame_type\":\"path_challenge\""), count("\"frame_type\":\"path_response\"")};
  };
  const Seen both = see(true);
  const Seen one = see(false);
  EXPECT_GT(both.challenges, one.challenges) << "he asks at the address that was left as well";
  EXPECT_EQ(both.responses, one.responses);
}

TEST(TraceTest, ASinkMayRefuse) {
  Notes notes;
  notes.refuse = true;
  Pair pair;
  ASSERT_TRUE(traced(pair, notes));
  pair.run();
  EXPECT_NE(pair.alice.find(Event::Kind::ready), nullptr);
  EXPECT_TRUE(notes.text.empty());
}

} // namespace
} // namespace kith::quic::testing
