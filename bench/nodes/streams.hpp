// SPDX-License-Identifier: GPL-3.0-or-later
// What both ends of a node row do with pipes.
#pragma once

#include "base/pipe.hpp"
#include "rows.hpp"

#include <array>
#include <cstdint>
#include <string>

namespace kith::bench {

/// Counts what comes out of a pipe: octets, or messages when it walks from one to the next.
class Counter {
public:
  /// Consumes everything that is there.
  void take(Pipe& in, bool messages);
  std::uint64_t octets() const noexcept { return octets_; }
  std::uint64_t messages() const noexcept { return messages_; }

private:
  void walk(ByteView piece);

  std::uint64_t octets_ = 0;
  std::uint64_t messages_ = 0;
  std::size_t message_left_ = 0;
  std::size_t length_seen_ = 0;
  std::uint16_t length_ = 0;
};

/// Fills a pipe as far as it has room: bulk octets (nothing is copied to make them), or messages of 100 octets, one reserve and commit each.
/// False when the time is over; then the pipe is finished.
bool fill(Pipe& out, bool messages, Clock::time_point until);

std::string number(std::uint64_t n, std::size_t size);
std::uint64_t read_number(std::string_view bytes);

} // namespace kith::bench
