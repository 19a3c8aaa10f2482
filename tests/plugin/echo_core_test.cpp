// SPDX-License-Identifier: Apache-2.0
#include "plugins/echo/echo_core.hpp"

#include <gtest/gtest.h>

namespace {

std::string ok(std::string_view request, std::size_t max_length = 1000) {
  const auto result = echo::answer(request, {max_length});
  const auto* text = std::get_if<std::string>(&result);
  return text != nullptr ? *text : "error " + std::to_string(static_cast<int>(std::get<echo::Failure>(result).code));
}

TEST(EchoCore, Echoes) {
  EXPECT_EQ(ok(R"({"message":"hi"})"), R"({"echoed":"hi"})");
  EXPECT_EQ(ok(" { \"other\" : [1, 2e5] , \"message\"\n:\"x\" } "), R"({"echoed":"x"})");
}

TEST(EchoCore, EscapesAndSurrogates) {
  EXPECT_EQ(ok(R"({"message":"\" \\ \/ \b\f\n\r\t \u0041"})"), R"({"echoed":"\" \\ / \b\f\n\r\t A"})");
  EXPECT_EQ(ok(R"({"message":"\ud83d\ude00"})"), "{\"echoed\":\"\xf0\x9f\x98\x80\"}");
  EXPECT_EQ(ok(R"({"message":"\u0000\u001f"})"), R"({"echoed":"\u0000\u001f"})");
  EXPECT_EQ(ok(R"({"message":"\ud83d"})"), "error 1000");
  EXPECT_EQ(ok(R"({"message":"\ude00\ud83d"})"), "error 1000");
  EXPECT_EQ(ok("{\"message\":\"\xff\"}"), "error 1000");
  EXPECT_EQ(ok("{\"message\":\"a\nb\"}"), "error 1000");
}

TEST(EchoCore, Refuses) {
  for (const char* bad : {"", "{", "hi", "{\"message\":\"hi\"} x", "{\"message\":\"hi\",}"}) EXPECT_EQ(ok(bad), "error 1000") << bad;
  for (const char* bad : {"[]", "\"hi\"", "{}", "{\"message\":1}", "{\"message\":null}"}) EXPECT_EQ(ok(bad), "error 1001") << bad;
  EXPECT_EQ(ok(R"({"message":""})"), "error 1002");
}

TEST(EchoCore, CountsCharactersAndNotOctets) {
  EXPECT_EQ(ok("{\"message\":\"\xc3\xa4\xf0\x9f\x98\x80\"}", 2), "{\"echoed\":\"\xc3\xa4\xf0\x9f\x98\x80\"}");
  EXPECT_EQ(ok(R"({"message":"abc"})", 2), "error 1003");
}

TEST(EchoCore, ReadsWhateverDepthTheSocketAndConfigsHave) {
  const std::string lists = std::string(255, '[') + std::string(255, ']');
  EXPECT_EQ(ok(R"({"message":"x","other":)" + lists + "}"), R"({"echoed":"x"})");
  EXPECT_EQ(echo::parse_config(R"({"max_length":5,"other":)" + lists + "}").max_length, 5U);
}

TEST(EchoCore, Config) {
  EXPECT_EQ(echo::parse_config("{}").max_length, 1000U);
  EXPECT_EQ(echo::parse_config(R"({"max_length":5})").max_length, 5U);
  for (const char* bad : {"", "[]", R"({"max_length":0})", R"({"max_length":-1})", R"({"max_length":"5"})", R"({"max_length":1.5})"})
    EXPECT_THROW(echo::parse_config(bad), std::runtime_error) << bad;
}

} // namespace
