// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/yaml.hpp"

#include "config/json.hpp"
#include "config/yaml_writer.hpp"

#include <gtest/gtest.h>

namespace kith::config {
namespace {

std::string json_of(std::string_view yaml) {
  const auto root = parse_yaml(yaml, "f.yaml");
  if (!root) return root.error().text;
  const auto json = to_json(*root, "f.yaml");
  return json ? *json : json.error().text;
}

std::string error_of(std::string_view yaml) {
  const auto root = parse_yaml(yaml, "f.yaml");
  return root ? "no error" : root.error().text;
}

TEST(Yaml, ScalarsKeepTheirText) {
  const auto root = parse_yaml("a: 1e5\nb: on\nc: null\nd: ~\ne: 'null'\nf: 0x10\ng: 1.0\nh:\nnull: x\n", "f");
  ASSERT_TRUE(root) << root.error().text;
  EXPECT_EQ(root->find("a")->text, "1e5");
  EXPECT_EQ(root->find("b")->text, "on");
  EXPECT_EQ(root->find("c")->text, "null");
  EXPECT_FALSE(root->find("c")->quoted);
  EXPECT_EQ(root->find("d")->text, "~");
  EXPECT_TRUE(root->find("e")->quoted);
  EXPECT_EQ(root->find("g")->text, "1.0");
  EXPECT_TRUE(root->find("h")->is(Node::Kind::empty)) << "what follows is a key called null";
  EXPECT_EQ(root->find("null")->text, "x");
}

TEST(Yaml, TypesAreThoseOfTheCoreSchema) {
  EXPECT_EQ(json_of("[1, -7, +3, 0o17, 0xff, 1.0, .5, 1., -0, 1e5, 1E-3]"), "[1,-7,3,15,255,1.0,0.5,1.0,-0,1e5,1E-3]");
  EXPECT_EQ(json_of("[true, False, TRUE, null, ~, Null]"), "[true,false,true,null,null,null]");
  EXPECT_EQ(json_of("[on, yes, no, off, 1_000, 0b1, 12:30, 1.2.3, -, e5, '1', \"true\"]"),
            R"(["on","yes","no","off","1_000","0b1","12:30","1.2.3","-","e5","1","true"])");
  EXPECT_EQ(json_of("n: 123456789012345678901234567890\nf: 3.14159265358979323846264338327950288"),
            R"({"n":123456789012345678901234567890,"f":3.14159265358979323846264338327950288})");
  EXPECT_NE(json_of("a:\n  b: .nan\n").find("f.yaml:2:6: .nan"), std::string::npos);
  EXPECT_NE(json_of("a: 0x1ffffffffffffffffff").find("f.yaml:1:4"), std::string::npos);
}

TEST(Yaml, BlockScalarsQuotesAndUnicode) {
  EXPECT_EQ(json_of("a: |\n  one\n  two\nb: \"tab\\t \\u00e9\"\nc: 'it''s'\n"), R"({"a":"one\ntwo\n","b":"tab\t é","c":"it's"})");
  EXPECT_EQ(json_of("ключ: \"наверх\"\n"), "{\"ключ\":\"наверх\"}");
}

TEST(Yaml, MarksCountFromOneInCharacters) {
  const auto root = parse_yaml("# é\na: [x, éé, y]\nb:\r\n  - c: 1\n", "f");
  ASSERT_TRUE(root) << root.error().text;
  const Node& y = root->find("a")->items[2];
  EXPECT_EQ(y.mark.line, 2);
  EXPECT_EQ(y.mark.column, 12);
  const Node& item = root->find("b")->items[0];
  EXPECT_EQ(item.mark.line, 4);
  EXPECT_EQ(item.fields[0].mark.column, 5);
  EXPECT_EQ(item.fields[0].value.mark.column, 8);
}

TEST(Yaml, EmptyTexts) {
  for (const auto* text : {"", "\n", "# only a comment\n", "---\n", "   \n\n"}) {
    const auto root = parse_yaml(text, "f");
    ASSERT_TRUE(root) << text << root.error().text;
    EXPECT_TRUE(root->is(Node::Kind::empty)) << text;
  }
}

struct Bad {
  const char* text;
  const char* place;
  const char* says;
};

TEST(Yaml, BadInputIsRefusedWithItsPlace) {
  const Bad cases[] = {
      {"a: 1\nb: 2\na: 3\n", "f.yaml:3:1", "'a' is there twice (first in line 1)"},
      {"x:\n  - a: 1\n    a: 2\n", "f.yaml:3:5", "twice"},
      {"null: 1\nnull: 2\n", "f.yaml:2:1", "twice"},
      {"a: &x 1\n", "f.yaml:1:", "anchors"},
      {"a: &x\n  b: 1\n", "f.yaml:1:", "anchors"},
      {"a: *x\n", "f.yaml:1:4", ""},
      {"a: !!str 1\n", "f.yaml:1:", "tags"},
      {"a: !thing [1]\n", "f.yaml:1:", "tags"},
      {"\xEF\xBB\xBF"
       "a: 1\n",
       "f.yaml:1:1", "byte-order mark"},
      {"a: 1\nb: \xff\n", "f.yaml:2:4", "not UTF-8"},
      {"a: \xed\xa0\x80\n", "f.yaml:1:4", "not UTF-8"},
      {"a: \x01\n", "f.yaml:1:4", "control character"},
      {"a: 1\rb: 2\n", "f.yaml:1:5", "control character"},
      {"a: [1, 2\nb: 3\n", "f.yaml:", "not YAML"},
      {"a: \"open\n", "f.yaml:", "not YAML"},
      {"a:\n\t- b\n", "f.yaml:", ""},
      {"a: 1\n b: 2\n", "f.yaml:2:", "not YAML"},
      {"a: 1\n---\nb: 2\n", "f.yaml:", "second document"},
      {"? [a]\n: 1\n", "f.yaml:1:3", "a key must be a word"},
      {"{a: 1, : 2}\n", "f.yaml:1:", ""},
      {"a: b: c\n", "f.yaml:1:", "not YAML"},
  };
  for (const auto& c : cases) {
    const auto text = error_of(c.text);
    EXPECT_EQ(text.find(c.place), 0U) << c.text << "\n" << text;
    EXPECT_NE(text.find(c.says), std::string::npos) << c.text << "\n" << text;
  }
}

/// What took minutes: each key was compared with all before it, and the lines counted anew for each empty value.
TEST(Yaml, AMapMayHaveAsManyKeysAsFit) {
  std::string many;
  for (int i = 100'000; many.size() < max_text_size - 30; ++i) many += std::to_string(i) + ":\n";
  const auto map = parse_yaml(many, "f.yaml");
  ASSERT_TRUE(map) << map.error().text;
  EXPECT_EQ(map->fields.back().mark.line, static_cast<int>(map->fields.size()));
  EXPECT_NE(error_of(many + "100000: 1\n").find("the key '100000' is there twice (first in line 1)"), std::string::npos);
}

TEST(Yaml, DepthAndSizeAreBounded) {
  EXPECT_NE(error_of(std::string(1000, '[') + std::string(1000, ']')).find("nested too deeply"), std::string::npos);
  EXPECT_NE(error_of(std::string(max_text_size + 1, ' ')).find("larger than"), std::string::npos);
}

TEST(Yaml, WhatIsWrittenIsReadBackTheSame) {
  const auto* json = R"({"a":"plain","b":"1e5","c":"on","d":"null","e":"","f":" x","g":"a: b","h":"a #b","i":"- a","j":"line\nbreak","k":"é😀",
    "l":{"m":[],"n":{},"o":[1,[2,{"p":null,"q":[true]}]]},"r s":"t","true":"u","2":3,"v":"it's","w":"\"q\"","x":"a,b","y":"[z","z":"C:\\x","aa":"x:y",
    "ab":"trailing ","ac":"\u0001\u007f","ad":1.0,"ae":12345678901234567890123,"af":"---","ag":"@home","ah":"%x","ai":"?","aj":"~","ak":".5","al":"a:"})";
  const auto node = parse_json(json, "json");
  ASSERT_TRUE(node) << node.error().text;
  std::string block;
  for (const auto& line : block_lines(*node)) block += line + '\n';
  for (const auto& text : {block, flow_text(*node) + "\n"}) {
    const auto again = parse_yaml(text, "f");
    ASSERT_TRUE(again) << again.error().text << "\n" << text;
    EXPECT_TRUE(same(*again, *node)) << text;
    EXPECT_EQ(*to_json(*again, "f"), *to_json(*node, "f"));
  }
}

} // namespace
} // namespace kith::config
