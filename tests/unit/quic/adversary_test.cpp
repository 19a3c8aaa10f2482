// SPDX-License-Identifier: GPL-3.0-or-later
// Peers that do not keep to the rules, against our endpoint (DESIGN section 4, "Authenticated").
#include "duel.hpp"

#include "base/varint.hpp"

#include <gtest/gtest.h>

#include <ngtcp2/ngtcp2.h>

namespace kith::quic::testing {
namespace {

constexpr std::uint64_t code(Code c) { return static_cast<std::uint64_t>(c); }

// The client is turned away: bob never calls it ready, opens nothing, and forgets it.
void expect_refused(Duel& duel, const RawPeer& peer) {
  EXPECT_EQ(duel.bob.find(Event::Kind::ready), nullptr);
  EXPECT_EQ(duel.bob.opened(), nullptr);
  EXPECT_EQ(duel.bob.endpoint->counters().handshakes_accepted, 0U);
  EXPECT_FALSE(peer.confirmed());
  EXPECT_EQ(peer.setup_error(), "");
  EXPECT_TRUE(duel.all_freed());
  EXPECT_TRUE(duel.still_serves());
}

TEST(AdversaryTest, ARawPeerThatBehavesIsServed) {
  Duel duel;
  RawPeer& peer = duel.attack({});
  duel.run();
  EXPECT_TRUE(peer.confirmed()) << peer.setup_error();
  const Event* ready = duel.bob.find(Event::Kind::ready);
  ASSERT_NE(ready, nullptr);
  EXPECT_EQ(duel.bob.endpoint->info(ready->connection)->peer, make_credentials(3).id);
}

TEST(AdversaryTest, AnX509Client) {
  // A client that takes our raw key and shows a certificate gets through TLS: only what was negotiated tells (DESIGN: seen to pass a weaker check).
  for (const bool client_rpk : {false, true}) {
    Duel duel;
    RawPeer& peer = duel.attack({.shows = Manners::Shows::x509, .client_rpk = client_rpk, .eager = true});
    duel.run();
    ASSERT_TRUE(peer.close());
    EXPECT_TRUE(peer.close()->application);
    EXPECT_EQ(peer.close()->code, code(Code::denied));
    ASSERT_NE(duel.ending(), nullptr);
    EXPECT_EQ(duel.ending()->error.text, "the peer does not use raw public keys (RFC 7250)");
    expect_refused(duel, peer);
  }
}

TEST(AdversaryTest, AnX509ClientThatWantsACertificateOfOursGetsNoHandshake) {
  Duel duel;
  RawPeer& peer = duel.attack({.shows = Manners::Shows::x509, .client_rpk = false, .server_rpk = false, .eager = true});
  duel.run();
  EXPECT_NE(peer.failed(), 0);
  ASSERT_NE(duel.ending(), nullptr);
  EXPECT_EQ(duel.ending()->error.code, Code::unreachable);
  expect_refused(duel, peer);
}

TEST(AdversaryTest, AClientWithoutACertificate) {
  Duel duel;
  RawPeer& peer = duel.attack({.shows = Manners::Shows::nothing, .eager = true});
  duel.run();
  ASSERT_TRUE(peer.close());
  expect_refused(duel, peer);
}

TEST(AdversaryTest, AClientWithoutAlpn) {
  Duel duel;
  RawPeer& peer = duel.attack({.alpn = std::nullopt, .eager = true});
  duel.run();
  ASSERT_TRUE(peer.close());
  expect_refused(duel, peer);
}

TEST(AdversaryTest, AClientWithAnotherAlpn) {
  Duel duel;
  RawPeer& peer = duel.attack({.alpn = "kith/2", .eager = true});
  duel.run();
  ASSERT_TRUE(peer.close());
  constexpr std::uint64_t no_application_protocol = 0x178; // RFC 9001 §8.1
  EXPECT_EQ(peer.close()->code, no_application_protocol);
  expect_refused(duel, peer);
}

TEST(AdversaryTest, AClientThatShowsSomebodyElsesKey) {
  Duel duel;
  RawPeer& peer = duel.attack({.claims = make_credentials(1).id, .eager = true});
  duel.run();
  ASSERT_TRUE(peer.close());
  expect_refused(duel, peer);
}

TEST(AdversaryTest, AClientWithAnotherKindOfKey) {
  Duel duel;
  RawPeer& peer = duel.attack({.shows = Manners::Shows::p256_raw_key, .eager = true});
  duel.run();
  ASSERT_TRUE(peer.close());
  expect_refused(duel, peer);
}

TEST(AdversaryTest, NoTicketIsEverGiven) {
  Duel duel;
  RawPeer& first = duel.attack({});
  duel.run();
  ASSERT_TRUE(first.confirmed());
  EXPECT_EQ(first.session(), nullptr) << "bob handed out a session ticket";
}

// A session of another server's, offered to bob: he knows nothing of it, so the handshake is a full one, in which the client proves its key, or none.
TEST(AdversaryTest, ASessionThatIsOfferedIsNotResumed) {
  Duel duel;
  RawPeer& server = duel.add({.key = 4, .tickets = true});
  RawPeer& first = duel.add({});
  first.dial(server.address(), server_name(make_credentials(4).id), duel.now);
  duel.run();
  ASSERT_TRUE(first.confirmed());
  const auto session = first.session();
  ASSERT_NE(session, nullptr);
  RawPeer& resuming = duel.add({.resume = session});
  resuming.dial(server.address(), server_name(make_credentials(4).id), duel.now);
  RawPeer& second = duel.attack({.resume = session});
  duel.run();
  EXPECT_FALSE(second.used_resumption());
  for (const ConnectionInfo& info : duel.bob.endpoint->list()) EXPECT_EQ(info.peer, make_credentials(3).id);
  // The same with no key to show: what the session would have vouched for is worth nothing.
  RawPeer& bare = duel.attack({.shows = Manners::Shows::nothing, .resume = session, .eager = true});
  duel.run();
  EXPECT_FALSE(bare.confirmed());
  EXPECT_TRUE(bare.close());
}

TEST(AdversaryTest, ZeroRttPacketsAreDropped) {
  Duel duel;
  RawPeer& peer = duel.attack({});
  Bytes initial;
  duel.drop = [&](const Bytes& packet) {
    if (initial.empty()) initial = packet;
    return false;
  };
  duel.run(milliseconds(0));
  ASSERT_FALSE(initial.empty());
  Bytes early = initial; // the same connection ids, as a 0-RTT packet: long header type 1 (RFC 9000 §17.2.3)
  early[0] = 0xd0;
  for (int i = 0; i < 100; ++i) {
    Datagram datagram;
    datagram.local = duel.bob.address;
    datagram.remote = peer.address();
    datagram.bytes = early;
    duel.bob.endpoint->receive(datagram, duel.now);
  }
  EXPECT_LE(duel.bob.endpoint->list().size(), 1U);
  duel.run();
  EXPECT_TRUE(peer.confirmed());
  EXPECT_EQ(duel.bob.opened(), nullptr);
}

TEST(AdversaryTest, TransportParametersThatBreakTheRules) {
  const auto put = [](Bytes& out, std::uint64_t id, const Bytes& value) {
    append_varint(out, id);
    append_varint(out, value.size());
    out.insert(out.end(), value.begin(), value.end());
  };
  const auto number = [](std::uint64_t value) {
    Bytes out;
    append_varint(out, value);
    return out;
  };
  struct Case {
    std::string name;
    std::function<void(Bytes&)> change;
  };
  const std::vector<Case> cases{
      {"none but one of no meaning",
       [&](Bytes& params) {
         params.clear();
         put(params, 27, {});
       }},
      {"garbage", [](Bytes& params) { params.assign(200, 0xa5); }},
      {"cut short", [](Bytes& params) { params.pop_back(); }},
      {"max_udp_payload_size 100", [&](Bytes& params) { put(params, 0x03, number(100)); }},
      {"ack_delay_exponent 21", [&](Bytes& params) { put(params, 0x0a, number(21)); }},
      {"max_ack_delay 2^14", [&](Bytes& params) { put(params, 0x0b, number(1 << 14)); }},
      {"active_connection_id_limit 1", [&](Bytes& params) { put(params, 0x0e, number(1)); }},
      {"initial_max_streams_bidi 2^61", [&](Bytes& params) { put(params, 0x08, number(std::uint64_t{1} << 61)); }},
      {"a reset token from a client", [&](Bytes& params) { put(params, 0x02, Bytes(16, 7)); }},
      {"a preferred address from a client", [&](Bytes& params) { put(params, 0x0d, Bytes(50, 7)); }},
      {"another initial_source_connection_id", [&](Bytes& params) { put(params, 0x0f, Bytes(8, 7)); }},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.name);
    Duel duel;
    RawPeer& peer = duel.attack({.eager = true, .client_params = one.change});
    duel.run();
    ASSERT_TRUE(peer.close());
    EXPECT_FALSE(peer.close()->application);
    EXPECT_TRUE(peer.close()->code == NGTCP2_TRANSPORT_PARAMETER_ERROR || peer.close()->code == NGTCP2_PROTOCOL_VIOLATION) << peer.close()->code;
    expect_refused(duel, peer);
  }
}

TEST(AdversaryTest, AServerWithAnotherKeyIsWrongKey) {
  Duel duel;
  const RawPeer& server = duel.add({.key = 4});
  duel.dial(server, 5);
  duel.run();
  EXPECT_EQ(duel.bob.find(Event::Kind::ready), nullptr);
  const Event* closed = duel.bob.find(Event::Kind::closed);
  ASSERT_NE(closed, nullptr);
  EXPECT_EQ(closed->reason.error.code, Code::wrong_key) << closed->reason.error.text;
  ASSERT_TRUE(server.close());
  EXPECT_FALSE(server.close()->application);
  constexpr std::uint64_t application_error = 0x0c; // RFC 9000 §10.2.3: during the handshake no more is said
  EXPECT_EQ(server.close()->code, application_error);
  EXPECT_TRUE(duel.all_freed());
}

// A server that is not who it says, or that has no raw key: nothing but a failed dial.
TEST(AdversaryTest, ServersThatAreNotWhatTheySay) {
  const std::vector<Manners> servers{
      {.shows = Manners::Shows::x509},
      {.shows = Manners::Shows::x509, .server_rpk = false},
      {.shows = Manners::Shows::raw_key, .server_rpk = false},
      {.claims = make_credentials(5).id},
      {.shows = Manners::Shows::p256_raw_key},
      {.alpn = std::nullopt},
      {.alpn = "kith/2"},
  };
  for (std::size_t i = 0; i < servers.size(); ++i) {
    Duel duel;
    const RawPeer& server = duel.add(servers[i]);
    duel.dial(server, servers[i].claims ? 5 : 3);
    duel.run(seconds(11));
    EXPECT_EQ(server.setup_error(), "") << i;
    EXPECT_EQ(duel.bob.find(Event::Kind::ready), nullptr) << i;
    const Event* closed = duel.bob.find(Event::Kind::closed);
    ASSERT_NE(closed, nullptr) << i;
    EXPECT_NE(find_code(closed->reason.error.code), nullptr) << i;
    EXPECT_NE(closed->reason.error.code, Code::denied) << i << ": that is what a peer says of us";
    EXPECT_FALSE(closed->reason.error.text.empty()) << i;
    EXPECT_TRUE(duel.all_freed()) << i;
  }
}

TEST(AdversaryTest, AServerThatHandsOutTicketsIsDialedInFullEachTime) {
  Duel duel;
  for (int i = 0; i < 2; ++i) {
    const RawPeer& server = duel.add({.tickets = true});
    const ConnectionId id = duel.dial(server, 3);
    duel.run();
    EXPECT_TRUE(duel.bob.endpoint->info(id) && duel.bob.endpoint->info(id)->ready) << i;
    EXPECT_FALSE(server.used_resumption());
  }
}

// A stream that comes with the handshake, from whom it may: the user hears of it after `ready`, or never.
TEST(AdversaryTest, StreamsOfAServerThatComeWithTheHandshake) {
  for (const std::uint8_t expected : {std::uint8_t{3}, std::uint8_t{5}}) {
    Duel duel;
    RawPeer& server = duel.add({.eager = true});
    duel.dial(server, expected);
    duel.run();
    const auto& events = duel.bob.events;
    const auto opened = std::find_if(events.begin(), events.end(), [](const Event& e) { return e.stream && e.signals.opened; });
    const auto ready = std::find_if(events.begin(), events.end(), [](const Event& e) { return e.kind == Event::Kind::ready; });
    if (expected == 5) {
      EXPECT_EQ(opened, events.end()) << "a stream of somebody who is not who was asked for";
      EXPECT_EQ(ready, events.end());
      EXPECT_TRUE(duel.all_freed());
      continue;
    }
    ASSERT_NE(ready, events.end());
    ASSERT_NE(opened, events.end()) << "a stream that was lost";
    EXPECT_LT(ready - events.begin(), opened - events.begin());
    EXPECT_EQ(opened->stream->in()->readable(), 9U);
  }
}

// Its key is proven, and that is all: it is nobody's peer until it has taken ours.
TEST(AdversaryTest, AServerThatNeverConfirms) {
  Duel duel;
  RawPeer& server = duel.add({});
  duel.drop = [&](const Bytes& packet) { return (packet[0] & 0x80) == 0; }; // no packet under application keys, so no HANDSHAKE_DONE
  const ConnectionId id = duel.dial(server, 3);
  duel.run(seconds(9));
  EXPECT_TRUE(server.completed());
  EXPECT_NE(duel.bob.find(Event::Kind::ready), nullptr);
  EXPECT_EQ(duel.bob.find(Event::Kind::confirmed), nullptr);
  const auto stream = duel.bob.endpoint->open_stream(id, std::make_shared<Pipe>(duel.bob.slabs), std::make_shared<Pipe>(duel.bob.slabs));
  ASSERT_TRUE(stream);
  (*stream)->start_sending(as_bytes("request"));
  duel.run(seconds(1)); // and the handshake's time is over
  const Event* closed = duel.bob.find(Event::Kind::closed);
  ASSERT_NE(closed, nullptr) << "it must end by itself";
  EXPECT_EQ(closed->reason.error.code, Code::connection_lost) << closed->reason.error.text;
  EXPECT_TRUE(duel.all_freed());
}

// --- after the handshake: frames that no honest library sends

struct BadFrames {
  std::string name;
  Bytes frames;
  std::uint64_t error; ///< RFC 9000 §20.1
};

Bytes frame(std::initializer_list<std::uint64_t> varints, std::size_t data = 0) {
  Bytes out;
  for (const std::uint64_t value : varints) append_varint(out, value);
  out.resize(out.size() + data, 0x61);
  return out;
}

Bytes repeated(std::size_t count, const std::function<Bytes(std::uint64_t)>& make) {
  Bytes out;
  for (std::size_t i = 0; i < count; ++i) {
    const Bytes one = make(i);
    out.insert(out.end(), one.begin(), one.end());
  }
  return out;
}

constexpr std::uint64_t unexpected_message = 0x10a; // RFC 9001 §4.8, RFC 8446 §6

/// A CRYPTO frame with octets of TLS messages (RFC 9000 §19.6).
Bytes tls_octets(std::uint64_t offset, const Bytes& octets) {
  Bytes out = frame({0x06, offset, octets.size()});
  out.insert(out.end(), octets.begin(), octets.end());
  return out;
}

Bytes joined(Bytes first, const Bytes& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

const Bytes key_update{24, 0, 0, 1, 0};                                       // RFC 8446 §4.6.3
const Bytes ticket{4, 0, 0, 15, 0, 0, 0, 9, 0, 0, 0, 1, 1, 7, 0, 1, 7, 0, 0}; // RFC 8446 §4.6.1

Bytes new_cid(std::uint64_t sequence, std::uint64_t retire) {
  Bytes out = frame({0x18, sequence, retire, 8}, 8);
  out.back() = static_cast<std::uint8_t>(sequence);
  const Bytes token(16, static_cast<std::uint8_t>(sequence));
  out.insert(out.end(), token.begin(), token.end());
  return out;
}

std::vector<BadFrames> bad_frames() {
  constexpr std::uint64_t huge = std::uint64_t{1} << 61;
  return {
      {"an acknowledgement of packets that were never sent", frame({0x02, 1'000'000, 0, 0, 0}), NGTCP2_PROTOCOL_VIOLATION},
      {"an acknowledgement of more packets than there are numbers", frame({0x02, 3, 0, 0, 900}), NGTCP2_FRAME_ENCODING_ERROR},
      {"octets past the stream's credit", frame({0x0e, 8, 300 * 1024, 10}, 10), NGTCP2_FLOW_CONTROL_ERROR},
      {"octets past the connection's credit", frame({0x0e, 8, huge, 10}, 10), NGTCP2_FLOW_CONTROL_ERROR},
      {"octets past 2^62", frame({0x0e, 8, max_varint, 10}, 10), NGTCP2_FLOW_CONTROL_ERROR},
      {"a stream past the limit", frame({0x0a, 4 * 2000, 10}, 10), NGTCP2_STREAM_LIMIT_ERROR},
      {"a unidirectional stream past the limit", frame({0x0a, 4 * 2000 + 2, 10}, 10), NGTCP2_STREAM_LIMIT_ERROR},
      {"data on a stream that only we may open", frame({0x0a, 1, 10}, 10), NGTCP2_STREAM_STATE_ERROR},
      {"data on our own unidirectional stream", frame({0x0a, 3, 10}, 10), NGTCP2_STREAM_STATE_ERROR},
      {"two final sizes",
       [] {
         Bytes out = frame({0x0f, 8, 0, 10}, 10);
         const Bytes more = frame({0x0f, 8, 0, 20}, 20);
         out.insert(out.end(), more.begin(), more.end());
         return out;
       }(),
       NGTCP2_FINAL_SIZE_ERROR},
      {"a reset below what was received",
       [] {
         Bytes out = frame({0x0e, 8, 0, 10}, 10);
         const Bytes more = frame({0x04, 8, 1, 3});
         out.insert(out.end(), more.begin(), more.end());
         return out;
       }(),
       NGTCP2_FINAL_SIZE_ERROR},
      {"STOP_SENDING for a stream that is not there", frame({0x05, 1, 1}), NGTCP2_STREAM_STATE_ERROR},
      {"MAX_STREAM_DATA for a stream that is not there", frame({0x11, 1, 1000}), NGTCP2_STREAM_STATE_ERROR},
      {"MAX_STREAMS above 2^60", frame({0x12, huge}), NGTCP2_FRAME_ENCODING_ERROR},
      {"HANDSHAKE_DONE from a client", frame({0x1e}), NGTCP2_PROTOCOL_VIOLATION},
      {"NEW_TOKEN from a client", frame({0x07, 10}, 10), NGTCP2_PROTOCOL_VIOLATION},
      {"a frame of an unknown type", frame({0x2f, 1, 2, 3}), NGTCP2_FRAME_ENCODING_ERROR},
      {"a retired connection id that was never given", frame({0x19, 1000}), NGTCP2_PROTOCOL_VIOLATION},
      {"too many connection ids", repeated(30, [](std::uint64_t i) { return new_cid(i + 100, 0); }), NGTCP2_CONNECTION_ID_LIMIT_ERROR},
      {"connection ids that retire ones to come", new_cid(1, 5), NGTCP2_FRAME_ENCODING_ERROR},
      {"a TLS KeyUpdate", tls_octets(0, key_update), unexpected_message},
      {"a session ticket from a client", tls_octets(0, ticket), unexpected_message},
      {"TLS messages past every buffer", frame({0x06, 300 * 1024, 10}, 10), NGTCP2_CRYPTO_BUFFER_EXCEEDED},
      {"PATH_RESPONSE cut short", Bytes{0x1b, 1, 2}, 0}, // the padding completes it; nobody asked: ignored
  };
}

TEST(AdversaryTest, FramesThatBreakTheRulesEndTheConnectionAndNothingElse) {
  for (const BadFrames& one : bad_frames()) {
    SCOPED_TRACE(one.name);
    Duel duel;
    RawPeer& honest = duel.attack({.key = 8});
    RawPeer& peer = duel.attack({});
    duel.run();
    ASSERT_TRUE(peer.confirmed());
    peer.inject(one.frames);
    duel.run();
    if (one.error == 0) {
      EXPECT_FALSE(peer.close());
      continue;
    }
    ASSERT_TRUE(peer.close());
    EXPECT_FALSE(peer.close()->application);
    EXPECT_EQ(peer.close()->code, one.error);
    ASSERT_NE(duel.ending(), nullptr);
    EXPECT_TRUE(duel.ending()->was_ready);
    EXPECT_EQ(duel.ending()->error.code, Code::connection_lost);
    EXPECT_FALSE(duel.ending()->error.text.empty());
    duel.run(seconds(1));
    EXPECT_EQ(duel.bob.endpoint->list().size(), 1U) << "the honest one's";
    EXPECT_FALSE(honest.close());
    EXPECT_TRUE(duel.still_serves());
  }
}

// Of a server's TLS a ticket may come after the handshake, and nothing else (RFC 9001 §4.4, §6), in whatever pieces.
TEST(AdversaryTest, WhatAServersTlsSaysAfterTheHandshake) {
  constexpr std::size_t cut = 2; // in the middle of a message's head
  const Bytes both = joined(ticket, key_update);
  const std::vector<BadFrames> servers{
      {"a ticket", tls_octets(0, ticket), 0},
      {"two tickets in pieces",
       joined(tls_octets(0, joined(ticket, Bytes(ticket.begin(), ticket.begin() + cut))),
              tls_octets(ticket.size() + cut, Bytes(ticket.begin() + cut, ticket.end()))),
       0},
      {"a KeyUpdate", tls_octets(0, key_update), unexpected_message},
      {"a KeyUpdate behind a ticket", tls_octets(0, both), unexpected_message},
      {"the same in another piece", joined(tls_octets(0, ticket), tls_octets(ticket.size(), key_update)), unexpected_message},
      {"a CertificateRequest", tls_octets(0, {13, 0, 0, 3, 0, 0, 0}), NGTCP2_PROTOCOL_VIOLATION},
  };
  for (const BadFrames& one : servers) {
    SCOPED_TRACE(one.name);
    Duel duel;
    RawPeer& server = duel.add({});
    const ConnectionId id = duel.dial(server, 3);
    duel.run();
    ASSERT_TRUE(duel.bob.endpoint->info(id)->ready);
    server.inject(one.frames);
    duel.run();
    if (one.error == 0) {
      EXPECT_FALSE(server.close());
      EXPECT_TRUE(duel.bob.endpoint->info(id) && duel.bob.endpoint->info(id)->ready);
      continue;
    }
    ASSERT_TRUE(server.close());
    EXPECT_FALSE(server.close()->application);
    EXPECT_EQ(server.close()->code, one.error);
    ASSERT_NE(duel.ending(), nullptr);
    EXPECT_EQ(duel.ending()->error.code, Code::connection_lost);
    EXPECT_FALSE(duel.ending()->error.text.empty());
    EXPECT_TRUE(duel.all_freed());
  }
}

// Within its limits a peer may be as rude as it likes; it costs what the limits say.
TEST(AdversaryTest, FloodsWithinTheLimitsStayWithinThem) {
  Settings settings;
  settings.max_streams = 50;
  Duel duel(settings);
  RawPeer& peer = duel.attack({});
  duel.run();
  ASSERT_TRUE(peer.confirmed());
  std::size_t opened = 0;
  for (std::int64_t id = peer.open_stream(true); id >= 0; id = peer.open_stream(true)) {
    peer.send(id, Bytes(300 * 1024, 1), true); // more than a stream's window, which nobody reads
    ++opened;
  }
  EXPECT_EQ(opened, 50U);
  duel.run(seconds(20));
  const ConnectionInfo info = duel.bob.endpoint->list().at(0);
  EXPECT_LE(info.parked_bytes, 50U * settings.stream_window);
  EXPECT_LE(info.streams, 50U);
  for (int i = 0; i < 60; ++i) peer.inject(repeated(200, [&](std::uint64_t n) { return frame({0x04, 4 * (n % 40), 9, 300 * 1024}); }));
  duel.run(seconds(5));
  duel.bob.endpoint->close(duel.bob.find(Event::Kind::ready)->connection, Code::busy, "enough", duel.now);
  EXPECT_TRUE(duel.all_freed());
  ASSERT_TRUE(peer.close());
  EXPECT_EQ(peer.close()->text, "enough");
}

TEST(AdversaryTest, APeerThatNeverReadsHoldsOneBuffer) {
  Duel duel;
  RawPeer& peer = duel.attack({.reads = false});
  duel.run();
  const ConnectionId id = duel.bob.find(Event::Kind::ready)->connection;
  auto in = std::make_shared<Pipe>(duel.bob.slabs);
  auto out = std::make_shared<Pipe>(duel.bob.slabs);
  const auto stream = duel.bob.endpoint->open_stream(id, in, out);
  ASSERT_TRUE(stream);
  (*stream)->start_sending({});
  const Bytes piece(16 * 1024, 7);
  std::uint64_t written = 0;
  for (int i = 0; i < 2000; ++i) {
    if (out->room() >= piece.size()) {
      out->write(piece);
      written += piece.size();
      (*stream)->produced();
    }
    duel.run(milliseconds(20));
  }
  EXPECT_EQ(peer.received((*stream)->id()).size(), 64U * 1024) << "what its window lets through";
  EXPECT_LE(written, Settings{}.max_send_buffer);
  EXPECT_FALSE(peer.close());
  duel.bob.endpoint->close(id, Code::too_slow, "", duel.now);
  EXPECT_TRUE(duel.all_freed());
  ASSERT_TRUE(peer.close());
  EXPECT_EQ(peer.close()->code, code(Code::too_slow));
}

// Bob answers each stream with as much as its pipe takes, for as long as it takes any.
struct Generous {
  void hear(Duel& duel) {
    for (const Event& event : std::exchange(duel.bob.events, {})) {
      if (event.kind == Event::Kind::closed) ending = event.reason;
      if (!event.stream) continue;
      if (event.signals.opened) {
        streams.push_back(event.stream);
        event.stream->start_sending({});
      }
      if (event.signals.too_slow) {
        ++too_slow;
        std::erase(streams, event.stream);
      }
    }
  }
  void serve(Duel& duel) {
    hear(duel);
    const Bytes piece(1024, 7);
    for (bool more = true; std::exchange(more, false);) {
      const auto now = streams;
      for (const StreamPtr& stream : now) {
        if (stream->gone() || stream->out()->room() < piece.size()) continue;
        stream->out()->write(piece);
        stream->produced();
        more = true;
      }
    }
  }
  std::uint64_t outstanding() const {
    std::uint64_t sum = 0;
    for (const StreamPtr& stream : streams) sum += stream->out()->outstanding();
    return sum;
  }
  std::vector<StreamPtr> streams;
  std::size_t too_slow = 0;
  std::optional<CloseReason> ending;
};

TEST(AdversaryTest, APeerThatReadsNoneOfAHundredStreamsHoldsOneSendBuffer) {
  Settings settings;
  settings.max_send_buffer = 1024 * 1024;
  Duel duel(settings);
  RawPeer& peer = duel.attack({.reads = false});
  duel.run();
  Generous bob;
  for (int i = 0; i < 100; ++i) {
    const auto id = peer.open_stream(true);
    ASSERT_GE(id, 0);
    peer.send(id, Bytes(10, 1), true);
    if (i % 10 == 0) duel.run(milliseconds(20));
    bob.serve(duel);
  }
  for (int i = 0; i < 100; ++i) {
    duel.run(milliseconds(20));
    bob.serve(duel);
  }
  EXPECT_EQ(bob.streams.size(), 100U);
  EXPECT_LE(bob.outstanding(), settings.max_send_buffer + 100 * scarce_send_buffer);
  EXPECT_GE(bob.outstanding(), settings.max_send_buffer) << "or nothing was tested";
  EXPECT_EQ(bob.too_slow, 0U);
}

TEST(AdversaryTest, PeersThatReadNothingHoldOneBufferTogetherAndTheReadingOneIsServed) {
  Settings settings;
  settings.max_send_buffer = 1024 * 1024;
  settings.max_buffer_bytes = 3 * 1024 * 1024;
  Duel duel(settings);
  std::vector<RawPeer*> peers;
  for (std::uint8_t i = 0; i < 8; ++i) peers.push_back(&duel.attack({.key = static_cast<std::uint8_t>(20 + i), .reads = false}));
  duel.run();
  Generous bob;
  std::size_t most = 0;
  for (int i = 0; i < 20; ++i) {
    for (RawPeer* peer : peers) {
      if (const auto id = peer->open_stream(true); id >= 0) peer->send(id, Bytes(10, 1), true);
    }
    duel.run(milliseconds(20));
    bob.serve(duel);
    duel.run(milliseconds(
        5)); // within a turn each stream may write what its pipe's limit gives; the bound holds when it is over and its resets are confirmed
    bob.hear(duel);
    most = std::max(most, duel.bob.slabs.bytes_in_use());
  }
  EXPECT_GT(bob.too_slow, 0U);
  // Beside it: what was given up keeps its last slab until its peer confirms the reset, two streams of each here.
  EXPECT_LE(most, settings.max_buffer_bytes + 2 * default_pipe_limit + peers.size() * 2 * large_slab_size);
  RawPeer& honest = duel.attack({.key = 9});
  duel.run();
  const auto id = honest.open_stream(true);
  honest.send(id, Bytes(10, 1), true);
  for (int i = 0; i < 50; ++i) {
    duel.run(milliseconds(20));
    bob.serve(duel);
  }
  EXPECT_GT(honest.received(id).size(), settings.max_send_buffer) << "who reads goes on";
}

// What was given up stays in QUIC until the peer says that it knows. One that never says so can't keep it.
TEST(AdversaryTest, APeerThatConfirmsNothingIsClosedWhenMemoryRunsOut) {
  Settings settings;
  settings.max_send_buffer = 16 * 1024 * 1024;
  settings.max_buffer_bytes = 2 * 1024 * 1024;
  Duel duel(settings);
  RawPeer& peer = duel.attack({.reads = false});
  RawPeer& honest = duel.attack({.key = 9});
  duel.run();
  Generous bob;
  for (int i = 0; i < 60; ++i) peer.send(peer.open_stream(true), Bytes(10, 1), false);
  duel.run(milliseconds(20));
  duel.mute = &peer;
  for (int i = 0; i < 20; ++i) {
    bob.serve(duel);
    duel.run(milliseconds(100));
  }
  EXPECT_GT(bob.too_slow, 40U);
  honest.send(honest.open_stream(true), Bytes(10, 1), false);
  for (int i = 0; i < 20; ++i) {
    bob.serve(duel);
    duel.run(milliseconds(100));
  }
  EXPECT_LE(duel.bob.slabs.bytes_in_use(), settings.max_buffer_bytes);
  ASSERT_EQ(duel.bob.endpoint->list().size(), 1U);
  EXPECT_EQ(duel.bob.endpoint->list().at(0).peer, make_credentials(9).id);
  ASSERT_TRUE(bob.ending);
  EXPECT_EQ(bob.ending->error.code, Code::too_slow);
}

// Octets behind a hole wait in QUIC, before any pipe: the connection's window bounds them, however few they are, and what their bookkeeping costs is bounded
// beside it.
TEST(AdversaryTest, OctetsBehindAHoleAreBoundedByTheWindow) {
  Settings settings;
  settings.stream_window = settings.connection_window = 2 * 1024 * 1024;
  Duel duel(settings);
  RawPeer& peer = duel.attack({});
  duel.run();
  constexpr std::uint64_t chunk = 8 * 1024; // ngtcp2 keeps them in pieces of this size
  for (std::uint64_t at = 1; at < settings.connection_window; at += chunk) peer.inject(frame({0x0e, 8, at, 1}, 1));
  duel.run(seconds(5));
  EXPECT_FALSE(peer.close());
  const ConnectionInfo info = duel.bob.endpoint->list().at(0);
  EXPECT_EQ(info.parked_bytes, 0U) << "nothing was in order";
  EXPECT_GT(info.transport_bytes, settings.connection_window) << "one octet costs a piece";
  EXPECT_LT(info.transport_bytes, settings.connection_window + max_transport_overhead);
  peer.inject(frame({0x0e, 12, chunk, 1}, 1)); // past the connection's window
  duel.run(seconds(1));
  ASSERT_TRUE(peer.close());
  EXPECT_EQ(peer.close()->code, NGTCP2_FLOW_CONTROL_ERROR);
}

// ngtcp2 bears with 4000 holes in one stream; all streams together are ours to bound.
TEST(AdversaryTest, AHoleAfterEachOctetEndsTheConnection) {
  Settings settings;
  settings.stream_window = settings.connection_window = 4 * 1024 * 1024;
  Duel duel(settings);
  RawPeer& peer = duel.attack({});
  duel.run();
  ASSERT_TRUE(peer.confirmed());
  constexpr std::uint64_t frames = 120; // in a packet
  constexpr std::uint64_t packets = 32; // for a stream
  std::size_t most = 0;
  for (std::uint64_t i = 0; i < 200 * packets && !peer.close(); ++i) {
    const std::uint64_t stream = 8 + 4 * (i / packets);
    const std::uint64_t at = 1 + 2 * frames * (i % packets);
    peer.inject(repeated(frames, [&](std::uint64_t n) { return frame({0x0e, stream, at + 2 * n, 1}, 1); }));
    duel.run(milliseconds(1));
    for (const ConnectionInfo& info : duel.bob.endpoint->list()) most = std::max(most, info.transport_bytes);
  }
  duel.run();
  EXPECT_LE(most, settings.connection_window + max_transport_overhead);
  ASSERT_TRUE(peer.close());
  EXPECT_EQ(peer.close()->code, code(Code::busy)) << peer.close()->text << " " << most;
  EXPECT_TRUE(duel.all_freed());
  EXPECT_TRUE(duel.still_serves());
}

TEST(AdversaryTest, HalfHandshakesAreForgotten) {
  Duel duel;
  for (int i = 0; i < 50; ++i) duel.attack({});
  std::size_t sent = 0;
  duel.drop = [&](const Bytes&) { return ++sent > 50; }; // each sends its first Initial and no more
  duel.run(milliseconds(100));
  EXPECT_EQ(duel.bob.endpoint->half_open(), 50U);
  duel.run(seconds(12));
  EXPECT_EQ(duel.bob.endpoint->half_open(), 0U);
  EXPECT_TRUE(duel.bob.endpoint->list().empty());
}

} // namespace
} // namespace kith::quic::testing
