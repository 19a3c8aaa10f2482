// SPDX-License-Identifier: Apache-2.0
#include "load.hpp"

namespace kith::test {
namespace {

class Echo : public testing::Test {
protected:
  void SetUp() override {
    auto loaded = hosting::load_library(KITH_ECHO, load_options(folder_));
    ASSERT_TRUE(loaded) << loaded.error().text;
    library_ = *loaded;
    protocol_ = library_->descriptor.find("Echo");
    ASSERT_NE(protocol_, nullptr);
  }

  TemporaryFolder folder_;
  std::shared_ptr<const hosting::Library> library_;
  const hosting::Protocol* protocol_ = nullptr;
};

TEST_F(Echo, DescribesItself) {
  EXPECT_TRUE(protocol_->suggests_inline);
  EXPECT_EQ(protocol_->default_access, Role::member);
  EXPECT_NE(protocol_->config_schema.find("max_length"), std::string::npos);
}

TEST_F(Echo, CallWithJson) {
  testkit::FakeHost host(*protocol_);
  ASSERT_TRUE(host.start());
  testkit::FakeStream& call = host.call(R"({"message":"hi"})");
  EXPECT_TRUE(call.accepted);
  EXPECT_EQ(call.content_type, "json");
  EXPECT_EQ(call.take(), R"({"echoed":"hi"})");
  EXPECT_TRUE(call.finished());
  host.run();
  EXPECT_TRUE(call.closed);
  EXPECT_EQ(host.instance().stream_count(), 0U);
  EXPECT_EQ(host.instance().misuse_count(), 0U);
}

TEST_F(Echo, ApplicationErrorsHaveTexts) {
  testkit::FakeHost host(*protocol_);
  ASSERT_TRUE(host.start(R"({"max_length":3})"));
  for (const auto& [request, code] : {std::pair{"nonsense", 1000}, std::pair{R"({"message":7})", 1001}, std::pair{R"({"message":""})", 1002},
                                      std::pair{R"({"message":"long"})", 1003}}) {
    testkit::FakeStream& call = host.call(request);
    EXPECT_TRUE(call.rejected) << request;
    EXPECT_EQ(static_cast<int>(call.code), code) << request;
    EXPECT_FALSE(call.text.empty()) << request;
    EXPECT_TRUE(call.closed) << request;
  }
  EXPECT_EQ(host.instance().misuse_count(), 0U);
}

TEST_F(Echo, CallWithBytesComesBackAsItWas) {
  testkit::FakeHost host(*protocol_);
  ASSERT_TRUE(host.start());
  const std::string bytes("\0\xff{", 3);
  EXPECT_EQ(host.call(bytes, "").take(), bytes);
  EXPECT_EQ(host.call("", "").take(), "");
}

TEST_F(Echo, StreamUntilFin) {
  testkit::FakeHost host(*protocol_);
  ASSERT_TRUE(host.start());
  testkit::FakeStream& stream = host.open({StreamKind::stream, {}, {}, Role::member, never});
  EXPECT_TRUE(stream.accepted);
  stream.send("one");
  host.run();
  EXPECT_EQ(stream.take(), "one");
  EXPECT_FALSE(stream.finished());
  stream.send("two");
  stream.finish();
  host.run();
  EXPECT_EQ(stream.take(), "two");
  EXPECT_TRUE(stream.finished());
}

TEST_F(Echo, WaitsForRoomAndLosesNothing) {
  testkit::FakeHost host(*protocol_);
  ASSERT_TRUE(host.start());
  testkit::FakeStream& stream = host.open({StreamKind::stream, {}, {}, Role::member, never});
  stream.set_window(1000);
  std::string sent;
  for (int i = 0; i < 100'000; ++i) sent += static_cast<char>('a' + i % 26);
  stream.send(sent);
  stream.finish();
  std::string got;
  for (int rounds = 0; rounds < 1000 && got.size() < sent.size(); ++rounds) {
    host.run();
    const std::string piece = stream.take();
    EXPECT_LE(piece.size(), 1000U);
    got += piece;
  }
  EXPECT_EQ(got, sent);
}

TEST_F(Echo, APeerThatGoesInTheMiddle) {
  testkit::FakeHost host(*protocol_);
  ASSERT_TRUE(host.start());
  testkit::FakeStream& stream = host.open({StreamKind::stream, {}, {}, Role::member, never});
  stream.send("x");
  host.run();
  stream.reset(Code::cancelled, "gone");
  host.run();
  EXPECT_TRUE(stream.closed);
  EXPECT_FALSE(stream.was_reset);
  EXPECT_EQ(host.instance().stream_count(), 0U);
  EXPECT_EQ(host.instance().misuse_count(), 0U);
}

TEST_F(Echo, ReconfigureIsCheckThenApply) {
  testkit::FakeHost host(*protocol_);
  ASSERT_TRUE(host.start());
  const auto refused = host.reconfigure(R"({"max_length":0})");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::bad_request);
  EXPECT_NE(refused.error().text.find("max_length"), std::string::npos);
  EXPECT_TRUE(host.call(R"({"message":"hello"})").accepted);
  ASSERT_TRUE(host.reconfigure(R"({"max_length":3})"));
  EXPECT_TRUE(host.call(R"({"message":"hello"})").rejected);
}

TEST_F(Echo, StopClosesWhatIsOpen) {
  testkit::FakeHost host(*protocol_);
  ASSERT_TRUE(host.start());
  testkit::FakeStream& stream = host.open({StreamKind::stream, {}, {}, Role::member, never});
  host.stop();
  EXPECT_TRUE(stream.was_reset);
  EXPECT_EQ(stream.code, Code::shutting_down);
  EXPECT_EQ(host.instance().stream_count(), 0U);
  EXPECT_EQ(host.instance().misuse_count(), 0U);
}

} // namespace
} // namespace kith::test
