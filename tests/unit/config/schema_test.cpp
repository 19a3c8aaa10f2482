// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/schema.hpp"

#include "config/json.hpp"
#include "config/yaml.hpp"

#include <gtest/gtest.h>

namespace kith::config {
namespace {

constexpr std::string_view echo_schema = R"({"type":"object","additionalProperties":false,"properties":{
  "max_length":{"type":"integer","minimum":1,"maximum":100000,"description":"characters"},
  "mode":{"enum":["plain","loud"]},
  "rules":{"type":"array","items":{"type":"object","required":["name"],"properties":{"name":{"type":"string","minLength":1}}}}}})";

std::string check(std::string_view yaml, std::string_view schema = echo_schema) {
  const auto root = parse_yaml(yaml, "a.yaml");
  if (!root) return root.error().text;
  const auto json = to_json(*root, "a.yaml");
  const auto r = validate(*json, schema, *root, "a.yaml");
  return r ? "ok" : r.error().text;
}

TEST(Schema, GoodConfigs) {
  EXPECT_EQ(check("{}"), "ok");
  EXPECT_EQ(check("max_length: 1000\nmode: loud\nrules:\n  - name: x\n"), "ok");
}

TEST(Schema, ErrorsNameThePlaceAndWhatIsExpected) {
  const auto type = check("mode: plain\nmax_length: lots\n");
  EXPECT_EQ(type.find("a.yaml:2:13: max_length: "), 0U) << type;
  EXPECT_NE(type.find("\"integer\""), std::string::npos) << type;
  const auto range = check("max_length: 0\n");
  EXPECT_EQ(range.find("a.yaml:1:13: max_length: "), 0U) << range;
  EXPECT_NE(range.find("\"minimum\":1"), std::string::npos) << range;
  const auto word = check("\nmode: quiet\n");
  EXPECT_EQ(word.find("a.yaml:2:7: mode: "), 0U) << word;
  EXPECT_NE(word.find("loud"), std::string::npos) << word;
  const auto key = check("max_length: 5\nmax_lenght: 6\n");
  EXPECT_EQ(key.find("a.yaml:2:1: config: the key 'max_lenght' is not known; known are: max_length"), 0U) << key;
  const auto nested = check("rules:\n  - name: a\n  - name: ''\n");
  EXPECT_EQ(nested.find("a.yaml:3:11: rules[1].name: "), 0U) << nested;
  const auto missing = check("rules:\n  - other: a\n");
  EXPECT_EQ(missing.find("a.yaml:2:5: rules[0]: "), 0U) << missing;
  EXPECT_NE(missing.find("name"), std::string::npos) << missing;
  EXPECT_NE(check("max_length: 1.5").find("a.yaml:1:13"), std::string::npos);
  EXPECT_NE(check("[1]").find("a.yaml:1:1"), std::string::npos);
}

TEST(Schema, WithoutMarksThePathAloneNamesThePlace) {
  const auto r = validate(R"({"max_length":"x"})", echo_schema, Node{}, "--config");
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().code, Code::bad_request);
  EXPECT_EQ(r.error().text.find("--config: max_length: "), 0U) << r.error().text;
}

TEST(Schema, BrokenSchemasAreThePluginsFault) {
  for (const auto* schema : {"", "{", "[]", "{\"type\":\"nonsense\"}", "{\"properties\":5}", "{\"$ref\":\"http://example.invalid/x\"}"}) {
    const auto r = validate("{}", schema, Node{}, "f");
    ASSERT_FALSE(r) << schema;
    EXPECT_EQ(r.error().code, Code::plugin_failed) << schema;
  }
}

TEST(Schema, BadJsonIsRefused) { EXPECT_FALSE(validate("{", echo_schema, Node{}, "f")); }

} // namespace
} // namespace kith::config
