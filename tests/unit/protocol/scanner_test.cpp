// SPDX-License-Identifier: Apache-2.0
#include "protocol/scanner.hpp"

#include <gtest/gtest.h>

namespace kith::protocol {
namespace {

using namespace std::string_view_literals;

TEST(Scanner, AcceptsEveryKindOfValue) {
  for (const auto text :
       {R"({})"sv, R"([])"sv, R"("")"sv, "0"sv, "-0"sv, "-12.50e+3"sv, "1E9"sv, "true"sv, "false"sv, "null"sv, R"( [1 , {"a" : [ ] } , "x"] )"sv,
        R"("\"\\\/\b\f\n\r\t\u00e9\uD83D\uDE00")"sv, "\"gr\xC3\xBC\xC3\x9F \xF0\x9F\x98\x80\""sv, "\r\n[\r\n1\t]\r\n"sv, R"({"a":1,"a":2})"sv}) {
    const Scan scan = check_json(text);
    EXPECT_TRUE(scan.ok()) << text << ": " << scan.fault << " at " << scan.end;
    EXPECT_EQ(scan.end, text.size()) << text;
  }
}

TEST(Scanner, RefusesWhatIsNotOneValue) {
  for (const auto text : {""sv,          " "sv,           "{"sv,
                          "}"sv,         "[1"sv,          "[1,]"sv,
                          "[,1]"sv,      "[1 2]"sv,       R"({"a"})"sv,
                          R"({"a":})"sv, R"({"a":1,})"sv, R"({a:1})"sv,
                          R"({1:1})"sv,  "01"sv,          "1."sv,
                          ".5"sv,        "+1"sv,          "1e"sv,
                          "1e+"sv,       "-"sv,           "--1"sv,
                          "tru"sv,       "True"sv,        "nulll"sv,
                          "1 2"sv,       "{} {}"sv,       "\"a"sv,
                          "\"\\"sv,      R"("\x")"sv,     R"("\u12g4")"sv,
                          R"("\u12)"sv,  "\"a\nb\""sv,    "\"\0\""sv,
                          "[1}"sv,       "{]"sv,          "nan"sv,
                          "'a'"sv,       "/**/1"sv,       "\xEF\xBB\xBF{}"sv,
                          "[1],"sv}) {
    EXPECT_FALSE(check_json(text).ok()) << text;
  }
}

TEST(Scanner, RefusesWhatIsNotUtf8) {
  for (const auto text : {"\x80"sv, "\xC0\x80"sv, "\xC1\xBF"sv, "\xC3"sv, "\xE0\x80\x80"sv, "\xED\xA0\x80"sv, "\xEF\xBF"sv, "\xF0\x80\x80\x80"sv,
                          "\xF4\x90\x80\x80"sv, "\xF5\x80\x80\x80"sv, "\xFF"sv}) {
    EXPECT_FALSE(is_utf8(text));
    EXPECT_FALSE(check_json("\"" + std::string(text) + "\"").ok());
  }
  EXPECT_TRUE(is_utf8("a\xC3\xBC\xE2\x82\xAC\xF4\x8F\xBF\xBF"));
}

TEST(Scanner, SaysWhereItWentWrong) {
  EXPECT_EQ(check_json(R"({"a":x})").end, 5U);
  EXPECT_STREQ(check_json(R"({"a":x})").fault, "unexpected character");
  EXPECT_EQ(check_json(R"({"a")").end, 4U);
  EXPECT_STREQ(check_json(R"({"a")").fault, "the text ends too early");
  EXPECT_EQ(check_json("1 2").end, 2U);
}

TEST(Scanner, DepthIsLimitedAndNotRecursive) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(check_json(nested(max_json_depth)).ok());
  EXPECT_STREQ(check_json(nested(max_json_depth + 1)).fault, "nested too deeply");
  EXPECT_FALSE(check_json(nested(5'000'000)).ok());
}

TEST(Scanner, EveryCutOfAValueIsRefused) {
  const std::string text = "{\"k\xC3\xBC\":[-1.5e2,true,null,\"\\u00e9\\n\",{}],\"z\":\"x\"}";
  ASSERT_TRUE(check_json(text).ok());
  for (std::size_t size = 0; size < text.size(); ++size) EXPECT_FALSE(check_json(std::string_view(text).substr(0, size)).ok()) << size;
}

TEST(Scanner, SurrogatesComeInPairs) {
  for (const char* good : {R"("\ud83d\ude00")", R"("\uD83D\uDE00x")", R"("\ud7ff\ue000")", R"("\\ud800")"})
    EXPECT_TRUE(check_json(good).ok()) << good;
  for (const char* bad :
       {R"("\ud800")", R"("\udc00")", R"("\ud800\ud800")", R"("\ud800x")", R"("\ud800\n")", R"("\udfff\ud800")", R"({"\ud800":1})"}) {
    EXPECT_STREQ(check_json(bad).fault, "half of a surrogate pair") << bad;
  }
  for (const char* cut : {R"("\ud800\)", R"("\ud800\u)", R"("\ud800\udc0)", R"("\ud800\udc00)", R"("\ud800\udcxx")"})
    EXPECT_FALSE(check_json(cut).ok()) << cut;
}

TEST(Scanner, FlatteningTouchesLineEndsOnly) {
  std::string out = ">";
  append_flat(out, "{\r\n \"a\\n\":\n1.50 }");
  EXPECT_EQ(out, ">{   \"a\\n\": 1.50 }");
  EXPECT_TRUE(check_json(out.substr(1)).ok());
}

} // namespace
} // namespace kith::protocol
