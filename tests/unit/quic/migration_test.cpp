// SPDX-License-Identifier: GPL-3.0-or-later
// A dialer whose address changes (RFC 9000 §9).
#include "pair.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace kith::quic::testing {
namespace {

/// Alice has dialed bob. Which destination connection ids were seen, in their order, by who sent them from where.
struct Migration : ::testing::Test, Pair {
  Migration() {
    drop = [this](const Host& from, const Datagram& datagram) {
      const std::size_t step = datagram.segment == 0 ? datagram.bytes.size() : datagram.segment;
      for (std::size_t at = 0; at < datagram.bytes.size(); at += step) {
        if ((datagram.bytes[at] & 0x80) != 0) continue; // a long header
        const Address& where = &from == &alice ? from.address : datagram.remote;
        auto& seen = (&from == &alice ? by_alice : by_bob)[where];
        const std::string cid(as_text(datagram.bytes.subspan(at + 1, 8)));
        if (std::ranges::find(seen, cid) == seen.end()) seen.push_back(cid);
      }
      return false;
    };
  }

  void move_to(const Address& address) {
    alice.address = address;
    alice.endpoint->move(id, address, now);
  }

  /// A new stream carries so much to bob.
  void send(std::size_t octets) {
    const auto out = std::make_shared<Pipe>(alice.slabs);
    const auto stream = alice.endpoint->open_uni_stream(id, out).value();
    stream->start_sending({});
    out->write(Bytes(octets));
    out->finish();
    stream->produced();
    bob.events.clear();
    run(seconds(5)); // until the path that was left is forgotten, and the peer has a spare id again
    const StreamPtr arrived = bob.opened();
    ASSERT_TRUE(arrived);
    EXPECT_EQ(arrived->in()->readable(), octets);
  }

  ConnectionInfo info() const { return alice.endpoint->info(id).value(); }

  static bool share(const std::vector<std::string>& a, const std::vector<std::string>& b) {
    return std::ranges::any_of(a, [&](const auto& each) { return std::ranges::find(b, each) != b.end(); });
  }

  using Seen = std::map<Address, std::vector<std::string>>;
  Seen by_alice; ///< By her address.
  Seen by_bob;   ///< By the one that he sends to.
  ConnectionId id = connect();
  const Address home = alice.address;
  const Address elsewhere = make_v4({127, 0, 7, 7}, 4433);
  const Address third = make_v4({127, 0, 8, 8}, 4433);
};

TEST_F(Migration, EachAddressHasConnectionIdsOfItsOwn) {
  EXPECT_EQ(info().local, home);
  send(1000);
  move_to(elsewhere);
  send(1000);
  move_to(third);
  send(1000);
  for (const Seen* seen : {&by_alice, &by_bob}) {
    ASSERT_EQ(seen->size(), 3U);
    EXPECT_FALSE(share(seen->at(home), seen->at(elsewhere)));
    EXPECT_FALSE(share(seen->at(elsewhere), seen->at(third)));
    EXPECT_FALSE(share(seen->at(home), seen->at(third)));
  }
  EXPECT_EQ(info().local, third);
  EXPECT_EQ(bob.endpoint->list().at(0).remote, third);
  EXPECT_EQ(bob.endpoint->counters().handshakes_accepted, 1U);
}

TEST_F(Migration, BackHomeIsAnotherPathToo) {
  send(1000);
  const auto before = by_alice.at(home);
  move_to(elsewhere);
  send(1000);
  by_alice.clear();
  move_to(home);
  send(1000);
  EXPECT_FALSE(share(before, by_alice.at(home)));
  EXPECT_EQ(bob.endpoint->list().at(0).remote, home);
}

TEST_F(Migration, CongestionControlStartsAnew) {
  const auto fresh = info();
  send(200'000);
  const auto grown = info();
  ASSERT_GT(grown.congestion_window, 2 * fresh.congestion_window);
  move_to(elsewhere);
  EXPECT_LE(info().congestion_window, 14'720U) << "RFC 9002 §7.2";
  EXPECT_EQ(info().smoothed_rtt, milliseconds(333)) << "RFC 9002 §6.2.2";
  delay = milliseconds(50);
  send(10'000);
  EXPECT_GE(info().smoothed_rtt, 2 * delay);
  EXPECT_LT(info().smoothed_rtt, 3 * delay);
}

TEST_F(Migration, TheSameAddressIsNoMove) {
  send(200'000);
  const auto before = info();
  by_alice.clear();
  move_to(home);
  run(milliseconds(500));
  EXPECT_TRUE(by_alice.empty()) << "nothing is sent";
  EXPECT_EQ(info().congestion_window, before.congestion_window);
}

TEST_F(Migration, AnAcceptorStays) {
  const ConnectionId other = bob.endpoint->list().at(0).id;
  const Address before = bob.endpoint->info(other)->local;
  EXPECT_EQ(before, bob.address);
  bob.endpoint->move(other, elsewhere, now);
  EXPECT_EQ(bob.endpoint->info(other)->local, before);
  send(1000);
}

// The peer gives one spare id at a time: until there is another, the connection goes on as it is.
TEST_F(Migration, WithoutASpareIdItGoesOnAndMigratesLater) {
  move_to(elsewhere);
  move_to(third);
  EXPECT_EQ(info().local, third);
  send(100'000);
  EXPECT_EQ(by_alice.at(third).size(), 2U) << "first with the id for the address between, which nobody saw it use";
  EXPECT_EQ(bob.endpoint->list().at(0).remote, third);
}

TEST_F(Migration, ManyMovesInARow) {
  for (std::uint8_t n = 1; n <= 40; ++n) {
    move_to(make_v4({127, 0, 9, n}, 4433));
    run(milliseconds(n));
  }
  send(100'000);
  EXPECT_EQ(bob.endpoint->list().at(0).remote, alice.address);
}

// QUIC has no migration before the handshake is confirmed (RFC 9000 §9): the acceptor sees another address, as behind a NAT. (Only the first answer would be
// lost, at step 1, and the dial with it: an acceptor answers where the Initial came from.)
TEST(MigrationTest, AMoveDuringTheHandshakeDoesNoHarm) {
  const Address elsewhere = make_v4({127, 0, 7, 7}, 4433);
  for (const int steps : {0, 2, 3, 4, 5}) {
    Pair pair;
    const ConnectionId id = pair.dial(pair.alice, pair.bob).value();
    int passed = 0;
    if (steps > 0) pair.run(seconds(1), [&] { return ++passed > steps; });
    pair.alice.address = elsewhere;
    pair.alice.endpoint->move(id, elsewhere, pair.now);
    pair.run(seconds(2));
    ASSERT_NE(pair.alice.find(Event::Kind::confirmed), nullptr) << steps;
    EXPECT_EQ(pair.alice.find(Event::Kind::closed), nullptr) << steps;
    EXPECT_EQ(pair.alice.endpoint->info(id)->local, elsewhere) << steps;
    EXPECT_EQ(pair.bob.endpoint->list().at(0).remote, elsewhere) << steps;
  }
}

} // namespace
} // namespace kith::quic::testing
