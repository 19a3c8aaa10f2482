// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/executors.hpp"

#include <pthread.h>

#include <algorithm>
#include <utility>

namespace kith::io {

// --- ThreadExecutor

ThreadExecutor::ThreadExecutor(const char* thread_name) : thread_([this] { run(); }) { ::pthread_setname_np(thread_.native_handle(), thread_name); }

ThreadExecutor::~ThreadExecutor() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void ThreadExecutor::post(std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    queue_.push_back(std::move(work));
  }
  changed_.notify_all();
}

bool ThreadExecutor::wait_idle(Duration limit) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, limit, [this] { return queue_.empty() && !busy_; });
}

void ThreadExecutor::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    auto work = std::move(queue_.front());
    queue_.pop_front();
    busy_ = true;
    lock.unlock();
    work();
    work = nullptr; // what it holds is given up before anybody hears that it is done
    lock.lock();
    busy_ = false;
    if (queue_.empty()) changed_.notify_all();
  }
}

// --- WorkerPool

/// Shared with the strands, so that one which is left over may still be posted to.
struct WorkerPool::State : std::enable_shared_from_this<WorkerPool::State> {
  explicit State(WorkerSettings s) : settings(s) {}

  void submit(std::shared_ptr<Strand> strand);
  void start_worker(); // with the mutex held
  void work();
  void watch();
  /// More waits than there are workers for it, and another may be started. A strand that goes to the end of the line does not change that: its worker is idle.
  bool starved() const { return ready.size() > idle && workers.size() < settings.max_plugin_threads; }

  const WorkerSettings settings;
  mutable std::mutex mutex;
  std::condition_variable work_ready;
  std::condition_variable quiet; // nothing queued, nobody running
  std::condition_variable watch_needed;
  std::deque<std::shared_ptr<Strand>> ready;
  std::vector<std::thread> workers;
  std::size_t idle = 0;    // of them: wait for work, or are being started
  std::uint64_t taken = 0; // strands that a worker took up: stands still when all are stuck
  bool watching = false;
  bool stopping = false;
};

class WorkerPool::Strand final : public Executor, public std::enable_shared_from_this<Strand> {
public:
  explicit Strand(std::shared_ptr<State> pool) : pool_(std::move(pool)) {}

  void post(std::function<void()> work) override {
    {
      const std::lock_guard lock(mutex_);
      queue_.push_back(std::move(work));
      if (std::exchange(scheduled_, true)) return;
    }
    pool_->submit(shared_from_this());
  }

  /// On a worker. True: there is more, and the strand goes to the end of the line.
  bool run() {
    std::vector<std::function<void()>> batch;
    {
      const std::lock_guard lock(mutex_);
      batch.swap(queue_);
    }
    for (auto& work : batch) work();
    batch.clear();
    const std::lock_guard lock(mutex_);
    scheduled_ = !queue_.empty();
    return scheduled_;
  }

private:
  std::shared_ptr<State> pool_;
  std::mutex mutex_;
  std::vector<std::function<void()>> queue_;
  bool scheduled_ = false; // in the pool's line, or running
};

void WorkerPool::State::submit(std::shared_ptr<Strand> strand) {
  const std::lock_guard lock(mutex);
  if (stopping) return;
  ready.push_back(std::move(strand));
  if (idle >= ready.size()) {
    work_ready.notify_one();
  } else if (workers.size() < settings.usual_threads) {
    start_worker();
  } else if (!watching && starved()) { // an idle worker that is on its way takes one of them, and may be stuck in it
    watching = true;
    watch_needed.notify_one();
  }
}

void WorkerPool::State::start_worker() {
  ++idle;
  workers.emplace_back([self = shared_from_this()] { self->work(); });
  ::pthread_setname_np(workers.back().native_handle(), "kith-plugin");
}

void WorkerPool::State::work() {
  std::unique_lock lock(mutex);
  for (;;) {
    work_ready.wait(lock, [this] { return stopping || !ready.empty(); });
    --idle;
    if (ready.empty()) return;
    auto strand = std::move(ready.front());
    ready.pop_front();
    ++taken;
    lock.unlock();
    const bool more = strand->run();
    lock.lock();
    if (more) ready.push_back(std::move(strand));
    strand.reset();
    ++idle;
    if (ready.empty() && idle == workers.size()) quiet.notify_all();
  }
}

/// Sleeps until work waits behind busy workers, then looks every `stuck_after` whether any of it was taken up.
void WorkerPool::State::watch() {
  std::unique_lock lock(mutex);
  while (!stopping) {
    watch_needed.wait(lock, [this] { return stopping || watching; });
    while (!stopping && starved()) {
      const std::uint64_t before = taken;
      watch_needed.wait_for(lock, settings.stuck_after, [this] { return stopping; });
      if (!stopping && starved() && taken == before) start_worker();
    }
    watching = false;
  }
}

WorkerPool::WorkerPool(WorkerSettings settings) {
  settings.usual_threads = std::max<std::size_t>(settings.usual_threads, 1);
  settings.max_plugin_threads = std::max(settings.max_plugin_threads, settings.usual_threads);
  state_ = std::make_shared<State>(settings);
  state_->workers.reserve(settings.max_plugin_threads);
  watchdog_ = std::thread([state = state_] { state->watch(); });
  ::pthread_setname_np(watchdog_.native_handle(), "kith-watchdog");
}

WorkerPool::~WorkerPool() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->work_ready.notify_all();
  state_->watch_needed.notify_all();
  watchdog_.join();
  for (auto& worker : state_->workers) worker.join(); // no worker is started once `stopping` is set
}

std::shared_ptr<Executor> WorkerPool::make_strand() { return std::make_shared<Strand>(state_); }

bool WorkerPool::wait_idle(Duration limit) {
  std::unique_lock lock(state_->mutex);
  return state_->quiet.wait_for(lock, limit, [this] { return state_->ready.empty() && state_->idle == state_->workers.size(); });
}

std::size_t WorkerPool::threads() const {
  const std::lock_guard lock(state_->mutex);
  return state_->workers.size();
}

} // namespace kith::io
