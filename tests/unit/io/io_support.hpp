// SPDX-License-Identifier: GPL-3.0-or-later
// A log that remembers, and a loop that runs until something has happened.
#pragma once

#include "base/log.hpp"
#include "io/reactor.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace kith::io::test {

class MemoryLog final : public Log {
public:
  void write(LogLevel, std::string_view, std::string_view text) override {
    const std::lock_guard lock(mutex_);
    lines_.emplace_back(text);
  }
  bool enabled(LogLevel) const noexcept override { return true; }
  std::vector<std::string> lines() const {
    const std::lock_guard lock(mutex_);
    return lines_;
  }

private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
};

/// A test that waits for what never happens ends after this; one that passes never sees it.
inline constexpr std::chrono::seconds guard{20};

inline void run_until(Reactor& reactor, const std::function<bool()>& done) {
  bool expired = false;
  const auto timer = reactor.make_timer([&] { expired = true; });
  timer->arm(std::chrono::steady_clock::now() + guard);
  while (!done()) {
    if (expired) {
      ADD_FAILURE() << "nothing happened";
      return;
    }
    reactor.turn(guard);
  }
}

} // namespace kith::io::test
