// SPDX-License-Identifier: Apache-2.0
#include "load.hpp"

#include <algorithm>

namespace kith::test {
namespace {

class Wrapper : public testing::Test {
protected:
  void SetUp() override {
    auto loaded = hosting::load_library(KITH_WRAPPER_TEST, load_options(folder_));
    ASSERT_TRUE(loaded) << loaded.error().text;
    library_ = *loaded;
    host_ = std::make_unique<testkit::FakeHost>(library_->descriptor.protocols[0], folder_.path().string());
  }

  testkit::FakeStream& call(const char* command, std::string_view request = "x") {
    testkit::FakeStream& stream = host_->open({StreamKind::call, {}, command, Role::member, never});
    stream.send(request);
    stream.finish();
    host_->run();
    return stream;
  }

  TemporaryFolder folder_;
  std::shared_ptr<const hosting::Library> library_;
  std::unique_ptr<testkit::FakeHost> host_;
};

TEST_F(Wrapper, Commands) {
  const hosting::Protocol& protocol = library_->descriptor.protocols[0];
  const hosting::Command* sleep = protocol.find_command("sleep");
  ASSERT_NE(sleep, nullptr);
  EXPECT_TRUE(sleep->is_remote());
  EXPECT_EQ(sleep->least_role, Role::viewer);
  EXPECT_EQ(protocol.find_command("other"), nullptr);
}

TEST(Notes, CommandsSayWhoMayNameThem) {
  const TemporaryFolder folder;
  const auto library = hosting::load_library(KITH_NOTES, load_options(folder));
  ASSERT_TRUE(library) << library.error().text;
  const hosting::Protocol& notes = (*library)->descriptor.protocols[0];
  EXPECT_EQ(notes.cli_noun, "note");
  EXPECT_EQ(notes.find_command("add")->scope, hosting::Scope::local);
  EXPECT_FALSE(notes.find_command("add")->is_remote());
  EXPECT_EQ(notes.find_command("count")->scope, hosting::Scope::both);
  EXPECT_EQ(notes.find_command("push")->scope, hosting::Scope::remote);
  testkit::FakeHost host(notes, folder.path().string());
  ASSERT_TRUE(host.start());
  testkit::FakeStream& count = host.open({StreamKind::call, "json", "count", Role::owner, never});
  count.finish();
  host.run();
  EXPECT_EQ(count.take(), R"({"octets":0,"role":"owner"})");
}

TEST_F(Wrapper, Timers) {
  ASSERT_TRUE(host_->start());
  testkit::FakeStream& stream = call("sleep");
  host_->advance(std::chrono::seconds(4));
  EXPECT_FALSE(stream.accepted);
  host_->advance(std::chrono::seconds(2));
  EXPECT_EQ(stream.take(), "x");
}

TEST_F(Wrapper, AStreamThatEndsWhileItsHandlerSleeps) {
  ASSERT_TRUE(host_->start());
  testkit::FakeStream& stream = call("sleep");
  stream.reset(Code::cancelled, "");
  host_->run();
  EXPECT_TRUE(stream.closed);
  host_->advance(std::chrono::seconds(6));
  EXPECT_EQ(host_->instance().misuse_count(), 0U);
}

TEST_F(Wrapper, StoppedWhileAHandlerSleeps) {
  ASSERT_TRUE(host_->start());
  testkit::FakeStream& stream = call("sleep");
  host_->stop();
  EXPECT_TRUE(stream.was_reset);
  EXPECT_EQ(host_->instance().misuse_count(), 0U);
}

TEST_F(Wrapper, ExceptionsBecomeAnswers) {
  ASSERT_TRUE(host_->start());
  testkit::FakeStream& thrown = call("throw");
  EXPECT_EQ(thrown.code, Code::plugin_failed);
  EXPECT_EQ(thrown.text, ""); // what() is for the log
  testkit::FakeStream& refused = call("refuse");
  EXPECT_EQ(static_cast<int>(refused.code), 1234);
  EXPECT_EQ(refused.text, "refused");
  EXPECT_EQ(call("silent").code, Code::internal);
  EXPECT_TRUE(host_->open({StreamKind::stream, {}, {}, Role::member, never}).rejected);
  EXPECT_EQ(host_->instance().state(), hosting::State::running);
  EXPECT_EQ(host_->instance().misuse_count(), 0U);
}

TEST_F(Wrapper, ARefusalThatCanNotBeSentIsAnswered) {
  ASSERT_TRUE(host_->start());
  for (const char* command : {"no text", "no code", "too large a code"}) {
    testkit::FakeStream& refused = call(command);
    EXPECT_TRUE(refused.rejected) << command;
    EXPECT_EQ(refused.code, Code::plugin_failed) << command;
    EXPECT_EQ(refused.text, "") << command;
  }
}

TEST_F(Wrapper, WritesInPlaceAndWaitsForRoom) {
  ASSERT_TRUE(host_->start());
  constexpr std::size_t wanted = 300'000;
  testkit::FakeStream& stream = host_->open({StreamKind::stream, {}, "fill", Role::member, never});
  stream.set_window(70'000); // more than a slab, and much less than what is to come
  stream.send(std::to_string(wanted));
  stream.finish();
  std::string all;
  for (int turns = 0; turns < 20 && !stream.finished(); ++turns) {
    host_->run();
    all += stream.take();
  }
  EXPECT_TRUE(stream.finished());
  ASSERT_EQ(all.size(), wanted);
  for (std::size_t i = 0; i < wanted; ++i) ASSERT_EQ(static_cast<std::uint8_t>(all[i]), static_cast<std::uint8_t>(i)) << i;
  EXPECT_EQ(host_->instance().misuse_count(), 0U);
}

TEST_F(Wrapper, WhatAHandlerLeavesUnreadIsDropped) {
  ASSERT_TRUE(host_->start());
  testkit::FakeStream& stream = host_->open({StreamKind::stream, {}, "peek", Role::member, never});
  stream.send(std::string(10'000, 'x'));
  host_->run();
  EXPECT_TRUE(stream.finished());
  EXPECT_EQ(stream.unread(), 0U);
  stream.send("more");
  stream.finish();
  host_->run();
  EXPECT_EQ(stream.unread(), 0U) << "or it never ends";
  EXPECT_EQ(host_->instance().misuse_count(), 0U);
}

TEST_F(Wrapper, AStreamThatEndsWhileItsHandlerWaitsForRoom) {
  ASSERT_TRUE(host_->start());
  testkit::FakeStream& stream = host_->open({StreamKind::stream, {}, "fill", Role::member, never});
  stream.set_window(1'000);
  stream.send("300000");
  stream.finish();
  host_->run();
  EXPECT_FALSE(stream.finished());
  stream.reset(Code::cancelled, "");
  host_->run();
  EXPECT_TRUE(stream.closed);
  EXPECT_EQ(host_->instance().misuse_count(), 0U);
}

TEST_F(Wrapper, Files) {
  ASSERT_TRUE(host_->start());
  testkit::FakeStream& stream = call("file", "content");
  EXPECT_EQ(stream.take(), "content") << stream.text;
}

TEST_F(Wrapper, PostsFromAThread) {
  ASSERT_TRUE(host_->start());
  call("thread");
  EXPECT_EQ(call("posted").take(), "yes");
}

TEST_F(Wrapper, WhatAPostResumesIsSettled) {
  ASSERT_TRUE(host_->start());
  EXPECT_EQ(call("resumed").take(), "x");
  EXPECT_EQ(static_cast<int>(call("refused later").code), 1236);
  testkit::FakeStream& stream = host_->open({StreamKind::stream, {}, "resumed", Role::member, never});
  host_->run();
  EXPECT_TRUE(stream.finished());
}

TEST_F(Wrapper, SpawnedTasksAreFreedWhenTheyEnd) {
  ASSERT_TRUE(host_->start());
  for (const char* how : {"r", "e", "i"}) call("spawn", how);
  EXPECT_EQ(call("held").take(), "0");
  EXPECT_EQ(std::ranges::count_if(host_->lines(), [](const std::string& line) { return line.find("spawned task") != std::string::npos; }), 2);
}

// The leak, if there is one, is LeakSanitizer's to see as well.
TEST_F(Wrapper, WorkThatWaitsAtTheStopIsFreed) {
  ASSERT_TRUE(host_->start());
  host_->drain(std::chrono::seconds(1));
  EXPECT_EQ(std::ranges::find(host_->lines(), "freed"), host_->lines().end());
  host_->stop();
  EXPECT_NE(std::ranges::find(host_->lines(), "freed"), host_->lines().end());
}

TEST_F(Wrapper, AConfigThatIsRefusedLeavesTheOldOne) {
  ASSERT_TRUE(host_->start());
  const auto refused = host_->reconfigure("{\"bad\":1}");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().text, "bad: not a field of this config");
  EXPECT_EQ(call("").take(), "x");
}

} // namespace
} // namespace kith::test
