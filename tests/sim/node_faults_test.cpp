// SPDX-License-Identifier: GPL-3.0-or-later
#include "net.hpp"

namespace kith::testing {
namespace {

TEST(NodeFaultsTest, NobodyThereIsUnreachable) {
  Two two;
  two.alice.crash();
  const auto call = two.bob.call(two.alice);
  ASSERT_TRUE(two.run([&] { return call->end.has_value(); }));
  EXPECT_EQ(call->end->error.code, Code::unreachable);
  EXPECT_NE(call->end->error.text.find("10.0.0.1:4433"), std::string::npos) << call->end->error.text;
}

TEST(NodeFaultsTest, AnIdentityThatIsNotThereAndOneThatIsOfflineAnswerAlike) {
  Two two;
  const auto unknown = [&] {
    Host ghost(two.sim, two.network, 9);
    auto request = two.bob.request(ghost);
    request.addresses = {two.alice.ip};
    auto program = std::make_unique<Program>(*two.bob.node);
    program->call(request, "x");
    two.run([&] { return program->end.has_value(); });
    return program->end->error;
  }();
  ASSERT_TRUE(two.alice.node->set_offline(two.alice.id, two.sim.now(), {}));
  const auto call = two.bob.call(two.alice);
  ASSERT_TRUE(two.run([&] { return call->end.has_value(); }));
  EXPECT_EQ(call->end->error.code, Code::offline);
  EXPECT_EQ(unknown.code, Code::offline);
  const auto said = [](const Error& error) { return error.text.substr(error.text.rfind(": ")); }; // behind the peer's id
  EXPECT_EQ(said(call->end->error), said(unknown));
}

TEST(NodeFaultsTest, OwnIdentityOfflineIsRefusedAtOnce) {
  Two two;
  ASSERT_TRUE(two.bob.node->set_offline(two.bob.id, two.sim.now(), {}));
  const auto call = two.bob.call(two.alice);
  ASSERT_TRUE(two.run([&] { return call->end.has_value(); }, milliseconds(1)));
  EXPECT_EQ(call->end->error.code, Code::offline);
}

TEST(NodeFaultsTest, ADeadAddressBesideAGoodOneCostsLittle) {
  Two two;
  auto peer = two.bob.peers.at(two.alice.id);
  peer.addresses = {make_v4({10, 0, 0, 77}, 4433), two.alice.ip};
  two.bob.node->put_peer(two.bob.id, peer);
  const TimePoint before = two.sim.now();
  const auto call = two.bob.call(two.alice);
  ASSERT_TRUE(two.run([&] { return call->ok(); }));
  EXPECT_LT(two.sim.now() - before, milliseconds(200));
}

TEST(NodeFaultsTest, ADeadlineBeforeTheHeaderLeftIsUnreachableAndAfterItTimeout) {
  Two two;
  two.network.partition("host1", "host2", true);
  auto request = two.bob.request(two.alice);
  request.deadline = two.sim.now() + milliseconds(500);
  Program waiting(*two.bob.node);
  waiting.call(request, "x");
  ASSERT_TRUE(two.run([&] { return waiting.end.has_value(); }, milliseconds(600)));
  EXPECT_EQ(waiting.end->error.code, Code::unreachable);
  two.network.partition("host1", "host2", false);
  const auto warm = two.bob.call(two.alice);
  ASSERT_TRUE(two.run([&] { return warm->ok(); }));
  request = two.bob.request(two.alice, StreamKind::call, "silent");
  request.deadline = two.sim.now() + milliseconds(500);
  Program late(*two.bob.node);
  late.call(request, "x");
  ASSERT_TRUE(two.run([&] { return late.end.has_value(); }, milliseconds(600)));
  EXPECT_EQ(late.end->error.code, Code::timeout);
  two.sim.run_for(seconds(1));
  EXPECT_EQ(two.alice.factory.echo->live(), 0U) << "the plugin's stream ended too";
}

TEST(NodeFaultsTest, ADeadlineThatPassesInSilenceSaysSo) {
  for (const bool gone : {false, true}) {
    Two two;
    const auto warm = two.bob.call(two.alice);
    ASSERT_TRUE(two.run([&] { return warm->ok(); }));
    auto request = two.bob.request(two.alice, StreamKind::call, "silent");
    request.deadline = two.sim.now() + seconds(30);
    Program late(*two.bob.node);
    late.call(request, "x");
    two.sim.run_for(seconds(2));
    if (gone) two.network.partition("host1", "host2", true);
    ASSERT_TRUE(two.run([&] { return late.end.has_value(); }));
    EXPECT_EQ(late.end->error.code, Code::timeout);
    EXPECT_EQ(late.end->error.text, gone ? "the deadline passed; nothing has come from the peer for 30 s" : "the deadline passed");
  }
}

// Without a stream nobody keeps a connection alive: that nothing came says nothing.
TEST(NodeFaultsTest, ADeadlineThatIsTooShortBlamesNoSilenceFromBefore) {
  Two two;
  const auto warm = two.bob.call(two.alice);
  ASSERT_TRUE(two.run([&] { return warm->ok(); }));
  two.sim.run_for(seconds(40));
  auto request = two.bob.request(two.alice, StreamKind::call, "silent");
  request.deadline = two.sim.now() + seconds(1);
  Program late(*two.bob.node);
  late.call(request, "x");
  ASSERT_TRUE(two.run([&] { return late.end.has_value(); }));
  EXPECT_EQ(late.end->error.text, "the deadline passed");
}

TEST(NodeFaultsTest, ACancelledCallEndsAtThePeerOnce) {
  Two two;
  const auto call = two.bob.call(two.alice, "x", "silent");
  two.sim.run_for(milliseconds(100));
  ASSERT_EQ(two.alice.factory.echo->live(), 1U);
  two.bob.node->control().reset(call->stream.key, Code::cancelled, "");
  two.sim.run_for(milliseconds(100));
  EXPECT_EQ(two.alice.factory.echo->ends, 1U);
  EXPECT_EQ(two.alice.factory.echo->last_end.error.code, Code::cancelled);
  ASSERT_TRUE(call->end);
  EXPECT_EQ(call->end->error.code, Code::cancelled);
}

TEST(NodeFaultsTest, TextsOfFailuresAfterTheReplyArrive) {
  Two two;
  const auto stream = two.bob.open(two.alice, "a");
  ASSERT_TRUE(two.run([&] { return stream->body == "a"; }));
  two.bob.node->control().reset(stream->stream.key, static_cast<Code>(1234), "the disk is full");
  two.sim.run_for(milliseconds(100));
  EXPECT_EQ(static_cast<std::uint64_t>(two.alice.factory.echo->last_end.error.code), 1234U);
  EXPECT_EQ(two.alice.factory.echo->last_end.error.text, "the disk is full");
}

// A daemon whose streams have ended says goodbye before it goes: whoever waits for an acknowledgement that was lost would wait for the idle timeout.
TEST(NodeFaultsTest, NobodyWaitsForADaemonThatIsNotThere) {
  Two two;
  two.network.link("host1", "host2").delay = two.network.link("host2", "host1").delay = milliseconds(20);
  const auto stream = two.bob.open(two.alice, "a");
  ASSERT_TRUE(two.run([&] { return stream->body == "a"; }));
  bool stopped = false;
  two.alice.node->shutdown(two.sim.now() + seconds(10), [&] { stopped = true; });
  two.sim.run_for(milliseconds(100));
  stream->stream.out->finish();
  two.bob.node->control().produced(stream->stream.key);
  two.sim.run_for(milliseconds(21)); // her FIN is on its way; the acknowledgement of his comes a little later
  std::size_t lost = 0;
  two.network.tap = [&](const Address& from, const Address&, ByteView) { return from == two.alice.ip && !stopped && ++lost != 0; };
  ASSERT_TRUE(two.run([&] { return stopped; }));
  EXPECT_GT(lost, 0U) << "or nothing was tested";
  two.sim.run_for(Duration(1)); // what is queued goes out first (Daemon::end)
  two.alice.crash();
  EXPECT_TRUE(two.run([&] { return stream->end && two.bob.connections() == 0; }, milliseconds(100)));
}

TEST(NodeFaultsTest, AStreamThatEndsWithTheDaemonEndsWell) {
  Two two;
  two.network.link("host1", "host2").delay = two.network.link("host2", "host1").delay = milliseconds(20);
  const auto stream = two.bob.open(two.alice, "a");
  ASSERT_TRUE(two.run([&] { return stream->body == "a"; }));
  bool stopped = false;
  two.alice.node->shutdown(two.sim.now() + seconds(10), [&] { stopped = true; });
  two.sim.run_for(milliseconds(100));
  stream->stream.out->finish();
  two.bob.node->control().produced(stream->stream.key);
  ASSERT_TRUE(two.run([&] { return stopped; }));
  two.sim.run_for(Duration(1)); // what is queued goes out first (Daemon::end)
  two.alice.crash();
  ASSERT_TRUE(two.run([&] { return stream->end && two.bob.connections() == 0; }, milliseconds(100)));
  EXPECT_TRUE(stream->ok()) << stream->end->error.text;
}

TEST(NodeFaultsTest, AStreamThatOutlivesTheDrainHearsWhy) {
  Two two;
  two.network.link("host1", "host2").delay = two.network.link("host2", "host1").delay = milliseconds(20);
  const auto stream = two.bob.open(two.alice, "a");
  ASSERT_TRUE(two.run([&] { return stream->body == "a"; }));
  ASSERT_TRUE(two.alice.node->set_offline(two.alice.id, two.sim.now() + milliseconds(300), {}));
  ASSERT_TRUE(two.run([&] { return stream->end.has_value(); }));
  EXPECT_EQ(stream->end->error.code, Code::shutting_down) << stream->end->error.text;
}

TEST(NodeFaultsTest, ACallThatIsTooLargeIsRefused) {
  node::Settings settings;
  settings.max_call_bytes = 10'000;
  Two two(1, settings);
  const auto call = two.bob.call(two.alice, std::string(20'000, 'x'));
  ASSERT_TRUE(two.run([&] { return call->end.has_value(); }));
  EXPECT_EQ(call->end->error.code, Code::too_large);
}

/// Only alice has a bound for calls.
struct Bounded {
  explicit Bounded(std::size_t most) : alice(sim, network, 1, of(most)), bob(sim, network, 2) {
    alice.know(bob);
    bob.know(alice);
  }
  static node::Settings of(std::size_t most) {
    node::Settings settings;
    settings.max_call_bytes = most;
    return settings;
  }
  Sim sim{1};
  SimNetwork network{sim};
  Host alice;
  Host bob;
};

TEST(NodeFaultsTest, ThePeerBoundsCallsToo) {
  Bounded peers(10'000);
  const auto call = peers.bob.call(peers.alice, std::string(20'000, 'x'), "silent");
  ASSERT_TRUE(peers.sim.run_until([&] { return call->end.has_value(); }, seconds(10)));
  EXPECT_EQ(call->end->error.code, Code::too_large) << code_name(call->end->error.code);
}

// All of it stands in the packet that has its header.
TEST(NodeFaultsTest, ACallThatIsSeenToBeTooLargeDoesNotRun) {
  Bounded peers(500);
  const auto call = peers.bob.call(peers.alice, std::string(900, 'x'));
  ASSERT_TRUE(peers.sim.run_until([&] { return call->end.has_value(); }, seconds(10)));
  EXPECT_EQ(call->end->error.code, Code::too_large) << code_name(call->end->error.code);
  EXPECT_EQ(peers.alice.factory.echo->calls, 0U);
}

// A request that the peer has acknowledged and not answered is kept to be sent again. When memory runs out it is given up like any other stream.
TEST(NodeFaultsTest, MemoryPressureEndsAKeptRequestThatWasAcknowledged) {
  Two two;
  const auto call = two.bob.call(two.alice, std::string(200'000, 'x'), "silent");
  two.sim.run_for(seconds(2));
  ASSERT_FALSE(call->end);
  node::Settings less;
  less.quic.max_buffer_bytes = 64 * 1024;
  two.bob.node->apply(less);
  const auto other = two.bob.call(two.alice);
  ASSERT_TRUE(two.run([&] { return call->end && other->end; }, seconds(5)));
  EXPECT_EQ(call->end->error.code, Code::too_slow);
  EXPECT_FALSE(call->end->remote) << "it was not the peer's doing";
  EXPECT_TRUE(other->ok()) << other->end->error.text;
  EXPECT_LT(two.bob.node->status().buffer_bytes, 100'000U);
}

TEST(NodeFaultsTest, ManyStreamsWaitForCreditAndAllAreAnswered) {
  node::Settings settings;
  settings.quic.max_streams = 8;
  Two two(1, settings);
  std::vector<std::unique_ptr<Program>> calls;
  for (int i = 0; i < 200; ++i) calls.push_back(two.bob.call(two.alice));
  EXPECT_TRUE(two.run([&] { return std::all_of(calls.begin(), calls.end(), [](const auto& c) { return c->ok(); }); }));
}

TEST(NodeFaultsTest, APartitionFailsCallsByTheirDeadlineAndHeals) {
  Two two;
  const auto warm = two.bob.call(two.alice);
  ASSERT_TRUE(two.run([&] { return warm->ok(); }));
  two.network.partition("host1", "host2", true);
  std::vector<std::unique_ptr<Program>> calls;
  for (int i = 0; i < 10; ++i) calls.push_back(two.bob.call(two.alice));
  EXPECT_TRUE(two.run([&] { return std::all_of(calls.begin(), calls.end(), [](const auto& c) { return c->end.has_value(); }); }, seconds(61)));
  two.network.partition("host1", "host2", false);
  const auto again = two.bob.call(two.alice);
  ASSERT_TRUE(two.run([&] { return again->end.has_value(); }, seconds(20)));
  EXPECT_TRUE(again->ok()) << again->end->error.text;
}

TEST(NodeFaultsTest, ABlockedPeerIsCutOffAtOnce) {
  Two two;
  const auto stream = two.bob.open(two.alice, "a");
  ASSERT_TRUE(two.run([&] { return stream->body == "a"; }));
  auto peer = two.alice.peers.at(two.bob.id);
  peer.blocked = true;
  two.alice.node->put_peer(two.alice.id, peer);
  ASSERT_TRUE(two.run([&] { return stream->end.has_value(); }, seconds(1)));
  const auto call = two.bob.call(two.alice);
  ASSERT_TRUE(two.run([&] { return call->end.has_value(); }));
  EXPECT_EQ(call->end->error.code, Code::denied) << call->end->error.text;
}

TEST(NodeFaultsTest, LossAndReorderLoseNoCallAndNoByte) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    Two two(seed);
    LinkRules rough;
    rough.delay = milliseconds(20);
    rough.jitter = milliseconds(10);
    rough.loss = 0.03;
    rough.reorder = 0.05;
    rough.duplicate = 0.02;
    two.network.set_both("host1", "host2", rough);
    std::vector<std::unique_ptr<Program>> calls;
    const std::string body(30'000, 'y');
    for (int i = 0; i < 50; ++i) calls.push_back(two.bob.call(two.alice, body));
    ASSERT_TRUE(two.run([&] { return std::all_of(calls.begin(), calls.end(), [](const auto& c) { return c->end.has_value(); }); }, seconds(60)))
        << seed;
    for (const auto& call : calls) {
      EXPECT_TRUE(call->ok()) << "seed " << seed << ": " << call->end->error.text;
      EXPECT_EQ(call->body, body);
    }
  }
}

// Alice listens twice, and one of her sockets is full: what goes by the other goes on.
TEST(NodeFaultsTest, AFullSocketHoldsUpNobodyElse) {
  Two two;
  Host carol(two.sim, two.network, 3);
  ASSERT_TRUE(two.alice.node->listen(make_v4({0, 0, 0, 0}, 4434)));
  two.alice.know(carol);
  carol.know(two.alice);
  carol.peers.at(two.alice.id).addresses = {make_v4({10, 0, 0, 1}, 4434)};
  carol.node->put_peer(carol.id, carol.peers.at(two.alice.id));
  const auto warm = two.bob.call(two.alice);
  ASSERT_TRUE(two.run([&] { return warm->ok(); }));
  two.alice.world->udp().block(4433, true);
  const auto held = two.bob.call(two.alice);
  two.sim.run_for(milliseconds(50));
  const auto call = carol.call(two.alice);
  ASSERT_TRUE(two.run([&] { return call->ok(); }, seconds(2)));
  EXPECT_FALSE(held->end);
  two.alice.world->udp().block(4433, false);
  EXPECT_TRUE(two.run([&] { return held->ok(); }, seconds(2)));
}

// Bob's machine is suspended; meanwhile alice has moved. The call right after it waits for no timer: the old connection has 3 PTO to answer.
TEST(NodeFaultsTest, AfterSleepADeadConnectionIsDialedAnew) {
  Two two;
  const auto warm = two.bob.call(two.alice);
  ASSERT_TRUE(two.run([&] { return warm->ok(); }));
  two.alice.world->udp().set_addresses({make_v4({10, 0, 0, 9}, 4433)});
  auto peer = two.bob.peers.at(two.alice.id);
  peer.addresses.push_back(make_v4({10, 0, 0, 9}, 4433));
  two.bob.node->put_peer(two.bob.id, peer);
  two.bob.world->suspend(std::chrono::hours(8));
  two.sim.run_for(std::chrono::hours(8));
  const TimePoint before = two.sim.now();
  const auto call = two.bob.call(two.alice);
  ASSERT_TRUE(two.run([&] { return call->end.has_value(); }));
  EXPECT_TRUE(call->ok()) << call->end->error.text;
  EXPECT_LT(two.sim.now() - before, seconds(1));
}

TEST(NodeFaultsTest, AfterSleepALivingConnectionIsKept) {
  Two two;
  const auto warm = two.bob.call(two.alice);
  ASSERT_TRUE(two.run([&] { return warm->ok(); }));
  two.bob.world->suspend(seconds(20));
  two.sim.run_for(seconds(20));
  const auto call = two.bob.call(two.alice);
  ASSERT_TRUE(two.run([&] { return call->ok(); }));
  EXPECT_EQ(two.bob.handshakes(), 1U);
}

} // namespace
} // namespace kith::testing
