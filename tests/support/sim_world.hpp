// SPDX-License-Identifier: GPL-3.0-or-later
// One host's world in a simulation: clock, timers, randomness, executors and sockets, all on the one thread of the Sim.
#pragma once

#include "support/sim_network.hpp"

#include <deque>

namespace kith::testing {

/// Keeps the last lines, for tests to look at; they go into the Sim's event log too.
class SimLog : public Log {
public:
  static constexpr std::size_t max_lines = 10'000;

  SimLog(Sim& sim, std::string host) : sim_(sim), host_(std::move(host)) {}
  void write(LogLevel level, std::string_view module, std::string_view text) override;
  bool enabled(LogLevel) const noexcept override { return true; }
  const std::deque<std::string>& lines() const noexcept { return lines_; }
  bool contains(std::string_view text) const;

private:
  Sim& sim_;
  std::string host_;
  std::deque<std::string> lines_;
};

/// Destroying it is a crash: nothing that was posted, armed or under way runs any more. What uses it must go first.
class SimWorld : public World {
public:
  /// `addresses` are the host's own (ports mean nothing). The seed of its randomness comes from the Sim's.
  SimWorld(Sim& sim, SimNetwork& network, const std::string& host, std::vector<Address> addresses);
  ~SimWorld() override;

  TimePoint now() const override { return sim_.now() - stood_still_; }
  UnixSeconds unix_now() const override;
  Duration slept() const override { return stood_still_; }
  Random& random() override { return random_; }
  SimLog& log() override { return log_; }
  SimUdp& udp() override { return udp_; }
  Executor& network() override;
  Executor& disk() override;
  std::unique_ptr<Timer> make_timer(std::function<void()> expired) override;
  std::shared_ptr<Executor> make_strand() override;

  /// How long each piece of disk work takes from now on.
  void set_disk_delay(Duration delay);
  /// Somebody sets the wall clock, forward or back.
  void jump_wall_clock(std::chrono::seconds by) { wall_offset_ += by; }
  /// The machine sleeps from now on: no timer, no executor runs, nothing arrives, and its monotonic clock stands still.
  void suspend(Duration time);
  /// The process gets no processor for a while: as suspend, but its clock goes on and what arrives waits.
  void freeze(Duration time);
  bool is_awake() const { return sim_.now() >= awake_at_; }

private:
  class SimExecutor;
  class SimTimer;

  Sim& sim_;
  TimePoint awake_at_{};
  Duration stood_still_{};
  std::chrono::seconds wall_offset_{};
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  SimRandom random_;
  SimLog log_;
  SimUdp udp_;
  std::shared_ptr<SimExecutor> network_executor_;
  std::shared_ptr<SimExecutor> disk_executor_;
};

} // namespace kith::testing
