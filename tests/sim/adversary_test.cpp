// SPDX-License-Identifier: GPL-3.0-or-later
// Peers that keep to QUIC and not to docs/wire.md, against a whole node. Whatever they do, bob's calls go through and nothing of theirs is kept.
#include "net.hpp"
#include "raw_host.hpp"

#include "base/varint.hpp"
#include "wire/control.hpp"
#include "wire/open.hpp"

namespace kith::testing {
namespace {

constexpr std::uint64_t code(Code c) { return static_cast<std::uint64_t>(c); }

/// alice and bob as ever, and mallory, whom alice knows as a member.
struct Siege : Two {
  explicit Siege(const node::Settings& settings = {}) : Two(1, settings), mallory(sim, network, 66) {
    node::PeerSpec peer;
    peer.id = mallory.id;
    peer.name = "mallory";
    peer.addresses = {mallory.ip};
    alice.node->put_peer(alice.id, peer);
  }

  quic::ConnectionId dial() {
    const auto connection = mallory.dial(alice.id, alice.ip);
    EXPECT_TRUE(run([&] { return mallory.is_ready(connection); }));
    return connection;
  }

  bool bob_is_served() {
    const auto call = bob.call(alice, "still there?");
    return run([&] { return call->end.has_value(); }, seconds(5)) && call->ok();
  }

  const node::ConnectionStatus* link() {
    status = alice.node->status();
    for (const auto& connection : status.identities.at(0).connections) {
      if (connection.peer == mallory.id) return &connection;
    }
    return nullptr;
  }

  /// After mallory has left, nothing of hers is held.
  bool all_freed(quic::ConnectionId connection) {
    mallory.close(connection, Code{});
    sim.run_for(seconds(1));
    return link() == nullptr && alice.factory.echo->live() == 0;
  }

  RawHost mallory;
  node::Status status;
};

Bytes header(std::string_view protocol = "Echo", StreamKind kind = StreamKind::call, std::string_view command = {}) {
  wire::Open open;
  open.command = command;
  open.kind = kind;
  open.protocol = protocol;
  open.alias = "default";
  return wire::encode(open);
}

Bytes half(const Bytes& whole) { return {whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(whole.size() / 2)}; }

std::optional<Error> refusal(const RawStream& stream) {
  const auto decoded = wire::decode_reply(as_bytes(stream.got));
  if (!decoded || !decoded->has_value()) return std::nullopt;
  return (*decoded)->value.error;
}

Bytes control(std::initializer_list<Bytes> frames) {
  Bytes out = wire::encode_control_stream_type();
  for (const Bytes& frame : frames) out.insert(out.end(), frame.begin(), frame.end());
  return out;
}

Bytes raw_frame(std::uint64_t type, const Bytes& payload) {
  Bytes out;
  append_varint(out, type);
  append_varint(out, payload.size());
  out.insert(out.end(), payload.begin(), payload.end());
  return out;
}

TEST(NodeAdversaryTest, AHundredHalfHeaders) {
  Siege siege;
  const auto connection = siege.dial();
  for (int i = 0; i < 100; ++i) ASSERT_NE(siege.mallory.open(connection, half(header())), nullptr);
  siege.mallory.pump();
  siege.sim.run_for(seconds(1));
  std::size_t busy = 0;
  for (const auto& stream : siege.mallory.streams) {
    if (!stream->stopped) continue;
    ++busy;
    EXPECT_EQ(stream->quic->stop_code(), code(Code::busy));
    ASSERT_TRUE(refusal(*stream));
    EXPECT_EQ(refusal(*stream)->code, Code::busy);
  }
  EXPECT_EQ(busy, 68U);
  EXPECT_TRUE(siege.bob_is_served());
  siege.sim.run_for(seconds(5)); // the rest has had its 5 s
  for (const auto& stream : siege.mallory.streams) {
    if (!stream->quic->local()) continue;
    EXPECT_TRUE(stream->stopped);
    EXPECT_TRUE(stream->closed);
  }
  ASSERT_NE(siege.link(), nullptr);
  EXPECT_EQ(siege.link()->streams, 0U);
  // And she may go on, with whole ones.
  const RawStream* good = siege.mallory.open(connection, header(), true);
  siege.mallory.pump();
  siege.sim.run_for(seconds(1));
  EXPECT_TRUE(good->ended);
  EXPECT_FALSE(refusal(*good));
  EXPECT_EQ(siege.alice.factory.echo->calls, 2U) << "half a header reaches nobody";
  EXPECT_TRUE(siege.all_freed(connection));
}

TEST(NodeAdversaryTest, AHeaderThatDripsHasFiveSeconds) {
  for (const auto pace : {milliseconds(100), milliseconds(400)}) {
    Siege siege;
    const auto connection = siege.dial();
    const Bytes bytes = header();
    const RawStream* stream = siege.mallory.open(connection, {});
    for (const std::uint8_t octet : bytes) {
      if (!stream->quic->gone()) stream->write({&octet, 1});
      siege.mallory.pump();
      siege.sim.run_for(pace);
    }
    const bool slow = pace * bytes.size() > seconds(5);
    EXPECT_EQ(siege.alice.factory.echo->calls, slow ? 0U : 1U);
    EXPECT_EQ(stream->stopped, slow);
    EXPECT_EQ(stream->quic->stop_code(), slow ? code(Code::bad_request) : 0U);
    EXPECT_TRUE(siege.bob_is_served());
    EXPECT_TRUE(siege.all_freed(connection));
  }
}

TEST(NodeAdversaryTest, HeadersThatAreNone) {
  Bytes garbage(100, 0xaa);
  garbage[0] = 60;
  const Bytes too_long{0x50, 0x01, 0x01};
  Bytes trailing = header();
  ++trailing[0];
  trailing.push_back(0);
  const std::vector<std::pair<Bytes, Code>> cases{
      {{0x00}, Code::bad_request},
      {too_long, Code::bad_request},
      {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, Code::bad_request},
      {garbage, Code::unsupported_version},
      {trailing, Code::bad_request},
      {header("kith.peer"), Code::unknown_protocol},
      {header("Nobody"), Code::unknown_protocol},
  };
  for (const auto& [bytes, expected] : cases) {
    Siege siege;
    const auto connection = siege.dial();
    const RawStream* stream = siege.mallory.open(connection, bytes);
    siege.mallory.pump();
    siege.sim.run_for(seconds(1));
    ASSERT_TRUE(refusal(*stream)) << code_name(expected);
    EXPECT_EQ(refusal(*stream)->code, expected) << refusal(*stream)->text;
    EXPECT_TRUE(stream->ended);
    EXPECT_TRUE(stream->stopped);
    EXPECT_EQ(siege.alice.factory.echo->calls, 0U);
    EXPECT_TRUE(siege.bob_is_served());
    EXPECT_TRUE(siege.all_freed(connection));
  }
}

TEST(NodeAdversaryTest, AStreamThatEndsInItsHeader) {
  Siege siege;
  const auto connection = siege.dial();
  const RawStream* stream = siege.mallory.open(connection, half(header()), true);
  const RawStream* empty = siege.mallory.open(connection, {}, true);
  siege.mallory.pump();
  siege.sim.run_for(seconds(1));
  for (const RawStream* one : {stream, empty}) {
    ASSERT_TRUE(refusal(*one));
    EXPECT_EQ(refusal(*one)->code, Code::bad_request);
    EXPECT_TRUE(one->closed);
  }
  EXPECT_TRUE(siege.all_freed(connection));
}

TEST(NodeAdversaryTest, AStreamThatIsResetInItsHeader) {
  Siege siege;
  const auto connection = siege.dial();
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < 32; ++i) {
      const RawStream* stream = siege.mallory.open(connection, half(header()));
      siege.mallory.pump();
      siege.sim.run_for(milliseconds(5));
      stream->quic->reset(code(Code::cancelled));
      stream->quic->stop_sending(code(Code::cancelled));
    }
    siege.mallory.pump();
    siege.sim.run_for(seconds(1));
    const RawStream* good = siege.mallory.open(connection, header(), true);
    siege.mallory.pump();
    siege.sim.run_for(seconds(1));
    EXPECT_FALSE(refusal(*good)) << "round " << round << ": streams that are gone still count as headerless";
    EXPECT_TRUE(good->ended);
  }
  EXPECT_TRUE(siege.all_freed(connection));
}

TEST(NodeAdversaryTest, BrokenControlFramesEndTheConnection) {
  const Bytes hello = wire::encode(wire::Hello{});
  Bytes long_hello(17, 0); // boot id and version, then no meta count
  const std::vector<std::pair<std::string, Bytes>> cases{
      {"a second HELLO", control({hello, hello})},
      {"HELLO cut short", control({raw_frame(1, Bytes(5, 0))})},
      {"HELLO without meta", control({raw_frame(1, long_hello)})},
      {"GOAWAY with more than an id", control({raw_frame(2, {0x00, 0x00})})},
      {"ERROR with code 0", control({raw_frame(3, {0x00, 0x00, 0x00})})},
      {"ERROR with a text that is none", control({raw_frame(3, {0x00, 0x01, 0x01, 0xff})})},
      {"a known frame above its limit", control({raw_frame(2, Bytes(5000, 0))})},
      {"a known frame of 2^62 octets", control({{0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}})},
  };
  for (const auto& [name, bytes] : cases) {
    SCOPED_TRACE(name);
    Siege siege;
    const auto connection = siege.dial();
    siege.mallory.open_uni(connection, bytes);
    siege.mallory.pump();
    siege.sim.run_for(seconds(1));
    const quic::CloseReason* reason = siege.mallory.ending(connection);
    ASSERT_NE(reason, nullptr);
    EXPECT_EQ(reason->error.code, Code::bad_request) << reason->error.text;
    EXPECT_TRUE(reason->by_peer);
    EXPECT_FALSE(reason->error.text.empty());
    EXPECT_EQ(siege.link(), nullptr);
    EXPECT_TRUE(siege.bob_is_served());
  }
}

TEST(NodeAdversaryTest, UnidirectionalStreamsOfOtherTypesAreStoppedAndTheControlStreamStillHeard) {
  Siege siege;
  const auto connection = siege.dial();
  const RawStream* strange = siege.mallory.open_uni(connection, Bytes{0x21, 1, 2, 3});
  const RawStream* silent = siege.mallory.open_uni(connection, {});
  siege.mallory.pump();
  siege.sim.run_for(milliseconds(100));
  siege.mallory.open_uni(connection, control({wire::encode(wire::Hello{})}));
  siege.mallory.pump();
  siege.sim.run_for(milliseconds(100));
  EXPECT_TRUE(strange->stopped);
  EXPECT_EQ(strange->quic->stop_code(), code(Code::unsupported_version));
  EXPECT_FALSE(silent->stopped) << "its type has not come yet";
  // Her HELLO was heard when alice says hers.
  EXPECT_TRUE(std::any_of(siege.mallory.streams.begin(), siege.mallory.streams.end(),
                          [](const auto& s) { return !s->quic->local() && !s->quic->bidirectional() && s->got.size() > 16; }));
  const RawStream* second = siege.mallory.open_uni(connection, control({wire::encode(wire::Hello{})}));
  siege.mallory.pump();
  siege.sim.run_for(milliseconds(100));
  EXPECT_TRUE(second->stopped) << "one control stream a side";
  EXPECT_EQ(siege.mallory.ending(connection), nullptr);
  EXPECT_TRUE(siege.all_freed(connection));
}

TEST(NodeAdversaryTest, FloodsOfControlFramesAreReadAndForgotten) {
  Siege siege;
  const auto connection = siege.dial();
  Bytes flood = control({wire::encode(wire::Hello{})});
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    const Bytes frame = wire::encode(wire::StreamError{4 * i, Error{Code::internal, std::string(200, 'x')}});
    flood.insert(flood.end(), frame.begin(), frame.end());
  }
  const Bytes unknown = raw_frame(77, Bytes(5'000'000, 0));
  flood.insert(flood.end(), unknown.begin(), unknown.end());
  siege.mallory.open_uni(connection, flood);
  siege.mallory.pump();
  siege.sim.run_for(seconds(20));
  EXPECT_EQ(siege.mallory.ending(connection), nullptr);
  siege.link();
  EXPECT_LT(siege.status.buffer_bytes, 1'000'000U);
  EXPECT_TRUE(siege.bob_is_served());
  const RawStream* good = siege.mallory.open(connection, header(), true);
  siege.mallory.pump();
  siege.sim.run_for(seconds(1));
  EXPECT_TRUE(good->ended);
  EXPECT_TRUE(siege.all_freed(connection));
}

TEST(NodeAdversaryTest, AConnectionThatShowsNothingHasADeadline) {
  Siege siege;
  const auto connection = siege.dial();
  siege.sim.run_for(seconds(29));
  EXPECT_TRUE(siege.mallory.is_ready(connection));
  siege.sim.run_for(seconds(2));
  EXPECT_FALSE(siege.mallory.is_ready(connection));
  ASSERT_NE(siege.mallory.ending(connection), nullptr);
  EXPECT_EQ(siege.mallory.ending(connection)->error.code, Code::timeout);
}

// The limit is about connections that have shown nothing; those that have don't use it up.
TEST(NodeAdversaryTest, ProvenConnectionsCostAnUnprovenOneNothing) {
  node::Settings settings;
  settings.max_unproven = 2;
  Siege siege(settings);
  const auto waiting = siege.dial();
  for (int i = 0; i < 3; ++i) {
    siege.mallory.open_uni(siege.dial(), control({wire::encode(wire::Hello{})}));
    siege.mallory.pump();
    siege.sim.run_for(milliseconds(500));
  }
  EXPECT_TRUE(siege.mallory.is_ready(waiting));
  siege.dial();
  siege.dial();
  siege.sim.run_for(milliseconds(500));
  EXPECT_FALSE(siege.mallory.is_ready(waiting)) << "the third that has shown nothing";
}

TEST(NodeAdversaryTest, StreamsThatWaitForAStartAreBoundedAndThoseThatEndedMakeRoom) {
  node::Settings settings;
  settings.max_held = 4;
  Siege siege(settings);
  siege.alice.crash();
  siege.alice.factory.slow = true;
  siege.alice.start();
  node::PeerSpec peer;
  peer.id = siege.mallory.id;
  siege.alice.node->put_peer(siege.alice.id, peer);
  const auto connection = siege.dial();
  const auto open = [&] {
    RawStream* stream = siege.mallory.open(connection, header());
    siege.mallory.pump();
    siege.sim.run_for(milliseconds(50));
    return stream;
  };
  std::vector<RawStream*> streams;
  for (int i = 0; i < 5; ++i) streams.push_back(open());
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(refusal(*streams[static_cast<std::size_t>(i)]));
  ASSERT_TRUE(refusal(*streams[4]));
  EXPECT_EQ(refusal(*streams[4])->code, Code::busy);
  streams[0]->quic->reset(code(Code::cancelled));
  siege.mallory.pump();
  siege.sim.run_for(milliseconds(50));
  EXPECT_FALSE(refusal(*open()));
}

TEST(NodeAdversaryTest, NothingRunsOnAConnectionThatThereIsNoRoomFor) {
  node::Settings settings;
  settings.pool.max_connections = 1;
  Siege siege(settings);
  const auto stream = siege.bob.open(siege.alice, "a"); // a known peer's, with a stream: it does not go for another
  ASSERT_TRUE(siege.run([&] { return stream->body == "a"; }));
  const auto connection = siege.dial();
  siege.mallory.open(connection, header(), true);
  siege.mallory.pump();
  siege.sim.run_for(seconds(1));
  ASSERT_NE(siege.mallory.ending(connection), nullptr);
  EXPECT_EQ(siege.mallory.ending(connection)->error.code, Code::busy);
  EXPECT_EQ(siege.alice.factory.echo->calls, 1U);
}

TEST(NodeAdversaryTest, BlockAndOfflineReachConnectionsThatShowedNothing) {
  for (const bool block : {true, false}) {
    Siege siege;
    const auto connection = siege.dial();
    if (block) {
      node::PeerSpec peer;
      peer.id = siege.mallory.id;
      peer.name = "mallory";
      peer.blocked = true;
      siege.alice.node->put_peer(siege.alice.id, peer);
    } else {
      ASSERT_TRUE(siege.alice.node->set_offline(siege.alice.id, siege.sim.now(), {}));
    }
    siege.sim.run_for(seconds(1));
    ASSERT_NE(siege.mallory.ending(connection), nullptr);
    EXPECT_EQ(siege.mallory.ending(connection)->error.code, block ? Code::denied : Code::offline);
  }
}

// Handshake's end and close in one batch of datagrams: the close overtakes it, and nobody must stay connected for ever.
TEST(NodeAdversaryTest, AConnectionThatEndsInTheBatchThatMadeItReadyIsForgotten) {
  Siege siege;
  const auto connection = siege.mallory.dial(siege.alice.id, siege.alice.ip);
  ASSERT_TRUE(siege.run([&] { return siege.network.counters("raw66", "host1").delivered >= 1; }));
  siege.alice.world->udp().deaf_until(siege.sim.now() + milliseconds(400), true);
  siege.sim.run_for(milliseconds(100)); // alice's flight came; the answer waits in alice's socket
  siege.mallory.close(connection, Code{});
  siege.sim.run_for(seconds(60));
  EXPECT_EQ(siege.alice.node->close_peer(siege.alice.id, siege.mallory.id, "closed"), 0U) << "nobody is connected";
  EXPECT_EQ(siege.link(), nullptr);
  EXPECT_TRUE(siege.bob_is_served());
}

// A service that has finished and reads no more must not keep what a peer that has gone left behind, however little that is.
TEST(NodeAdversaryTest, StreamsThatNobodyReadsDoNotOutliveTheirPeerForLong) {
  Siege siege;
  Bytes octets = header("Echo", StreamKind::stream, "hurry");
  octets.push_back('x');
  for (int round = 0; round < 5; ++round) {
    const auto connection = siege.dial();
    for (int i = 0; i < 100; ++i) siege.mallory.open(connection, octets, true);
    siege.mallory.pump();
    siege.sim.run_for(seconds(1));
    siege.mallory.close(connection, Code{});
    siege.sim.run_for(seconds(1));
  }
  EXPECT_EQ(siege.alice.factory.echo->live(), 500U) << "or nothing was tested";
  siege.sim.run_for(seconds(62));
  EXPECT_EQ(siege.alice.factory.echo->live(), 0U);
  EXPECT_EQ(siege.alice.factory.echo->last_end.error.code, Code::too_slow);
  EXPECT_EQ(siege.alice.node->status().identities.at(0).bindings.at(0).streams, 0U);
}

// What they hold is counted, not their octets; and whoever leaves most behind pays first.
TEST(NodeAdversaryTest, UnreadStreamsCountByWhatTheyHold) {
  node::Settings settings;
  settings.quic.max_parked_bytes = 1024 * 1024;
  Siege siege(settings);
  const auto honest = siege.bob.open(siege.alice, "x", "hurry");
  honest->stream.out->finish();
  siege.bob.node->control().produced(honest->stream.key);
  ASSERT_TRUE(siege.run([&] { return honest->end.has_value(); }));
  Bytes octets = header("Echo", StreamKind::stream, "hurry");
  octets.resize(octets.size() + 4400); // more than its first slab holds: it takes a large one
  const auto connection = siege.dial();
  for (int i = 0; i < 200; ++i) {
    siege.mallory.open(connection, octets, true);
    siege.mallory.pump();
    siege.sim.run_for(milliseconds(50));
  }
  EXPECT_LE(siege.alice.node->status().buffer_bytes, settings.quic.max_parked_bytes);
  EXPECT_LE(siege.alice.factory.echo->live(), 16U);
  EXPECT_GE(siege.alice.factory.echo->live(), 2U);
  EXPECT_EQ(siege.alice.factory.echo->last_end.error.code, Code::too_slow);
  EXPECT_TRUE(siege.alice.factory.echo->has_of(siege.bob.id)) << "who leaves little behind is left alone";
}

TEST(NodeAdversaryTest, GoawaysWithoutEnd) {
  Siege siege;
  const auto connection = siege.dial();
  Bytes flood = control({});
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    const Bytes frame = wire::encode(wire::Goaway{i % 3 == 0 ? std::optional<std::uint64_t>{} : i * 7919 % 4'000'000});
    flood.insert(flood.end(), frame.begin(), frame.end());
  }
  siege.mallory.open_uni(connection, flood);
  siege.mallory.pump();
  siege.sim.run_for(seconds(5));
  EXPECT_TRUE(siege.alice.node->status().identities.at(0).connections.empty()) << "max_goaways";
  EXPECT_TRUE(siege.bob_is_served());
  EXPECT_TRUE(siege.all_freed(connection));
}

// Alice calls; mallory says GOAWAY on each connection and takes nothing: the call is sent twice at most, and alice does not dial for ever.
TEST(NodeAdversaryTest, APeerThatAlwaysGoesAway) {
  Siege siege;
  siege.mallory.on_ready = [&](quic::ConnectionId connection) { siege.mallory.open_uni(connection, control({wire::encode(wire::Goaway{})})); };
  Program call(*siege.alice.node);
  node::OpenRequest request;
  request.identity = siege.alice.id;
  request.peer = siege.mallory.id;
  request.protocol = "Echo";
  call.call(request, "x");
  ASSERT_TRUE(siege.run([&] { return call.end.has_value(); }, seconds(61)));
  EXPECT_EQ(call.end->error.code, Code::going_away) << code_name(call.end->error.code) << " " << call.end->error.text;
  EXPECT_LE(siege.mallory.connections.size(), 3U);
  siege.sim.run_for(seconds(100));
  EXPECT_LE(siege.mallory.connections.size(), 3U);
  EXPECT_EQ(siege.link(), nullptr);
}

/// Mallory refuses the first stream with going_away once `enough` of it is there, and answers the next with what came.
std::function<void(quic::ConnectionId, RawStream&)> refuse_the_first(std::vector<RawStream*>& seen, std::function<bool(const RawStream&)> enough) {
  return [&seen, enough = std::move(enough)](quic::ConnectionId, RawStream& stream) {
    if (!stream.quic->bidirectional() || stream.quic->out()->committed() != 0 || !enough(stream)) return;
    wire::Reply reply;
    if (seen.empty()) reply.error = Error{Code::going_away, ""};
    seen.push_back(&stream);
    stream.write(wire::encode(reply), reply.error.has_value());
    if (!reply.error) stream.write(as_bytes(stream.got), true);
  };
}

// Its caller sees one call, and the peer gets all of it anew.
TEST(NodeAdversaryTest, ACallThatIsRefusedWithGoingAwayIsSentOnceMore) {
  for (const bool whole : {true, false}) { // refused after its end, or as soon as it begins
    SCOPED_TRACE(whole);
    Siege siege;
    std::vector<RawStream*> seen;
    siege.mallory.on_stream = refuse_the_first(seen, [&](const RawStream& stream) { return stream.ended || (!whole && seen.empty()); });
    Program call(*siege.alice.node);
    node::OpenRequest request;
    request.identity = siege.alice.id;
    request.peer = siege.mallory.id;
    request.protocol = "Echo";
    const std::string octets(900'000, 'q');
    call.call(request, octets);
    ASSERT_TRUE(siege.run([&] { return call.end.has_value(); }, seconds(20)));
    EXPECT_TRUE(call.ok()) << call.end->error.text;
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_TRUE(seen[1]->got.ends_with(octets)) << seen[1]->got.size();
    EXPECT_EQ(call.body, seen[1]->got);
    EXPECT_EQ(siege.mallory.connections.size(), 1U);
  }
}

// Of a stream only the first octets are kept for that.
TEST(NodeAdversaryTest, AStreamThatSentMoreThanIsKeptIsNotSentAgain) {
  for (const std::size_t size : {std::size_t{100'000}, std::size_t{500'000}}) {
    SCOPED_TRACE(size);
    Siege siege;
    std::vector<RawStream*> seen;
    siege.mallory.on_stream = refuse_the_first(seen, [&](const RawStream& stream) { return stream.got.size() >= size; });
    Program program(*siege.alice.node);
    node::OpenRequest request;
    request.identity = siege.alice.id;
    request.peer = siege.mallory.id;
    request.kind = StreamKind::stream;
    request.protocol = "Echo";
    program.call(request, std::string(size / 2, 'q'), false);
    siege.sim.run_for(seconds(1)); // it is under way
    program.stream.out->write(as_bytes(std::string(size / 2, 'q')));
    program.stream.out->finish();
    siege.alice.node->control().produced(program.stream.key);
    ASSERT_TRUE(siege.run([&] { return program.end.has_value(); }, seconds(20)));
    if (size < 256 * 1024) {
      EXPECT_TRUE(program.ok()) << program.end->error.text;
      EXPECT_EQ(seen.size(), 2U);
    } else {
      EXPECT_FALSE(program.ok());
      EXPECT_EQ(program.end->error.code, Code::going_away);
      EXPECT_EQ(seen.size(), 1U);
    }
  }
}

// A binding's own ALPN: no headers, no replies, the codes are the protocol's; the Gate decides all the same.
TEST(NodeAdversaryTest, ABindingsOwnAlpnHasStreamsWithoutHeaders) {
  Siege siege;
  auto spec = siege.alice.bindings[0];
  const auto put = [&] { siege.alice.node->put_binding(siege.alice.id, spec, [](const Result<void>& done) { EXPECT_TRUE(done); }); };
  spec.alpn = {"echo/0"};
  put();
  const auto dial = [&](const char* alpn) { return siege.mallory.dial(siege.alice.id, siege.alice.ip, true, alpn); };
  const auto connection = dial("echo/0");
  ASSERT_TRUE(siege.run([&] { return siege.mallory.is_ready(connection); }));
  const RawStream* stream = siege.mallory.open(connection, as_bytes("no header"), true);
  siege.mallory.pump();
  ASSERT_TRUE(siege.run([&] { return stream->closed; }, seconds(5)));
  EXPECT_EQ(stream->got, "no header");
  EXPECT_EQ(siege.alice.factory.echo->last.kind, StreamKind::stream);
  EXPECT_EQ(siege.alice.factory.echo->last.role, Role::member);
  EXPECT_TRUE(siege.bob_is_served()) << "on kith/1, as ever";

  const auto other = dial("echo/1");
  ASSERT_TRUE(siege.run([&] { return siege.mallory.ending(other) != nullptr; }, seconds(5)));
  EXPECT_EQ(siege.mallory.ending(other)->error.code, Code::unsupported_version);

  const RawStream* live = siege.mallory.open(connection, as_bytes("live"));
  siege.mallory.pump();
  ASSERT_TRUE(siege.run([&] { return live->got == "live"; }));
  spec.access = std::vector<access::Entry>{};
  put();
  ASSERT_TRUE(siege.run([&] { return live->reset; }, seconds(5)));
  EXPECT_EQ(live->quic->reset_code(), code(Code::cancelled));
  const RawStream* denied = siege.mallory.open(connection, as_bytes("x"), true);
  siege.mallory.pump();
  ASSERT_TRUE(siege.run([&] { return denied->reset; }, seconds(5)));
  EXPECT_EQ(denied->quic->reset_code(), code(Code::denied));

  spec.access.reset();
  spec.alpn.clear();
  put();
  const auto gone = dial("echo/0");
  ASSERT_TRUE(siege.run([&] { return siege.mallory.ending(gone) != nullptr; }, seconds(5)));
  EXPECT_EQ(siege.mallory.ending(gone)->error.code, Code::unsupported_version);
}

TEST(NodeAdversaryTest, RepliesThatAreNone) {
  Bytes long_text{0x01, 0x09};
  append_varint(long_text, 2000);
  long_text.resize(2100, 'x');
  const std::vector<std::pair<std::string, Bytes>> cases{
      {"neither ok nor error", {0x02}},         {"code 0", {0x01, 0x00, 0x00}}, {"a text above its limit", long_text},
      {"meta without end", {0x00, 0x40, 0xff}}, {"half of one", {0x00}},        {"nothing", {}},
  };
  for (const auto& [name, bytes] : cases) {
    SCOPED_TRACE(name);
    Siege siege;
    siege.mallory.on_stream = [&, answer = bytes](quic::ConnectionId, RawStream& stream) {
      if (stream.quic->bidirectional() && stream.ended && !stream.quic->out()->finished() && stream.quic->out()->committed() == 0) {
        stream.write(answer, true);
      }
    };
    Program call(*siege.alice.node);
    node::OpenRequest request;
    request.identity = siege.alice.id;
    request.peer = siege.mallory.id;
    request.protocol = "Echo";
    call.call(request, "x");
    ASSERT_TRUE(siege.run([&] { return call.end.has_value(); }, seconds(10)));
    EXPECT_FALSE(call.ok());
    EXPECT_FALSE(call.end->error.text.empty());
    siege.sim.run_for(seconds(1));
    ASSERT_NE(siege.link(), nullptr);
    EXPECT_EQ(siege.link()->streams, 0U);
  }
}

TEST(NodeAdversaryTest, AResponseWithoutEnd) {
  Siege siege;
  siege.mallory.on_stream = [&](quic::ConnectionId, RawStream& stream) {
    if (!stream.quic->bidirectional() || stream.quic->out()->committed() != 0) return;
    stream.quic->out()->set_limit(1 << 30);
    stream.write(wire::encode(wire::Reply{}));
    stream.write(Bytes(3 << 20, 'x'));
  };
  Program call(*siege.alice.node);
  node::OpenRequest request;
  request.identity = siege.alice.id;
  request.peer = siege.mallory.id;
  request.protocol = "Echo";
  call.call(request, "x");
  ASSERT_TRUE(siege.run([&] { return call.end.has_value(); }, seconds(20)));
  EXPECT_EQ(call.end->error.code, Code::too_large);
  siege.sim.run_for(seconds(1));
  siege.link();
  EXPECT_LT(siege.status.buffer_bytes, 1'000'000U);
  EXPECT_TRUE(siege.bob_is_served());
}

TEST(NodeAdversaryTest, ResetCodesOfEveryKind) {
  Siege siege;
  const auto connection = siege.dial();
  for (const std::uint64_t number : {std::uint64_t{0}, std::uint64_t{12}, std::uint64_t{999}, std::uint64_t{1000}, max_varint}) {
    const RawStream* stream = siege.mallory.open(connection, header("Echo", StreamKind::stream));
    siege.mallory.pump();
    siege.sim.run_for(milliseconds(100));
    ASSERT_EQ(siege.alice.factory.echo->live(), 1U);
    stream->quic->reset(number);
    stream->quic->stop_sending(number);
    siege.mallory.pump();
    siege.sim.run_for(milliseconds(100));
    EXPECT_EQ(siege.alice.factory.echo->live(), 0U);
    EXPECT_EQ(code(siege.alice.factory.echo->last_end.error.code), number == 0 ? code(Code::cancelled) : number);
  }
  EXPECT_TRUE(siege.all_freed(connection));
}

TEST(NodeAdversaryTest, StrangersWhomNothingAdmitsAreClosedDeniedAndForgotten) {
  Siege siege;
  RawHost eve(siege.sim, siege.network, 77);
  for (int i = 0; i < 50; ++i) {
    const auto connection = eve.dial(siege.alice.id, siege.alice.ip);
    siege.sim.run_for(milliseconds(20));
    eve.open(connection, header(), true);
    eve.open_uni(connection, control({wire::encode(wire::Hello{})}));
    eve.pump();
    siege.sim.run_for(milliseconds(200));
    const quic::CloseReason* reason = eve.ending(connection);
    ASSERT_NE(reason, nullptr);
    EXPECT_EQ(reason->error.code, Code::denied);
  }
  EXPECT_EQ(siege.alice.factory.echo->calls, 0U);
  EXPECT_TRUE(siege.alice.node->status().identities.at(0).connections.empty());
  EXPECT_TRUE(siege.bob_is_served());
}

// Streams pour in while the identity goes: nothing of it may be touched afterwards.
TEST(NodeAdversaryTest, AnIdentityThatIsRemovedUnderFire) {
  Siege siege;
  const auto connection = siege.dial();
  for (int i = 0; i < 200; ++i) {
    siege.mallory.open(connection, i % 2 == 0 ? header("Echo", StreamKind::stream) : half(header()));
    siege.mallory.pump();
    if (i == 100) siege.alice.node->remove_identity(siege.alice.id, [] {});
    siege.sim.run_for(milliseconds(1));
  }
  siege.sim.run_for(seconds(30));
  EXPECT_TRUE(siege.alice.node->status().identities.empty());
  EXPECT_NE(siege.mallory.ending(connection), nullptr);
}

} // namespace
} // namespace kith::testing
