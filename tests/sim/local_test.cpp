// SPDX-License-Identifier: GPL-3.0-or-later
// Commands of the owner to a binding on the same machine: Node::open_local.
#include "net.hpp"

namespace kith::testing {
namespace {

/// alice and bob, whose bindings run.
struct Ready : Two {
  explicit Ready(const node::Settings& settings = {}) : Two(1, settings) {
    run([&] { return alice.factory.echo != nullptr && bob.factory.echo != nullptr; });
  }
};

Error error_of(Two& two, const node::LocalRequest& request) {
  Program program(*two.alice.node);
  program.local(request, "hi");
  EXPECT_TRUE(two.run([&] { return program.end.has_value(); }));
  EXPECT_TRUE(program.reply && !*program.reply) << "an error is told as the reply, and then as the end";
  return program.end ? program.end->error : Error{};
}

node::LocalRequest inner(const Two& two) { return {two.alice.id, "Echo", "default", "inner", StreamKind::call, "json", never}; }

TEST(LocalTest, ACommandComesFromTheIdentityItselfAndNothingIsDialed) {
  Ready two;
  const auto call = two.alice.local("inner", "hello");
  ASSERT_TRUE(two.run([&] { return call->end.has_value(); }));
  EXPECT_TRUE(call->ok()) << call->end->error.text;
  EXPECT_EQ(call->body, "hello");
  ASSERT_TRUE(call->reply && *call->reply);
  EXPECT_EQ(**call->reply, "json");
  EXPECT_EQ(call->end->sent, 5U);
  EXPECT_EQ(call->end->received, 5U);
  const EchoService& echo = *two.alice.factory.echo;
  EXPECT_EQ(echo.last.peer, two.alice.id);
  EXPECT_EQ(echo.last.identity, two.alice.id);
  EXPECT_EQ(echo.last.peer_name, "host1");
  EXPECT_EQ(echo.last.role, Role::owner);
  EXPECT_EQ(echo.last.command, "inner");
  EXPECT_NE(echo.last.deadline, never) << "call_timeout";
  EXPECT_EQ(echo.ends, 1U);
  EXPECT_TRUE(echo.last_end.ok);
  EXPECT_EQ(two.alice.connections(), 0U);
  EXPECT_EQ(two.alice.handshakes(), 0U);
}

TEST(LocalTest, TheScopeSaysWhoMayNameACommand) {
  Ready two;
  const auto both = two.alice.local("either");
  const auto peers = two.bob.call(two.alice, "hi", "either");
  const auto stranger = two.bob.call(two.alice, "hi", "inner");
  ASSERT_TRUE(two.run([&] { return both->end && peers->end && stranger->end; }));
  EXPECT_TRUE(both->ok());
  EXPECT_TRUE(peers->ok());
  EXPECT_EQ(stranger->end->error.code, Code::unknown_command);
  EXPECT_EQ(two.alice.factory.echo->calls, 2U) << "the refused one never got there";
  node::LocalRequest request = inner(two);
  request.command = "outer";
  const Error remote = error_of(two, request);
  EXPECT_EQ(remote.code, Code::unknown_command);
  EXPECT_NE(remote.text.find("kith call host1 PEER Echo --command outer"), std::string::npos) << remote.text;
  request.command = "unknown";
  EXPECT_EQ(error_of(two, request).code, Code::unknown_command);
  EXPECT_EQ(two.alice.factory.echo->calls, 2U);
}

TEST(LocalTest, WhoeverIsNotThereIsNamed) {
  Ready two;
  node::LocalRequest request = inner(two);
  request.identity = two.bob.id;
  EXPECT_EQ(error_of(two, request).code, Code::unknown_identity);
  request = inner(two);
  request.protocol = "Ecco";
  EXPECT_EQ(error_of(two, request).code, Code::unknown_protocol);
  request = inner(two);
  request.alias = "other";
  EXPECT_EQ(error_of(two, request).code, Code::unknown_alias);
  node::BindingSpec disabled = two.alice.bindings.front();
  disabled.enabled = false;
  two.alice.node->put_binding(two.alice.id, disabled, [](const Result<void>&) {});
  const Error off = error_of(two, inner(two));
  EXPECT_EQ(off.code, Code::offline);
  EXPECT_NE(off.text.find("--enable"), std::string::npos) << off.text;
  node::BindingSpec provider = two.alice.bindings.front();
  provider.alias = "program";
  provider.provider = true;
  two.alice.node->put_binding(two.alice.id, provider, [](const Result<void>&) {});
  request = inner(two);
  request.alias = "program";
  EXPECT_EQ(error_of(two, request).code, Code::offline);
  bool drained = false;
  ASSERT_TRUE(two.alice.node->set_offline(two.alice.id, two.sim.now(), [&] { drained = true; }));
  ASSERT_TRUE(two.run([&] { return drained; }));
  const Error offline = error_of(two, inner(two));
  EXPECT_EQ(offline.code, Code::offline);
  EXPECT_NE(offline.text.find("identity-online"), std::string::npos) << offline.text;
}

TEST(LocalTest, ABindingThatIsBeingStartedIsWaitedFor) {
  Two two;
  two.alice.crash();
  two.alice.factory.slow = true;
  two.alice.start();
  ASSERT_TRUE(two.run([&] { return two.alice.factory.started.size() == 1; }));
  const auto call = two.alice.local("inner", "early");
  two.sim.run_for(seconds(1));
  EXPECT_FALSE(call->end);
  two.alice.factory.started.at(0)();
  ASSERT_TRUE(two.run([&] { return call->end.has_value(); }, milliseconds(500)));
  EXPECT_TRUE(call->ok()) << call->end->error.text;

  two.bob.crash();
  two.bob.factory.slow = true;
  two.bob.start();
  ASSERT_TRUE(two.run([&] { return two.bob.factory.started.size() == 1; }));
  const auto late = two.bob.local("inner");
  ASSERT_TRUE(two.run([&] { return late->end.has_value(); }, seconds(11)));
  EXPECT_EQ(late->end->error.code, Code::busy);
  two.bob.factory.started.at(0)();
  two.sim.run_for(seconds(1));
  EXPECT_EQ(two.bob.factory.echo->calls, 0U);
}

TEST(LocalTest, AFailedInstanceSaysWhy) {
  Ready two;
  two.alice.factory.echo->failure = "out of tea";
  two.alice.factory.echo->changed();
  EXPECT_EQ(two.alice.states.back(), (node::BindingState{node::BindingState::failed, "out of tea"}));
  const Error error = error_of(two, inner(two));
  EXPECT_EQ(error.code, Code::plugin_failed);
  EXPECT_NE(error.text.find("out of tea"), std::string::npos) << error.text;
  const node::BindingSpec same = two.alice.bindings[0];
  two.alice.node->put_binding(two.alice.id, same, [](const Result<void>& done) { EXPECT_TRUE(done); });
  two.sim.run_for(seconds(1));
  EXPECT_EQ(two.alice.states.back(), node::BindingState{node::BindingState::running}) << "putting it once more starts it anew";
}

TEST(LocalTest, AStreamMovesMoreThanItsPipesHold) {
  Ready two;
  const std::string piece(64 * 1024, 'x');
  const auto stream = two.alice.local("inner", {}, StreamKind::stream);
  std::size_t written = 0;
  std::size_t stalls = 0;
  const auto feed = [&] {
    while (written < 64 && stream->stream.out->room() >= piece.size()) {
      stream->stream.out->write(as_bytes(piece));
      ++written;
    }
    two.alice.node->control().produced(stream->stream.key);
    if (written < 64) {
      ++stalls;
      two.alice.node->control().want_writable(stream->stream.key);
      return;
    }
    stream->stream.out->finish();
    two.alice.node->control().produced(stream->stream.key);
  };
  feed();
  int seen = 0;
  ASSERT_TRUE(two.run([&] {
    if (stream->writables != seen) {
      seen = stream->writables;
      feed();
    }
    return stream->end.has_value();
  }));
  EXPECT_TRUE(stream->ok()) << stream->end->error.text;
  EXPECT_GT(stalls, 0U);
  EXPECT_EQ(stream->body.size(), 64 * piece.size());
}

TEST(LocalTest, TheEndOfOneIsTheEndOfTheOther) {
  Ready two;
  const EchoService& echo = *two.alice.factory.echo;
  const auto cancelled = two.alice.local("inner.silent");
  ASSERT_TRUE(two.run([&] { return echo.live() == 1; }));
  two.alice.node->control().reset(cancelled->stream.key, Code::cancelled, "enough");
  ASSERT_TRUE(two.run([&] { return cancelled->end.has_value(); }));
  EXPECT_EQ(cancelled->end->error.code, Code::cancelled);
  EXPECT_FALSE(cancelled->end->remote);
  EXPECT_EQ(echo.last_end.error.code, Code::cancelled);
  EXPECT_TRUE(echo.last_end.remote);

  const auto refused = two.alice.local("refuse");
  ASSERT_TRUE(two.run([&] { return refused->end.has_value(); }));
  EXPECT_EQ(static_cast<int>(refused->end->error.code), 1001);
  EXPECT_EQ(refused->end->error.text, "no such thing");
  EXPECT_EQ(echo.ends, 2U);
  EXPECT_EQ(echo.live(), 0U);
  EXPECT_EQ(two.alice.node->status().identities.at(0).bindings.at(0).streams, 0U);
}

TEST(LocalTest, LimitsAreThoseOfCalls) {
  node::Settings settings;
  settings.max_call_bytes = 1000;
  settings.call_timeout = seconds(5);
  settings.max_streams = 2;
  Ready two(settings);
  const EchoService& echo = *two.alice.factory.echo;
  const auto large = two.alice.local("inner", std::string(1001, 'x'));
  ASSERT_TRUE(two.run([&] { return large->end.has_value(); }));
  EXPECT_EQ(large->end->error.code, Code::too_large);
  const auto begun = two.sim.now();
  const auto silent = two.alice.local("inner.silent");
  ASSERT_TRUE(two.run([&] { return echo.live() == 1; }));
  const auto busy = two.alice.local("inner");
  ASSERT_TRUE(two.run([&] { return busy->end.has_value(); }));
  EXPECT_EQ(busy->end->error.code, Code::busy);
  ASSERT_TRUE(two.run([&] { return silent->end.has_value(); }));
  EXPECT_EQ(silent->end->error.code, Code::timeout);
  EXPECT_EQ(two.sim.now() - begun, seconds(5));
  EXPECT_EQ(echo.live(), 0U);
}

TEST(LocalTest, OfflineWaitsForItAsForOtherStreams) {
  Ready two;
  const auto silent = two.alice.local("inner.silent");
  ASSERT_TRUE(two.run([&] { return two.alice.factory.echo->live() == 1; }));
  bool drained = false;
  ASSERT_TRUE(two.alice.node->set_offline(two.alice.id, two.sim.now() + seconds(10), [&] { drained = true; }));
  two.sim.run_for(seconds(9));
  EXPECT_FALSE(drained);
  EXPECT_FALSE(silent->end);
  ASSERT_TRUE(two.run([&] { return drained; }));
  ASSERT_TRUE(silent->end);
  EXPECT_EQ(silent->end->error.code, Code::shutting_down);
}

TEST(LocalTest, ARemovedBindingAndARemovedIdentityEndIt) {
  Ready two;
  const auto first = two.alice.local("inner.silent");
  ASSERT_TRUE(two.run([&] { return two.alice.factory.echo->live() == 1; }));
  bool removed = false;
  two.alice.node->remove_binding(two.alice.id, "Echo", "default", two.sim.now(), [&] { removed = true; });
  ASSERT_TRUE(two.run([&] { return removed && first->end; }));
  EXPECT_EQ(first->end->error.code, Code::shutting_down);

  const auto second = std::make_unique<Program>(*two.bob.node);
  second->local({two.bob.id, "Echo", "default", "inner.silent", StreamKind::call, "", never}, "hi");
  ASSERT_TRUE(two.run([&] { return two.bob.factory.echo->live() == 1; }));
  removed = false;
  two.bob.node->remove_identity(two.bob.id, [&] { removed = true; });
  ASSERT_TRUE(two.run([&] { return removed && second->end; }));
  EXPECT_FALSE(second->end->ok);
}

TEST(LocalTest, TheAccessListIsForPeers) {
  Ready two;
  const auto silent = two.alice.local("inner.silent");
  ASSERT_TRUE(two.run([&] { return two.alice.factory.echo->live() == 1; }));
  node::BindingSpec closed = two.alice.bindings.front();
  closed.access.emplace();
  two.alice.node->put_binding(two.alice.id, closed, [](const Result<void>&) {});
  two.sim.run_for(seconds(1));
  EXPECT_FALSE(silent->end) << "nobody may, but the owner";
  const auto call = two.alice.local("inner");
  ASSERT_TRUE(two.run([&] { return call->end.has_value(); }));
  EXPECT_TRUE(call->ok());
}

TEST(LocalTest, StatesAreTold) {
  Ready two;
  EXPECT_EQ(two.alice.states, (std::vector<node::BindingState>{{node::BindingState::starting}, {node::BindingState::running}}));
  two.alice.states.clear();
  ASSERT_TRUE(two.alice.node->set_offline(two.alice.id, two.sim.now(), [] {}));
  ASSERT_TRUE(two.run([&] { return !two.alice.states.empty(); }));
  EXPECT_EQ(two.alice.states.back(), node::BindingState{});
}

} // namespace
} // namespace kith::testing
