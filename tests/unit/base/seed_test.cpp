// SPDX-License-Identifier: Apache-2.0
#include "base/seed.hpp"

#include <gtest/gtest.h>

#include <new>

namespace kith {
namespace {

/// Octets of 7, read as they stand in memory: an optimizer may not assume what an object was that is gone.
int sevens(const volatile std::uint8_t* at, std::size_t size) {
  int count = 0;
  for (std::size_t i = 0; i < size; ++i) count += at[i] == 7 ? 1 : 0;
  return count;
}

TEST(Seed, IsOverwrittenWhenItGoes) {
  std::array<std::uint8_t, 32> octets{};
  octets.fill(7);
  alignas(Seed) std::array<std::uint8_t, sizeof(Seed)> place{};
  Seed* seed = new (place.data()) Seed(octets);
  const Seed copy = *seed;
  EXPECT_EQ(sevens(place.data(), place.size()), 32);
  seed->~Seed();
  EXPECT_EQ(sevens(place.data(), place.size()), 0);
  EXPECT_EQ(copy.octets, octets);
}

} // namespace
} // namespace kith
