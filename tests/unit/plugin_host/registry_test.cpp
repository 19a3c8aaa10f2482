// SPDX-License-Identifier: GPL-3.0-or-later
#include "plugin_host/registry.hpp"

#include "plugin/load.hpp"

#include <fstream>

namespace kith::test {
namespace {

namespace fs = std::filesystem;

TEST(Registry, FirstFolderWinsAndProblemsAreKept) {
  const TemporaryFolder folder;
  const fs::path first = folder.path() / "first";
  const fs::path second = folder.path() / "second";
  fs::create_directory(first);
  fs::create_directory(second);
  fs::copy_file(KITH_ECHO, first / "Echo.so");
  fs::copy_file(KITH_ECHO, second / "Other.so");
  std::ofstream(second / "Broken.so") << "no library";
  const auto registry = plugin_host::Registry::scan({{first, second, folder.path() / "missing"}, load_options(folder)});
  ASSERT_EQ(registry->all().size(), 1U);
  const auto echo = registry->find("Echo");
  ASSERT_TRUE(echo);
  EXPECT_EQ(echo->library->file, first / "Echo.so");
  EXPECT_EQ(registry->problems().size(), 2U);
  const auto broken = registry->find("Broken");
  ASSERT_FALSE(broken);
  EXPECT_NE(broken.error().text.find("not a shared library"), std::string::npos);
}

TEST(Registry, UnknownPluginNamesTheKnownOnesAndTheFolders) {
  const TemporaryFolder folder;
  fs::copy_file(KITH_ECHO, folder.path() / "Echo.so");
  const auto registry = plugin_host::Registry::scan({{folder.path()}, load_options(folder)});
  const auto found = registry->find("Ehco");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, Code::unknown_protocol);
  EXPECT_NE(found.error().text.find("did you mean Echo?"), std::string::npos) << found.error().text;
  EXPECT_NE(found.error().text.find("known: Echo"), std::string::npos);
  EXPECT_NE(found.error().text.find(folder.path().string()), std::string::npos);
}

} // namespace
} // namespace kith::test
