// SPDX-License-Identifier: Apache-2.0
// What the streams of the rows carry: numbers, and messages that begin with their length.
#pragma once

#include "rows.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace kith::bench {

/// Big endian, `size` octets.
inline std::string number(std::uint64_t n, std::size_t size) {
  std::string out(size, '\0');
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<char>(n >> (8 * (size - 1 - i)));
  return out;
}

inline std::uint64_t read_number(std::string_view octets) {
  std::uint64_t n = 0;
  for (const char c : octets) n = n << 8 | static_cast<std::uint8_t>(c);
  return n;
}

/// Counts octets, or messages by walking from one to the next.
class Counter {
public:
  void take(std::span<const std::uint8_t> piece, bool messages) {
    octets_ += piece.size();
    if (!messages) return;
    for (std::size_t at = 0; at < piece.size();) {
      if (left_ != 0) {
        const std::size_t count = left_ < piece.size() - at ? left_ : piece.size() - at;
        at += count;
        left_ -= count;
        if (left_ == 0) ++messages_;
      } else {
        length_ = static_cast<std::uint16_t>(length_ << 8 | piece[at++]);
        if (++length_seen_ == 2) {
          left_ = length_;
          length_seen_ = 0;
          length_ = 0;
        }
      }
    }
  }
  std::uint64_t octets() const noexcept { return octets_; }
  std::uint64_t messages() const noexcept { return messages_; }
  /// What a stream of this mode is answered.
  std::string reply(Mode mode) const { return number(mode == Mode::messages ? messages_ : octets_, 8); }

private:
  std::uint64_t octets_ = 0;
  std::uint64_t messages_ = 0;
  std::size_t left_ = 0; ///< Of the message under way.
  std::size_t length_seen_ = 0;
  std::uint16_t length_ = 0;
};

} // namespace kith::bench
