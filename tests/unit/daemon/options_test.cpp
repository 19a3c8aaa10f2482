// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/options.hpp"

#include <gtest/gtest.h>

namespace kith::daemon {
namespace {

Result<Options> parse(std::vector<std::string_view> arguments, std::string_view kith_home = "", std::string_view home = "/home/ann") {
  return parse_options(arguments, kith_home, home);
}

TEST(DaemonOptions, Home) {
  EXPECT_EQ(parse({})->home, "/home/ann/.kith");
  EXPECT_EQ(parse({}, "/x/y/")->home, "/x/y");
  EXPECT_EQ(parse({"--home", "/a/../b"}, "/x")->home, "/b");
  EXPECT_EQ(parse({"--home=/c"})->home, "/c");
  EXPECT_FALSE(parse({}, "", ""));
}

TEST(DaemonOptions, Listen) {
  const auto options = parse({"--listen", "127.0.0.1:0", "--listen=[::1]:4433", "--detach"});
  ASSERT_TRUE(options);
  ASSERT_EQ(options->listen.size(), 2U);
  EXPECT_EQ(options->listen[1].text(), "[::1]:4433");
  EXPECT_TRUE(options->detach);
}

TEST(DaemonOptions, Check) {
  EXPECT_FALSE(parse({"--detach"})->check);
  EXPECT_TRUE(parse({"--check"})->check);
}

TEST(DaemonOptions, Json) {
  EXPECT_FALSE(parse({"--detach"})->json);
  EXPECT_TRUE(parse({"--json"})->json);
}

TEST(DaemonOptions, WhatIsWrong) {
  const std::vector<std::vector<std::string_view>> wrong{{"--listen"}, {"--listen", "x"}, {"--listen="}, {"--home"},
                                                         {"--home="},  {"--hoem", "x"},   {"x"}};
  for (const auto& arguments : wrong) EXPECT_FALSE(parse(arguments)) << arguments[0];
}

} // namespace
} // namespace kith::daemon
