// SPDX-License-Identifier: Apache-2.0
#include "base/seed.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <new>

namespace kith {
namespace {

TEST(Seed, IsOverwrittenWhenItGoes) {
  std::array<std::uint8_t, 32> octets{};
  octets.fill(7);
  alignas(Seed) std::array<std::uint8_t, sizeof(Seed)> place{};
  Seed* seed = new (place.data()) Seed(octets);
  const Seed copy = *seed;
  EXPECT_EQ(std::ranges::count(place, 7), 32);
  seed->~Seed();
  EXPECT_EQ(std::ranges::count(place, 7), 0);
  EXPECT_EQ(copy.octets, octets);
}

} // namespace
} // namespace kith
