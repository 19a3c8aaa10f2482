// SPDX-License-Identifier: GPL-3.0-or-later
// How large packets become: as large as our own link and the way allow, once there is something to gain (RFC 8899, docs/adr/0019).
#include "bulk.hpp"

#include <algorithm>
#include <memory>
#include <vector>

namespace kith::testing {
namespace {

/// The hosts' own links, and the way between them.
void links_take(Two& two, std::size_t own, std::size_t way) {
  for (Host* host : {&two.alice, &two.bob}) host->world->udp().set_link_mtu(own);
  for (const auto& [from, to] : {std::pair("host1", "host2"), std::pair("host2", "host1")}) two.network.link(from, to).mtu = way;
}

/// alice and bob on fast links; bob has dialed, and has sent one call.
struct PacketSize : ::testing::Test, Two {
  PacketSize() {
    LinkRules link;
    link.delay = milliseconds(1);
    link.bytes_per_second = 12'500'000;
    link.queue_bytes = 256 * 1024;
    network.set_both("host1", "host2", link);
    const auto first = bob.call(alice);
    EXPECT_TRUE(run([&] { return first->ok(); }));
  }
  void links_take(std::size_t own, std::size_t way) { testing::links_take(*this, own, way); }
  void transfer(const std::function<void()>& in_the_middle = nullptr) {
    Bulk bulk(*bob.node, 5'000'000);
    bulk.start(bob.request(alice, StreamKind::stream, "digest"));
    ASSERT_TRUE(run([&] { return bulk.half_sent(); }));
    if (in_the_middle) in_the_middle();
    ASSERT_TRUE(run([&] { return bulk.end.has_value(); }));
    EXPECT_TRUE(bulk.whole()) << bulk.end->error.text;
  }
  std::size_t mtu() const { return bob.node->status().identities.at(0).connections.at(0).mtu; }
};

TEST_F(PacketSize, AConnectionOfAFewCallsProbesNothing) {
  const std::uint64_t before = network.counters("host2", "host1").sent;
  sim.run_for(seconds(5));
  EXPECT_EQ(mtu(), 1200U);
  EXPECT_LE(network.counters("host2", "host1").sent - before, 2U) << "acknowledgements";
}

TEST_F(PacketSize, EthernetIsFilled) {
  transfer();
  EXPECT_EQ(mtu(), 1452U);
  EXPECT_EQ(network.counters("host2", "host1").too_big, 0U) << "nothing that the own link would refuse";
}

TEST_F(PacketSize, JumboFramesAreFound) {
  links_take(9000, 9000);
  transfer();
  EXPECT_EQ(mtu(), 8848U);
}

TEST_F(PacketSize, LoopbackTakesMore) {
  links_take(65536, 65536);
  transfer();
  EXPECT_EQ(mtu(), 16336U);
}

// A stream whose credit ends in the middle of a packet leaves the rest of it to the next one.
TEST_F(PacketSize, TheLimitIsASettingForNewConnections) {
  links_take(9000, 9000);
  node::Settings settings;
  settings.quic.max_packet = 1452;
  bob.node->apply(settings);
  bob.node->close_peer(bob.id, alice.id, "");
  sim.run_for(seconds(1));
  transfer();
  EXPECT_EQ(mtu(), 1452U);
}

TEST(PacketSizeTest, WhereCreditEndsAnotherStreamGoesOn) {
  node::Settings settings;
  settings.quic.stream_window = settings.quic.max_stream_window = 40'000;
  Two two(1, settings);
  links_take(two, 65536, 65536);
  std::vector<std::unique_ptr<Bulk>> all;
  constexpr std::uint64_t size = 1'000'000;
  for (int i = 0; i < 8; ++i) {
    all.push_back(std::make_unique<Bulk>(*two.bob.node, size));
    all.back()->start(two.bob.request(two.alice, StreamKind::stream, "digest"));
  }
  ASSERT_TRUE(two.run([&] { return std::ranges::all_of(all, [](const auto& each) { return each->end.has_value(); }); }));
  for (const auto& each : all) EXPECT_TRUE(each->whole());
  EXPECT_LT(two.network.counters("host2", "host1").bytes_delivered, 8 * size + 8 * size / 20) << "5 % for headers, probes and acknowledgements";
}

TEST_F(PacketSize, ASwitchInBetweenTakesLess) {
  links_take(9000, 1500);
  transfer();
  sim.run_for(seconds(5));
  EXPECT_EQ(mtu(), 1452U);
  EXPECT_LE(network.counters("host2", "host1").too_big, 3U) << "one size, tried three times";
}

TEST_F(PacketSize, ATunnelTakesLessThanEthernet) {
  links_take(1420, 1420);
  transfer();
  sim.run_for(seconds(5));
  EXPECT_EQ(mtu(), 1342U);
}

TEST_F(PacketSize, JumboFramesVanishInMidTransfer) {
  links_take(9000, 9000);
  transfer([&] {
    EXPECT_EQ(mtu(), 8848U);
    links_take(9000, 1500);
  });
}

} // namespace
} // namespace kith::testing
