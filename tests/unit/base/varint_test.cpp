// SPDX-License-Identifier: Apache-2.0
#include "base/varint.hpp"

#include <gtest/gtest.h>

namespace kith {
namespace {

Bytes encoded(std::uint64_t value) {
  Bytes out;
  append_varint(out, value);
  return out;
}

TEST(Varint, ReadsTheExamplesOfRfc9000) { // appendix A.1
  const std::pair<Bytes, std::uint64_t> examples[] = {
      {{0xC2, 0x19, 0x7C, 0x5E, 0xFF, 0x14, 0xE8, 0x8C}, 151288809941952652U},
      {{0x9D, 0x7F, 0x3E, 0x7D}, 494878333U},
      {{0x7B, 0xBD}, 15293U},
      {{0x25}, 37U},
  };
  for (const auto& [bytes, value] : examples) {
    ByteView in = bytes;
    EXPECT_EQ(take_varint(in), value);
    EXPECT_TRUE(in.empty());
    EXPECT_EQ(encoded(value), bytes);
  }
}

TEST(Varint, AcceptsLongerFormsThanNeeded) {
  const Bytes bytes{0x40, 0x25, 0x07};
  ByteView in = bytes;
  EXPECT_EQ(take_varint(in), 37U);
  EXPECT_EQ(in.size(), 1U);
}

TEST(Varint, UsesTheShortestFormAtEveryBoundary) {
  const std::pair<std::uint64_t, std::size_t> sizes[] = {{0, 1},        {63, 1},        {64, 2}, {16383, 2}, {16384, 4}, {(1U << 30) - 1, 4},
                                                         {1U << 30, 8}, {max_varint, 8}};
  for (const auto& [value, size] : sizes) {
    const Bytes bytes = encoded(value);
    EXPECT_EQ(bytes.size(), size) << value;
    EXPECT_EQ(varint_size(value), size);
    ByteView in = bytes;
    EXPECT_EQ(take_varint(in), value);
  }
}

TEST(Varint, TakesNothingFromATruncatedOne) {
  for (const std::uint64_t value : {std::uint64_t{64}, std::uint64_t{16384}, max_varint}) {
    const Bytes bytes = encoded(value);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      ByteView in = ByteView(bytes).first(size);
      EXPECT_EQ(take_varint(in), std::nullopt);
      EXPECT_EQ(in.size(), size);
    }
  }
}

} // namespace
} // namespace kith
