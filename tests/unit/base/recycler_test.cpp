// SPDX-License-Identifier: Apache-2.0
#include "base/recycler.hpp"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <thread>
#include <vector>

namespace kith {
namespace {

struct Thing final : Recycled<Thing> {
  explicit Thing(int& living) : count(living) { ++count; }
  ~Thing() { --count; }
  Thing(const Thing&) = delete;
  Thing& operator=(const Thing&) = delete;
  int& count;
};

TEST(Recycler, GivesABlockAgain) {
  if (max_spare_blocks == 0) GTEST_SKIP() << "nothing is kept under this sanitizer";
  struct Own {
    std::array<int, 8> numbers;
  };
  Own* first = Recycler<Own>::allocate(1);
  Own* second = Recycler<Own>::allocate(1);
  EXPECT_NE(first, second);
  Recycler<Own>::deallocate(first, 1);
  EXPECT_EQ(Recycler<Own>::allocate(1), first);
  Recycler<Own>::deallocate(first, 1);
  Recycler<Own>::deallocate(second, 1);
}

TEST(Recycler, ArraysAreNotKept) {
  struct Own {
    std::array<int, 8> numbers;
  };
  Own* several = Recycler<Own>::allocate(3);
  several[2].numbers[7] = 1;
  Recycler<Own>::deallocate(several, 3);
  Own* one = Recycler<Own>::allocate(1);
  one->numbers[7] = 1;
  Recycler<Own>::deallocate(one, 1);
}

TEST(Recycler, RunsConstructorsAndDestructorsPastItsLimit) {
  int living = 0;
  std::vector<std::unique_ptr<Thing>> things;
  for (int round = 0; round < 2; ++round) {
    for (std::size_t i = 0; i < max_spare_blocks + 50; ++i) things.push_back(std::make_unique<Thing>(living));
    EXPECT_EQ(living, static_cast<int>(max_spare_blocks + 50));
    things.clear();
    EXPECT_EQ(living, 0);
  }
}

TEST(Recycler, AnotherThreadMayFree) {
  int living = 0;
  auto thing = std::make_unique<Thing>(living);
  std::thread([&] { thing.reset(); }).join();
  EXPECT_EQ(living, 0);
  const auto shared = std::allocate_shared<int>(Recycler<int>(), 7);
  std::thread([copy = shared] { EXPECT_EQ(*copy, 7); }).join();
}

} // namespace
} // namespace kith
