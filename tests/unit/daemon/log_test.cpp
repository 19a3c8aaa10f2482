// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/log.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <unistd.h>

namespace kith::daemon {
namespace {

TEST(OpenLog, SaysWhyItCanNot) {
  const auto log = open_log({"/dev/null/kithd.log", 1000, 2, LogLevel::info, false});
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code, Code::internal);
  EXPECT_NE(log.error().text.find("/dev/null/kithd.log"), std::string::npos);
}

TEST(OpenLog, WritesTheLevelsOfTheSettingAndTakesAnotherOneLive) {
  const std::string folder = ::testing::TempDir() + "/kith-log-" + std::to_string(::getpid());
  const auto log = open_log({folder + "/kithd.log", 1000, 2, LogLevel::warn, false});
  ASSERT_TRUE(log) << log.error().text;
  (*log)->info("test", "unseen");
  (*log)->warn("test", "first");
  (*log)->set_level(LogLevel::info);
  (*log)->info("test", "second");
  std::ifstream file(folder + "/kithd.log");
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  EXPECT_EQ(text.find("unseen"), std::string::npos);
  EXPECT_NE(text.find("Z warn test: first\n"), std::string::npos) << text;
  EXPECT_NE(text.find("Z info test: second\n"), std::string::npos) << text;
  std::filesystem::remove_all(folder);
}

TEST(OpenLog, RotatesAndKeepsSoManyFiles) {
  const std::filesystem::path folder = ::testing::TempDir() + "/kith-log-files-" + std::to_string(::getpid());
  for (const std::uint64_t files : {2U, 3U}) {
    const auto log = open_log({(folder / "kithd.log").string(), 1000, files, LogLevel::info, false});
    ASSERT_TRUE(log) << log.error().text;
    for (int i = 0; i < 100; ++i) (*log)->info("test", std::string(100, 'x'));
    std::uint64_t kept = 0;
    for (const auto& file : std::filesystem::directory_iterator(folder)) {
      ++kept;
      EXPECT_LE(file.file_size(), 1000U) << file.path();
      EXPECT_GT(file.file_size(), 0U) << file.path();
    }
    EXPECT_EQ(kept, files);
    std::filesystem::remove_all(folder);
  }
}

} // namespace
} // namespace kith::daemon
