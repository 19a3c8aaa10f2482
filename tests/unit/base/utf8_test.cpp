// SPDX-License-Identifier: Apache-2.0
#include "base/utf8.hpp"

#include <gtest/gtest.h>

namespace kith {
namespace {

TEST(Utf8, AcceptsEveryLengthAtItsEdges) {
  for (const std::string_view text : {"", "a", "\x7F", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80", "\xEF\xBF\xBF",
                                      "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(is_utf8(text));
  }
  EXPECT_TRUE(is_utf8(std::string_view("a\0b", 3)));
}

TEST(Utf8, RefusesOverlongSurrogatesTooHighAndCutShort) {
  for (const std::string_view text : {"\x80", "\xC0\x80", "\xC1\xBF", "\xC2", "\xC2\x41", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xE2\x82",
                                      "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "ok\xF0\x9F\x98"}) {
    EXPECT_FALSE(is_utf8(text));
  }
}

TEST(Utf8, ClipsBetweenCharacters) {
  EXPECT_EQ(clip_utf8("abc", 3), "abc");
  EXPECT_EQ(clip_utf8("abc", 2), "ab");
  EXPECT_EQ(clip_utf8("a\xC3\xA9", 2), "a");
  EXPECT_EQ(clip_utf8("a\xFF\xC3\xA9", 9), "a?\xC3\xA9");
  EXPECT_EQ(clip_utf8("\xC3", 9), "?");
}

TEST(Utf8, EscapingKeepsTextAndEscapesWhatSteersTerminals) {
  EXPECT_EQ(escape_line("plain, \"quoted\" and \xC3\xA9"), "plain, \"quoted\" and \xC3\xA9");
  EXPECT_EQ(escape_line("a\nb\r\x1b[31m\x7f"), "a\\x0ab\\x0d\\x1b[31m\\x7f");
  EXPECT_EQ(escape_line("\xC2\x9b"
                        "31m"),
            "\\xc2\\x9b31m"); // CSI as one C1 control
  EXPECT_EQ(escape_line("\xff\xC3("), "\\xff\\xc3(");
  EXPECT_EQ(escape_line(std::string_view("\0x", 2)), "\\x00x");
}

TEST(Utf8, WhatIsQuotedIsShort) {
  EXPECT_EQ(in_quotes("a\nb"), "'a\\x0ab'");
  const std::string longest(max_shown_size, 'x');
  EXPECT_EQ(in_quotes(longest), "'" + longest + "'");
  EXPECT_EQ(in_quotes(longest + "y"), "'" + longest + "…'");
}

} // namespace
} // namespace kith
