// SPDX-License-Identifier: Apache-2.0
#include "cli/render.hpp"

#include <gtest/gtest.h>
#include <sstream>

namespace kith::cli {
namespace {

TEST(Render, WhatAPeerSaysCannotSteerATerminal) {
  EXPECT_EQ(printable("a\x1b[2Jb\r\n\x07\x7f"), "a\\x1b[2Jb\\x0d\n\\x07\\x7f");
  EXPECT_EQ(printable("\xC2\x9B\xE2\x80\xAE\xFF gr\xC3\xBC\xC3\x9F"), "\\x9b\\u{202e}\\xff gr\xC3\xBC\xC3\x9F");
}

std::string pad(std::string text, std::size_t columns) {
  text.resize(columns, ' ');
  return text;
}

TEST(Render, TablesFitTheTerminalAndCutNothing) {
  Table table({"NAME", "ID", "ADDRESSES"});
  const std::string id(52, 'a');
  table.add({"alice", id, "192.0.2.7:4433, 192.0.2.8:4433"});
  table.add({"b\nc", "x", ""});
  const std::string wide = pad("NAME   ID", 61) + "ADDRESSES\nalice  " + id + "  192.0.2.7:4433, 192.0.2.8:4433\nb c    x\n";
  EXPECT_EQ(table.text({}), wide);
  EXPECT_EQ(table.text({true, false, 91}), wide);
  for (const std::size_t width : {81U, 90U})
    EXPECT_EQ(table.text({true, false, width}),
              pad("NAME   ID", 61) + "ADDRESSES\nalice  " + id + "  192.0.2.7:4433,\n" + pad("", 61) + "192.0.2.8:4433\nb c    x\n");
  EXPECT_EQ(table.text({true, false, 80}), "NAME: alice\nID: " + id + "\nADDRESSES: 192.0.2.7:4433, 192.0.2.8:4433\n\nNAME: b c\nID: x\n");
}

TEST(Render, JsonOnATerminalIsTheSameValueAndHarmless) {
  EXPECT_EQ(printable_json("{\"a\":\"\xC2\x9B\xE2\x80\xAE\x7F\xC3\xBC\"}\n"), "{\"a\":\"\\u009b\\u202e\\u007f\xC3\xBC\"}\n");
}

TEST(Render, LinesBreakBetweenWordsUnderTheirSecondColumn) {
  const Terminal narrow{true, false, 20};
  EXPECT_EQ(folded({}, "a line that goes on and on and on"), "a line that goes on and on and on");
  EXPECT_EQ(folded(narrow, "a line that goes on and on and on\n"), "a line that goes on\nand on and on\n");
  EXPECT_EQ(folded(narrow, "home   /a /b /c /d /e /f /g"), "home   /a /b /c /d\n       /e /f /g");
  EXPECT_EQ(folded(narrow, "  indented lines stay so"), "  indented lines\n  stay so");
  EXPECT_EQ(folded(narrow, "one-word-that-is-too-long-for-it"), "one-word-that-is-too-long-for-it");
  EXPECT_EQ(folded(narrow, "  one-word-that-is-too-long-for-it x"), "  one-word-that-is-too-long-for-it\n  x");
}

TEST(Render, ColoursOnlyWhereTheyAreWanted) {
  EXPECT_EQ((Terminal{true, true, 0}).red("x"), "\x1b[31mx\x1b[0m");
  EXPECT_EQ((Terminal{true, false, 0}).red("x"), "x");
}

TEST(Render, DurationsReadWell) {
  EXPECT_EQ(duration_us(250), "250 µs");
  EXPECT_EQ(duration_us(1500), "1.5 ms");
  EXPECT_EQ(duration_us(12'000'000), "12 s");
  EXPECT_EQ(duration_us(11'100'000'000), "3 h 5 min");
}

} // namespace
} // namespace kith::cli
