// SPDX-License-Identifier: Apache-2.0
#include "protocol/object.hpp"

#include "protocol/scanner.hpp"

#include <gtest/gtest.h>

namespace kith::protocol {
namespace {

TEST(Object, ValuesStayAsTheyCame) {
  const std::string text = R"( { "id" : "1" , "data" : {"b":1.50, "a":[1e2] ,"a":2} , "x":null } )";
  const auto object = Object::parse(text);
  ASSERT_TRUE(object) << object.error().text;
  EXPECT_EQ(object->members().size(), 3U);
  EXPECT_EQ(object->raw("data"), R"({"b":1.50, "a":[1e2] ,"a":2})");
  EXPECT_EQ(object->raw("x"), "null");
  EXPECT_FALSE(object->raw("y"));
}

TEST(Object, RefusesWhatIsNoEnvelope) {
  for (const std::string_view text : {"[]", "1", "{", "{} {}", R"({"a":1,"a":2})", R"({"a":1,"\u0061":2})", "\"a\""})
    EXPECT_FALSE(Object::parse(text)) << text;
  std::string many = "{";
  for (std::size_t i = 0; i <= max_members; ++i) many += (i == 0 ? "\"m" : ",\"m") + std::to_string(i) + "\":1";
  EXPECT_FALSE(Object::parse(many + "}"));
}

TEST(Object, OneWalkAgreesWithTheScanner) {
  const std::string good = R"( {"a" : [1,{"b":"\u00e9\n"}],"é":"é", "n":-1.5e2 ,"t":true,"":null} )";
  const auto agree = [](const std::string& text) {
    const Scan scan = check_json(text);
    const auto object = Object::parse(text);
    if (scan.ok()) return;
    ASSERT_FALSE(object) << text;
    EXPECT_EQ(object.error().text, "not a JSON object: " + std::string(scan.fault) + " at octet " + std::to_string(scan.end + 1)) << text;
  };
  ASSERT_TRUE(Object::parse(good)) << Object::parse(good).error().text;
  for (std::size_t i = 0; i < good.size(); ++i) {
    agree(good.substr(0, i));
    agree(good.substr(0, i) + good.substr(i + 1));
    for (const char c : std::string_view("\"\\{}[],: 0\x01\xC3")) agree(good.substr(0, i) + c + good.substr(i + 1));
  }
  const auto nested = [](std::size_t depth) { return "{\"a\":" + std::string(depth, '[') + std::string(depth, ']') + "}"; };
  EXPECT_TRUE(Object::parse(nested(max_json_depth - 1)));
  EXPECT_NE(Object::parse(nested(max_json_depth)).error().text.find("nested too deeply"), std::string::npos);
  EXPECT_EQ(Object::parse(R"({"a":1,"a":2})").error().text, "\"a\" occurs twice");
}

TEST(Object, ReadersTellWrongTypesFromMissingMembers) {
  const std::string text = R"({"s":"x","n":7,"big":18446744073709551616,"neg":-1,"f":true,"l":["a","b"],"mixed":["a",1],"empty":[ ]})";
  const auto o = *Object::parse(text);
  EXPECT_EQ(*o.text("s").value(), "x");
  EXPECT_FALSE(o.text("none").value());
  EXPECT_EQ(o.text("n").error().text, "\"n\" must be a string");
  EXPECT_EQ(*o.number("n").value(), 7U);
  EXPECT_FALSE(o.number("big"));
  EXPECT_FALSE(o.number("neg"));
  EXPECT_FALSE(o.number("s"));
  EXPECT_TRUE(*o.flag("f").value());
  EXPECT_FALSE(o.flag("n"));
  EXPECT_EQ(*o.texts("l").value(), (std::vector<std::string>{"a", "b"}));
  EXPECT_FALSE(o.texts("mixed"));
  EXPECT_EQ(o.items("mixed").value()->at(1), "1");
  EXPECT_TRUE(o.texts("empty").value()->empty());
  EXPECT_FALSE(o.items("s"));
}

TEST(Object, UnknownMembersAreNamedWithTheNearestKnownOne) {
  const std::string text = R"({"alais":1})";
  const auto object = *Object::parse(text);
  EXPECT_EQ(object.only({"id", "alias"}).error().text, "unknown member \"alais\"; did you mean \"alias\"?");
  EXPECT_TRUE(object.only({"alais"}));
}

TEST(Strings, EscapesGoBothWays) {
  EXPECT_EQ(decode_string(R"("a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00")"), "a\"\\/\b\f\n\r\t\xC3\xA9\xF0\x9F\x98\x80");
  EXPECT_EQ(decode_string(R"("\ud83dx\ude00")"), "\xEF\xBF\xBDx\xEF\xBF\xBD");
  EXPECT_EQ(decode_string(R"("\ud83d\u0041")"), "\xEF\xBF\xBD"
                                                "A");
  EXPECT_FALSE(decode_string("1"));
  std::string out;
  append_string(out, std::string_view("q\"\\\n\x01\0z\xFF\xC3\xA9", 10));
  EXPECT_EQ(out, "\"q\\\"\\\\\\n\\u0001\\u0000z\xEF\xBF\xBD\xC3\xA9\"");
  EXPECT_EQ(decode_string(out)->size(), 12U);
}

TEST(ObjectWriter, WritesOneLine) {
  EXPECT_EQ(ObjectWriter().finish(), "{}");
  const std::string line = ObjectWriter()
                               .text("a", "x\ny")
                               .number("n", 5)
                               .flag("f", false)
                               .texts("l", {"p", "q"})
                               .raw("r", "[1,\r\n2]")
                               .all(ObjectWriter().flag("z", true))
                               .finish();
  EXPECT_EQ(line, R"({"a":"x\ny","n":5,"f":false,"l":["p","q"],"r":[1,  2],"z":true})");
}

} // namespace
} // namespace kith::protocol
