// SPDX-License-Identifier: GPL-3.0-or-later
// A world for plugin_host: the test's thread is the network thread, strands are real threads, time is the test's.
#pragma once

#include "base/world.hpp"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace kith::test {

class Queue final : public Executor {
public:
  void post(std::function<void()> work) override {
    {
      const std::lock_guard lock(mutex_);
      work_.push_back(std::move(work));
    }
    changed_.notify_all();
  }
  /// Waits for one and runs it; false when the queue was closed and is empty.
  bool run_one() {
    std::function<void()> work;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return closed_ || !work_.empty(); });
      if (work_.empty()) return false;
      work = std::move(work_.front());
      work_.pop_front();
    }
    work();
    return true;
  }
  void close() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    changed_.notify_all();
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> work_;
  bool closed_ = false;
};

class ThreadQueue final : public Executor {
public:
  ThreadQueue()
      : thread_([this] {
          while (queue_.run_one()) {}
        }) {}
  ~ThreadQueue() override { join(); }
  void join() {
    queue_.close();
    if (thread_.joinable()) thread_.join();
  }
  void post(std::function<void()> work) override { queue_.post(std::move(work)); }

private:
  Queue queue_;
  std::thread thread_;
};

class MemoryLog final : public Log {
public:
  void write(LogLevel, std::string_view, std::string_view text) override {
    const std::lock_guard lock(mutex_);
    text_ += std::string(text) + "\n";
  }
  bool enabled(LogLevel) const noexcept override { return true; }
  std::string text() const {
    const std::lock_guard lock(mutex_);
    return text_;
  }

private:
  mutable std::mutex mutex_;
  std::string text_;
};

class ThreadWorld final : public World {
public:
  // Before anything goes: the last reference to a strand may be held by what it runs.
  ~ThreadWorld() override {
    disk_.join();
    for (const auto& strand : strands_) strand->join();
  }
  TimePoint now() const override {
    if (std::this_thread::get_id() != own_thread_) wait_if_held();
    return TimePoint(Duration(now_.load()));
  }
  UnixSeconds unix_now() const override { return 0; }
  Duration slept() const override { return {}; }
  Random& random() override { throw std::logic_error("no randomness here"); }
  Log& log() override { return log_; }
  Udp& udp() override { throw std::logic_error("no sockets here"); }
  Executor& network() override { return network_; }
  Executor& disk() override { return disk_; }
  std::unique_ptr<Timer> make_timer(std::function<void()> expired) override { return std::make_unique<ManualTimer>(*this, std::move(expired)); }
  std::shared_ptr<Executor> make_strand() override {
    strands_.push_back(std::make_shared<ThreadQueue>()); // kept: they are joined at the end, by the test's thread
    return strands_.back();
  }

  /// Runs the network thread until it is so.
  template <class Condition> void run_until(Condition&& condition) {
    while (!condition()) network_.run_one();
  }
  void advance(Duration span) {
    now_.store(now_.load() + span.count());
    const auto timers = timers_;
    for (ManualTimer* timer : timers) {
      if (timers_.contains(timer)) timer->fire_if_due();
    }
  }
  /// From now on every other thread that asks for the time waits for release.
  void hold_clock() {
    const std::lock_guard lock(hold_mutex_);
    held_ = true;
  }
  void wait_until_one_is_held() {
    std::unique_lock lock(hold_mutex_);
    hold_changed_.wait(lock, [this] { return waiting_ > 0; });
  }
  void release_clock() {
    {
      const std::lock_guard lock(hold_mutex_);
      held_ = false;
    }
    hold_changed_.notify_all();
  }
  std::string log_text() const { return log_.text(); }

private:
  class ManualTimer final : public Timer {
  public:
    ManualTimer(ThreadWorld& world, std::function<void()> expired) : world_(world), expired_(std::move(expired)) { world_.timers_.insert(this); }
    ~ManualTimer() override { world_.timers_.erase(this); }
    void arm(TimePoint at) override { at_ = at; }
    void fire_if_due() {
      if (at_ > world_.now()) return;
      at_ = never;
      expired_();
    }

  private:
    ThreadWorld& world_;
    std::function<void()> expired_;
    TimePoint at_ = never;
  };

  void wait_if_held() const {
    std::unique_lock lock(hold_mutex_);
    if (!held_) return;
    ++waiting_;
    hold_changed_.notify_all();
    hold_changed_.wait(lock, [this] { return !held_; });
    --waiting_;
  }

  const std::thread::id own_thread_ = std::this_thread::get_id();
  mutable std::mutex hold_mutex_;
  mutable std::condition_variable hold_changed_;
  mutable int waiting_ = 0;
  bool held_ = false;
  MemoryLog log_;
  std::atomic<Duration::rep> now_{1'000'000'000'000};
  std::set<ManualTimer*> timers_;
  Queue network_;
  ThreadQueue disk_;
  std::vector<std::shared_ptr<ThreadQueue>> strands_;
};

} // namespace kith::test
