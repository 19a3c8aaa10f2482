// SPDX-License-Identifier: Apache-2.0
#include "base/varint.hpp"

namespace kith {

void append_long_varint(Bytes& out, std::uint64_t value) {
  const std::size_t size = varint_size(value);
  const unsigned prefix = size == 1 ? 0U : size == 2 ? 1U : size == 4 ? 2U : 3U;
  for (std::size_t i = 0; i < size; ++i) {
    auto octet = static_cast<std::uint8_t>(value >> (8 * (size - 1 - i)));
    if (i == 0) octet = static_cast<std::uint8_t>(octet | (prefix << 6));
    out.push_back(octet);
  }
}

std::optional<std::uint64_t> take_long_varint(ByteView& in) noexcept {
  if (in.empty()) return std::nullopt;
  const std::size_t size = std::size_t{1} << (in[0] >> 6);
  if (in.size() < size) return std::nullopt;
  std::uint64_t value = in[0] & 0x3FU;
  for (std::size_t i = 1; i < size; ++i) value = (value << 8) | in[i];
  in = in.subspan(size);
  return value;
}

} // namespace kith
