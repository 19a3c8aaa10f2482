// SPDX-License-Identifier: GPL-3.0-or-later
#include "net.hpp"

namespace kith::testing {
namespace {

TEST(NodeTest, ACallIsEchoed) {
  Two two;
  const auto call = two.bob.call(two.alice, "hello");
  ASSERT_TRUE(two.run([&] { return call->end.has_value(); }));
  EXPECT_TRUE(call->ok()) << call->end->error.text;
  EXPECT_EQ(call->body, "hello");
  EXPECT_EQ(two.alice.factory.echo->last.peer, two.bob.id);
  EXPECT_EQ(two.alice.factory.echo->last.peer_name, "host2");
  EXPECT_EQ(two.alice.factory.echo->last.role, Role::member);
}

TEST(NodeTest, AColdCallTakesTwoRoundTrips) {
  Two two;
  LinkRules link;
  link.delay = milliseconds(50);
  two.network.set_both("host1", "host2", link);
  const TimePoint began = two.sim.now();
  const auto call = two.bob.call(two.alice);
  EXPECT_TRUE(two.run([&] { return call->ended; }));
  EXPECT_LT(two.sim.now() - began, milliseconds(210));
}

TEST(NodeTest, TheAddressThatWorkedLastIsTriedFirst) {
  Two two;
  node::PeerSpec alice = two.bob.peers.at(two.alice.id);
  alice.addresses.clear();
  for (std::uint8_t n = 1; n <= 10; ++n) alice.addresses.push_back(make_v4({10, 9, 9, n}, 4433)); // nobody is there
  alice.addresses.push_back(two.alice.ip);
  two.bob.node->put_peer(two.bob.id, alice);
  const auto first = two.bob.call(two.alice);
  ASSERT_TRUE(two.run([&] { return first->ok(); }));
  two.bob.node->close_peer(two.bob.id, two.alice.id, "");
  two.sim.run_for(seconds(1));
  const auto second = two.bob.call(two.alice);
  EXPECT_TRUE(two.run([&] { return second->ok(); }, milliseconds(50))) << "it began with those that are dead";
}

// It knows an address of alice where nobody is, or none; she has dialed it from where she listens.
TEST(NodeTest, APeerThatMovedIsFoundWhereItDialedFrom) {
  for (const bool stale : {true, false}) {
    Two two;
    node::PeerSpec alice = two.bob.peers.at(two.alice.id);
    alice.addresses.clear();
    if (stale) alice.addresses.push_back(make_v4({10, 9, 9, 9}, 4433));
    two.bob.node->put_peer(two.bob.id, alice);
    const auto hers = two.alice.call(two.bob);
    ASSERT_TRUE(two.run([&] { return hers->ok(); }));
    two.bob.node->close_peer(two.bob.id, two.alice.id, "");
    two.sim.run_for(seconds(1));
    const auto ours = two.bob.call(two.alice);
    EXPECT_TRUE(two.run([&] { return ours->ok(); }, seconds(1))) << stale;
    // Who is removed, and added again, is known by what is said then.
    const auto again = two.alice.call(two.bob);
    ASSERT_TRUE(two.run([&] { return again->ok(); }));
    two.bob.node->remove_peer(two.bob.id, two.alice.id);
    two.bob.node->put_peer(two.bob.id, alice);
    two.sim.run_for(seconds(1));
    const auto late = two.bob.call(two.alice);
    EXPECT_FALSE(two.run([&] { return late->ok(); }, seconds(20))) << stale;
  }
}

// Leave for the next stream comes back in portions, not in a packet after each call; and none is lost, however few there are.
TEST(NodeTest, StreamsAreGivenLeaveForInPortions) {
  for (const std::uint64_t most : {1U, 2U, 17U, 33U}) {
    node::Settings settings;
    settings.quic.max_streams = most;
    Two two(1, settings);
    std::vector<std::unique_ptr<Program>> calls;
    for (int i = 0; i < 100; ++i) calls.push_back(two.bob.call(two.alice));
    EXPECT_TRUE(two.run([&] { return std::ranges::all_of(calls, [](const auto& each) { return each->ok(); }); })) << most;
  }
  { // short calls beside streams that stay: the last place is given back each time
    node::Settings settings;
    settings.quic.max_streams = 32;
    Two few(1, settings);
    std::vector<std::unique_ptr<Program>> open;
    for (int i = 0; i < 31; ++i) open.push_back(few.bob.open(few.alice, "a"));
    ASSERT_TRUE(few.run([&] { return std::ranges::all_of(open, [](const auto& each) { return each->body == "a"; }); }));
    for (int i = 0; i < 3; ++i) {
      const auto each = few.bob.call(few.alice);
      EXPECT_TRUE(few.run([&] { return each->ok(); }, seconds(5))) << i;
    }
    for (const auto& each : open) few.bob.node->control().reset(each->stream.key, Code::cancelled, "");
    few.sim.run_for(seconds(1));
  }
  Two two;
  two.network.link("host1", "host2").delay = two.network.link("host2", "host1").delay = std::chrono::microseconds(50);
  const auto sent = [&] { return two.network.counters("host1", "host2").sent + two.network.counters("host2", "host1").sent; };
  const auto call = [&] {
    const auto each = two.bob.call(two.alice);
    EXPECT_TRUE(two.run([&] { return each->ok(); }));
  };
  for (int i = 0; i < 20; ++i) call(); // path MTU probes are over
  const std::uint64_t before = sent();
  for (int i = 0; i < 200; ++i) call();
  EXPECT_LE(sent() - before, 4 * 200U + 50) << "request, reply, and an acknowledgement of each; it was 6";
}

TEST(NodeTest, APeerThatRefusesUsIsNeverSaidToBeThere) {
  Two two;
  two.network.link("host1", "host2").delay = two.network.link("host2", "host1").delay = milliseconds(50);
  two.alice.node->remove_peer(two.alice.id, two.bob.id); // bob, whose request comes with his handshake, is a stranger to her
  const auto call = two.bob.call(two.alice);
  std::optional<Result<node::PingReport>> ping;
  two.bob.node->ping(two.bob.id, two.alice.id, seconds(5), [&](const Result<node::PingReport>& report) { ping = report; });
  bool connected = false;
  const auto refused = [&] {
    const node::Status status = two.bob.node->status();
    for (const node::ConnectionStatus& each : status.identities.at(0).connections) connected |= each.confirmed;
    return call->end && ping;
  };
  ASSERT_TRUE(two.run(refused));
  EXPECT_EQ(call->end->error.code, Code::denied) << call->end->error.text;
  EXPECT_EQ(call->end->error.text.find("no connection to "), 0U) << call->end->error.text;
  ASSERT_FALSE(*ping);
  EXPECT_EQ(ping->error().code, Code::denied) << ping->error().text;
  EXPECT_EQ(two.alice.factory.echo->calls, 0U);
  EXPECT_EQ(two.bob.handshakes(), 0U) << "a dial that was refused has failed";
  EXPECT_EQ(two.bob.node->status().pool.failures, 1U);
  EXPECT_FALSE(connected);
  EXPECT_TRUE(two.bob.presence.empty());
}

// The path dies behind the acceptor's first flight: bob knows that she is alice, and hears nothing more.
TEST(NodeTest, AConnectionThatIsNeverConfirmedIsGivenUp) {
  Two two;
  two.network.link("host1", "host2").delay = two.network.link("host2", "host1").delay = milliseconds(50);
  const TimePoint began = two.sim.now();
  const auto call = two.bob.call(two.alice);
  std::optional<Result<node::PingReport>> ping;
  two.bob.node->ping(two.bob.id, two.alice.id, seconds(1), [&](const Result<node::PingReport>& report) { ping = report; });
  two.sim.run_for(milliseconds(110));
  two.network.partition("host1", "host2", true);
  EXPECT_EQ(two.bob.connections(), 1U);
  ASSERT_TRUE(two.run([&] { return call->end && ping; }, seconds(15)));
  EXPECT_LE(two.sim.now() - began, node::Settings{}.quic.handshake_timeout + milliseconds(1));
  EXPECT_EQ(call->end->error.code, Code::connection_lost) << call->end->error.text;
  ASSERT_FALSE(*ping);
  EXPECT_EQ(ping->error().code, Code::connection_lost) << ping->error().text;
  EXPECT_TRUE(two.bob.presence.empty());
  EXPECT_EQ(two.bob.connections(), 0U);
  two.network.partition("host1", "host2", false);
  const auto again = two.bob.call(two.alice);
  ASSERT_TRUE(two.run([&] { return again->ok(); }));
  EXPECT_EQ(two.bob.presence.size(), 1U);
}

TEST(NodeTest, AThousandCallsShareOneHandshake) {
  Two two;
  for (int i = 0; i < 1000; ++i) {
    const auto call = two.bob.call(two.alice, std::to_string(i));
    ASSERT_TRUE(two.run([&] { return call->ok(); })) << i;
    ASSERT_EQ(call->body, std::to_string(i));
  }
  EXPECT_EQ(two.bob.handshakes(), 1U);
  EXPECT_EQ(two.alice.handshakes(), 1U);
}

TEST(NodeTest, TheFirstAnswersOfABatchLeaveBeforeItsLastIsWorkedOff) {
  Two two;
  std::uint8_t last = 0;
  for (Host* host : {&two.alice, &two.bob}) { // on loopback, where nothing is paced
    host->crash();
    host->ip = make_v4({127, 0, 0, ++last}, 4433);
    host->start();
  }
  two.bob.know(two.alice);
  const auto first = two.bob.call(two.alice);
  ASSERT_TRUE(two.run([&] { return first->ok(); }));
  std::vector<std::uint64_t> sent; // datagrams of alice, as each call came
  two.alice.factory.echo->arrived = [&] { sent.push_back(two.network.counters("host1", "host2").sent); };
  two.alice.world->udp().deaf_until(two.sim.now() + milliseconds(50), true);
  std::vector<std::unique_ptr<Program>> calls;
  for (int i = 0; i < 64; ++i) calls.push_back(two.bob.call(two.alice));
  ASSERT_TRUE(two.run([&] { return std::ranges::all_of(calls, [](const auto& call) { return call->ok(); }); }));
  ASSERT_EQ(sent.size(), calls.size());
  EXPECT_GE(sent.back() - sent.front(), 4U);
}

TEST(NodeTest, BothDirectionsShareOneConnection) {
  Two two;
  const auto there = two.bob.call(two.alice);
  ASSERT_TRUE(two.run([&] { return there->ok(); }));
  const auto back = two.alice.call(two.bob);
  ASSERT_TRUE(two.run([&] { return back->ok(); }));
  EXPECT_EQ(two.bob.connections(), 1U);
  EXPECT_EQ(two.alice.connections(), 1U);
  EXPECT_EQ(two.alice.handshakes(), 1U);
}

TEST(NodeTest, BothDialAtOnceAndNoneOfAHundredCallsEachWayFails) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Two two(seed);
    two.network.link("host1", "host2").jitter = milliseconds(3);
    two.network.link("host2", "host1").jitter = milliseconds(3);
    std::vector<std::unique_ptr<Program>> calls;
    for (int i = 0; i < 100; ++i) {
      calls.push_back(two.bob.call(two.alice));
      calls.push_back(two.alice.call(two.bob));
    }
    const auto all = [&] { return std::all_of(calls.begin(), calls.end(), [](const auto& c) { return c->end.has_value(); }); };
    ASSERT_TRUE(two.run(all)) << "seed " << seed;
    for (const auto& call : calls) EXPECT_TRUE(call->ok()) << "seed " << seed << ": " << call->end->error.text;
    two.sim.run_for(seconds(10));
    EXPECT_EQ(two.bob.connections(), 1U) << "seed " << seed;
    EXPECT_EQ(two.alice.connections(), 1U) << "seed " << seed;
  }
}

TEST(NodeTest, CallsToOneselfAndToAnotherIdentityHere) {
  Two two;
  two.alice.know(two.alice);
  const auto self = two.alice.call(two.alice, "me");
  ASSERT_TRUE(two.run([&] { return self->end.has_value(); }));
  EXPECT_TRUE(self->ok()) << self->end->error.text;
  EXPECT_EQ(self->body, "me");
}

TEST(NodeTest, APeerThatWasKilledAndCameBackCostsNoError) {
  Two two;
  const auto before = two.bob.call(two.alice);
  ASSERT_TRUE(two.run([&] { return before->ok(); }));
  two.alice.crash();
  two.alice.start();
  const auto after = two.bob.call(two.alice, "again");
  ASSERT_TRUE(two.run([&] { return after->end.has_value(); }, seconds(1)));
  EXPECT_TRUE(after->ok()) << after->end->error.text;
  EXPECT_EQ(after->body, "again");
}

TEST(NodeTest, ACallThatComesWhileItsBindingIsBeingStartedWaits) {
  Two two;
  two.alice.crash();
  two.alice.factory.slow = true;
  two.alice.start();
  const auto call = two.bob.call(two.alice, "early");
  two.sim.run_for(seconds(1));
  EXPECT_FALSE(call->end);
  two.alice.factory.started.at(0)();
  ASSERT_TRUE(two.run([&] { return call->ok(); }, milliseconds(500)));
  EXPECT_EQ(call->body, "early");
}

TEST(NodeTest, ABindingThatIsNeverStartedIsBusyAndAStrangerIsNotKeptWaitingForIt) {
  Two two;
  two.alice.crash();
  two.alice.factory.slow = true;
  two.alice.start();
  const auto call = two.bob.call(two.alice);
  ASSERT_TRUE(two.run([&] { return call->end.has_value(); }, seconds(11)));
  EXPECT_EQ(call->end->error.code, Code::busy);
  two.alice.node->remove_peer(two.alice.id, two.bob.id);
  two.sim.run_for(milliseconds(100)); // their connection goes with his right
  const auto stranger = two.bob.call(two.alice);
  ASSERT_TRUE(two.run([&] { return stranger->end.has_value(); }, seconds(1)));
  EXPECT_EQ(stranger->end->error.code, Code::denied);
  two.alice.factory.started.at(0)();
  two.sim.run_for(seconds(1));
  EXPECT_EQ(two.alice.factory.echo->calls, 0U);
}

TEST(NodeTest, WhatWaitsForABindingThatIsTakenAwayMeanwhileIsRefused) {
  Two two;
  two.alice.crash();
  two.alice.factory.slow = true;
  two.alice.start();
  const auto first = two.bob.call(two.alice);
  two.sim.run_for(milliseconds(500));
  two.alice.node->remove_binding(two.alice.id, "Echo", "default", two.sim.now(), [] {});
  two.alice.factory.started.at(0)();
  ASSERT_TRUE(two.run([&] { return first->end.has_value(); }, seconds(1)));
  EXPECT_FALSE(first->end->ok);
  two.alice.factory.slow = false;
  node::BindingSpec echo;
  echo.protocol = "Echo";
  two.alice.node->put_binding(two.alice.id, echo, [](const Result<void>& done) { EXPECT_TRUE(done); });
  const auto second = two.bob.call(two.alice);
  ASSERT_TRUE(two.run([&] { return second->ok(); }, seconds(1)));
}

TEST(NodeTest, AStreamEchoesBothWaysUntilFin) {
  Two two;
  const auto stream = two.bob.open(two.alice, "one ");
  ASSERT_TRUE(two.run([&] { return stream->body == "one "; }));
  stream->stream.out->write(as_bytes("two"));
  stream->stream.out->finish();
  two.bob.node->control().produced(stream->stream.key);
  ASSERT_TRUE(two.run([&] { return stream->end.has_value(); }));
  EXPECT_TRUE(stream->ok());
  EXPECT_EQ(stream->body, "one two");
  EXPECT_EQ(stream->end->sent, 7U);
  EXPECT_EQ(stream->end->received, 7U);
}

TEST(NodeTest, OfflineThenOnlineDuringAStreamAndAnImmediateCall) {
  Two two;
  const auto stream = two.bob.open(two.alice, "a");
  ASSERT_TRUE(two.run([&] { return stream->body == "a"; }));
  bool drained = false;
  ASSERT_TRUE(two.alice.node->set_offline(two.alice.id, two.sim.now() + seconds(10), [&] { drained = true; }));
  const auto refused = two.bob.call(two.alice);
  ASSERT_TRUE(two.run([&] { return refused->end.has_value(); }));
  EXPECT_EQ(refused->end->error.code, Code::offline) << refused->end->error.text;
  EXPECT_FALSE(drained);
  stream->stream.out->write(as_bytes("b"));
  two.bob.node->control().produced(stream->stream.key);
  ASSERT_TRUE(two.run([&] { return stream->body == "ab"; })) << "the drain lets it go on";
  ASSERT_TRUE(two.alice.node->set_online(two.alice.id));
  const auto call = two.bob.call(two.alice);
  ASSERT_TRUE(two.run([&] { return call->end.has_value(); }));
  EXPECT_TRUE(call->ok()) << call->end->error.text;
  stream->stream.out->finish();
  two.bob.node->control().produced(stream->stream.key);
  ASSERT_TRUE(two.run([&] { return stream->end.has_value(); }));
  EXPECT_TRUE(stream->ok()) << stream->end->error.text;
}

TEST(NodeTest, TheDrainEndsAtItsDeadline) {
  Two two;
  const auto stream = two.bob.open(two.alice, "a");
  ASSERT_TRUE(two.run([&] { return stream->body == "a"; }));
  bool drained = false;
  ASSERT_TRUE(two.alice.node->set_offline(two.alice.id, two.sim.now() + seconds(10), [&] { drained = true; }));
  two.sim.run_for(seconds(9));
  EXPECT_FALSE(drained);
  EXPECT_FALSE(stream->end.has_value());
  two.sim.run_for(seconds(2));
  EXPECT_TRUE(drained);
  ASSERT_TRUE(stream->end.has_value());
  EXPECT_FALSE(stream->ok());
}

TEST(NodeTest, AnUnreadStreamDelaysNoCall) {
  Two two;
  const auto stuck = two.bob.open(two.alice, std::string(200'000, 'x'), "unread");
  two.sim.run_for(seconds(1));
  std::vector<std::unique_ptr<Program>> calls;
  for (int i = 0; i < 64; ++i) calls.push_back(two.bob.call(two.alice));
  EXPECT_TRUE(two.run([&] { return std::all_of(calls.begin(), calls.end(), [](const auto& c) { return c->ok(); }); }));
}

TEST(NodeTest, AHundredUnreadStreamsLeaveCallsAsTheyWere) {
  const auto span_of_calls = [](Two& two) {
    const TimePoint before = two.sim.now();
    std::vector<std::unique_ptr<Program>> calls;
    for (int i = 0; i < 64; ++i) calls.push_back(two.bob.call(two.alice));
    EXPECT_TRUE(two.run([&] { return std::all_of(calls.begin(), calls.end(), [](const auto& c) { return c->ok(); }); }));
    return two.sim.now() - before;
  };
  Two two;
  span_of_calls(two); // dials
  const Duration alone = span_of_calls(two);
  std::vector<std::unique_ptr<Program>> stuck;
  for (int i = 0; i < 100; ++i) stuck.push_back(two.bob.open(two.alice, std::string(400'000, 'x'), "unread"));
  two.sim.run_for(seconds(2));
  EXPECT_LE(span_of_calls(two), 2 * alone);
  for (const auto& each : stuck) EXPECT_FALSE(each->end) << each->end->error.text;
}

// The peer is done and gone; the octets are here, and a reader that takes its time gets them all before it hears of the end.
TEST(NodeTest, AStreamEndsWhenItsLastOctetIsRead) {
  Two two;
  const std::string octets(150'000, 'x');
  const auto stream = two.bob.open(two.alice, octets);
  stream->leave_unread = true;
  stream->stream.out->finish();
  two.bob.node->control().produced(stream->stream.key);
  two.sim.run_for(seconds(2));
  EXPECT_EQ(two.alice.factory.echo->ends, 1U);
  two.alice.crash();
  two.sim.run_for(seconds(60)); // bob's connection ends too
  EXPECT_FALSE(stream->end);
  stream->leave_unread = false;
  stream->readable(stream->stream.key);
  ASSERT_TRUE(two.run([&] { return stream->end.has_value(); }));
  EXPECT_TRUE(stream->ok()) << stream->end->error.text;
  EXPECT_EQ(stream->body, octets);
  EXPECT_EQ(stream->end->sent, octets.size());
  EXPECT_EQ(stream->end->received, octets.size());
}

TEST(NodeTest, OctetsOfEndedStreamsThatNobodyReadsAreBounded) {
  node::Settings settings;
  settings.quic.max_parked_bytes = 640 * 1024; // of these, each takes 4 slabs of 64 KiB
  Two two(1, settings);
  std::vector<std::unique_ptr<Program>> streams;
  for (int i = 0; i < 3; ++i) {
    streams.push_back(two.bob.open(two.alice, std::string(100'000, 'x')));
    streams.back()->leave_unread = true;
    streams.back()->stream.out->finish();
    two.bob.node->control().produced(streams.back()->stream.key);
    two.sim.run_for(seconds(2));
  }
  ASSERT_TRUE(streams[0]->end) << "the one that waits for longest";
  EXPECT_EQ(streams[0]->end->error.code, Code::too_slow);
  for (const int left : {1, 2}) {
    EXPECT_FALSE(streams[static_cast<std::size_t>(left)]->end);
    two.bob.node->control().reset(streams[static_cast<std::size_t>(left)]->stream.key, Code::cancelled, "");
  }
  two.sim.run_for(seconds(1));
  for (const auto& each : streams) EXPECT_TRUE(each->end);
  streams.clear();
  EXPECT_EQ(two.bob.node->status().buffer_bytes, 0U);
}

TEST(NodeTest, TheGateDecidesByRoleBindingAndCommand) {
  Two two;
  Host carol(two.sim, two.network, 3);
  carol.know(two.alice);
  const auto stranger = carol.call(two.alice);
  ASSERT_TRUE(two.run([&] { return stranger->end.has_value(); }));
  EXPECT_EQ(stranger->end->error.code, Code::denied);
  const auto command = two.bob.call(two.alice, "", "secret");
  ASSERT_TRUE(two.run([&] { return command->end.has_value(); }));
  EXPECT_EQ(command->end->error.code, Code::denied);
  const auto local = two.bob.call(two.alice, "", "inner");
  ASSERT_TRUE(two.run([&] { return local->end.has_value(); }));
  EXPECT_EQ(local->end->error.code, Code::unknown_command);
  two.alice.know(two.bob, Role::admin);
  const auto again = two.bob.call(two.alice, "", "secret");
  ASSERT_TRUE(two.run([&] { return again->end.has_value(); }));
  EXPECT_TRUE(again->ok());
  EXPECT_EQ(two.alice.factory.echo->calls, 1U) << "nothing that was refused reached the protocol";
}

TEST(NodeTest, AStrangerWhoIsDeniedIsToldAtOnceWhateverOtherAddressesTheOwnerHad) {
  Two two;
  Host carol(two.sim, two.network, 3);
  carol.know(two.alice);
  node::OpenRequest request = carol.request(two.alice);
  request.addresses = {make_v4({10, 0, 0, 99}, 4433)}; // nobody is there any more
  Program call(*carol.node);
  call.call(request, "x");
  ASSERT_TRUE(two.run([&] { return call.end.has_value(); }, seconds(1)));
  EXPECT_EQ(call.end->error.code, Code::denied) << call.end->error.text;
}

TEST(NodeTest, ARoleThatIsTakenAwayEndsLiveStreams) {
  Two two;
  const auto stream = two.bob.open(two.alice, "a");
  ASSERT_TRUE(two.run([&] { return stream->body == "a"; }));
  two.alice.know(two.bob, Role::viewer);
  ASSERT_TRUE(two.run([&] { return stream->end.has_value(); }, seconds(1)));
  EXPECT_EQ(stream->end->error.code, Code::cancelled);
}

// "denied" says that nothing ran, and an outbox would send it again: what a service has been given ends with a code that says maybe.
TEST(NodeTest, ACallThatRunsWhenItsRightIsTakenAwayIsNotSaidToHaveNotRun) {
  for (const bool block : {true, false}) {
    Two two;
    const auto call = two.bob.call(two.alice, "hi", "silent");
    two.sim.run_for(seconds(2));
    ASSERT_EQ(two.alice.factory.echo->calls, 1U);
    node::PeerSpec peer = two.alice.peers[two.bob.id];
    peer.blocked = block;
    peer.role = Role::viewer;
    two.alice.node->put_peer(two.alice.id, peer);
    two.sim.run_for(seconds(5));
    ASSERT_TRUE(call->end);
    const auto* row = find_code(call->end->error.code);
    ASSERT_TRUE(row);
    EXPECT_EQ(row->ran, Ran::maybe) << row->name;
  }
}

TEST(NodeTest, APublicBindingAdmitsStrangers) {
  Two two;
  Host carol(two.sim, two.network, 3);
  carol.know(two.alice);
  auto spec = two.alice.bindings[0];
  spec.access = {access::parse_entry("public").value()};
  bool done = false;
  two.alice.node->put_binding(two.alice.id, spec, [&](const Result<void>& result) { done = result.has_value(); });
  const auto call = carol.call(two.alice);
  ASSERT_TRUE(two.run([&] { return call->end.has_value(); }));
  EXPECT_TRUE(done);
  EXPECT_TRUE(call->ok()) << call->end->error.text;
}

TEST(NodeTest, ADisabledBindingIsGoneAndComesBack) {
  Two two;
  auto spec = two.alice.bindings[0];
  spec.enabled = false;
  two.alice.node->put_binding(two.alice.id, spec, [](const Result<void>&) {});
  const auto gone = two.bob.call(two.alice);
  ASSERT_TRUE(two.run([&] { return gone->end.has_value(); }));
  EXPECT_EQ(gone->end->error.code, Code::unknown_protocol);
  spec.enabled = true;
  two.alice.node->put_binding(two.alice.id, spec, [](const Result<void>&) {});
  const auto back = two.bob.call(two.alice);
  ASSERT_TRUE(two.run([&] { return back->end.has_value(); }));
  EXPECT_TRUE(back->ok()) << back->end->error.text;
}

TEST(NodeTest, DisabledAndEnabledAgainDuringAStreamServesTheNextCall) {
  Two two;
  const auto stream = two.bob.open(two.alice, "a");
  ASSERT_TRUE(two.run([&] { return stream->body == "a"; }));
  auto spec = two.alice.bindings[0];
  int done = 0;
  spec.enabled = false;
  two.alice.node->put_binding(two.alice.id, spec, [&](const Result<void>&) { ++done; });
  two.sim.run_for(milliseconds(100));
  EXPECT_FALSE(stream->end) << "what runs may end by itself";
  spec.enabled = true;
  two.alice.node->put_binding(two.alice.id, spec, [&](const Result<void>& started) { done += started ? 1 : 0; });
  two.sim.run_for(milliseconds(100));
  EXPECT_EQ(done, 2);
  ASSERT_TRUE(stream->end) << "the old instance makes room for the new one";
  const auto call = two.bob.call(two.alice);
  ASSERT_TRUE(two.run([&] { return call->end.has_value(); }));
  EXPECT_TRUE(call->ok()) << call->end->error.text;
}

TEST(NodeTest, AProvidersStreamsOutliveAChangeOfItsAccess) {
  Two two;
  auto spec = two.alice.bindings[0];
  spec.protocol = "Chat";
  spec.provider = true;
  two.alice.node->put_binding(two.alice.id, spec, [](const Result<void>&) {});
  std::set<std::string> ran;
  EchoService program(two.alice.node->control(), ran);
  two.sim.run_for(milliseconds(1));
  ASSERT_TRUE(two.alice.node->attach_provider(two.alice.id, "Chat", "default", program));
  Program stream(*two.bob.node);
  auto request = two.bob.request(two.alice, StreamKind::stream);
  request.protocol = "Chat";
  stream.call(request, "a", false);
  ASSERT_TRUE(two.run([&] { return stream.body == "a"; }));
  spec.access = {access::parse_entry("member").value(), access::parse_entry("group:family").value()};
  two.alice.node->put_binding(two.alice.id, spec, [](const Result<void>&) {});
  two.sim.run_for(seconds(1));
  EXPECT_FALSE(stream.end);
  two.alice.node->detach_provider(two.alice.id, "Chat", "default");
  ASSERT_TRUE(two.run([&] { return stream.end.has_value(); }));
  EXPECT_EQ(stream.end->error.code, Code::plugin_failed);
}

TEST(NodeTest, AnIdentityThatIsDeletedWhileAStreamLingersIsGoneOnce) {
  Two two;
  const auto stream = two.bob.open(two.alice, std::string(100'000, 'x'), "unread");
  two.sim.run_for(milliseconds(100));
  two.network.partition("host1", "host2", true); // what is said of the end does not arrive
  bool removed = false;
  two.alice.node->remove_identity(two.alice.id, [&] { removed = true; });
  EXPECT_TRUE(two.run([&] { return removed; }, seconds(5)));
  EXPECT_TRUE(two.alice.node->status().identities.empty());
  two.network.partition("host1", "host2", false);
  two.sim.run_for(seconds(100));
}

TEST(NodeTest, OfflineDuringAPluginsStart) {
  for (const bool back : {false, true}) {
    Two two;
    ASSERT_TRUE(two.alice.node->set_offline(two.alice.id, two.sim.now(), {}));
    two.sim.run_for(milliseconds(10));
    two.alice.factory.slow = true;
    ASSERT_TRUE(two.alice.node->set_online(two.alice.id));
    two.sim.run_for(milliseconds(10));
    ASSERT_EQ(two.alice.factory.started.size(), 1U);
    bool drained = false;
    ASSERT_TRUE(two.alice.node->set_offline(two.alice.id, two.sim.now(), [&] { drained = true; }));
    two.sim.run_for(milliseconds(10));
    if (back) {
      ASSERT_TRUE(two.alice.node->set_online(two.alice.id));
      two.sim.run_for(milliseconds(10));
    }
    EXPECT_EQ(two.alice.factory.started.size(), 1U) << "not two at once";
    EXPECT_EQ(drained, back) << "an offline that waits for the start to end, or that was taken back";
    two.alice.factory.slow = false;
    for (const auto& finish : std::exchange(two.alice.factory.started, {})) finish();
    two.sim.run_for(milliseconds(10));
    EXPECT_TRUE(drained);
    EXPECT_EQ(two.alice.node->status().identities.at(0).bindings.at(0).state.phase, back ? node::BindingState::running : node::BindingState::stopped);
    const auto call = two.bob.call(two.alice);
    ASSERT_TRUE(two.run([&] { return call->end.has_value(); }));
    EXPECT_EQ(call->ok(), back) << call->end->error.text;
  }
}

TEST(NodeTest, OneStartOfABindingAtATime) {
  Two two;
  ASSERT_TRUE(two.alice.node->set_offline(two.alice.id, two.sim.now(), {}));
  two.sim.run_for(milliseconds(10));
  ASSERT_TRUE(two.alice.node->set_online(two.alice.id));
  two.sim.run_for(milliseconds(10));
  two.alice.factory.slow = true;
  node::BindingSpec fresh;
  fresh.protocol = "Echo";
  fresh.alias = "second";
  std::vector<std::string> told;
  for (const char* config : {"{\"n\":1}", "{\"n\":2}", "{\"n\":3}"}) {
    fresh.config_json = config;
    two.alice.node->put_binding(two.alice.id, fresh, [&, config](const Result<void>& done) { told.push_back(done ? config : done.error().text); });
  }
  two.sim.run_for(milliseconds(10));
  EXPECT_EQ(two.alice.factory.started.size(), 1U) << "two instances of one binding share a data folder";
  EXPECT_TRUE(told.empty());
  for (const auto& finish : std::exchange(two.alice.factory.started, {})) finish();
  two.sim.run_for(milliseconds(10));
  EXPECT_EQ(told.size(), 3U);
  EXPECT_TRUE(two.alice.factory.started.empty());
}

// Credit for a stream comes back when one has ended at both sides (MAX_STREAMS), and goes to whoever has waited for longest.
TEST(NodeTest, StreamsThatWaitForCreditGoInTheirOrder) {
  node::Settings settings;
  settings.quic.max_streams = 2;
  Two two(1, settings);
  const auto first = two.bob.open(two.alice, "a");
  const auto second = two.bob.open(two.alice, "b");
  ASSERT_TRUE(two.run([&] { return first->body == "a" && second->body == "b"; }));
  const auto third = two.bob.call(two.alice, "c", "silent");
  const auto fourth = two.bob.call(two.alice, "d", "unread");
  two.sim.run_for(seconds(1));
  EXPECT_EQ(two.alice.factory.echo->calls, 2U);
  two.bob.node->control().reset(second->stream.key, Code::cancelled, "");
  two.sim.run_for(seconds(1));
  EXPECT_EQ(two.alice.factory.echo->calls, 3U);
  EXPECT_EQ(two.alice.factory.echo->last.command, "silent");
  two.bob.node->control().reset(third->stream.key, Code::cancelled, "");
  two.sim.run_for(seconds(1));
  EXPECT_EQ(two.alice.factory.echo->calls, 4U);
  EXPECT_EQ(two.alice.factory.echo->last.command, "unread");
  EXPECT_FALSE(fourth->end);
}

// Bob dialed; he can't know where alice has gone, but she knows where he is.
TEST(NodeTest, AnAcceptorWhoseAddressChangedDialsAnewWithinASecond) {
  Two two;
  const auto before = two.bob.call(two.alice);
  ASSERT_TRUE(two.run([&] { return before->ok(); }));
  two.alice.world->udp().set_addresses({make_v4({10, 0, 0, 9}, 0)});
  two.alice.node->addresses_changed();
  two.sim.run_for(seconds(1));
  const auto after = two.bob.call(two.alice);
  ASSERT_TRUE(two.run([&] { return after->end.has_value(); }, seconds(1)));
  EXPECT_TRUE(after->ok()) << after->end->error.text;
  two.sim.run_for(seconds(5));
  EXPECT_EQ(two.bob.connections(), 1U) << "the old one is gone";
}

TEST(NodeTest, ARemovedBindingTellsWhenItIsGone) {
  Two two;
  const auto stream = two.bob.open(two.alice, "a");
  ASSERT_TRUE(two.run([&] { return stream->body == "a"; }));
  bool removed = false;
  two.alice.node->remove_binding(two.alice.id, "Echo", "default", two.sim.now() + seconds(5), [&] { removed = true; });
  two.sim.run_for(seconds(4));
  EXPECT_FALSE(removed);
  two.sim.run_for(seconds(2));
  EXPECT_TRUE(removed);
  EXPECT_TRUE(stream->end);
  EXPECT_TRUE(two.alice.node->status().identities.at(0).bindings.empty());
}

TEST(NodeTest, AnApplicationErrorKeepsItsCodeAndText) {
  Two two;
  const auto call = two.bob.call(two.alice, "", "refuse");
  ASSERT_TRUE(two.run([&] { return call->end.has_value(); }));
  EXPECT_EQ(static_cast<std::uint64_t>(call->end->error.code), 1001U);
  EXPECT_EQ(call->end->error.text, "no such thing");
  EXPECT_TRUE(call->end->remote);
}

TEST(NodeTest, AnIdleConnectionIsClosedByItsDialer) {
  Two two;
  const auto call = two.bob.call(two.alice);
  ASSERT_TRUE(two.run([&] { return call->ok(); }));
  two.sim.run_for(seconds(70));
  EXPECT_EQ(two.bob.connections(), 0U);
  EXPECT_EQ(two.alice.connections(), 0U);
}

TEST(NodeTest, TheSameSeedGivesTheSameEvents) {
  const auto trace = [] {
    Two two(77);
    two.network.link("host1", "host2").loss = 0.05;
    two.network.link("host2", "host1").loss = 0.05;
    std::vector<std::unique_ptr<Program>> calls;
    for (int i = 0; i < 20; ++i) calls.push_back(two.bob.call(two.alice, std::string(5000, 'x')));
    two.run([&] { return std::all_of(calls.begin(), calls.end(), [](const auto& c) { return c->end.has_value(); }); });
    return two.sim.trace();
  };
  EXPECT_EQ(trace(), trace());
}

} // namespace
} // namespace kith::testing
