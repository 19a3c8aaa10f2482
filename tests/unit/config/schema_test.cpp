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

std::string joined(const std::vector<Error>& errors) {
  std::string out;
  for (const Error& error : errors) out += (out.empty() ? "" : "\n") + error.text;
  return out.empty() ? "ok" : out;
}

std::string check(std::string_view yaml, std::string_view schema = echo_schema) {
  const auto root = parse_yaml(yaml, "a.yaml");
  if (!root) return root.error().text;
  const auto json = to_json(*root, "a.yaml");
  if (!json) return json.error().text;
  return joined(validate(*json, schema, *root, "a.yaml"));
}

TEST(Schema, GoodConfigs) {
  EXPECT_EQ(check("{}"), "ok");
  EXPECT_EQ(check("max_length: 1000\nmode: loud\nrules:\n  - name: x\n"), "ok");
}

TEST(Schema, ConfigsAndSchemasMayBeAsDeepAsTheirLimits) {
  std::string config = "1";
  for (int i = 0; i < max_config_depth; ++i) config.insert(0, "{a: ").append("}");
  EXPECT_EQ(check(config), "a.yaml:1:2: config: the key 'a' is not known; known are: max_length, mode, rules");
  std::string schema = R"({"type":"integer"})";
  for (int i = 0; i < max_config_depth; ++i) schema.insert(0, R"({"properties":{"a":)").append("}}");
  EXPECT_EQ(check(config, schema), "ok");
}

TEST(Schema, ErrorsNameThePlaceAndWhatIsExpected) {
  EXPECT_EQ(check("mode: plain\nmax_length: lots\n"), "a.yaml:2:13: config.max_length: must be a whole number (is \"lots\")");
  EXPECT_EQ(check("max_length: 0\n"), "a.yaml:1:13: config.max_length: must be at least 1 (is 0)");
  EXPECT_EQ(check("max_length: 100001\n"), "a.yaml:1:13: config.max_length: must be at most 100000 (is 100001)");
  EXPECT_EQ(check("\nmode: quiet\n"), "a.yaml:2:7: config.mode: must be one of \"plain\", \"loud\" (is \"quiet\")");
  EXPECT_EQ(check("max_length: 5\nmax_lenght: 6\n"),
            "a.yaml:2:1: config: the key 'max_lenght' is not known; did you mean 'max_length'?; known are: max_length, mode, rules");
  EXPECT_EQ(check("rules:\n  - name: a\n  - name: ''\n"), "a.yaml:3:11: config.rules[1].name: must have at least 1 character (has 0)");
  EXPECT_EQ(check("rules:\n  - other: a\n"), "a.yaml:2:5: config.rules[0]: the key 'name' is missing");
  EXPECT_EQ(check("max_length: 1.5"), "a.yaml:1:13: config.max_length: must be a whole number (is 1.5E0)");
  EXPECT_EQ(check("[1]"), "a.yaml:1:1: config: must be a map (key: value) (is [1])");
}

TEST(Schema, AllMistakesAreToldInTheOrderOfTheText) {
  EXPECT_EQ(check("rules:\n  - 5\n  - {name: 7}\nmode: quiet\nmax_length: 0\n"),
            "a.yaml:2:5: config.rules[0]: must be a map (key: value) (is 5)\n"
            "a.yaml:3:12: config.rules[1].name: must be a text (is 7)\n"
            "a.yaml:4:7: config.mode: must be one of \"plain\", \"loud\" (is \"quiet\")\n"
            "a.yaml:5:13: config.max_length: must be at least 1 (is 0)");
  const auto many = parse_yaml("rules: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\n", "a.yaml");
  EXPECT_EQ(validate(*to_json(*many, "a.yaml"), echo_schema, *many, "a.yaml").size(), max_schema_errors);
}

TEST(Schema, TheOtherWords) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"properties":{"a":{"exclusiveMinimum":1}}})", "a.yaml:1:4: config.a: must be more than 1 (is 1)"},
      {R"({"properties":{"a":{"exclusiveMaximum":1}}})", "a.yaml:1:4: config.a: must be less than 1 (is 1)"},
      {R"({"properties":{"a":{"multipleOf":4}}})", "a.yaml:1:4: config.a: must be a multiple of 4 (is 1)"},
      {R"({"properties":{"a":{"const":2}}})", "a.yaml:1:4: config.a: must be 2 (is 1)"},
      {R"({"properties":{"a":{"type":["string","null"]}}})", "a.yaml:1:4: config.a: must be a text or null (is 1)"},
      {R"({"properties":{"b":{"maxLength":1}}})", "a.yaml:2:4: config.b: must have at most 1 character (has 2)"},
      {R"({"properties":{"b":{"pattern":"^x+$"}}})", "a.yaml:2:4: config.b: must match ^x+$ (is \"éy\")"},
      {R"({"properties":{"c":{"minItems":3}}})", "a.yaml:3:4: config.c: must have at least 3 items (has 2)"},
      {R"({"properties":{"c":{"maxItems":1}}})", "a.yaml:3:4: config.c: must have at most 1 item (has 2)"},
      {R"({"properties":{"c":{"uniqueItems":true}}})", "a.yaml:3:8: config.c[1]: is there twice: 5"},
      {R"({"properties":{"a":{"$ref":"#/definitions/t"}},"definitions":{"t":{"type":"string"}}})", "a.yaml:1:4: config.a: must be a text (is 1)"},
      {R"({"additionalProperties":{"type":"array"}})",
       "a.yaml:1:4: config.a: must be a list (is 1)\na.yaml:2:4: config.b: must be a list (is \"éy\")"},
      {R"({"allOf":[{"properties":{"a":{"maximum":0}}}]})", "a.yaml:1:4: config.a: must be at most 0 (is 1)"},
      {R"({"properties":{"a":{"anyOf":[{"type":"string"},{"minimum":5}]}}})",
       "a.yaml:1:4: config.a: none of the forms that the plugin's schema allows fits this; see the protocol's README"},
      {R"({"properties":{"a":{"oneOf":[{"type":"string"},{"minimum":5}]}}})",
       "a.yaml:1:4: config.a: none of the forms that the plugin's schema allows fits this; see the protocol's README"},
      {R"({"properties":{"a":{"oneOf":[{"type":"integer"},{"minimum":0}]}}})",
       "a.yaml:1:4: config.a: fits more than one of the forms that the plugin's schema tells apart; see the protocol's README"},
      {R"({"properties":{"a":{"not":{"type":"integer"}}}})",
       "a.yaml:1:4: config.a: has a form that the plugin's schema forbids; see the protocol's README"},
      {R"({"properties":{"a":{"not":{"not":{"not":{"minimum":1,"maximum":5}}}}}})",
       "a.yaml:1:4: config.a: has a form that the plugin's schema forbids; see the protocol's README"},
      {R"({"properties":{"a":{"anyOf":[{"minimum":7,"anyOf":[{"type":"integer"}]}]}}})",
       "a.yaml:1:4: config.a: none of the forms that the plugin's schema allows fits this; see the protocol's README"},
      {R"({"if":{"required":["b"]},"then":{"required":["d"]},"else":false})", "a.yaml:1:1: config: the key 'd' is missing"},
      {R"({"if":{"required":["e"]},"then":false,"else":{"required":["d"]}})", "a.yaml:1:1: config: the key 'd' is missing"},
      {R"({"dependencies":{"a":["d"],"e":["f"]}})", "a.yaml:1:1: config: the key 'd' is missing, which 'a' needs"},
      {R"({"dependencies":{"a":{"minProperties":4}}})", "a.yaml:1:1: config: must have at least 4 keys (has 3)"},
      {R"({"maxProperties":2})", "a.yaml:1:1: config: must have at most 2 keys (has 3)"},
      {R"({"propertyNames":{"pattern":"^[ab]$"}})", "a.yaml:1:1: config: the key 'c' has a form that the plugin's schema forbids"},
      {R"({"patternProperties":{"^[ac]$":{"type":["integer","array"]}},"properties":{"b":false},"additionalProperties":false})",
       "a.yaml:2:4: config.b: is not allowed here (is \"éy\")"},
      {R"({"patternProperties":{"^[ab]$":{}},"additionalProperties":false})", "a.yaml:3:1: config: the key 'c' is not known; there is none"},
      {R"({"properties":{"c":{"contains":{"type":"string"}}}})",
       "a.yaml:3:4: config.c: has no item of the form that the plugin's schema wants at least one of; see the protocol's README"},
      {R"({"properties":{"c":{"items":[{},{"type":"string"}]}}})", "a.yaml:3:8: config.c[1]: must be a text (is 5)"},
      {R"({"properties":{"c":{"items":[{}],"additionalItems":{"type":"string"}}}})", "a.yaml:3:8: config.c[1]: must be a text (is 5)"},
  };
  for (const auto& [schema, says] : cases) EXPECT_EQ(check("a: 1\nb: éy\nc: [5, 5]\n", schema), says) << schema;
}

TEST(Schema, WhatFitsEveryWord) {
  EXPECT_EQ(check("a: 1\nb: éy\nc: [5, 5]\n", R"({"anyOf":[{"required":["z"]},{"required":["a"]}],"oneOf":[false,true],"not":{"required":["z"]},
    "if":true,"then":true,"else":false,"dependencies":{"a":["b"]},"propertyNames":{"maxLength":1},"minProperties":3,"maxProperties":3,
    "patternProperties":{"^c":{"contains":{"const":5}}},"properties":{"a":{"$ref":"#/definitions/n"},"b":{"pattern":"^é.$"}},"additionalProperties":false,
    "definitions":{"n":{"type":"integer"}},"format":"unknown","title":"t"})"),
            "ok");
}

/// Such texts took the daemon's stack, and such patterns its time, with a matcher that tries everything.
TEST(Schema, PatternsTakeNeitherStackNorTime) {
  const std::string letters(500'000, 'a');
  EXPECT_EQ(check("b: " + letters, R"({"properties":{"b":{"pattern":"^[a-z ]*$"}}})"), "ok");
  EXPECT_NE(check("b: " + letters + "!", R"({"properties":{"b":{"pattern":"^([a-z0-9]+)+$"}}})").find("must match ^([a-z0-9]+)+$ (is \"aaa"),
            std::string::npos);
  EXPECT_EQ(check(std::string(900, 'k') + "!: 1", R"({"patternProperties":{"^(k+)+$":false}})"), "ok");
}

TEST(Schema, ALookHasAnEnd) {
  const std::string endless = "the plugin's config schema can't be used: looking at this config with it has no end; does it refer to itself?";
  EXPECT_EQ(check("a: 1", R"({"$ref":"#"})"), endless);
  EXPECT_EQ(check("a: 1", R"({"allOf":[{"$ref":"#"}]})"), endless);
  EXPECT_EQ(check("a: 1", R"({"anyOf":[{"$ref":"#"},{"$ref":"#"}]})"), endless);
  std::string deep;
  for (int i = 0; i < 28; ++i) deep += "{a: ";
  deep += "1" + std::string(28, '}');
  const std::string_view twice = R"({"anyOf":[{"properties":{"a":{"$ref":"#"}}},{"properties":{"a":{"$ref":"#"}}}]})";
  EXPECT_EQ(check(deep, twice), endless);
  EXPECT_EQ(check("a: {a: {a: 1}}", R"({"type":["object","integer"],"properties":{"a":{"$ref":"#"}}})"), "ok");
  std::string many = "[";
  for (int i = 0; i < 50'000; ++i) many += std::to_string(i) + ", ";
  EXPECT_EQ(check("a: " + many + "7]", R"({"properties":{"a":{"uniqueItems":true}}})"), "a.yaml:1:338895: config.a[50000]: is there twice: 7");
}

TEST(Schema, TheOrderOfKeysMakesNoOtherItem) {
  EXPECT_EQ(check("a: [{x: 1, y: [2]}, {y: [2], x: 1}]", R"({"properties":{"a":{"uniqueItems":true}}})"),
            "a.yaml:1:21: config.a[1]: is there twice: {\"y\":[2],\"x\":1}");
  EXPECT_EQ(check("a: [{x: 1, y: 2}, {x: 2, y: 1}, [1], 1, '1', {}, []]", R"({"properties":{"a":{"uniqueItems":true}}})"), "ok");
}

TEST(Schema, NumbersWithALeadingZeroAreRefused) {
  for (const auto* number : {"012", "-00", "01.5"})
    EXPECT_EQ(check("max_length: " + std::string(number)).find("a.yaml:1:13: " + std::string(number) + " begins with 0"), 0U) << number;
  EXPECT_EQ(check("max_length: 0o12"), "ok");
  EXPECT_EQ(check("rules: [{name: '012'}]"), "ok");
}

TEST(Schema, WithoutMarksThePathAloneNamesThePlace) {
  EXPECT_EQ(joined(validate(R"({"max_length":"x"})", echo_schema, Node{}, "--config")),
            "--config: config.max_length: must be a whole number (is \"x\")");
}

TEST(Schema, BrokenSchemasAreThePluginsFault) {
  for (const auto* schema : {"",
                             "{",
                             "[]",
                             R"({"type":"nonsense"})",
                             R"({"properties":5})",
                             R"({"$ref":"http://example.invalid/x"})",
                             R"({"$ref":"#/nowhere"})",
                             R"({"$ref":5})",
                             R"({"properties":{"a":{"pattern":"(a"}}})",
                             R"({"pattern":"(?=a)b"})",
                             R"({"pattern":"((a{1000}){1000}){1000}"})",
                             R"({"patternProperties":{"[":{}}})",
                             R"({"allOf":[]})",
                             R"({"anyOf":{}})",
                             R"({"items":[5]})",
                             R"({"required":[5]})",
                             R"({"minLength":-1})",
                             R"({"minimum":"1"})",
                             R"({"uniqueItems":1})",
                             R"({"enum":1})",
                             R"({"dependencies":{"a":[5]}})",
                             R"({"definitions":{"a":5}})",
                             R"({"$ref":"#/x","x":{"not":5}})"}) {
    const auto r = validate("{}", schema, Node{}, "f");
    ASSERT_EQ(r.size(), 1U) << schema;
    EXPECT_EQ(r.front().code, Code::plugin_failed) << schema;
  }
}

TEST(Schema, BadJsonIsRefused) { EXPECT_EQ(validate("{", echo_schema, Node{}, "f").size(), 1U); }

} // namespace
} // namespace kith::config
