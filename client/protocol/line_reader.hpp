// SPDX-License-Identifier: Apache-2.0
// The receiving side of a socket: octets in, lines and announced octets out.
#pragma once

#include "base/bytes.hpp"

#include <optional>
#include <string_view>
#include <vector>

namespace kith::protocol {

inline constexpr std::size_t default_max_call_bytes = 1024 * 1024; ///< As long as the settings or the daemon's hello say nothing else.
inline constexpr std::size_t line_overhead = 64 * 1024;            ///< A line may be this much longer than max_call_bytes.

/// What it hands out stays valid until the next prepare().
class LineReader {
public:
  /// `max_line`: octets of a line without its LF. A longer one is never buffered whole.
  explicit LineReader(std::size_t max_line) : max_line_(max_line) {}
  void set_max_line(std::size_t max_line) noexcept { max_line_ = max_line; }

  /// Room to read into, at least `least` octets; commit() says how many were filled.
  ByteSpan prepare(std::size_t least = 16 * 1024);
  void commit(std::size_t count) noexcept { end_ += count; }

  /// The next line without its LF; nothing when it is not complete yet.
  std::optional<std::string_view> take_line() noexcept;
  /// The next `count` octets as they are; nothing when they are not all there yet.
  std::optional<ByteView> take_octets(std::size_t count) noexcept;
  /// Up to `most` of the octets that are there.
  ByteView take_some(std::size_t most) noexcept;

  /// The line being received is longer than it may be: answer too_large and close, there is no way to find the next one.
  bool too_long() const noexcept { return searched_ - begin_ > max_line_; }
  std::size_t buffered() const noexcept { return end_ - begin_; }

private:
  std::size_t max_line_;
  Bytes buffer_;
  std::size_t begin_ = 0;    ///< First octet not handed out.
  std::size_t searched_ = 0; ///< Up to here there is no LF.
  std::size_t end_ = 0;
};

} // namespace kith::protocol
