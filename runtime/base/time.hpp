// SPDX-License-Identifier: Apache-2.0
// Time as the cores take it: a parameter, never a question.
#pragma once

#include <chrono>
#include <cstdint>

namespace kith {

using Duration = std::chrono::nanoseconds;

/// A monotonic instant. The daemon takes it from CLOCK_MONOTONIC, the simulator counts it up by itself.
using TimePoint = std::chrono::time_point<std::chrono::steady_clock, Duration>;

/// A wall-clock instant in seconds since 1970 (UTC): tickets, audit rows, log lines. Never used for deadlines.
using UnixSeconds = std::int64_t;

inline constexpr TimePoint never = TimePoint::max(); ///< A deadline that does not come.

} // namespace kith
