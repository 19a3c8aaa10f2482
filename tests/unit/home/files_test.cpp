// SPDX-License-Identifier: GPL-3.0-or-later
#include "home/files.hpp"

#include "temp_home.hpp"

#include <array>
#include <csignal>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace kith::home {
namespace {

/// While it lives, writes beyond a few octets fail with EFBIG, as they would with ENOSPC on a full disk.
class FullDisk {
public:
  FullDisk() {
    old_handler_ = std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &old_);
    rlimit limit = old_;
    limit.rlim_cur = 8;
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, old_handler_);
  }

private:
  rlimit old_{};
  void (*old_handler_)(int) = nullptr;
};

TEST(Files, AFileIsReadIntoOneBufferOfItsSize) { // which can be wiped: a larger one was read in parts, and the first buffer went back as it was
  const TempFolder folder;
  const std::string path = folder.path() + "/f";
  for (const std::size_t size : std::array<std::size_t, 3>{0, 119, 4096}) {
    ASSERT_TRUE(replace_file(path, std::string(size, 'k')));
    const auto text = read_private_file(path, 4096);
    ASSERT_TRUE(text) << text.error().text;
    EXPECT_EQ(*text, std::string(size, 'k'));
    EXPECT_EQ(text->capacity(), std::string(size + 1, ' ').capacity());
  }
  EXPECT_FALSE(read_private_file(path, 4095));
}

TEST(Files, ReplaceIsWholeAndPrivate) {
  const TempFolder folder;
  const std::string path = folder.path() + "/f";
  ASSERT_TRUE(replace_file(path, "one"));
  EXPECT_EQ(slurp(path), "one");
  EXPECT_EQ(mode_of(path), 0600U);
  ASSERT_TRUE(replace_file(path, "two"));
  EXPECT_EQ(slurp(path), "two");
  EXPECT_EQ(list_folder(folder.path())->size(), 1U) << "nothing temporary is left";
}

TEST(Files, AFullDiskLeavesTheOldFile) {
  const TempFolder folder;
  const std::string path = folder.path() + "/f";
  ASSERT_TRUE(replace_file(path, "old"));
  Result<void> saved;
  Result<void> made;
  {
    const FullDisk full;
    saved = replace_file(path, "a text that does not fit");
    made = create_file(folder.path() + "/g", "a text that does not fit");
  }
  ASSERT_FALSE(saved);
  EXPECT_NE(saved.error().text.find("can't save " + path), std::string::npos);
  EXPECT_NE(saved.error().text.find("the old file is as it was"), std::string::npos);
  EXPECT_FALSE(made);
  EXPECT_EQ(slurp(path), "old");
  EXPECT_EQ(*list_folder(folder.path()), std::vector<std::string>{"f"});
}

TEST(Files, ReplaceFollowsALink) {
  const TempFolder folder;
  spill(folder.path() + "/real", "old");
  std::filesystem::create_symlink("real", folder.path() + "/link");
  ASSERT_TRUE(replace_file(folder.path() + "/link", "new"));
  EXPECT_EQ(slurp(folder.path() + "/real"), "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder.path() + "/link"));
}

TEST(Files, CreateNeverOverwrites) {
  const TempFolder folder;
  const std::string path = folder.path() + "/f";
  ASSERT_TRUE(create_file(path, "one"));
  const auto again = create_file(path, "two");
  ASSERT_FALSE(again);
  EXPECT_NE(again.error().text.find("is there already"), std::string::npos);
  EXPECT_EQ(slurp(path), "one");
  EXPECT_EQ(list_folder(folder.path())->size(), 1U);
}

TEST(Files, ErrorsNameThePathAndTheReason) {
  const TempFolder folder;
  EXPECT_EQ(read_file(folder.path() + "/none", 10).error().text, "can't read " + folder.path() + "/none: No such file or directory");
  EXPECT_FALSE(replace_file(folder.path() + "/none/f", "x"));
  EXPECT_FALSE(read_file(folder.path(), 10));
  ASSERT_EQ(::mkfifo((folder.path() + "/fifo").c_str(), 0600), 0);
  EXPECT_FALSE(read_file(folder.path() + "/fifo", 10)) << "and does not block";
  std::filesystem::create_symlink("fifo", folder.path() + "/link");
  EXPECT_EQ(read_file(folder.path() + "/link", 10).error().text, folder.path() + "/link is not a file");
  EXPECT_FALSE(list_folder(folder.path() + "/none"));
  EXPECT_FALSE(sync_folder(folder.path() + "/none"));
}

TEST(Files, SizesAreBounded) {
  const TempFolder folder;
  spill(folder.path() + "/f", std::string(5000, 'x'));
  EXPECT_EQ(read_file(folder.path() + "/f", 5000)->size(), 5000U);
  EXPECT_FALSE(read_file(folder.path() + "/f", 4999));
}

TEST(Files, SecretsThatOthersMayReadAreRefused) {
  const TempFolder folder;
  const std::string path = folder.path() + "/f";
  spill(path, "secret");
  for (const mode_t mode : {0640U, 0604U, 0620U, 0601U}) {
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
    const auto text = read_private_file(path, 100);
    ASSERT_FALSE(text) << mode;
    EXPECT_NE(text.error().text.find("chmod 600 '" + path + "'"), std::string::npos) << text.error().text;
  }
  ASSERT_EQ(::chmod(path.c_str(), 0600), 0);
  EXPECT_EQ(*read_private_file(path, 100), "secret");
  ASSERT_EQ(::chmod(path.c_str(), 0400), 0);
  EXPECT_TRUE(read_private_file(path, 100));
}

TEST(Files, PrivateFolders) {
  const TempFolder folder;
  const std::string path = folder.path() + "/d";
  ASSERT_TRUE(make_private_folder(path));
  EXPECT_EQ(mode_of(path), 0700U);
  ASSERT_TRUE(make_private_folder(path));
  ASSERT_EQ(::chmod(path.c_str(), 0755), 0);
  EXPECT_NE(make_private_folder(path).error().text.find("chmod 700 '" + path + "'"), std::string::npos);
  spill(folder.path() + "/f", "");
  EXPECT_FALSE(make_private_folder(folder.path() + "/f"));
  EXPECT_FALSE(make_private_folder(folder.path() + "/no/d"));
}

} // namespace
} // namespace kith::home
