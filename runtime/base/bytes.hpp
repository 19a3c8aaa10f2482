// SPDX-License-Identifier: Apache-2.0
// Octets as the runtime passes them around.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kith {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>; ///< Borrowed octets, read only.
using ByteSpan = std::span<std::uint8_t>;       ///< Borrowed octets, writable.

/// The octets of a text; valid as long as the text is.
inline ByteView as_bytes(std::string_view text) noexcept { return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}; }

/// Octets seen as text; valid as long as the octets are. Says nothing about their encoding.
inline std::string_view as_text(ByteView bytes) noexcept { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

/// Two digits for each octet, in lower case.
inline std::string hex(ByteView bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (const std::uint8_t octet : bytes) out += {digits[octet >> 4U], digits[octet & 15U]};
  return out;
}

} // namespace kith
