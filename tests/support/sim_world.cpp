// SPDX-License-Identifier: GPL-3.0-or-later
#include "support/sim_world.hpp"

#include <algorithm>

namespace kith::testing {

namespace {

constexpr UnixSeconds simulated_epoch = 1'700'000'000; // what the wall clock shows when the Sim's clock shows zero

} // namespace

void SimLog::write(LogLevel level, std::string_view module, std::string_view text) {
  constexpr std::array<std::string_view, 4> names{"debug", "info", "warn", "error"};
  std::string line = std::string(names[static_cast<std::size_t>(level)]) + " " + std::string(module) + ": " + std::string(text);
  sim_.note(host_, as_bytes(line));
  lines_.push_back(std::move(line));
  if (lines_.size() > max_lines) lines_.pop_front();
}

bool SimLog::contains(std::string_view text) const {
  return std::ranges::any_of(lines_, [&](const std::string& line) { return line.find(text) != std::string::npos; });
}

/// Each piece of work is an event of its own, after those posted before it.
class SimWorld::SimExecutor : public Executor {
public:
  explicit SimExecutor(SimWorld& world) : sim_(world.sim_), world_(world), alive_(world.alive_) {}

  void post(std::function<void()> work) override {
    if (alive_.expired()) return;
    free_at_ = std::max({free_at_, sim_.now(), world_.awake_at_}) + delay;
    run_at(free_at_, std::move(work));
  }

  Duration delay{};

private:
  void run_at(TimePoint time, std::function<void()> work) {
    sim_.at(time, [this, alive = alive_, work = std::move(work)]() mutable {
      if (alive.expired()) return; // and so may be what this pointed to
      if (world_.is_awake()) return work();
      run_at(world_.awake_at_, std::move(work));
    });
  }

  Sim& sim_;
  SimWorld& world_;
  std::weak_ptr<bool> alive_;
  TimePoint free_at_{};
};

class SimWorld::SimTimer : public Timer {
public:
  SimTimer(SimWorld& world, std::function<void()> expired) : sim_(world.sim_), world_(world), alive_(world.alive_), expired_(std::move(expired)) {}
  ~SimTimer() override { disarm(); }
  SimTimer(const SimTimer&) = delete;
  SimTimer& operator=(const SimTimer&) = delete;

  void arm(TimePoint at) override {
    disarm();
    if (at == never) return;
    event_ = sim_.at(std::max(at + world_.stood_still_, world_.awake_at_), [this, at] {
      event_.reset();
      if (alive_.expired()) return;
      if (!world_.is_awake() || world_.now() < at) return arm(at); // the machine slept meanwhile
      const auto expired = expired_;                               // it may destroy the timer
      expired();
    });
  }

private:
  void disarm() {
    if (event_) sim_.cancel(*event_);
    event_.reset();
  }

  Sim& sim_;
  SimWorld& world_;
  std::weak_ptr<bool> alive_;
  std::function<void()> expired_;
  std::optional<Sim::EventId> event_;
};

SimWorld::SimWorld(Sim& sim, SimNetwork& network, const std::string& host, std::vector<Address> addresses)
    : sim_(sim),
      random_(sim.random().next()),
      log_(sim, host),
      udp_(network, host, std::move(addresses)),
      network_executor_(std::make_shared<SimExecutor>(*this)),
      disk_executor_(std::make_shared<SimExecutor>(*this)) {}

SimWorld::~SimWorld() = default;

Executor& SimWorld::network() { return *network_executor_; }

Executor& SimWorld::disk() { return *disk_executor_; }

UnixSeconds SimWorld::unix_now() const {
  return simulated_epoch + std::chrono::duration_cast<std::chrono::seconds>(sim_.now().time_since_epoch() + wall_offset_).count();
}

std::unique_ptr<Timer> SimWorld::make_timer(std::function<void()> expired) { return std::make_unique<SimTimer>(*this, std::move(expired)); }

std::shared_ptr<Executor> SimWorld::make_strand() { return std::make_shared<SimExecutor>(*this); }

void SimWorld::set_disk_delay(Duration delay) { disk_executor_->delay = delay; }

void SimWorld::suspend(Duration time) {
  awake_at_ = sim_.now() + time;
  stood_still_ += time;
  udp_.deaf_until(awake_at_, false);
}

void SimWorld::freeze(Duration time) {
  awake_at_ = sim_.now() + time;
  udp_.deaf_until(awake_at_, true);
}

} // namespace kith::testing
