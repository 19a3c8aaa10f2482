// SPDX-License-Identifier: Apache-2.0
// The heads of the frames of an inline stream (docs/control-socket.md, section 4): 32 bits, big endian.
#pragma once

#include "base/bytes.hpp"

#include <array>
#include <optional>

namespace kith::protocol {

inline constexpr std::size_t inline_head_size = 4;
inline constexpr std::uint32_t max_inline_frame = 64 * 1024; ///< Octets of one data frame; of the final status frame too.

struct InlineHead {
  enum class Kind : std::uint8_t { data, fin, closed };
  Kind kind = Kind::fin;
  std::uint32_t size = 0; ///< Octets that follow.
};

std::array<std::uint8_t, inline_head_size> encode_inline_head(const InlineHead& head) noexcept;
/// Nothing for a head that means nothing: reset the stream.
std::optional<InlineHead> decode_inline_head(std::span<const std::uint8_t, inline_head_size> head) noexcept;

} // namespace kith::protocol
