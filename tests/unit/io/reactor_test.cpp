// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/reactor.hpp"

#include "io/unix_socket.hpp"
#include "io_support.hpp"

#include <sys/socket.h>

#include <array>
#include <thread>

namespace kith::io {
namespace {

using namespace std::chrono_literals;

class ReactorTest : public ::testing::Test {
protected:
  void SetUp() override {
    auto pair = make_socket_pair();
    ASSERT_TRUE(pair);
    near = std::move(pair->first);
    far = std::move(pair->second);
  }
  Watch watch(std::function<void(Readiness)> changed) {
    auto made = reactor.watch(near.get(), std::move(changed));
    EXPECT_TRUE(made);
    return std::move(*made);
  }
  void poll() {
    while (reactor.turn({}) > 0) {}
  }
  static void fill(int fd) {
    const std::array<char, 4096> octets{};
    while (::send(fd, octets.data(), octets.size(), MSG_DONTWAIT) > 0) {}
  }
  static void drain(int fd) {
    std::array<char, 65536> octets;
    while (::recv(fd, octets.data(), octets.size(), MSG_DONTWAIT) > 0) {}
  }

  Reactor reactor;
  UniqueFd near;
  UniqueFd far;
};

TEST_F(ReactorTest, AnEdgeIsToldOnceAndWhatWasThereBeforeAsWell) {
  ASSERT_EQ(::write(far.get(), "x", 1), 1);
  int edges = 0;
  const Watch watched = watch([&](Readiness ready) {
    EXPECT_TRUE(ready.readable);
    EXPECT_FALSE(ready.writable);
    EXPECT_FALSE(ready.ended);
    ++edges;
  });
  poll();
  EXPECT_EQ(edges, 1) << "left unread: not told again";
  ASSERT_EQ(::write(far.get(), "x", 1), 1);
  poll();
  EXPECT_EQ(edges, 2);
}

TEST_F(ReactorTest, AnEndAndAHangUpAreToldApart) {
  std::vector<Readiness> seen;
  const Watch watched = watch([&](Readiness ready) { seen.push_back(ready); });
  ::shutdown(far.get(), SHUT_WR);
  poll();
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_TRUE(seen[0].readable);
  EXPECT_TRUE(seen[0].ended);
  EXPECT_FALSE(seen[0].hung_up);
  far.reset();
  poll();
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_TRUE(seen[1].hung_up);
}

TEST_F(ReactorTest, RoomIsToldToThoseWhoAskAndToNobodyElse) {
  int writable = 0;
  int calls = 0;
  Watch watched = watch([&](Readiness ready) {
    ++calls;
    writable += ready.writable ? 1 : 0;
  });
  for (int round = 1; round <= 3; ++round) {
    fill(near.get());
    watched.want_writable();
    poll();
    EXPECT_EQ(writable, round - 1) << "it is full";
    drain(far.get());
    poll();
    EXPECT_EQ(writable, round);
  }
  fill(near.get());
  drain(far.get());
  poll();
  EXPECT_EQ(writable, 3);
  EXPECT_EQ(calls, 3);
}

TEST_F(ReactorTest, RoomThatIsThereAlreadyIsToldToo) {
  bool writable = false;
  Watch watched = watch([&](Readiness ready) { writable = ready.writable; });
  poll();
  watched.want_writable();
  poll();
  EXPECT_TRUE(writable);
}

TEST_F(ReactorTest, ACallbackMayDestroyItsOwnWatchAndAnothersThatIsDueInTheSameTurn) {
  auto other = make_socket_pair();
  ASSERT_TRUE(other);
  int calls = 0;
  Watch first;
  Watch second;
  const auto destroy_both = [&, keeps = std::make_shared<int>(7)](Readiness) {
    ++calls;
    first = {};
    second = {};
    EXPECT_EQ(*keeps, 7) << "what a callback holds lives until it returns";
  };
  first = watch(destroy_both);
  auto made = reactor.watch(other->first.get(), destroy_both);
  ASSERT_TRUE(made);
  second = std::move(*made);
  ASSERT_EQ(::write(far.get(), "x", 1), 1);
  ASSERT_EQ(::write(other->second.get(), "x", 1), 1);
  poll();
  EXPECT_EQ(calls, 1);
}

TEST_F(ReactorTest, ADescriptorThatTheKernelCannotWatchIsAnError) {
  const auto closed = reactor.watch(-1, [](Readiness) {});
  ASSERT_FALSE(closed);
  EXPECT_EQ(closed.error().code, Code::internal);
}

TEST_F(ReactorTest, PostsOfAnotherThreadWakeIt) {
  std::thread other([this] { reactor.post([this] { reactor.stop(); }); });
  reactor.run();
  other.join();
}

TEST_F(ReactorTest, WhatPostedWorkPostsComesAfterTheSocketsHadATurn) {
  std::string order;
  const Watch watched = watch([&](Readiness) { order += 's'; });
  reactor.post([&] {
    order += 'a';
    static_cast<void>(::write(far.get(), "x", 1));
    reactor.post([&] { order += 'b'; });
  });
  poll();
  EXPECT_EQ(order, "asb");
}

TEST_F(ReactorTest, ManyTimersExpireInOrderWhateverHappensToOthers) {
  std::vector<int> seen;
  std::vector<std::unique_ptr<Timer>> timers;
  const TimePoint now = std::chrono::steady_clock::now();
  constexpr int count = 500;
  for (int i = 0; i < count; ++i) {
    timers.push_back(reactor.make_timer([&seen, i] { seen.push_back(i); }));
    timers.back()->arm(now + 1h);
  }
  // All are long past; armed in a scattered order, every seventh taken away again.
  for (int i = 0; i < count; ++i) {
    const int which = i * 263 % count;
    timers[static_cast<std::size_t>(which)]->arm(now - 1s + std::chrono::microseconds(which));
  }
  std::vector<int> expected;
  for (int i = 0; i < count; ++i) {
    if (i % 7 == 3) {
      timers[static_cast<std::size_t>(i)].reset();
    } else {
      expected.push_back(i);
    }
  }
  poll();
  EXPECT_EQ(seen, expected);
}

TEST_F(ReactorTest, ATimerThatIsAlwaysDueLeavesOthersTheirTurn) {
  int ticks = 0;
  std::unique_ptr<Timer> timer;
  timer = reactor.make_timer([&] {
    ++ticks;
    timer->arm(std::chrono::steady_clock::now());
  });
  timer->arm(std::chrono::steady_clock::now());
  bool posted = false;
  reactor.post([&] { posted = true; });
  reactor.turn({});
  EXPECT_TRUE(posted);
  EXPECT_EQ(ticks, 1);
}

} // namespace
} // namespace kith::io
