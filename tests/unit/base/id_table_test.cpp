// SPDX-License-Identifier: Apache-2.0
#include "base/id_table.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace kith {
namespace {

TEST(IdTable, FindsWhatIsThereAndNothingElse) {
  IdTable<std::string> table;
  const auto a = table.insert("a");
  const auto b = table.insert("b");
  EXPECT_NE(a, 0U);
  EXPECT_NE(a, b);
  ASSERT_NE(table.find(a), nullptr);
  EXPECT_EQ(*table.find(a), "a");
  EXPECT_EQ(table.find(0), nullptr);
  EXPECT_EQ(table.find(~std::uint64_t{0}), nullptr);
  EXPECT_EQ(table.find(b + 1), nullptr);
  EXPECT_EQ(table.size(), 2U);
  EXPECT_EQ(table.ids(), (std::vector<std::uint64_t>{a, b}));
}

TEST(IdTable, AnIdThatIsGoneStaysGoneWhenItsSlotIsUsedAgain) {
  IdTable<std::unique_ptr<int>> table;
  const auto first = table.insert(std::make_unique<int>(1));
  EXPECT_TRUE(table.erase(first));
  EXPECT_FALSE(table.erase(first));
  const auto second = table.insert(std::make_unique<int>(2));
  EXPECT_NE(first, second);
  EXPECT_EQ(table.find(first), nullptr);
  EXPECT_EQ(**table.find(second), 2);
  EXPECT_EQ(table.size(), 1U);
  int sum = 0;
  table.for_each([&](const std::unique_ptr<int>& each) { sum += *each; });
  EXPECT_EQ(sum, 2);
}

} // namespace
} // namespace kith
