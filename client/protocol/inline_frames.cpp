// SPDX-License-Identifier: Apache-2.0
#include "protocol/inline_frames.hpp"

namespace kith::protocol {
namespace {
constexpr std::uint32_t closed_bit = 0x80000000U;
}

std::array<std::uint8_t, inline_head_size> encode_inline_head(const InlineHead& head) noexcept {
  const std::uint32_t value = head.size | (head.kind == InlineHead::Kind::closed ? closed_bit : 0U);
  return {static_cast<std::uint8_t>(value >> 24), static_cast<std::uint8_t>(value >> 16), static_cast<std::uint8_t>(value >> 8),
          static_cast<std::uint8_t>(value)};
}

std::optional<InlineHead> decode_inline_head(std::span<const std::uint8_t, inline_head_size> head) noexcept {
  std::uint32_t value = 0;
  for (const std::uint8_t octet : head) value = (value << 8) | octet;
  const std::uint32_t size = value & ~closed_bit;
  if (size > max_inline_frame) return std::nullopt;
  if (value != size) return InlineHead{InlineHead::Kind::closed, size};
  return InlineHead{size == 0 ? InlineHead::Kind::fin : InlineHead::Kind::data, size};
}

} // namespace kith::protocol
