// SPDX-License-Identifier: GPL-3.0-or-later
// Machines that change networks, sleep or stop under running transfers, and paths that change under them.
#include "bulk.hpp"

namespace kith::testing {
namespace {

/// alice and bob, 10 Mbit/s and 40 ms apart; bob has dialed.
struct Roaming : ::testing::Test, Two {
  Roaming() {
    LinkRules link;
    link.delay = milliseconds(20);
    link.bytes_per_second = 1'250'000;
    link.queue_bytes = 64 * 1024;
    network.set_both("host1", "host2", link);
    const auto warm = bob.call(alice);
    EXPECT_TRUE(run([&] { return warm->end.has_value(); }));
    EXPECT_TRUE(warm->ok());
  }

  /// `from` sends 5 MB to `to` (4 s); in their middle something happens. The transfer goes on and ends whole, on the same connection.
  void lives_through(Host& from, Host& to, const std::function<void()>& event, Duration limit = seconds(8)) {
    const std::uint64_t handshakes = bob.handshakes();
    Bulk bulk(*from.node, 5'000'000);
    bulk.start(from.request(to, StreamKind::stream, "digest"));
    const TimePoint began = sim.now();
    ASSERT_TRUE(run([&] { return bulk.half_sent(); }));
    event();
    const bool ended = sim.run_until([&] { return bulk.end.has_value(); }, began + limit);
    EXPECT_TRUE(ended);
    if (!ended) {
      bulk.cancel();
      run([&] { return bulk.end.has_value(); });
    }
    EXPECT_TRUE(bulk.whole()) << bulk.end->error.text;
    EXPECT_EQ(bob.handshakes(), handshakes) << "not the same connection";
  }

  const Address elsewhere = make_v4({10, 7, 7, 7}, 4433);
};

TEST_F(Roaming, TheDialerMovesWhileItSends) {
  lives_through(bob, alice, [&] { bob.move(elsewhere); });
}

TEST_F(Roaming, TheDialerMovesWhileItReceives) {
  lives_through(alice, bob, [&] { bob.move(elsewhere); });
}

// What was sent on the short path must not be paid for with a pause on the next one.
TEST(RoamingTest, ADialerLeavesAFastNetworkWhileItReceives) {
  Two two;
  LinkRules lan;
  lan.delay = std::chrono::microseconds(100);
  lan.bytes_per_second = 125'000'000;
  two.network.set_both("host1", "host2", lan);
  const auto warm = two.bob.call(two.alice);
  ASSERT_TRUE(two.run([&] { return warm->ok(); }));
  Bulk bulk(*two.alice.node, 80'000'000); // two thirds of a second
  bulk.start(two.alice.request(two.bob, StreamKind::stream, "digest"));
  ASSERT_TRUE(two.run([&] { return bulk.half_sent(); }));
  two.bob.move(make_v4({10, 7, 7, 7}, 4433));
  ASSERT_TRUE(two.run([&] { return bulk.end.has_value(); }, seconds(1)));
  EXPECT_TRUE(bulk.whole()) << bulk.end->error.text;
}

TEST_F(Roaming, TheDialersNatForgetsItsPort) {
  for (const auto& [from, to] : {std::pair(&bob, &alice), std::pair(&alice, &bob)}) {
    lives_through(
        *from, *to,
        [&] {
          network.rewrite(bob.ip, make_v4({10, 8, 8, 8}, static_cast<std::uint16_t>(2000 + sim.random().below(1000))));
        },
        seconds(12));
  }
}

TEST_F(Roaming, LargePacketsVanishInMidTransfer) {
  lives_through(bob, alice, [&] { network.link("host2", "host1").mtu = 1300; });
  lives_through(alice, bob, [&] { network.link("host1", "host2").mtu = 1228; });
}

TEST_F(Roaming, AFrozenPeerIsWaitedFor) {
  lives_through(
      bob, alice, [&] { alice.world->freeze(seconds(3)); }, seconds(12));
  lives_through(
      bob, alice, [&] { bob.world->freeze(seconds(3)); }, seconds(12));
}

TEST_F(Roaming, ClocksMayJump) {
  lives_through(bob, alice, [&] {
    bob.world->jump_wall_clock(seconds(-1'000'000));
    alice.world->jump_wall_clock(seconds(1'000'000));
  });
}

// The acceptor's connections can't follow it: it dials its peer anew, and the peer uses that.
TEST_F(Roaming, TheAcceptorMovesAndCallsSucceedWithinASecond) {
  const auto stream = bob.open(alice, "a");
  ASSERT_TRUE(run([&] { return stream->body == "a"; }));
  alice.move(elsewhere);
  const auto caught = bob.call(alice, "job1;"); // goes into the void: bob can't know yet
  sim.run_for(seconds(1));
  const auto call = bob.call(alice, "there?");
  ASSERT_TRUE(run([&] { return call->end.has_value(); }, milliseconds(200)));
  EXPECT_TRUE(call->ok()) << call->end->error.text;
  const auto back = alice.call(bob, "here");
  ASSERT_TRUE(run([&] { return back->end.has_value(); }, milliseconds(200)));
  EXPECT_TRUE(back->ok()) << back->end->error.text;
  // What was under way has nobody left to answer it.
  ASSERT_TRUE(run([&] { return caught->end && stream->end; }, seconds(3)));
  EXPECT_EQ(stream->end->error.code, Code::connection_lost) << code_name(stream->end->error.code) << " " << stream->end->error.text;
  EXPECT_TRUE(caught->ok() || caught->end->error.code == Code::connection_lost)
      << code_name(caught->end->error.code) << " " << caught->end->error.text;
}

TEST_F(Roaming, BothMoveAtOnce) {
  bob.move(make_v4({10, 7, 7, 8}, 4433));
  alice.move(elsewhere);
  bob.know(alice); // somebody told it
  const auto call = bob.call(alice, "there?");
  ASSERT_TRUE(run([&] { return call->end.has_value(); }));
  sim.run_for(seconds(5));
  const auto again = bob.call(alice, "there?");
  ASSERT_TRUE(run([&] { return again->end.has_value(); }));
  EXPECT_TRUE(again->ok()) << again->end->error.text;
}

} // namespace
} // namespace kith::testing
