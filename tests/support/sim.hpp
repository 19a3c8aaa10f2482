// SPDX-License-Identifier: GPL-3.0-or-later
// Virtual time: one queue of events, one thread, one seed. The same seed gives the same events, and trace() proves it.
#pragma once

#include "base/bytes.hpp"
#include "base/random.hpp"
#include "base/time.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <string_view>
#include <utility>

namespace kith::testing {

/// splitmix64: small, seeded, the same on every machine. Not for keys that matter.
class SimRandom : public Random {
public:
  explicit SimRandom(std::uint64_t seed) noexcept : state_(seed) {}
  void fill(ByteSpan out) override;
  std::uint64_t next() noexcept;
  std::uint64_t below(std::uint64_t bound) noexcept { return bound == 0 ? 0 : next() % bound; }
  /// True with this probability (0 to 1).
  bool chance(double probability) noexcept;

private:
  std::uint64_t state_;
};

class Sim {
public:
  using EventId = std::pair<TimePoint, std::uint64_t>;

  /// `max_events` in one run: a loop that never rests ends the test instead of the machine's patience.
  explicit Sim(std::uint64_t seed, std::uint64_t max_events = 50'000'000) : seed_(seed), max_events_(max_events), random_(seed) {}
  Sim(const Sim&) = delete;
  Sim& operator=(const Sim&) = delete;

  TimePoint now() const noexcept { return now_; }
  std::uint64_t seed() const noexcept { return seed_; }
  SimRandom& random() noexcept { return random_; }

  /// Events of one instant run in the order in which they were asked for. A time that has passed means now.
  EventId at(TimePoint time, std::function<void()> work);
  EventId after(Duration time, std::function<void()> work) { return at(now_ + time, std::move(work)); }
  void cancel(const EventId& event) { events_.erase(event); }

  /// Runs until the condition holds (looked at after every event) and says whether it did; otherwise now() is `limit` afterwards.
  /// Throws std::runtime_error at the event cap, with the seed.
  bool run_until(const std::function<bool()>& condition, TimePoint limit);
  bool run_until(const std::function<bool()>& condition, Duration limit) { return run_until(condition, now_ + limit); }
  void run_for(Duration time) {
    run_until([] { return false; }, now_ + time);
  }

  /// Adds to the event log: a hash of all that happened, in order, with its time.
  void note(std::string_view what, ByteView bytes = {}) noexcept;
  std::uint64_t trace() const noexcept { return trace_; }
  std::uint64_t events_run() const noexcept { return events_run_; }

private:
  std::uint64_t seed_;
  std::uint64_t max_events_;
  SimRandom random_;
  TimePoint now_{std::chrono::hours(1)};
  std::map<EventId, std::function<void()>> events_;
  std::uint64_t next_event_ = 0;
  std::uint64_t events_run_ = 0;
  std::uint64_t trace_ = 0xcbf29ce484222325U; // FNV-1a
};

} // namespace kith::testing
