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
  const auto registry = plugin_host::Registry::scan({{first, second, folder.path() / "missing"}, load_options(folder), {}});
  ASSERT_EQ(registry->all().size(), 1U);
  const auto echo = registry->find("Echo");
  ASSERT_TRUE(echo);
  EXPECT_EQ(echo->library->file, first / "Echo.so");
  EXPECT_EQ(registry->problems().size(), 2U);
  const auto broken = registry->find("Broken");
  ASSERT_FALSE(broken);
  EXPECT_NE(broken.error().text.find("not a shared library"), std::string::npos);
}

bool is_mapped(const fs::path& folder) {
  std::ifstream maps("/proc/self/maps");
  const std::string text((std::istreambuf_iterator<char>(maps)), {});
  return text.find(folder.string()) != std::string::npos;
}

TEST(Registry, AFileWithAnotherSumThanThePinIsNotOpened) {
  const TemporaryFolder folder;
  fs::copy_file(KITH_ECHO, folder.path() / "Echo.so");
  const auto refused = plugin_host::Registry::scan({{folder.path()}, load_options(folder), {{"Echo", {"another sum"}}}});
  EXPECT_TRUE(refused->all().empty());
  EXPECT_FALSE(is_mapped(folder.path()));
  const auto why = refused->find("Echo");
  ASSERT_FALSE(why);
  EXPECT_NE(why.error().text.find("pinned is another sum"), std::string::npos) << why.error().text;

  const auto taken = plugin_host::Registry::scan({{folder.path()}, load_options(folder), {}});
  ASSERT_EQ(taken->all().size(), 1U);
  EXPECT_TRUE(is_mapped(folder.path()));
  const std::string sum = taken->all()[0].library->sha256;
  EXPECT_TRUE(plugin_host::Registry::scan({{folder.path()}, load_options(folder), {{"Echo", {"another sum", sum}}}})->find("Echo"));
}

TEST(Registry, APinnedProtocolIsTakenFromTheFileOfItsName) {
  const TemporaryFolder folder;
  fs::copy_file(KITH_ECHO, folder.path() / "A.so");
  const std::string sum = plugin_host::Registry::scan({{folder.path()}, load_options(folder), {}})->all().at(0).library->sha256;
  const plugin_host::RegistryOptions options{{folder.path()}, load_options(folder), {{"Echo", {sum}}}};
  EXPECT_FALSE(plugin_host::Registry::scan(options)->find("Echo"));
  fs::copy_file(KITH_ECHO, folder.path() / "Echo.so");
  const auto found = plugin_host::Registry::scan(options)->find("Echo");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->library->file.filename(), "Echo.so");
}

TEST(Registry, ANounThatIsTakenIsRefused) {
  const TemporaryFolder folder;
  for (const char* file : {"Memos.so", "Notes.so", "Taken.so"}) fs::copy_file(fs::path(KITH_NOTES_DIR) / file, folder.path() / file);
  const auto registry = plugin_host::Registry::scan({{folder.path()}, load_options(folder), {}});
  ASSERT_EQ(registry->all().size(), 1U);
  EXPECT_EQ(registry->all().front().protocol->name, "Memos") << "the first one has it";
  const auto notes = registry->find("Notes");
  ASSERT_FALSE(notes);
  EXPECT_NE(notes.error().text.find("`kith note` is Memos's"), std::string::npos) << notes.error().text;
  const auto taken = registry->find("Taken");
  ASSERT_FALSE(taken);
  EXPECT_NE(taken.error().text.find("cli_noun call is a command of kith's own"), std::string::npos) << taken.error().text;
}

TEST(Registry, ASecondScanTakesNewFilesAndLeavesLoadedOnesAlone) {
  const TemporaryFolder folder;
  fs::copy_file(KITH_ECHO, folder.path() / "Echo.so");
  const plugin_host::RegistryOptions options{{folder.path()}, load_options(folder), {}};
  const auto first = plugin_host::Registry::scan(options);
  const auto library = first->find("Echo")->library;

  const auto same = plugin_host::Registry::scan(options, first.get());
  EXPECT_EQ(same->find("Echo")->library, library) << "not opened again";
  EXPECT_TRUE(same->changed().empty());
  EXPECT_TRUE(same->problems().empty());

  std::ofstream(folder.path() / "Echo.so", std::ios::app) << "more";
  fs::copy_file(KITH_ECHO, folder.path() / "Another.so");
  const auto later = plugin_host::Registry::scan(options, same.get());
  EXPECT_EQ(later->find("Echo")->library, library);
  EXPECT_EQ(later->changed(), std::vector<fs::path>{folder.path() / "Echo.so"});
  ASSERT_EQ(later->problems().size(), 1U);
  EXPECT_NE(later->problems()[0].text.find("Another.so: protocol Echo is already in "), std::string::npos);

  fs::remove(folder.path() / "Echo.so");
  fs::remove(folder.path() / "Another.so");
  fs::copy_file(KITH_MISBEHAVING, folder.path() / "New.so");
  const auto last = plugin_host::Registry::scan(options, later.get());
  EXPECT_EQ(last->find("Echo")->library, library) << "libraries stay mapped";
  EXPECT_GT(last->all().size(), 1U);
}

TEST(Registry, UnknownPluginNamesTheKnownOnesAndTheFolders) {
  const TemporaryFolder folder;
  fs::copy_file(KITH_ECHO, folder.path() / "Echo.so");
  const auto registry = plugin_host::Registry::scan({{folder.path()}, load_options(folder), {}});
  const auto found = registry->find("Ehco");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, Code::unknown_protocol);
  EXPECT_NE(found.error().text.find("did you mean Echo?"), std::string::npos) << found.error().text;
  EXPECT_NE(found.error().text.find("known: Echo"), std::string::npos);
  EXPECT_NE(found.error().text.find(folder.path().string()), std::string::npos);
}

} // namespace
} // namespace kith::test
