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

  static node::ConnectionStatus connection_of(const Host& host) { return host.node->status().identities.at(0).connections.at(0); }

  /// Notes the connection ids of the datagrams between alice and each address of bob's, once the handshake is over.
  void watch_ids() {
    network.tap = [this](const Address& from, const Address& to, ByteView bytes) {
      if ((bytes[0] & 0x80) != 0) return false;
      const bool from_alice = from == alice.ip;
      (from_alice ? ids_to : ids_from)[from_alice ? to : from].insert(std::string(as_text(bytes.subspan(1, 8))));
      return false;
    };
  }
  /// No id was seen on two addresses.
  void expect_other_ids(std::size_t addresses) {
    for (const auto* seen : {&ids_from, &ids_to}) {
      EXPECT_EQ(seen->size(), addresses);
      std::set<std::string> all;
      for (const auto& [address, ids] : *seen) {
        for (const std::string& id : ids) EXPECT_TRUE(all.insert(id).second) << "an id that was used elsewhere, on " << address.text();
      }
    }
  }

  const Address elsewhere = make_v4({10, 7, 7, 7}, 4433);
  const Address third = make_v4({10, 7, 8, 8}, 4433);
  std::map<Address, std::set<std::string>> ids_from; ///< By bob's address.
  std::map<Address, std::set<std::string>> ids_to;
};

TEST_F(Roaming, TheDialerMovesWhileItSends) {
  watch_ids();
  lives_through(bob, alice, [&] {
    bob.world->udp().set_addresses({elsewhere});
    sim.run_for(
        milliseconds(200)); // the daemon waits for the last of the news; what is sent meanwhile is lost, not sent from elsewhere under the old ids
    bob.move(elsewhere);
  });
  expect_other_ids(2);
  EXPECT_EQ(connection_of(bob).local, elsewhere);
  EXPECT_EQ(connection_of(alice).remote, elsewhere);
}

TEST_F(Roaming, TheDialerMovesWhileItReceives) {
  watch_ids();
  lives_through(alice, bob, [&] { bob.move(elsewhere); });
  expect_other_ids(2);
}

TEST_F(Roaming, APingMeasuresTheNewWay) {
  for (Host* asks : {&bob, &alice}) {
    sim.run_for(seconds(5));
    std::optional<node::PingReport> report;
    bob.move(asks == &bob ? elsewhere : third);
    sim.run_for(milliseconds(asks == &bob ? 0 : 70)); // she has to hear of it first
    asks->node->ping(asks->id, asks == &bob ? alice.id : bob.id, seconds(2), [&](const Result<node::PingReport>& said) { report = said.value(); });
    ASSERT_TRUE(run([&] { return report.has_value(); }));
    ASSERT_TRUE(report->rtt) << "no answer";
    EXPECT_GE(*report->rtt, milliseconds(40));
    EXPECT_LE(*report->rtt, milliseconds(80));
    EXPECT_EQ(asks == &bob ? report->path.local : report->path.remote, bob.ip);
  }
}

TEST_F(Roaming, TheDialerMovesAndComesBack) {
  const Address home = bob.ip;
  lives_through(bob, alice, [&] {
    bob.move(elsewhere);
    sim.run_for(milliseconds(500));
    bob.move(home);
  });
  EXPECT_EQ(connection_of(alice).remote, home);
}

// The way that their connection takes is dead, and nobody is told; another is known.
TEST_F(Roaming, AfterACallWithoutAnAnswerTheNextOneLooksForAnotherWay) {
  node::PeerSpec known = bob.peers.at(alice.id);
  known.addresses.push_back(elsewhere);
  bob.node->put_peer(bob.id, known);
  alice.ip = elsewhere;
  alice.world->udp().set_addresses({elsewhere});
  node::OpenRequest request = bob.request(alice);
  request.deadline = sim.now() + seconds(2);
  Program lost(*bob.node);
  lost.call(request, "hi");
  ASSERT_TRUE(run([&] { return lost.end.has_value(); }));
  EXPECT_EQ(lost.end->error.code, Code::timeout);
  const auto next = bob.call(alice);
  EXPECT_TRUE(run([&] { return next->ok(); }, seconds(3))) << "it waits on the silence of the one before";
}

// alice knows no address of bob's but the one from which he dialed, and that is another by now.
TEST_F(Roaming, ADialerThatMigratedIsFoundWhereItWent) {
  node::PeerSpec known = alice.peers.at(bob.id);
  known.addresses.clear();
  alice.node->put_peer(alice.id, known);
  bob.move(elsewhere);
  const auto call = bob.call(alice);
  ASSERT_TRUE(run([&] { return call->ok(); }));
  alice.node->close_peer(alice.id, bob.id, "");
  sim.run_for(seconds(1));
  const auto back = alice.call(bob);
  EXPECT_TRUE(run([&] { return back->ok(); }, seconds(2)));
}

// Faster than the peer can give ids: packets go on under those that there are, and the transfer lives.
TEST_F(Roaming, TheDialerMovesTwiceInARow) {
  for (const auto& [from, to] : {std::pair(&bob, &alice), std::pair(&alice, &bob)}) {
    lives_through(*from, *to, [&] {
      for (const Address& next : {elsewhere, third, make_v4({10, 7, 9, 9}, 4433), elsewhere}) {
        bob.move(next);
        sim.run_for(milliseconds(sim.random().below(60)));
      }
    });
    EXPECT_EQ(connection_of(bob).local, elsewhere);
    EXPECT_EQ(connection_of(alice).remote, elsewhere);
    bob.move(third);
  }
}

// Each time the address before is gone at once, and something is said ten times a second.
TEST_F(Roaming, TheDialerMovesAgainAndAgain) {
  const std::uint64_t handshakes = bob.handshakes();
  for (const Duration gap : {Duration(milliseconds(300)), Duration(seconds(1)), Duration(seconds(2)), Duration(seconds(3)), Duration(seconds(5))}) {
    for (std::uint8_t n = 1; n <= 8; ++n) {
      bob.move(make_v4({10, 7, static_cast<std::uint8_t>(gap / milliseconds(300)), n}, 4433));
      for (const TimePoint until = sim.now() + gap; sim.now() < until;) {
        const auto call = bob.call(alice);
        EXPECT_TRUE(sim.run_until([&] { return call->end.has_value(); }, sim.now() + seconds(20)));
        EXPECT_TRUE(call->ok()) << call->end->error.text << ", move " << int{n};
        sim.run_for(milliseconds(100));
      }
    }
    EXPECT_EQ(bob.handshakes(), handshakes) << "not the same connection, gap " << gap / milliseconds(1) << " ms";
  }
  for (int n = 0; n < 300; ++n) {
    bob.move(make_v4({10, 8, static_cast<std::uint8_t>(n / 200), static_cast<std::uint8_t>(1 + n % 200)}, 4433));
    for (const TimePoint until = sim.now() + milliseconds(10 + sim.random().below(4500)); sim.now() < until;) {
      const auto call = bob.call(alice);
      EXPECT_TRUE(sim.run_until([&] { return call->end.has_value(); }, sim.now() + seconds(20)));
      EXPECT_TRUE(call->ok()) << call->end->error.text << ", move " << n;
      sim.run_for(milliseconds(100));
    }
  }
  EXPECT_EQ(bob.handshakes(), handshakes) << "not the same connection";
}

TEST_F(Roaming, TheDialerHasNoNetworkForAWhile) {
  lives_through(
      bob, alice,
      [&] {
        bob.world->udp().set_addresses({});
        bob.node->addresses_changed();
        sim.run_for(seconds(8));
        bob.move(elsewhere);
      },
      seconds(20));
  EXPECT_EQ(connection_of(bob).local, elsewhere);
}

// A VPN or a container's interface comes and goes: whoever goes another way hears nothing of it.
TEST_F(Roaming, AnUnrelatedAddressIsNoMove) {
  const auto stream = bob.open(alice, "a");
  ASSERT_TRUE(run([&] { return stream->body == "a"; }));
  sim.run_for(seconds(18)); // path MTU probes are over, a keep-alive has been sent
  const auto window = connection_of(bob).congestion_window;
  std::size_t sent = 0;
  network.tap = [&](const Address&, const Address&, ByteView) { return ++sent == 0; };
  for (Host* host : {&bob, &alice}) {
    for (const std::vector<Address>& addresses : {std::vector{host->ip, elsewhere}, std::vector{host->ip}}) {
      host->world->udp().set_addresses(addresses);
      host->node->addresses_changed();
      sim.run_for(milliseconds(600));
    }
  }
  EXPECT_EQ(sent, 0U);
  EXPECT_EQ(connection_of(bob).congestion_window, window);
  EXPECT_EQ(bob.handshakes(), 1U);
}

// Nobody has moved: the kernel was too busy to say so.
TEST_F(Roaming, WhoCanNotBeAskedHasNotMoved) {
  const auto stream = bob.open(alice, "a");
  ASSERT_TRUE(run([&] { return stream->body == "a"; }));
  sim.run_for(seconds(18));
  const std::uint64_t handshakes = alice.handshakes();
  std::size_t sent = 0;
  network.tap = [&](const Address&, const Address&, ByteView) { return ++sent == 0; };
  for (const bool askable : {false, true}) {
    for (Host* host : {&bob, &alice}) {
      host->world->udp().set_askable(askable);
      host->node->addresses_changed();
      sim.run_for(milliseconds(600));
    }
  }
  EXPECT_EQ(sent, 0U);
  EXPECT_EQ(alice.handshakes(), handshakes);
  EXPECT_EQ(bob.handshakes(), 1U);
}

// It has moved, and the kernel was too busy to say so when it was asked.
TEST_F(Roaming, WhoCouldNotBeAskedIsAskedAgain) {
  const auto stream = bob.open(alice, "a");
  ASSERT_TRUE(run([&] { return stream->body == "a"; }));
  bob.world->udp().set_askable(false);
  bob.move(third);
  sim.run_for(milliseconds(10));
  bob.world->udp().set_askable(true);
  const auto call = bob.call(alice);
  const TimePoint before = sim.now();
  ASSERT_TRUE(run([&] { return call->ok(); }));
  EXPECT_LT(sim.now() - before, seconds(5));
}

// Its old address is still there and hears what was under way to it: that is no proof of the new one.
TEST_F(Roaming, ANewNetworkThatLeadsNowhereEndsTheConnection) {
  Bulk bulk(*alice.node, 50'000'000);
  bulk.start(alice.request(bob, StreamKind::stream, "digest"));
  ASSERT_TRUE(run([&] { return bulk.half_sent() || sim.now() > TimePoint(seconds(3)); }));
  const Address home = bob.ip;
  network.tap = [this](const Address& from, const Address& to, ByteView) { return from == elsewhere || to == elsewhere; };
  bob.world->udp().set_addresses({elsewhere, home});
  bob.node->addresses_changed();
  const TimePoint moved = sim.now();
  EXPECT_TRUE(run([&] { return bob.connections() == 0; }));
  EXPECT_LE(sim.now() - moved, pool::silent_ptos * pool::longest_pto + milliseconds(1)) << "as when the network is gone";
  bob.world->udp().set_addresses({home});
  bob.node->addresses_changed();
  const auto call = bob.call(alice);
  ASSERT_TRUE(run([&] { return call->end.has_value(); }, seconds(1)));
  EXPECT_TRUE(call->ok()) << call->end->error.text;
  bulk.cancel();
  run([&] { return bulk.end.has_value(); });
}

// What was under way to it is lost, and its peer, which knows the path already and has nothing else to say, has to notice.
TEST(RoamingTest, AnAnswerIsUnderWayWhenTheDialerComesBack) {
  for (const int away : {100, 1500, 8000}) {
    Two two;
    two.network.defaults.delay = milliseconds(20);
    const auto warm = two.bob.call(two.alice);
    two.sim.run_for(seconds(8)); // path MTU probes are over
    const Address home = two.bob.ip;
    two.bob.move(make_v4({10, 7, 7, 7}, 4433));
    two.sim.run_for(milliseconds(away));
    const auto stream = two.bob.open(two.alice, std::string(8000, 'x'));
    two.sim.run_for(milliseconds(5));
    two.bob.move(home);
    EXPECT_TRUE(two.run([&] { return stream->body.size() == 8000; }, seconds(3))) << away;
  }
}

TEST(RoamingTest, ADialerOfManyTakesAllAlong) {
  Two two;
  std::vector<std::unique_ptr<Host>> others;
  std::vector<std::unique_ptr<Program>> calls;
  for (std::uint8_t n = 3; n < 83; ++n) {
    others.push_back(std::make_unique<Host>(two.sim, two.network, n));
    others.back()->know(two.bob);
    two.bob.know(*others.back());
    calls.push_back(two.bob.call(*others.back()));
  }
  ASSERT_TRUE(two.run([&] { return std::ranges::all_of(calls, [](const auto& call) { return call->ok(); }); }));
  const Address elsewhere = make_v4({10, 7, 7, 7}, 4433);
  two.bob.move(elsewhere);
  two.sim.run_for(milliseconds(100));
  EXPECT_EQ(two.bob.connections(), others.size());
  const node::Status status = two.bob.node->status();
  for (const auto& connection : status.identities.at(0).connections) EXPECT_EQ(connection.local, elsewhere);
  for (const auto& other : others) EXPECT_EQ(other->node->status().identities.at(0).connections.at(0).remote, elsewhere);
}

TEST(RoamingTest, TheDialerMovesWhileItsHandshakeRuns) {
  for (int at = 0; at < 8; ++at) { // quarters of a round trip
    Two two;
    two.network.defaults.delay = milliseconds(20);
    const auto call = two.bob.call(two.alice);
    two.sim.run_for(milliseconds(10) * at);
    two.bob.move(make_v4({10, 7, 7, 7}, 4433));
    ASSERT_TRUE(two.run([&] { return call->end.has_value(); }, seconds(11)));
    if (at >= 4) {
      EXPECT_TRUE(call->ok()) << at << ": " << call->end->error.text;
    } else { // an acceptor answers an Initial where it came from: that answer is lost, and the dial with it
      EXPECT_EQ(call->end->error.code, Code::unreachable) << at;
    }
    const auto again = two.bob.call(two.alice);
    ASSERT_TRUE(two.run([&] { return again->end.has_value(); }, seconds(1)));
    EXPECT_TRUE(again->ok()) << at << ": " << again->end->error.text;
  }
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

TEST(RoamingTest, AnAcceptorAskedAtAnotherOfItsAddressesIsNotMoved) {
  Two two;
  two.alice.world->udp().set_addresses({make_v4({10, 0, 0, 77}, 4433), two.alice.ip}); // the kernel prefers .77 (a temporary address); bob knows .1
  const auto call = two.bob.call(two.alice);
  ASSERT_TRUE(two.run([&] { return call->ok(); }));
  two.sim.run_for(seconds(5));
  two.alice.node->addresses_changed(); // a container's interface came: nothing of ours changed
  two.sim.run_for(seconds(3));
  EXPECT_EQ(two.bob.handshakes(), 1U) << "the peer was dialed for nothing";
}

TEST_F(Roaming, APathThatTakesLongToComeUpIsProvenThen) {
  const auto stream = bob.open(alice, "a");
  ASSERT_TRUE(run([&] { return stream->body == "a"; }));
  sim.run_for(seconds(18));
  network.tap = [](const Address&, const Address&, ByteView) { return true; };
  bob.move(elsewhere);
  sim.run_for(seconds(5)); // ngtcp2 gives the validation up after three
  network.tap = {};
  Bulk bulk(*bob.node, 5'000'000);
  bulk.start(bob.request(alice, StreamKind::stream, "digest"));
  ASSERT_TRUE(run([&] { return bulk.end.has_value(); }));
  EXPECT_TRUE(bulk.whole());
  EXPECT_EQ(connection_of(bob).mtu, 1452U) << "nobody looks for larger packets on a path that is not proven";
}

TEST_F(Roaming, APingIsNotAnsweredByAMigration) {
  const auto stream = bob.open(alice, "a");
  ASSERT_TRUE(run([&] { return stream->body == "a"; }));
  sim.run_for(seconds(5));
  std::optional<node::PingReport> report;
  std::size_t dropped = 0;
  network.tap = [&](const Address& from, const Address&, ByteView) { return from == alice.ip && ++dropped < 4; }; // the PING does not arrive
  alice.node->ping(alice.id, bob.id, seconds(2), [&](const Result<node::PingReport>& said) { report = said.value(); });
  sim.run_for(milliseconds(5));
  bob.move(elsewhere);
  ASSERT_TRUE(run([&] { return report.has_value(); }));
  EXPECT_TRUE(!report->rtt || *report->rtt >= milliseconds(40)) << "answered, though its answer can't be here yet";
}

TEST(RoamingTest, NewsThatChangeNothingMoveNoDial) {
  Two two;
  two.network.defaults.delay = milliseconds(20);
  std::set<std::string> ids;
  two.network.tap = [&](const Address& from, const Address&, ByteView bytes) {
    if (from == two.bob.ip && (bytes[0] & 0x80) == 0) ids.insert(std::string(as_text(bytes.subspan(1, 8))));
    return false;
  };
  const auto call = two.bob.call(two.alice);
  two.sim.run_for(milliseconds(10));
  two.bob.node->addresses_changed();
  ASSERT_TRUE(two.run([&] { return call->ok(); }));
  two.sim.run_for(seconds(1));
  EXPECT_EQ(ids.size(), 1U);
}

} // namespace
} // namespace kith::testing
