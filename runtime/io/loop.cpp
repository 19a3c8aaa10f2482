// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/loop.hpp"

#include <chrono>
#include <ctime>

namespace kith::io {

RealWorld::RealWorld(Log& log, WorldSettings settings)
    : log_(log), udp_(reactor_, log, settings.udp), disk_("kith-disk"), workers_(settings.workers) {}

RealWorld::~RealWorld() = default;

TimePoint RealWorld::now() const { return std::chrono::steady_clock::now(); }

UnixSeconds RealWorld::unix_now() const {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

Duration RealWorld::slept() const {
  timespec with_sleep{};
  timespec without{};
  if (::clock_gettime(CLOCK_BOOTTIME, &with_sleep) != 0 || ::clock_gettime(CLOCK_MONOTONIC, &without) != 0) return {};
  return std::chrono::seconds(with_sleep.tv_sec - without.tv_sec) + std::chrono::nanoseconds(with_sleep.tv_nsec - without.tv_nsec);
}

std::unique_ptr<Timer> RealWorld::make_timer(std::function<void()> expired) { return reactor_.make_timer(std::move(expired)); }

bool RealWorld::finish(Duration limit) {
  const TimePoint deadline = now() + limit;
  // Strands first: what they still do may have to be saved.
  return workers_.wait_idle(limit) && disk_.wait_idle(std::max(Duration::zero(), deadline - now()));
}

} // namespace kith::io
