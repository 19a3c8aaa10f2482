// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/loop.hpp"

#include "io_support.hpp"

#include <atomic>
#include <future>
#include <thread>

namespace kith::io {
namespace {

using namespace std::chrono_literals;
using test::guard;
using test::MemoryLog;
using test::run_until;

TEST(Executors, TheNetworkThreadRunsPostsInOrderAndNeverInsidePost) {
  MemoryLog log;
  RealWorld world(log);
  std::vector<int> seen;
  world.network().post([&] {
    seen.push_back(1);
    world.network().post([&] {
      seen.push_back(4);
      world.stop();
    });
    seen.push_back(2);
  });
  world.network().post([&] { seen.push_back(3); });
  EXPECT_TRUE(seen.empty());
  world.run();
  EXPECT_EQ(seen, (std::vector{1, 2, 3, 4}));
}

TEST(Executors, PostsFromManyThreadsAllArriveEachThreadsInItsOrder) {
  MemoryLog log;
  RealWorld world(log);
  constexpr int each = 2000;
  std::array<int, 3> next{};
  int total = 0;
  bool ordered = true;
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < next.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < each; ++i) {
        world.network().post([&, t, i] {
          ordered = ordered && next[t]++ == i;
          if (++total == 3 * each) world.stop();
        });
      }
    });
  }
  world.run();
  for (auto& t : threads) t.join();
  EXPECT_TRUE(ordered);
  EXPECT_EQ(total, 3 * each);
}

TEST(Executors, TheDiskThreadWorksInOrderAndFinishesBeforeItEnds) {
  std::vector<int> seen;
  {
    ThreadExecutor disk("test-disk");
    for (int i = 0; i < 100; ++i) disk.post([&seen, i] { seen.push_back(i); });
    EXPECT_TRUE(disk.wait_idle(guard));
    EXPECT_EQ(seen.size(), 100U);
    disk.post([&seen] { seen.push_back(100); });
  }
  ASSERT_EQ(seen.size(), 101U);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
}

TEST(Executors, WorkOfOneStrandNeverOverlapsAndKeepsItsOrder) {
  WorkerPool pool({.usual_threads = 4, .max_plugin_threads = 4});
  struct Lane {
    std::shared_ptr<Executor> strand;
    std::atomic<int> inside{0};
    std::vector<int> seen; // unguarded: the strand is the guard (ThreadSanitizer looks)
    bool overlapped = false;
  };
  std::array<Lane, 5> lanes;
  for (auto& lane : lanes) lane.strand = pool.make_strand();
  for (int i = 0; i < 1000; ++i) {
    for (auto& lane : lanes) {
      lane.strand->post([&lane, i] {
        if (lane.inside.fetch_add(1) != 0) lane.overlapped = true;
        lane.seen.push_back(i);
        lane.inside.fetch_sub(1);
      });
    }
  }
  ASSERT_TRUE(pool.wait_idle(guard));
  for (auto& lane : lanes) {
    EXPECT_FALSE(lane.overlapped);
    EXPECT_EQ(lane.seen.size(), 1000U);
    EXPECT_TRUE(std::is_sorted(lane.seen.begin(), lane.seen.end()));
  }
  EXPECT_LE(pool.threads(), 4U);
}

TEST(Executors, AStuckWorkerGetsAnotherBesideItUpToTheLimit) {
  WorkerPool pool({.usual_threads = 1, .max_plugin_threads = 2, .stuck_after = 1ms});
  std::promise<void> release;
  const auto stuck = pool.make_strand();
  const auto other = pool.make_strand();
  stuck->post([&] { release.get_future().wait(); });
  other->post([&] { release.set_value(); }); // only a second worker can get here
  ASSERT_TRUE(pool.wait_idle(guard));
  EXPECT_EQ(pool.threads(), 2U);
}

// One idle worker and two posts at once: it is still idle when the second comes. The race is with its waking up, so this tries many times.
TEST(Executors, WorkBehindAnIdleWorkerThatGetsStuckIsTakenUpByAnother) {
  for (int round = 0; round < 100; ++round) {
    WorkerPool pool({.usual_threads = 1, .max_plugin_threads = 2, .stuck_after = 1ms});
    const auto stuck = pool.make_strand();
    const auto other = pool.make_strand();
    stuck->post([] {});
    ASSERT_TRUE(pool.wait_idle(guard));
    std::promise<void> release;
    std::promise<void> ran;
    stuck->post([&] { release.get_future().wait(); });
    other->post([&] { ran.set_value(); });
    const bool done = ran.get_future().wait_for(guard) == std::future_status::ready;
    release.set_value();
    ASSERT_TRUE(pool.wait_idle(guard));
    ASSERT_TRUE(done) << round;
  }
}

TEST(Executors, AStuckWorkerIsReportedByWaitIdle) {
  WorkerPool pool({.usual_threads = 1, .max_plugin_threads = 1});
  std::promise<void> release;
  const auto strand = pool.make_strand();
  strand->post([&] { release.get_future().wait(); });
  EXPECT_FALSE(pool.wait_idle(0ns));
  release.set_value();
  EXPECT_TRUE(pool.wait_idle(guard));
}

TEST(Executors, AStrandThatOutlivesThePoolDropsWhatIsPosted) {
  std::shared_ptr<Executor> strand;
  {
    WorkerPool pool({});
    strand = pool.make_strand();
  }
  bool ran = false;
  strand->post([&] { ran = true; });
  strand.reset();
  EXPECT_FALSE(ran);
}

class Timers : public ::testing::Test {
protected:
  MemoryLog log;
  RealWorld world{log};
  std::string seen;
};

TEST_F(Timers, ExpireInTheOrderOfTheirDeadlines) {
  const auto start = world.now();
  const auto late = world.make_timer([&] { seen += 'c'; });
  const auto early = world.make_timer([&] { seen += 'a'; });
  const auto middle = world.make_timer([&] { seen += 'b'; });
  late->arm(start + 3ms);
  early->arm(start + 1ms);
  middle->arm(start + 2ms);
  run_until(world.reactor(), [&] { return seen.size() == 3; });
  EXPECT_EQ(seen, "abc");
  EXPECT_GE(world.now(), start + 3ms);
}

TEST_F(Timers, ArmingReplacesTheDeadlineEitherWay) {
  const auto start = world.now();
  const auto later = world.make_timer([&] { seen += 'l'; });
  const auto sooner = world.make_timer([&] { seen += 's'; });
  const auto mark = world.make_timer([&] { seen += 'm'; });
  later->arm(start + 1ms);
  sooner->arm(start + 1h);
  mark->arm(start + 4ms);
  later->arm(start + 8ms);
  sooner->arm(start + 2ms);
  run_until(world.reactor(), [&] { return seen.size() == 3; });
  EXPECT_EQ(seen, "sml");
}

TEST_F(Timers, NeverAndDestructionCancelAndACallbackMayArmAgain) {
  const auto start = world.now();
  const auto cancelled = world.make_timer([&] { seen += 'x'; });
  auto destroyed = world.make_timer([&] { seen += 'y'; });
  std::unique_ptr<Timer> again;
  again = world.make_timer([&] {
    seen += 'a';
    if (seen.size() < 3) again->arm(world.now() + 1ms);
  });
  cancelled->arm(start);
  destroyed->arm(start);
  again->arm(start + 1ms);
  cancelled->arm(never);
  destroyed.reset();
  run_until(world.reactor(), [&] { return seen.size() == 3; });
  EXPECT_EQ(seen, "aaa");
}

TEST_F(Timers, ATimerMayDestroyItselfInItsCallback) {
  std::unique_ptr<Timer> timer;
  timer = world.make_timer([&] {
    timer.reset();
    seen += 'a';
  });
  timer->arm(world.now());
  run_until(world.reactor(), [&] { return !seen.empty(); });
  EXPECT_EQ(timer, nullptr);
}

TEST(World, FinishesWhenAllThreadsAreIdleAndRunsAgainAfterStop) {
  MemoryLog log;
  RealWorld world(log);
  std::atomic<int> done{0};
  world.disk().post([&] { ++done; });
  world.make_strand()->post([&] { ++done; });
  EXPECT_TRUE(world.finish(guard));
  EXPECT_EQ(done, 2);
  for (int i = 0; i < 2; ++i) {
    world.network().post([&] { world.stop(); });
    world.run();
  }
  EXPECT_GT(world.unix_now(), 1'700'000'000);
}

} // namespace
} // namespace kith::io
