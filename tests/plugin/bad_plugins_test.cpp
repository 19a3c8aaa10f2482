// SPDX-License-Identifier: Apache-2.0
#include "load.hpp"

#include <algorithm>
#include <fstream>

namespace kith::test {
namespace {

namespace fs = std::filesystem;

std::string load_error(const fs::path& file) {
  const TemporaryFolder folder;
  const auto loaded = hosting::load_library(file, load_options(folder));
  return loaded ? "loaded" : loaded.error().text;
}

std::string load_bad(const std::string& name) { return load_error(fs::path(KITH_BAD_DIR) / (name + ".so")); }

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(BadPlugin, EntriesThatAreWrong) {
  EXPECT_PRED2(contains, load_bad("BadNO_ENTRY"), "exports no kith_plugin_entry");
  EXPECT_PRED2(contains, load_bad("BadWRONG_MAJOR"), "built for plugin ABI 2, this kith has 1");
  EXPECT_PRED2(contains, load_bad("BadNEWER_MINOR"), "needs plugin ABI 1.99");
  EXPECT_PRED2(contains, load_bad("BadTHROWS"), "threw an exception");
  EXPECT_PRED2(contains, load_bad("BadEMPTY"), "1 to 64 protocols");
  EXPECT_PRED2(contains, load_bad("BadNULL"), "not today");
}

TEST(BadPlugin, FilesThatAreNone) {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "x.so";
  EXPECT_PRED2(contains, load_error(file), "can't be opened");
  std::ofstream(file) << "text";
  EXPECT_PRED2(contains, load_error(file), "not a shared library");
  std::ofstream(file) << "\x7f"
                         "ELF and no more";
  EXPECT_PRED2(contains, load_error(file), "not a plugin");
  EXPECT_PRED2(contains, load_error(folder.path()), "not a regular file");
}

TEST(BadPlugin, FilesThatOthersMayWrite) {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "Echo.so";
  fs::copy_file(KITH_ECHO, file);
  fs::permissions(file, fs::perms::others_write, fs::perm_options::add);
  EXPECT_PRED2(contains, load_error(file), "group or others may write it");
  fs::permissions(file, fs::perms::others_write, fs::perm_options::remove);
  fs::permissions(folder.path(), fs::perms::group_write, fs::perm_options::add);
  EXPECT_PRED2(contains, load_error(file), "group or others may write it");
}

TEST(BadPlugin, PinnedToAnotherHash) {
  const TemporaryFolder folder;
  hosting::LoadOptions options = load_options(folder);
  options.pinned_sha256 = {"something else"};
  const auto loaded = hosting::load_library(KITH_ECHO, options);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, Code::denied);
}

TEST(BadPlugin, NoCopyIsLeftBehind) {
  const TemporaryFolder folder;
  ASSERT_TRUE(hosting::load_library(KITH_ECHO, load_options(folder)));
  ASSERT_FALSE(hosting::load_library(fs::path(KITH_BAD_DIR) / "BadNULL.so", load_options(folder)));
  const fs::path file = folder.path() / "x.so";
  std::ofstream(file) << "\x7f"
                         "ELF and no more";
  ASSERT_FALSE(hosting::load_library(file, load_options(folder)));
  EXPECT_TRUE(fs::is_empty(folder.path() / "copies"));
}

class Misbehaving : public testing::Test {
protected:
  void SetUp() override {
    auto loaded = hosting::load_library(fs::path(KITH_BAD_DIR) / "Misbehaving.so", load_options(folder_));
    ASSERT_TRUE(loaded) << loaded.error().text;
    library_ = *loaded;
    host_ = std::make_unique<testkit::FakeHost>(library_->descriptor.protocols[0]);
  }

  TemporaryFolder folder_;
  std::shared_ptr<const hosting::Library> library_;
  std::unique_ptr<testkit::FakeHost> host_;
};

TEST_F(Misbehaving, EachBrokenRuleIsCountedAndSurvived) {
  ASSERT_TRUE(host_->start());
  std::uint64_t count = 0;
  for (const char* rule : {"write_before_accept", "double_accept", "reject_after_accept", "bad_id", "no_pointer", "consume_unseen",
                           "commit_unreserved", "commit_too_much", "wrong_thread", "write_after_finish", "code_zero", "write_after_closed"}) {
    testkit::FakeStream& stream = host_->open({StreamKind::stream, {}, rule, Role::member, never});
    stream.finish();
    host_->run();
    EXPECT_TRUE(stream.closed) << rule;
    EXPECT_EQ(host_->instance().misuse_count(), ++count) << rule;
  }
  EXPECT_EQ(host_->instance().state(), hosting::State::running);
  EXPECT_EQ(host_->instance().stream_count(), 0U);
}

TEST_F(Misbehaving, AFloodOfLogLinesIsCutAndCounted) {
  ASSERT_TRUE(host_->start());
  const auto count = [this](std::string_view part) {
    return static_cast<std::size_t>(
        std::ranges::count_if(host_->lines(), [&](const std::string& line) { return line.find(part) != std::string::npos; }));
  };
  host_->open({StreamKind::stream, {}, "logs", Role::member, never});
  EXPECT_EQ(count("chatter"), hosting::max_log_lines_per_second);
  EXPECT_EQ(count("dropped"), 0U);
  host_->advance(std::chrono::seconds(1));
  host_->open({StreamKind::stream, {}, "logs", Role::member, never});
  EXPECT_EQ(count("chatter"), 2 * hosting::max_log_lines_per_second);
  const std::string said = std::to_string(1000 - hosting::max_log_lines_per_second) + " log lines of the plugin were dropped";
  EXPECT_EQ(count(said), 1U);
  host_->stop(); // what the last second lost is said too
  EXPECT_EQ(count(said), 2U);
}

TEST_F(Misbehaving, AnExceptionFailsTheInstanceAndItsStreams) {
  ASSERT_TRUE(host_->start());
  testkit::FakeStream& bystander = host_->open({StreamKind::stream, {}, "never_answers", Role::member, never});
  testkit::FakeStream& stream = host_->open({StreamKind::stream, {}, "throws", Role::member, never});
  EXPECT_EQ(host_->instance().state(), hosting::State::failed);
  EXPECT_PRED2(contains, host_->instance().failure(), "thrown by on_opened");
  EXPECT_TRUE(stream.was_reset);
  EXPECT_EQ(stream.code, Code::plugin_failed);
  EXPECT_TRUE(bystander.was_reset);
  EXPECT_TRUE(host_->open({StreamKind::stream, {}, {}, Role::member, never}).rejected);
}

TEST_F(Misbehaving, OneThatNeverAnswersIsClosedByStop) {
  ASSERT_TRUE(host_->start());
  testkit::FakeStream& stream = host_->open({StreamKind::stream, {}, "never_answers", Role::member, never});
  host_->drain(std::chrono::seconds(1));
  EXPECT_EQ(host_->instance().stream_count(), 1U);
  EXPECT_TRUE(host_->open({StreamKind::stream, {}, {}, Role::member, never}).rejected);
  host_->stop();
  EXPECT_TRUE(stream.was_reset);
  EXPECT_EQ(host_->instance().stream_count(), 0U);
}

TEST_F(Misbehaving, FailuresAtTheStartHaveTheirTexts) {
  const auto refused = host_->start(R"({"refuse":1})");
  ASSERT_FALSE(refused);
  EXPECT_PRED2(contains, refused.error().text, "refused by configure");
  testkit::FakeHost second(library_->descriptor.protocols[0]);
  const auto thrown = second.start(R"({"throw":1})");
  ASSERT_FALSE(thrown);
  EXPECT_PRED2(contains, thrown.error().text, "thrown by configure");
}

} // namespace
} // namespace kith::test
