// SPDX-License-Identifier: GPL-3.0-or-later
// The executors of the daemon besides the reactor: the disk thread, and strands on a bounded pool of plugin workers.
#pragma once

#include "base/world.hpp"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace kith::io {

/// One thread of its own. The destructor runs what was posted before it, then joins.
class ThreadExecutor final : public Executor {
public:
  explicit ThreadExecutor(const char* thread_name); ///< At most 15 characters.
  ThreadExecutor(const ThreadExecutor&) = delete;
  ThreadExecutor& operator=(const ThreadExecutor&) = delete;
  ~ThreadExecutor() override;

  void post(std::function<void()> work) override; ///< Ignored once the destructor has begun.
  /// Waits until nothing is queued or running. False: not within `limit`.
  bool wait_idle(Duration limit);

private:
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> queue_;
  bool busy_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

struct WorkerSettings {
  std::size_t usual_threads = 2;       ///< Started when there is work for them.
  std::size_t max_plugin_threads = 16; ///< One more is started whenever work has waited for `stuck_after` behind busy workers, up to this.
  std::chrono::milliseconds stuck_after{100};
};

/// The workers that plugin instances run on, one strand each. Thread-safe.
class WorkerPool {
public:
  explicit WorkerPool(WorkerSettings settings);
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;
  /// Joins the workers: after wait_idle() has said true. With a worker that is stuck in a plugin it would not return; the daemon calls _exit instead.
  ~WorkerPool();

  /// A strand may outlive the pool; what is posted to it then is dropped.
  std::shared_ptr<Executor> make_strand();
  /// Waits until nothing is queued or running. False: not within `limit`.
  bool wait_idle(Duration limit);
  std::size_t threads() const;

private:
  class Strand;
  struct State;

  std::shared_ptr<State> state_;
  std::thread watchdog_;
};

} // namespace kith::io
