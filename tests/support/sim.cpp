// SPDX-License-Identifier: GPL-3.0-or-later
#include "support/sim.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace kith::testing {

std::uint64_t SimRandom::next() noexcept {
  state_ += 0x9e3779b97f4a7c15U;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31U);
}

void SimRandom::fill(ByteSpan out) {
  for (auto& octet : out) octet = static_cast<std::uint8_t>(next());
}

bool SimRandom::chance(double probability) noexcept {
  if (probability <= 0) return false;
  return static_cast<double>(next() >> 11U) * 0x1.0p-53 < probability;
}

Sim::EventId Sim::at(TimePoint time, std::function<void()> work) {
  const EventId id{std::max(time, now_), next_event_++};
  events_.emplace(id, std::move(work));
  return id;
}

bool Sim::run_until(const std::function<bool()>& condition, TimePoint limit) {
  std::uint64_t count = 0;
  while (!condition()) {
    if (events_.empty() || events_.begin()->first.first > limit) {
      now_ = std::max(now_, limit);
      return false;
    }
    if (++count > max_events_) throw std::runtime_error("the simulation does not come to rest (event cap), seed " + std::to_string(seed_));
    auto event = events_.extract(events_.begin());
    now_ = event.key().first;
    ++events_run_;
    event.mapped()();
  }
  return true;
}

void Sim::note(std::string_view what, ByteView bytes) noexcept {
  const auto mix = [this](std::uint8_t octet) { trace_ = (trace_ ^ octet) * 0x100000001b3U; };
  for (auto time = static_cast<std::uint64_t>(now_.time_since_epoch().count()); time != 0; time >>= 8U) mix(static_cast<std::uint8_t>(time));
  for (const auto octet : as_bytes(what)) mix(octet);
  for (const auto octet : bytes) mix(octet);
}

} // namespace kith::testing
