// SPDX-License-Identifier: Apache-2.0
#include "protocol/inline_frames.hpp"
#include "protocol/line_reader.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <string>

namespace kith::protocol {
namespace {

void feed(LineReader& reader, std::string_view text) {
  const ByteSpan room = reader.prepare(text.size());
  std::copy(text.begin(), text.end(), room.begin());
  reader.commit(text.size());
}

TEST(LineReader, CutsLinesAndOctetsHoweverTheyArrive) {
  const std::string stream = "one\n\ntwo\nA\nBthree\n";
  for (std::size_t step = 1; step <= stream.size(); ++step) {
    LineReader reader(100);
    std::vector<std::string> lines;
    std::string octets;
    for (std::size_t at = 0; at < stream.size(); at += step) {
      feed(reader, std::string_view(stream).substr(at, step));
      while (true) {
        if (lines.size() == 3 && octets.empty()) {
          const auto got = reader.take_octets(3);
          if (!got) break;
          octets = as_text(*got);
        }
        const auto line = reader.take_line();
        if (!line) break;
        lines.emplace_back(*line);
      }
    }
    EXPECT_EQ(lines, (std::vector<std::string>{"one", "", "two", "three"})) << step;
    EXPECT_EQ(octets, "A\nB");
    EXPECT_EQ(reader.buffered(), 0U);
  }
}

TEST(LineReader, ALineThatIsTooLongIsNoticedBeforeItsEnd) {
  LineReader reader(4);
  feed(reader, "1234\n");
  EXPECT_EQ(reader.take_line(), "1234");
  feed(reader, "12345");
  EXPECT_FALSE(reader.take_line());
  EXPECT_TRUE(reader.too_long());
  feed(reader, "\n");
  EXPECT_FALSE(reader.take_line());
  EXPECT_TRUE(reader.too_long());
}

TEST(LineReader, HandsOutWhatIsThere) {
  LineReader reader(10);
  feed(reader, "abc");
  EXPECT_FALSE(reader.take_octets(4));
  EXPECT_EQ(as_text(reader.take_some(2)), "ab");
  EXPECT_EQ(as_text(reader.take_some(9)), "c");
  EXPECT_TRUE(reader.take_octets(0));
}

TEST(InlineFrames, HeadsGoBothWays) {
  using Kind = InlineHead::Kind;
  for (const InlineHead head :
       {InlineHead{Kind::data, 1}, InlineHead{Kind::data, max_inline_frame}, InlineHead{Kind::fin, 0}, InlineHead{Kind::closed, 77}}) {
    const auto octets = encode_inline_head(head);
    const auto back = decode_inline_head(octets);
    ASSERT_TRUE(back);
    EXPECT_EQ(back->kind, head.kind);
    EXPECT_EQ(back->size, head.size);
  }
  EXPECT_EQ(encode_inline_head({Kind::closed, 258}), (std::array<std::uint8_t, 4>{0x80, 0, 1, 2}));
  EXPECT_FALSE(decode_inline_head(std::array<std::uint8_t, 4>{0, 1, 0, 1}));
  EXPECT_FALSE(decode_inline_head(std::array<std::uint8_t, 4>{0xFF, 0xFF, 0xFF, 0xFF}));
}

} // namespace
} // namespace kith::protocol
