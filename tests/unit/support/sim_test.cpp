// SPDX-License-Identifier: GPL-3.0-or-later
// The simulator itself: what it promises to the tests that run in it.
#include "support/sim_world.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kith::testing {
namespace {

using namespace std::chrono_literals;

struct Receiver : UdpReceiver {
  void received(std::span<const Datagram> datagrams) override {
    for (const Datagram& d : datagrams) {
      texts.emplace_back(as_text(d.bytes));
      last = d;
    }
  }
  void sendable(SocketId) override { ++sendables; }
  std::vector<std::string> texts;
  Datagram last;
  int sendables = 0;
};

class SimTest : public ::testing::Test {
protected:
  explicit SimTest(std::uint64_t seed = 1) : sim_(seed) {
    a_ = *world_a_.udp().open(make_v4({}, 0), in_a_);
    b_ = *world_b_.udp().open(make_v4({}, 500), in_b_);
  }
  SendResult send(std::string_view text, std::uint16_t segment = 0, std::uint8_t ecn = 0) {
    return world_a_.udp().send({.socket = a_, .local = {}, .remote = to_b_, .bytes = as_bytes(text), .segment = segment, .ecn = ecn});
  }
  void send_many(int count) {
    for (int i = 0; i < count; ++i) send(std::to_string(i));
    sim_.run_for(10s);
  }

  Sim sim_;
  SimNetwork network_{sim_};
  Receiver in_a_, in_b_;
  SimWorld world_a_{sim_, network_, "a", {make_v4({10, 0, 0, 1}, 0)}};
  SimWorld world_b_{sim_, network_, "b", {make_v4({10, 0, 0, 2}, 0), make_v4({10, 0, 0, 3}, 0)}};
  SocketId a_{}, b_{};
  Address to_b_ = make_v4({10, 0, 0, 3}, 500);
};

TEST_F(SimTest, ADatagramTakesTheLinksDelayAndShowsBothAddresses) {
  network_.link("a", "b").delay = 30ms;
  const TimePoint start = sim_.now();
  EXPECT_EQ(send("hi"), SendResult::sent);
  ASSERT_TRUE(sim_.run_until([&] { return !in_b_.texts.empty(); }, 1s));
  EXPECT_EQ(sim_.now() - start, 30ms);
  EXPECT_EQ(in_b_.last.local, to_b_) << "a wildcard socket learns which address was asked";
  EXPECT_EQ(in_b_.last.remote, make_v4({10, 0, 0, 1}, world_a_.udp().bound(a_).port));
}

TEST_F(SimTest, TrainsAreCutIntoSegments) {
  send("aaabbbcc", 3);
  sim_.run_for(1s);
  EXPECT_THAT(in_b_.texts, ::testing::ElementsAre("aaa", "bbb", "cc"));
  EXPECT_EQ(send("abcdefghijklm", 1), SendResult::dropped) << "longer than max_train";
}

TEST_F(SimTest, LossHitsItsShare) {
  network_.link("a", "b").loss = 0.3;
  send_many(2000);
  EXPECT_NEAR(static_cast<double>(in_b_.texts.size()), 1400, 100);
}

TEST_F(SimTest, BurstsLoseInARow) {
  network_.link("a", "b").burst_enter = 0.02;
  network_.link("a", "b").burst_leave = 0.1;
  send_many(2000);
  std::size_t runs = 0;
  for (std::size_t i = 1; i < in_b_.texts.size(); ++i) {
    if (std::stoi(in_b_.texts[i]) - std::stoi(in_b_.texts[i - 1]) > 5) ++runs;
  }
  EXPECT_GT(runs, 5U);
}

TEST_F(SimTest, JitterKeepsTheOrderAndReorderDoesNot) {
  network_.link("a", "b").jitter = 20ms;
  send_many(100);
  std::vector<std::string> sorted;
  for (int i = 0; i < 100; ++i) sorted.push_back(std::to_string(i));
  EXPECT_EQ(in_b_.texts, sorted);
  in_b_.texts.clear();
  network_.link("a", "b").jitter = {};
  network_.link("a", "b").reorder = 0.1;
  send_many(100);
  EXPECT_NE(in_b_.texts, sorted);
  EXPECT_THAT(in_b_.texts, ::testing::UnorderedElementsAreArray(sorted));
}

TEST_F(SimTest, DuplicatesArriveTwice) {
  network_.link("a", "b").duplicate = 1;
  send("x");
  sim_.run_for(1s);
  EXPECT_EQ(in_b_.texts.size(), 2U);
}

TEST_F(SimTest, TheRateQueuesMarksAndOverflows) {
  LinkRules& link = network_.link("a", "b");
  link.bytes_per_second = 100'000;
  link.queue_bytes = 10'000;
  link.mark_bytes = 5'000;
  const std::string kilo(1000 - 28, 'x');
  const TimePoint start = sim_.now();
  for (int i = 0; i < 20; ++i) send(kilo, 0, 2);
  sim_.run_until([&] { return in_b_.texts.size() == 11; }, 10s);
  EXPECT_EQ(sim_.now() - start, 110ms + link.delay);
  sim_.run_for(1s);
  EXPECT_EQ(in_b_.texts.size(), 11U);
  EXPECT_EQ(in_b_.last.ecn, 3);
  EXPECT_EQ(network_.counters("a", "b").overflowed, 9U);
  EXPECT_EQ(network_.counters("a", "b").marked, 5U);
}

TEST_F(SimTest, WhatIsAboveTheMtuVanishes) {
  send(std::string(1472, 'x'));
  send(std::string(1473, 'x'));
  sim_.run_for(1s);
  EXPECT_EQ(in_b_.texts.size(), 1U);
}

TEST_F(SimTest, APartitionHeals) {
  network_.partition("a", "b", true);
  send("lost");
  network_.partition("a", "b", false);
  send("found");
  sim_.run_for(1s);
  EXPECT_THAT(in_b_.texts, ::testing::ElementsAre("found"));
}

TEST_F(SimTest, ANatRebindsAndForgetsTheOldAddress) {
  const Address inside = make_v4({10, 0, 0, 1}, world_a_.udp().bound(a_).port);
  const Address first = make_v4({203, 0, 113, 1}, 1000);
  const Address second = make_v4({203, 0, 113, 1}, 2000);
  const auto back = [&](const Address& to) { world_b_.udp().send({.socket = b_, .local = to_b_, .remote = to, .bytes = as_bytes("back")}); };
  network_.rewrite(inside, first);
  send("1");
  sim_.run_for(1s);
  EXPECT_EQ(in_b_.last.remote, first);
  network_.rewrite(inside, second);
  send("2");
  sim_.run_for(1s);
  EXPECT_EQ(in_b_.last.remote, second);
  back(first);
  back(second);
  sim_.run_for(1s);
  EXPECT_EQ(in_a_.texts.size(), 1U);
  EXPECT_EQ(in_a_.last.local, inside);
}

TEST_F(SimTest, ABlockedSocketSaysWhenItCanSendAgain) {
  world_a_.udp().block(world_a_.udp().bound(a_).port, true);
  EXPECT_EQ(send("x"), SendResult::blocked);
  world_a_.udp().block(world_a_.udp().bound(a_).port, false);
  EXPECT_EQ(in_a_.sendables, 1);
  EXPECT_EQ(send("x"), SendResult::sent);
}

TEST_F(SimTest, PortsAreTakenOnce) {
  EXPECT_TRUE(world_b_.udp().open(make_v4({10, 0, 0, 2}, 500), in_b_).has_error());
  EXPECT_TRUE(world_b_.udp().open(make_v4({10, 0, 0, 9}, 501), in_b_).has_error());
  world_b_.udp().close(b_);
  EXPECT_TRUE(world_b_.udp().open(make_v4({10, 0, 0, 2}, 500), in_b_).has_value());
}

TEST_F(SimTest, TimersFireOnceAtTheirTimeAndNotAfterTheirEnd) {
  std::vector<int> order;
  auto first = world_a_.make_timer([&] { order.push_back(1); });
  auto second = world_a_.make_timer([&] { order.push_back(2); });
  auto third = world_a_.make_timer([&] { order.push_back(3); });
  first->arm(sim_.now() + 2s);
  first->arm(sim_.now() + 3s);
  second->arm(sim_.now() + 1s);
  third->arm(sim_.now() + 1s);
  third.reset();
  sim_.run_for(1h);
  EXPECT_THAT(order, ::testing::ElementsAre(2, 1));
}

TEST_F(SimTest, ExecutorsKeepTheirOrderAndNeverRunInsidePost) {
  std::vector<int> order;
  world_a_.set_disk_delay(10ms);
  world_a_.disk().post([&] { order.push_back(1); });
  world_a_.disk().post([&] { order.push_back(2); });
  world_a_.network().post([&] {
    world_a_.network().post([&] { order.push_back(4); });
    order.push_back(3);
  });
  EXPECT_TRUE(order.empty());
  sim_.run_for(1s);
  EXPECT_THAT(order, ::testing::ElementsAre(3, 4, 1, 2));
}

TEST_F(SimTest, AWorldThatIsGoneRunsNothing) {
  bool ran = false;
  {
    SimWorld gone(sim_, network_, "c", {make_v4({10, 0, 0, 4}, 0)});
    gone.network().post([&] { ran = true; });
  }
  sim_.run_for(1s);
  EXPECT_FALSE(ran);
}

TEST(SimCap, AnEndlessLoopEndsAtTheEventCap) {
  Sim sim(7, 1000);
  std::function<void()> again = [&] { sim.after(0s, again); };
  again();
  EXPECT_THROW(sim.run_for(1s), std::runtime_error);
}

std::uint64_t trace_of(std::uint64_t seed) {
  Sim sim(seed);
  SimNetwork network(sim);
  network.defaults = {.delay = 5ms, .jitter = 10ms, .loss = 0.1, .burst_enter = 0.01, .duplicate = 0.05, .reorder = 0.1};
  Receiver in_a, in_b;
  SimWorld a(sim, network, "a", {make_v4({10, 0, 0, 1}, 0)});
  SimWorld b(sim, network, "b", {make_v4({10, 0, 0, 2}, 0)});
  const SocketId from = *a.udp().open(make_v4({}, 1), in_a);
  EXPECT_TRUE(b.udp().open(make_v4({}, 2), in_b).has_value());
  auto timer = a.make_timer([] {});
  std::function<void()> tick = [&] {
    Bytes bytes(1 + a.random().next_u64() % 100);
    a.random().fill(bytes);
    a.udp().send({.socket = from, .local = {}, .remote = make_v4({10, 0, 0, 2}, 2), .bytes = bytes});
    a.log().info("test", "tick");
    timer->arm(sim.now() + 1ms);
  };
  timer = a.make_timer(tick);
  timer->arm(sim.now());
  sim.run_for(500ms);
  EXPECT_GT(in_b.texts.size(), 100U);
  return sim.trace();
}

TEST(SimTrace, TheSameSeedTwiceGivesTheSameEventLog) {
  EXPECT_EQ(trace_of(1), trace_of(1));
  EXPECT_NE(trace_of(1), trace_of(2));
}

} // namespace
} // namespace kith::testing
