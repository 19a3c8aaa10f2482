// SPDX-License-Identifier: Apache-2.0
#include "base/error.hpp"

#include <gtest/gtest.h>

namespace kith {
namespace {

TEST(CodeTable, HasEveryCodeOnceInOrder) {
  std::uint64_t expected = 1;
  for (const CodeInfo& row : code_table()) {
    EXPECT_EQ(static_cast<std::uint64_t>(row.code), expected++);
    EXPECT_EQ(find_code(row.code), &row);
    EXPECT_EQ(find_code(row.name), &row);
  }
  EXPECT_EQ(expected, 22U);
}

TEST(CodeTable, SaysWhatMayHaveRun) {
  for (const CodeInfo& row : code_table()) {
    EXPECT_EQ(row.ran, row.code >= Code::too_large ? Ran::maybe : Ran::no) << row.name;
  }
}

TEST(CodeTable, KnowsNeitherZeroNorApplicationCodes) {
  EXPECT_EQ(find_code(Code{0}), nullptr);
  EXPECT_EQ(find_code(Code{22}), nullptr);
  EXPECT_EQ(find_code(Code{1000}), nullptr);
  EXPECT_EQ(find_code("nonsense"), nullptr);
  EXPECT_EQ(code_name(Code{1001}), "app_error");
  EXPECT_EQ(code_name(Code{77}), "code 77");
  EXPECT_EQ(code_name(Code::denied), "denied");
}

TEST(CodeTable, GivesExitCodes) {
  EXPECT_EQ(exit_code(Code::bad_request), 101);
  EXPECT_EQ(exit_code(Code::timeout), 121);
  EXPECT_EQ(exit_code(Code{1000}), 1);
  EXPECT_EQ(exit_code(Code{999}), 120);
}

TEST(Result, CarriesEitherAValueOrAnError) {
  const Result<int> good = 7;
  const Result<int> bad = bad_request("no");
  EXPECT_EQ(*good, 7);
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error(), (Error{Code::bad_request, "no"}));
  EXPECT_THROW(static_cast<void>(bad.value()), std::runtime_error);
}

} // namespace
} // namespace kith
