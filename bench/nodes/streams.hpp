// SPDX-License-Identifier: GPL-3.0-or-later
// What both ends of a node row do with pipes.
#pragma once

#include "base/pipe.hpp"
#include "octets.hpp"
#include "rows.hpp"

namespace kith::bench {

/// Consumes everything that is there and counts it.
void count(Pipe& in, Counter& counter, bool messages);

/// Fills a pipe as far as it has room: bulk octets (nothing is copied to make them), or messages of 100 octets, one reserve and commit each.
/// False when the time is over; then the pipe is finished.
bool fill(Pipe& out, bool messages, Clock::time_point until);

} // namespace kith::bench
