// SPDX-License-Identifier: Apache-2.0
// QUIC variable-length integers (RFC 9000 §16): the first two bits give the length, 1, 2, 4 or 8 octets, the rest is the value, big endian.
#pragma once

#include "base/bytes.hpp"

#include <cstdint>
#include <optional>

namespace kith {

inline constexpr std::uint64_t max_varint = (std::uint64_t{1} << 62) - 1;

/// How many octets the shortest form of a value takes; the value must be at most max_varint.
constexpr std::size_t varint_size(std::uint64_t value) noexcept {
  if (value < 64) return 1;
  if (value < 16384) return 2;
  if (value < (1U << 30)) return 4;
  return 8;
}

/// append_varint() for values that take more than one octet.
void append_long_varint(Bytes& out, std::uint64_t value);

/// Appends the shortest form.
inline void append_varint(Bytes& out, std::uint64_t value) {
  if (value >= 64) return append_long_varint(out, value);
  out.push_back(static_cast<std::uint8_t>(value));
}

/// take_varint() for the forms of more than one octet.
std::optional<std::uint64_t> take_long_varint(ByteView& in) noexcept;

/// Reads one from the front and moves `in` past it; nothing when octets are missing, and `in` stays as it was. Longer forms than needed are accepted.
inline std::optional<std::uint64_t> take_varint(ByteView& in) noexcept {
  if (in.empty() || in[0] >= 64) return take_long_varint(in);
  const std::uint64_t value = in[0];
  in = in.subspan(1);
  return value;
}

} // namespace kith
