// SPDX-License-Identifier: GPL-3.0-or-later
#include "pair.hpp"

#include <gtest/gtest.h>

namespace kith::quic::testing {
namespace {

TEST(EndpointTest, BothEndsAreAuthenticatedByTheirKeys) {
  Pair pair;
  const ConnectionId id = pair.connect();
  const Event* dialed = pair.alice.find(Event::Kind::ready);
  const Event* accepted = pair.bob.find(Event::Kind::ready);
  ASSERT_NE(dialed, nullptr);
  ASSERT_NE(accepted, nullptr);
  EXPECT_EQ(dialed->connection, id);
  EXPECT_EQ(pair.alice.endpoint->info(id)->peer, pair.bob.credentials.id);
  const auto info = pair.bob.endpoint->info(accepted->connection);
  EXPECT_EQ(info->peer, pair.alice.credentials.id);
  EXPECT_EQ(info->identity, pair.bob.credentials.id);
  EXPECT_EQ(info->alpn, "kith/1");
  EXPECT_FALSE(info->dialer);
  EXPECT_EQ(pair.bob.endpoint->half_open(), 0U);
}

TEST(EndpointTest, AnUnknownNameIsOffline) {
  Pair pair;
  pair.bob.endpoint->stop_serving(pair.bob.credentials.id);
  pair.connect();
  const Event* closed = pair.alice.find(Event::Kind::closed);
  ASSERT_NE(closed, nullptr);
  EXPECT_EQ(closed->reason.error.code, Code::offline) << closed->reason.error.text;
  EXPECT_EQ(pair.bob.find(Event::Kind::ready), nullptr);
}

TEST(EndpointTest, AnotherAlpnIsUnsupportedVersion) {
  Pair pair;
  ASSERT_TRUE(pair.bob.endpoint->add_key(pair.bob.credentials) && pair.bob.endpoint->serve(pair.bob.credentials.id, {"kith/9"}));
  pair.connect();
  const Event* closed = pair.alice.find(Event::Kind::closed);
  ASSERT_NE(closed, nullptr);
  EXPECT_EQ(closed->reason.error.code, Code::unsupported_version) << closed->reason.error.text;
}

TEST(EndpointTest, AnotherKeyAtTheAddressIsWrongKey) {
  Pair pair;
  pair.bob.endpoint->set_chooser([&](SocketId, const std::optional<PeerId>&) { return pair.bob.credentials.id; });
  Dial dial;
  dial.identity = pair.alice.credentials.id;
  dial.peer = make_credentials(7).id;
  dial.alpn = "kith/1";
  dial.remote = pair.bob.address;
  dial.send_name = false;
  ASSERT_TRUE(pair.alice.endpoint->connect(dial, pair.now));
  pair.run();
  const Event* closed = pair.alice.find(Event::Kind::closed);
  ASSERT_NE(closed, nullptr);
  EXPECT_EQ(closed->reason.error.code, Code::wrong_key) << closed->reason.error.text;
  EXPECT_EQ(pair.alice.find(Event::Kind::ready), nullptr);
}

TEST(EndpointTest, AHandshakeWithoutANameIsForTheNamelessIdentityOrRefused) {
  for (const bool answered : {true, false}) {
    Pair pair;
    if (answered) pair.bob.endpoint->set_chooser([&](SocketId, const std::optional<PeerId>&) { return pair.bob.credentials.id; });
    Dial dial;
    dial.identity = pair.alice.credentials.id;
    dial.peer = pair.bob.credentials.id;
    dial.alpn = "kith/1";
    dial.remote = pair.bob.address;
    dial.send_name = false;
    ASSERT_TRUE(pair.alice.endpoint->connect(dial, pair.now));
    pair.run();
    EXPECT_EQ(pair.alice.find(Event::Kind::ready) != nullptr, answered);
    EXPECT_EQ(pair.bob.find(Event::Kind::ready) != nullptr, answered);
  }
}

TEST(EndpointTest, CredentialsWhoseKeyIsAnothersAreRefused) {
  Pair pair;
  Credentials forged = make_credentials(9);
  forged.id = make_credentials(7).id;
  EXPECT_FALSE(pair.bob.endpoint->add_key(forged));
}

TEST(EndpointTest, NoAnswerIsUnreachable) {
  Pair pair;
  pair.drop = [](const Host&, const Datagram&) { return true; };
  ASSERT_TRUE(pair.dial(pair.alice, pair.bob));
  pair.run(seconds(11));
  const Event* closed = pair.alice.find(Event::Kind::closed);
  ASSERT_NE(closed, nullptr);
  EXPECT_EQ(closed->reason.error.code, Code::unreachable);
}

TEST(EndpointTest, GarbageAndStrayPacketsAreDroppedAndShortOnesAnsweredByAReset) {
  Pair pair;
  SeededRandom noise(5);
  for (int i = 0; i < 2000; ++i) {
    Bytes bytes(1 + noise.next_u64() % 1400);
    noise.fill(bytes);
    Datagram datagram;
    datagram.local = pair.bob.address;
    datagram.remote = pair.alice.address;
    datagram.bytes = bytes;
    pair.bob.endpoint->receive(datagram, pair.now);
  }
  EXPECT_LE(pair.bob.endpoint->counters().stateless_resets_sent, 200U);
  EXPECT_NE(pair.connect(), ConnectionId::none);
  EXPECT_NE(pair.bob.find(Event::Kind::ready), nullptr);
}

TEST(EndpointTest, ARestartedPeerIsNoticedInOneRoundTrip) {
  Pair pair;
  const ConnectionId id = pair.connect();
  Host fresh(2, Settings{});
  ASSERT_TRUE(fresh.endpoint->add_key(fresh.credentials) && fresh.endpoint->serve(fresh.credentials.id, {"kith/1"}));
  pair.bob.endpoint = std::move(fresh.endpoint);
  auto in = std::make_shared<Pipe>(pair.alice.slabs);
  auto out = std::make_shared<Pipe>(pair.alice.slabs);
  const auto stream = pair.alice.endpoint->open_stream(id, in, out);
  ASSERT_TRUE(stream);
  out->write(as_bytes("hello"));
  out->finish();
  (*stream)->start_sending({});
  pair.run(milliseconds(11));
  EXPECT_EQ(pair.bob.endpoint->counters().stateless_resets_sent, 1U);
  EXPECT_EQ(pair.bob.endpoint->counters().datagrams_received, 1U);
  const Event* closed = pair.alice.find(Event::Kind::closed);
  ASSERT_NE(closed, nullptr);
  EXPECT_TRUE(closed->reason.stateless_reset);
  EXPECT_TRUE((*stream)->gone());
  EXPECT_TRUE((*stream)->only_in_last_packet());
}

TEST(EndpointTest, UnderLoadAStrangerProvesItsAddressFirst) {
  Settings settings;
  settings.retry_above = 0;
  Pair pair(settings);
  pair.connect();
  EXPECT_EQ(pair.bob.endpoint->counters().retries_sent, 1U);
  EXPECT_NE(pair.bob.find(Event::Kind::ready), nullptr);
  EXPECT_NE(pair.alice.find(Event::Kind::ready), nullptr);
}

TEST(EndpointTest, ACloseReachesThePeerWithCodeAndText) {
  Pair pair;
  const ConnectionId id = pair.connect();
  pair.alice.endpoint->close(id, Code::denied, "nothing here for you", pair.now);
  pair.run();
  const Event* closed = pair.bob.find(Event::Kind::closed);
  ASSERT_NE(closed, nullptr);
  EXPECT_EQ(closed->reason.error.code, Code::denied);
  EXPECT_EQ(closed->reason.error.text, "nothing here for you");
  EXPECT_TRUE(closed->reason.by_peer);
  EXPECT_TRUE(pair.alice.endpoint->list().empty());
  EXPECT_TRUE(pair.bob.endpoint->list().empty());
}

// It may be its owner, or a dialer that another connection served: only a text can say.
TEST(EndpointTest, WhoClosesWithoutATextIsNotGuessed) {
  Pair pair;
  const ConnectionId id = pair.connect();
  pair.alice.endpoint->close(id, Code::cancelled, "", pair.now);
  pair.run();
  const Event* closed = pair.bob.find(Event::Kind::closed);
  ASSERT_NE(closed, nullptr);
  EXPECT_EQ(closed->reason.error, (Error{Code::cancelled, "the peer closed the connection (cancelled)"}));
}

TEST(EndpointTest, APingIsHeard) {
  Pair pair;
  const ConnectionId id = pair.connect();
  const ConnectionId accepted = pair.bob.find(Event::Kind::ready)->connection;
  pair.alice.endpoint->ping(id);
  pair.run(milliseconds(50)); // the answer may wait for max_ack_delay
  EXPECT_NE(pair.alice.find(Event::Kind::heard), nullptr);
  pair.bob.endpoint->ping(accepted);
  pair.run(milliseconds(50));
  EXPECT_NE(pair.bob.find(Event::Kind::heard), nullptr);
}

TEST(EndpointTest, ADeadAddressGetsAtMostItsInitials) {
  Pair pair;
  std::size_t sent = 0;
  pair.drop = [&](const Host&, const Datagram&) {
    ++sent;
    return true;
  };
  Dial dial;
  dial.identity = pair.alice.credentials.id;
  dial.peer = pair.bob.credentials.id;
  dial.alpn = "kith/1";
  dial.remote = pair.bob.address;
  dial.initials = 3;
  ASSERT_TRUE(pair.alice.endpoint->connect(dial, pair.now));
  pair.run(seconds(12));
  EXPECT_LE(sent, 4U); // the last may be the close
}

// Initials for a name that nobody has here, from `source(i)`; what bob answers goes nowhere.
template <class Source> void flood(Pair& pair, int count, const Source& source) {
  Host mallory(3, Settings{});
  ASSERT_TRUE(mallory.endpoint->add_key(mallory.credentials));
  std::array<std::uint8_t, 65536> buffer{};
  for (int i = 0; i < count; ++i) {
    Dial dial;
    dial.identity = mallory.credentials.id;
    mallory.random.fill(dial.peer.bytes);
    dial.alpn = "kith/1";
    dial.remote = pair.bob.address;
    ASSERT_TRUE(mallory.endpoint->connect(dial, pair.now));
    auto datagram = mallory.endpoint->transmit(
        buffer, [](SocketId) { return std::size_t{1}; }, pair.now);
    ASSERT_TRUE(datagram);
    datagram->local = pair.bob.address;
    datagram->remote = source(i);
    pair.bob.endpoint->receive(*datagram, pair.now);
    while (pair.bob.endpoint->transmit(
        buffer, [](SocketId) { return std::size_t{16}; }, pair.now)) {}
  }
}

TEST(EndpointTest, StrangersThatAreRefusedCountUntilTheyAreGoneAndStopNobody) {
  Settings settings;
  settings.max_connections = 50;
  settings.retry_above = 20;
  Pair pair(settings);
  flood(pair, 500, [](int i) { return make_v4({10, 1, static_cast<std::uint8_t>(i / 200), static_cast<std::uint8_t>(1 + i % 200)}, 4433); });
  EXPECT_LE(pair.bob.endpoint->half_open(), 20U);
  EXPECT_GE(pair.bob.endpoint->counters().retries_sent, 480U);
  pair.run(seconds(5));
  EXPECT_EQ(pair.bob.endpoint->half_open(), 0U);
  EXPECT_TRUE(pair.dial(pair.bob, pair.alice)) << "our own dials are not for strangers to stop";
  pair.connect();
  EXPECT_NE(pair.bob.find(Event::Kind::ready), nullptr);
}

TEST(EndpointTest, OneSourceProvesItsAddressEarlierThanAll) {
  Pair pair;
  flood(pair, 40, [](int i) { return make_v4({10, 1, 1, 1}, static_cast<std::uint16_t>(1000 + i)); });
  EXPECT_EQ(pair.bob.endpoint->half_open(), Settings{}.retry_above_per_source);
  EXPECT_EQ(pair.bob.endpoint->counters().retries_sent, 40 - Settings{}.retry_above_per_source);
}

TEST(EndpointTest, TheEndOfAConnectionIsToldBeforeItsStreams) {
  Pair pair;
  const ConnectionId id = pair.connect();
  auto in = std::make_shared<Pipe>(pair.alice.slabs);
  auto out = std::make_shared<Pipe>(pair.alice.slabs);
  const auto stream = pair.alice.endpoint->open_stream(id, in, out).value();
  out->write(as_bytes("hello"));
  stream->start_sending({});
  pair.run();
  const StreamPtr peer = pair.bob.opened();
  ASSERT_NE(peer, nullptr);
  pair.alice.events.clear();
  peer->out()->write(as_bytes("last words"));
  peer->start_sending({});
  // Both packets arrive before anybody looks at events.
  std::array<std::uint8_t, 65536> buffer{};
  const auto deliver = [&] {
    while (auto datagram = pair.bob.endpoint->transmit(
               buffer, [](SocketId) { return std::size_t{16}; }, pair.now)) {
      datagram->local = pair.alice.address;
      datagram->remote = pair.bob.address;
      pair.alice.endpoint->receive(*datagram, pair.now);
    }
  };
  deliver();
  pair.bob.endpoint->close(pair.bob.find(Event::Kind::ready)->connection, Code::shutting_down, "", pair.now);
  deliver();
  pair.pump(pair.alice);
  ASSERT_EQ(pair.alice.events.size(), 2U);
  EXPECT_EQ(pair.alice.events[0].kind, Event::Kind::closed);
  EXPECT_TRUE(pair.alice.events[1].signals.readable);
  EXPECT_TRUE(pair.alice.events[1].signals.lost);
}

// ngtcp2 acknowledges a little later, and after a close it would never.
TEST(EndpointTest, WhatCameToItsEndBeforeACloseIsAcknowledged) {
  Pair pair;
  const ConnectionId id = pair.connect();
  auto out = std::make_shared<Pipe>(pair.alice.slabs);
  const auto stream = pair.alice.endpoint->open_uni_stream(id, out).value();
  out->write(as_bytes("everything"));
  out->finish();
  stream->start_sending({});
  pair.alice.events.clear();
  pair.run(seconds(1), [&] { return pair.bob.opened() != nullptr; });
  ASSERT_NE(pair.bob.opened(), nullptr);
  pair.bob.endpoint->leave(pair.bob.find(Event::Kind::ready)->connection, Code::offline, "", pair.now);
  pair.run();
  ASSERT_GE(pair.alice.events.size(), 2U);
  EXPECT_TRUE(pair.alice.events[0].signals.closed);
  EXPECT_FALSE(pair.alice.events[0].signals.lost);
  EXPECT_NE(pair.alice.find(Event::Kind::closed), nullptr);
}

// QUIC has more to say first (what proves a path), and the socket may be full: the acknowledgement gets through all the same.
TEST(EndpointTest, TheLastAcknowledgementIsNotLostBehindOtherPackets) {
  for (const bool full : {false, true}) {
    Pair pair;
    const ConnectionId id = pair.connect();
    const Address home = std::exchange(pair.alice.address, make_v4({127, 0, 7, 7}, 4433));
    if (!full) pair.alice.endpoint->move(id, pair.alice.address, pair.now);
    if (full) pair.alice.address = home;
    auto out = std::make_shared<Pipe>(pair.alice.slabs);
    const auto stream = pair.alice.endpoint->open_uni_stream(id, out).value();
    out->write(as_bytes("everything"));
    out->finish();
    stream->start_sending({});
    pair.alice.events.clear();
    std::array<std::uint8_t, 65536> buffer{};
    while (auto datagram = pair.alice.endpoint->transmit(
               buffer, [](SocketId) { return std::size_t{1}; }, pair.now)) { // all of it, before bob says anything
      datagram->local = pair.bob.address;
      datagram->remote = pair.alice.address;
      pair.bob.endpoint->receive(*datagram, pair.now);
    }
    pair.bob.endpoint->leave(pair.bob.find(Event::Kind::ready)->connection, Code::offline, "", pair.now);
    if (full) {
      EXPECT_FALSE(pair.bob.endpoint->transmit(
          buffer, [](SocketId) { return std::size_t{0}; }, pair.now));
      pair.bob.endpoint->sendable();
    }
    pair.run();
    ASSERT_GE(pair.alice.events.size(), 2U) << full;
    EXPECT_TRUE(pair.alice.events[0].signals.closed) << full;
    EXPECT_FALSE(pair.alice.events[0].signals.lost) << full;
    EXPECT_NE(pair.alice.find(Event::Kind::closed), nullptr) << full;
  }
}

} // namespace
} // namespace kith::quic::testing
