// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/json.hpp"

#include <gtest/gtest.h>

namespace kith::config {
namespace {

std::string round_trip(std::string_view json) {
  const auto node = parse_json(json, "--config");
  if (!node) return node.error().text;
  return to_json(*node, "--config").value();
}

TEST(Json, NumbersAndKeyOrderAreKept) {
  EXPECT_EQ(round_trip(R"( { "z" : 1.0 , "a" : 123456789012345678901234567890, "m": [ -0, 1E5, 1e-7 ] } )"),
            R"({"z":1.0,"a":123456789012345678901234567890,"m":[-0,1E5,1e-7]})");
}

TEST(Json, StringsStayStrings) {
  EXPECT_EQ(round_trip(R"(["1","true","null","","a\u00e9\ud83d\ude00\/\b"])"), "[\"1\",\"true\",\"null\",\"\",\"aé😀/\\u0008\"]");
}

TEST(Json, BadInputIsRefusedWithItsPlace) {
  const char* bad[] = {"",
                       "{",
                       "}",
                       "[1,]",
                       "{\"a\":1,}",
                       "{a:1}",
                       "'a'",
                       "01",
                       "1.",
                       ".5",
                       "+1",
                       "1e",
                       "-",
                       "nul",
                       "truefalse",
                       "1 2",
                       "\"open",
                       "\"a\nb\"",
                       "\"\\x\"",
                       "\"\\u12\"",
                       "[1 2]",
                       "{\"a\" 1}",
                       "\"\\ud800\"",
                       "\"\\udc00x\"",
                       "NaN",
                       "{\"a\":1,\"a\":2}",
                       "\xff",
                       "\"\xc3\"",
                       "// x\n1",
                       "{\"a\":}",
                       "0x10",
                       "True"};
  for (const auto* text : bad) {
    const auto node = parse_json(text, "--config");
    ASSERT_FALSE(node) << text;
    EXPECT_EQ(node.error().code, Code::bad_request);
    EXPECT_EQ(node.error().text.find("--config:"), 0U) << node.error().text;
  }
  EXPECT_EQ(parse_json("{\n  \"a\": x\n}", "--config").error().text.find("--config:2:8: not JSON"), 0U);
}

/// What took minutes, each key being compared with all before it.
TEST(Json, AMapMayHaveAsManyKeysAsFit) {
  std::string many = "{";
  for (int i = 100'000; many.size() < max_text_size - 30; ++i) many += "\"" + std::to_string(i) + "\":1,";
  EXPECT_TRUE(parse_json(many + "\"last\":1}", "j"));
  EXPECT_NE(parse_json(many + "\"100000\":1}", "j").error().text.find("the key \"100000\" is there twice"), std::string::npos);
}

TEST(Json, DepthIsBounded) {
  EXPECT_FALSE(parse_json(std::string(100000, '['), "j"));
  EXPECT_FALSE(parse_json(std::string(1000, '[') + std::string(1000, ']'), "j"));
  const auto nested = [](std::size_t levels) { return std::string(levels, '[') + "1" + std::string(levels, ']'); };
  EXPECT_TRUE(parse_json(nested(max_config_depth), "j"));
  EXPECT_EQ(parse_json(nested(max_config_depth + 1), "j").error().text,
            "j:1:65: not JSON: nested too deeply, at most 64 lists and maps inside each other");
  EXPECT_FALSE(parse_json(std::string(max_config_depth + 1, '[') + std::string(max_config_depth + 1, ']'), "j")) << "an empty one is a level too";
}

} // namespace
} // namespace kith::config
