// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/edit.hpp"

#include "config/json.hpp"
#include "config/yaml.hpp"

#include <gtest/gtest.h>

#include <functional>

namespace kith::config {
namespace {

using namespace std::string_literals;

Node json(std::string_view text) { return parse_json(text, "json").value(); }

std::string edited(std::string text, const std::function<Result<void>(Editor&)>& change) {
  auto editor = Editor::open(std::move(text), "f.yaml");
  if (!editor) return editor.error().text;
  const std::string before = editor->text();
  if (auto r = change(*editor); !r) {
    EXPECT_EQ(editor->text(), before) << "a failed edit changes nothing";
    return "error: " + r.error().text;
  }
  return editor->text();
}

std::string set(std::string text, const Path& path, const Node& value) {
  return edited(std::move(text), [&](Editor& e) { return e.set(path, value); });
}

std::string append(std::string text, const Path& path, const Node& item) {
  return edited(std::move(text), [&](Editor& e) { return e.append_item(path, item); });
}

std::string removed(std::string text, const Path& path, std::size_t index) {
  return edited(std::move(text), [&](Editor& e) { return e.remove_item(path, index); });
}

TEST(Edit, SetScalarLeavesEverythingElse) {
  EXPECT_EQ(set("# top\nonline: false   # why\n\nid: x\n", {"online"s}, make_plain("true")), "# top\nonline: true   # why\n\nid: x\n");
  EXPECT_EQ(set("online:   'false'", {"online"s}, make_plain("true")), "online:   true");
  EXPECT_EQ(set("online: \"a # b\" # c\n", {"online"s}, make_plain("1")), "online: 1 # c\n");
  EXPECT_EQ(set("online:\nid: x\n", {"online"s}, make_plain("true")), "online: true\nid: x\n");
  EXPECT_EQ(set("online: # why\nid: x\n", {"online"s}, make_plain("true")), "online: true # why\nid: x\n");
  EXPECT_EQ(set("online: ~\n", {"online"s}, make_plain("true")), "online: true\n");
  EXPECT_EQ(set("\"online\" : false\n", {"online"s}, make_plain("true")), "\"online\" : true\n");
  EXPECT_EQ(set("a: {b: false, c: 1} # x\n", {"a"s, "b"s}, make_plain("true")), "a: {b: true, c: 1} # x\n");
  EXPECT_EQ(set("a: [1, {b: 2}]\n", {"a"s, std::size_t{1}, "b"s}, make_text("x y")), "a: [1, {b: x y}]\n");
  EXPECT_EQ(set("a:\r\n  b: 1 # c\r\nd: 2\r\n", {"a"s, "b"s}, make_plain("5")), "a:\r\n  b: 5 # c\r\nd: 2\r\n");
}

TEST(Edit, SettingTheSameChangesNothing) {
  const auto* text = "a:   {  b: [1,2] }\n";
  EXPECT_EQ(set(text, {"a"s}, json(R"({"b":[1,2]})")), text);
}

TEST(Edit, StringsThatLookLikeSomethingElseAreQuoted) {
  for (const auto* word : {"1e5", "on", "null", "true", "0x1", "", "a: b", "# c", "[", "~", "- x", "'", "\"", "a\nb", "é"}) {
    const auto out = set("a: x\n", {"a"s}, make_text(word));
    const auto again = Editor::open(out, "f");
    ASSERT_TRUE(again) << out;
    EXPECT_EQ(again->root().find("a")->text, word);
  }
}

TEST(Edit, MissingKeysAreAppended) {
  EXPECT_EQ(set("id: x # me\n# tail\n", {"online"s}, make_plain("true")), "id: x # me\nonline: true\n# tail\n");
  EXPECT_EQ(set("id: x", {"online"s}, make_plain("true")), "id: x\nonline: true");
  EXPECT_EQ(set("", {"online"s}, make_plain("true")), "online: true\n");
  EXPECT_EQ(set("# hello", {"online"s}, make_plain("true")), "# hello\nonline: true\n");
  EXPECT_EQ(set("---\n", {"online"s}, make_plain("true")), "---\nonline: true\n");
  EXPECT_EQ(set("{}\n", {"online"s}, make_plain("true")), "{online: true}\n");
  EXPECT_EQ(set("{id: x }\n", {"online"s}, make_plain("true")), "{id: x, online: true }\n");
  EXPECT_EQ(set("a:\n  - p: 1\n    q:\n  - p: 2\n", {"a"s, std::size_t{0}, "r"s}, make_plain("3")), "a:\n  - p: 1\n    q:\n    r: 3\n  - p: 2\n");
  EXPECT_EQ(set("a:\n   b: |\n     text\n\n\nz: 1\n", {"a"s, "c"s}, make_plain("3")), "a:\n   b: |\n     text\n   c: 3\n\n\nz: 1\n");
  EXPECT_EQ(set("a:\r\n  b: 1\r\n", {"c"s}, json(R"({"d":[1]})")), "a:\r\n  b: 1\r\nc:\r\n  d:\r\n    - 1\r\n");
  EXPECT_EQ(set("a: 1\n", {"b"s, "c"s}, make_plain("3")).find("error: "), 0U);
  EXPECT_EQ(set("a: 1\n", {"a"s, "c"s}, make_plain("3")).find("error: "), 0U);
}

TEST(Edit, ReplaceValue) {
  EXPECT_EQ(set("c: {a: 1} # keep\nd: 2\n", {"c"s}, json(R"({"b":[1,"x"]})")), "c: # keep\n  b:\n    - 1\n    - x\nd: 2\n");
  EXPECT_EQ(set("c:\n  # inner\n  a: 1\nd: 2\n", {"c"s}, json(R"({"b":true})")), "c:\n  # inner\n  b: true\nd: 2\n");
  EXPECT_EQ(set("c: # why\n    a: 1\n    b: 2 # gone\nd: 2\n", {"c"s}, make_map({})), "c: {} # why\nd: 2\n");
  EXPECT_EQ(set("c: []\nd: 2\n", {"c"s}, json("[1,2]")), "c:\n  - 1\n  - 2\nd: 2\n");
  EXPECT_EQ(set("c:\n- 1\n- 2\nd: 2\n", {"c"s}, json(R"({"x":1})")), "c:\n  x: 1\nd: 2\n");
  EXPECT_EQ(set("c:\n- 1\n- 2 # two\nd: 2\n", {"c"s}, json("[3]")), "c:\n- 3 # two\nd: 2\n");
  EXPECT_EQ(set("c: |\n  text\n  more\nd: 2\n", {"c"s}, make_text("x")), "c: x\nd: 2\n");
  EXPECT_EQ(set("l:\n  - a\n  - b # c\n", {"l"s, std::size_t{1}}, make_text("x")), "l:\n  - a\n  - x # c\n");
  EXPECT_EQ(set("l:\n  - a\n  - b\n", {"l"s, std::size_t{0}}, json(R"({"x":1,"w":{"z":2}})")), "l:\n  - x: 1\n    w:\n      z: 2\n  - b\n");
}

TEST(Edit, MapsAreMergedSoThatCommentsSurvive) {
  const auto* text = "config:\n  # the longest\n  max: 10 # chars\n\n  # colours\n  colours: [red, blue]\n";
  EXPECT_EQ(set(text, {"config"s}, json(R"({"max":20,"colours":["red","blue"],"new":"x"})")),
            "config:\n  # the longest\n  max: 20 # chars\n\n  # colours\n  colours: [red, blue]\n  new: x\n");
}

TEST(Edit, AMapWithVeryManyChangesIsWrittenAnew) {
  const auto numbers = [](std::size_t count, const std::string& value) {
    Node map = make_map({});
    for (std::size_t i = 0; i < count; ++i) map.fields.push_back({"k" + std::to_string(i), {}, make_plain(value)});
    return map;
  };
  for (const std::size_t count : {max_edits, max_edits + 1}) {
    std::string text = "a:\n";
    for (std::size_t i = 0; i < count; ++i) text += "  k" + std::to_string(i) + ": 1\n";
    text.insert(text.find("  k1:"), "  # why\n");
    const std::string changed = set(text, {"a"s}, numbers(count, "2"));
    EXPECT_EQ(changed.find("# why") != std::string::npos, count <= max_edits);
    const auto root = parse_yaml(changed, "f.yaml");
    ASSERT_TRUE(root) << changed;
    EXPECT_TRUE(same(*root->find("a"), numbers(count, "2")));
  }
}

TEST(Edit, AppendItem) {
  EXPECT_EQ(append("b:\n  - p: 1 # one\n# tail\n", {"b"s}, json(R"({"p":2,"q":{"r":3}})")),
            "b:\n  - p: 1 # one\n  - p: 2\n    q:\n      r: 3\n# tail\n");
  EXPECT_EQ(append("b:\n- p: 1\nc: 2\n", {"b"s}, json(R"({"p":2})")), "b:\n- p: 1\n- p: 2\nc: 2\n");
  EXPECT_EQ(append("b: [] # none yet\nc: 2\n", {"b"s}, json(R"({"p":2})")), "b: # none yet\n  - p: 2\nc: 2\n");
  EXPECT_EQ(append("b: [1, 2]\n", {"b"s}, make_plain("3")), "b: [1, 2, 3]\n");
  EXPECT_EQ(append("b: [\n  1, # one\n  2\n]\n", {"b"s}, make_plain("3")).find("error: ") == 0U, false);
  EXPECT_EQ(append("b:\nc: 2\n", {"b"s}, make_plain("3")), "b:\n  - 3\nc: 2\n");
  EXPECT_EQ(append("c: 2\n", {"b"s}, make_plain("3")), "c: 2\nb:\n  - 3\n");
  EXPECT_EQ(append("b:\n  -   a: 1\n      b: 2", {"b"s}, make_plain("3")), "b:\n  -   a: 1\n      b: 2\n  - 3");
  EXPECT_EQ(append("{b: []}\n", {"b"s}, json(R"({"p":2})")), "{b: [{p: 2}]}\n");
  EXPECT_EQ(append("b: {}\n", {"b"s}, make_plain("3")).find("error: f.yaml:1:4"), 0U);
}

TEST(Edit, RemoveItem) {
  const auto* text = "b:\n  # first\n  - p: 1 # one\n    q: 2\n  # second\n  - p: 3\n\nc: 1\n";
  EXPECT_EQ(removed(text, {"b"s}, 0), "b:\n  # first\n  # second\n  - p: 3\n\nc: 1\n");
  EXPECT_EQ(removed(text, {"b"s}, 1), "b:\n  # first\n  - p: 1 # one\n    q: 2\n  # second\n\nc: 1\n");
  EXPECT_EQ(removed("b:\n  - p: 1\nc: 1\n", {"b"s}, 0), "b: []\nc: 1\n");
  EXPECT_EQ(removed("b:\n- p: 1\n# x\nc: 1\n", {"b"s}, 0), "b: []\n# x\nc: 1\n");
  EXPECT_EQ(removed("b: [1, 2, 3]\n", {"b"s}, 0), "b: [2, 3]\n");
  EXPECT_EQ(removed("b: [1, 2, 3]\n", {"b"s}, 1), "b: [1, 3]\n");
  EXPECT_EQ(removed("b: [1, 2, 3]\n", {"b"s}, 2), "b: [1, 2]\n");
  EXPECT_EQ(removed("b: [1]\n", {"b"s}, 0), "b: []\n");
  EXPECT_EQ(removed("b: [1]\n", {"b"s}, 1).find("error: "), 0U);
  EXPECT_EQ(removed("b: x\n", {"b"s}, 0).find("error: "), 0U);
}

TEST(Edit, OddIndentsAreFollowed) {
  const auto* text = "bindings:\n       -   protocol:   Echo\n           config:\n                    max: 1\n";
  EXPECT_EQ(set(text, {"bindings"s, std::size_t{0}, "config"s, "max"s}, make_plain("2")),
            "bindings:\n       -   protocol:   Echo\n           config:\n                    max: 2\n");
  EXPECT_EQ(append(text, {"bindings"s}, json(R"({"protocol":"B"})")),
            "bindings:\n       -   protocol:   Echo\n           config:\n                    max: 1\n       - protocol: B\n");
}

TEST(Edit, WhatCannotBeSplicedIsRefusedWithTheLinesToPaste) {
  const auto out = set("a: several\n  lines of text\nb: 1\n", {"a"s}, json(R"({"x":1})"));
  EXPECT_EQ(out.find("error: f.yaml: "), 0U) << out;
  EXPECT_NE(out.find("\nx: 1"), std::string::npos) << out;
  EXPECT_EQ(set("? a\n: 1\n", {"a"s}, make_plain("2")).find("error: "), 0U);
}

TEST(Edit, QuotesInsideFlowDoNotConfuseTheScan) {
  EXPECT_EQ(set("a: {b: it's, c: \"]}\", d: 'x''}', e: 1} # }\nz: 1\n", {"a"s}, json("[1]")), "a: # }\n  - 1\nz: 1\n");
  EXPECT_EQ(set("a: [ # ]\n  1, 2 ] # x\nz: 1\n", {"a"s}, make_plain("9")), "a: 9 # x\nz: 1\n");
}

/// Whatever a text looks like, an edit does what was meant or says that it can't.
TEST(Edit, EveryEditMeansWhatItSaysOrFails) {
  const char* values[] = {"1",
                          "'q'",
                          "\"d\"",
                          "|\n     t\n",
                          ">-\n     t\n     u\n",
                          "[1, 2]",
                          "{x: 1}",
                          "\n     x: 1\n",
                          "\n   - 1\n   - 2\n",
                          "",
                          "~",
                          "[]",
                          "{}",
                          "[ 1,\n      2 ]",
                          "x\n     y",
                          "'a\n     b'",
                          "\n     # c\n     x: 1 # d\n"};
  const char* ends[] = {"", "\n", " # c\n", "\n# c\n", "\n\n\n"};
  const Node news[] = {make_plain("5"), make_text("new: x"), json("[]"), json("[7,8]"), json(R"({"x":2})"), json(R"({"k":{"l":[1]}})")};
  int done = 0;
  for (const auto* value : values) {
    for (const auto* end : ends) {
      const std::string text = "t: 0\nm:\n - v: "s + value + end + "   z: 9\ne: 1\n";
      auto editor = Editor::open(text, "f");
      if (!editor) continue;
      for (const auto& node : news) {
        Editor work = *editor;
        if (!work.set({"m"s, std::size_t{0}, "v"s}, node)) continue;
        ++done;
        const auto again = Editor::open(work.text(), "f");
        ASSERT_TRUE(again);
        const Node* v = find(again->root(), {"m"s, std::size_t{0}, "v"s});
        ASSERT_NE(v, nullptr) << work.text();
        EXPECT_EQ(find(again->root(), {"e"s})->text, "1");
        EXPECT_EQ(find(again->root(), {"t"s})->text, "0");
      }
    }
  }
  EXPECT_GT(done, 200);
}

} // namespace
} // namespace kith::config
