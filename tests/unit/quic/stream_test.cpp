// SPDX-License-Identifier: GPL-3.0-or-later
#include "pair.hpp"

#include <gtest/gtest.h>

namespace kith::quic::testing {
namespace {

struct Opened {
  PipePtr in;
  PipePtr out;
  StreamPtr stream;
};

Opened open(Pair& pair, ConnectionId id, Bytes prefix = {}) {
  Opened o{std::make_shared<Pipe>(pair.alice.slabs), std::make_shared<Pipe>(pair.alice.slabs), nullptr};
  o.stream = pair.alice.endpoint->open_stream(id, o.in, o.out).value();
  o.stream->start_sending(std::move(prefix));
  return o;
}

Bytes drain(const StreamPtr& stream) {
  Bytes all;
  for (ByteView piece = stream->in()->peek(); !piece.empty(); piece = stream->in()->peek()) {
    all.insert(all.end(), piece.begin(), piece.end());
    stream->in()->consume(piece.size());
  }
  stream->consumed();
  return all;
}

TEST(StreamTest, PrefixThenBytesThenFin) {
  Pair pair;
  auto o = open(pair, pair.connect(), {'h', 'e', 'a', 'd'});
  o.out->write(as_bytes(" body"));
  o.out->finish();
  o.stream->produced();
  pair.run();
  const StreamPtr peer = pair.bob.opened();
  ASSERT_NE(peer, nullptr);
  EXPECT_EQ(as_text(drain(peer)), "head body");
  EXPECT_TRUE(peer->in()->at_end());
  peer->out()->write(as_bytes("answer"));
  peer->out()->finish();
  peer->start_sending({});
  pair.run();
  EXPECT_EQ(as_text(drain(o.stream)), "answer");
  EXPECT_TRUE(o.stream->gone());
  EXPECT_TRUE(peer->gone());
  EXPECT_EQ(o.out->outstanding(), 0U) << "acknowledged octets are freed";
}

TEST(StreamTest, TenMegabytesArriveWholeAndMemoryStaysBounded) {
  Pair pair;
  auto o = open(pair, pair.connect());
  SeededRandom random(3);
  Bytes chunk(40'000);
  Bytes sent;
  Bytes got;
  StreamPtr peer;
  std::uint64_t most = 0;
  while (got.size() < 10'000'000) {
    while (sent.size() < 10'000'000 && o.out->room() > chunk.size()) {
      random.fill(chunk);
      o.out->write(chunk);
      sent.insert(sent.end(), chunk.begin(), chunk.end());
      if (sent.size() >= 10'000'000) o.out->finish();
    }
    o.stream->produced();
    most = std::max(most, o.out->outstanding());
    pair.run(milliseconds(1));
    if (!peer) peer = pair.bob.opened();
    if (!peer) continue;
    const Bytes more = drain(peer);
    got.insert(got.end(), more.begin(), more.end());
  }
  EXPECT_EQ(got, sent);
  EXPECT_LE(most, Settings{}.max_send_buffer + chunk.size());
}

TEST(StreamTest, OneUnreadStreamStopsNoOther) {
  Settings settings;
  settings.connection_window = 512 * 1024;
  Pair pair(settings);
  const ConnectionId id = pair.connect();
  std::vector<Opened> stuck;
  for (int i = 0; i < 100; ++i) {
    stuck.push_back(open(pair, id));
    stuck.back().out->write(Bytes(300'000));
    stuck.back().stream->produced();
  }
  pair.run(seconds(5));
  pair.bob.events.clear();
  auto o = open(pair, id);
  o.out->write(as_bytes("call"));
  o.out->finish();
  o.stream->produced();
  pair.run(seconds(1));
  const StreamPtr peer = pair.bob.opened();
  ASSERT_NE(peer, nullptr);
  EXPECT_EQ(as_text(drain(peer)), "call");
}

TEST(StreamTest, TooMuchParkedResetsTheLongestParkedStream) {
  Settings settings;
  settings.max_parked_bytes = 1024 * 1024;
  Pair pair(settings);
  const ConnectionId id = pair.connect();
  std::vector<Opened> stuck;
  for (int i = 0; i < 8; ++i) {
    stuck.push_back(open(pair, id));
    stuck.back().out->write(Bytes(256 * 1024));
    stuck.back().stream->produced();
  }
  pair.run(seconds(5));
  std::size_t resets = 0;
  for (const Event& event : pair.bob.events) resets += event.signals.too_slow ? 1 : 0;
  EXPECT_GE(resets, 4U);
  EXPECT_LT(resets, 8U);
  const auto info = pair.bob.endpoint->list().at(0);
  EXPECT_LE(info.parked_bytes, settings.max_parked_bytes);
}

// Many streams may be answered before the first answer is counted.
TEST(StreamTest, ANewStreamHasASmallBoundUntilItWasCounted) {
  Pair pair;
  const ConnectionId id = pair.connect();
  const Opened asked = open(pair, id);
  asked.out->write(Bytes(10));
  asked.stream->produced();
  pair.run(milliseconds(100));
  StreamPtr served;
  for (const Event& event : pair.bob.events) {
    if (event.stream && event.signals.opened) served = event.stream;
  }
  ASSERT_TRUE(served);
  EXPECT_EQ(served->out()->limit(), first_send_buffer);
  served->start_sending({});
  served->out()->write(Bytes(first_send_buffer));
  served->produced();
  EXPECT_GE(served->out()->limit(), default_pipe_limit) << "it is told at once, not a round trip later";
  asked.out->set_limit(1 << 30);
  asked.stream->retain(false);
  EXPECT_LT(asked.out->limit(), std::uint64_t{1} << 30) << "a request that is not kept any more has its share like others";
}

// A request that is sent again has its pipes on another stream: what becomes of the old one must not touch them.
TEST(StreamTest, ReleasedPipesAreNobodysButTheNewStreams) {
  Pair pair;
  const ConnectionId id = pair.connect();
  const Opened asked = open(pair, id);
  asked.stream->retain(true);
  asked.out->write(Bytes(20'000, 1));
  asked.out->finish();
  asked.stream->produced();
  pair.run(milliseconds(6)); // sent, not acknowledged
  asked.stream->release_pipes();
  asked.out->rewind();
  const StreamPtr again = pair.alice.endpoint->open_stream(id, asked.in, asked.out).value();
  again->start_sending({});
  EXPECT_EQ(asked.stream->out(), nullptr);
  asked.stream->retain(false);
  pair.run(seconds(1));
  StreamPtr served;
  for (const Event& event : pair.bob.events) {
    if (event.stream && event.stream->id() == again->id()) served = event.stream;
  }
  ASSERT_TRUE(served);
  EXPECT_EQ(drain(served), Bytes(20'000, 1));
  EXPECT_EQ(asked.out->outstanding(), 0U);
}

TEST(StreamTest, ResetAndStopCarryTheirCodes) {
  Pair pair;
  auto o = open(pair, pair.connect(), {'x'});
  pair.run();
  o.stream->reset(15);
  o.stream->stop_sending(15);
  pair.run();
  const StreamPtr peer = pair.bob.opened();
  ASSERT_NE(peer, nullptr);
  EXPECT_EQ(peer->reset_code(), 15U);
  EXPECT_EQ(peer->stop_code(), 15U);
  EXPECT_TRUE(peer->gone());
  EXPECT_TRUE(o.stream->gone());
}

TEST(StreamTest, RetainedBytesCanBeSentAgain) {
  Pair pair;
  const ConnectionId id = pair.connect();
  auto o = open(pair, id);
  o.stream->retain(true);
  o.out->write(as_bytes("once more"));
  o.out->finish();
  o.stream->produced();
  pair.run();
  EXPECT_EQ(o.out->outstanding(), 9U);
  o.stream->reset(15);
  o.out->rewind();
  auto again = pair.alice.endpoint->open_stream(id, o.in, o.out).value();
  pair.bob.events.clear();
  again->start_sending({});
  pair.run();
  const StreamPtr peer = pair.bob.opened();
  ASSERT_NE(peer, nullptr);
  EXPECT_EQ(as_text(drain(peer)), "once more");
  EXPECT_EQ(o.out->outstanding(), 0U);
}

TEST(StreamTest, ManySmallStreamsShareAPacket) {
  Pair pair;
  const ConnectionId id = pair.connect();
  const std::uint64_t before = pair.alice.endpoint->info(id)->packets_sent;
  std::vector<Opened> calls;
  for (int i = 0; i < 10; ++i) {
    calls.push_back(open(pair, id));
    calls.back().out->write(Bytes(40));
    calls.back().out->finish();
    calls.back().stream->produced();
  }
  pair.pump(pair.alice);
  EXPECT_LE(pair.alice.endpoint->info(id)->packets_sent - before, 2U);
}

TEST(StreamTest, LossIsRepaired) {
  Pair pair;
  SeededRandom dice(11);
  const ConnectionId id = pair.connect();
  pair.drop = [&](const Host&, const Datagram&) { return dice.next_u64() % 20 == 0; };
  auto o = open(pair, id);
  SeededRandom random(4);
  Bytes data(200'000);
  random.fill(data);
  o.out->write(data);
  o.out->finish();
  o.stream->produced();
  Bytes got;
  for (int i = 0; i < 200 && got.size() < data.size(); ++i) {
    pair.run(milliseconds(100));
    if (const StreamPtr peer = pair.bob.opened()) {
      const Bytes more = drain(peer);
      got.insert(got.end(), more.begin(), more.end());
    }
  }
  EXPECT_EQ(got, data);
}

} // namespace
} // namespace kith::quic::testing
