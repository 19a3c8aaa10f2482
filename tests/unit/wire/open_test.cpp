// SPDX-License-Identifier: GPL-3.0-or-later
#include "wire/open.hpp"

#include "base/varint.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kith::wire {
namespace {

using ::testing::HasSubstr;

Open full_open() {
  return {.kind = StreamKind::stream,
          .protocol = "kith.peer",
          .alias = "default",
          .command = "knock",
          .deadline_ms = max_varint,
          .content_type = "json",
          .trace = Bytes(max_trace_size, 7)};
}

TEST(OpenHeader, ReadsBackWhatItWritesAndSaysHowMuchThatTook) {
  for (const Open& open :
       {full_open(), Open{.protocol = "Echo", .alias = "default", .command = {}, .deadline_ms = 0, .content_type = {}, .trace = {}},
        Open{.protocol = std::string(64, 'p'),
        .alias = std::string(64, 'y'),
        .command = std::string(64, 'z'),
        .deadline_ms = {},
        .content_type = std::string(64, 't'),
        .trace = {}}}) {
    Bytes bytes = encode(open);
    const std::size_t size = bytes.size();
    bytes.push_back(0x55); // the request follows
    const auto read = decode_open(bytes);
    ASSERT_TRUE(read) << read.error().text;
    ASSERT_TRUE(*read);
    EXPECT_EQ((*read)->value, open);
    EXPECT_EQ((*read)->used, size);
  }
}

TEST(OpenHeader, AsksForMoreAtEveryCut) {
  const Bytes bytes = encode(full_open());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto read = decode_open(ByteView(bytes).first(size));
    ASSERT_TRUE(read) << size;
    EXPECT_FALSE(*read) << size;
  }
}

TEST(OpenHeader, NoChangedOctetCrashesOrReadsBeyondTheEnd) {
  const Bytes bytes = encode(full_open());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    for (unsigned octet = 0; octet < 256; ++octet) {
      Bytes changed = bytes;
      changed[i] = static_cast<std::uint8_t>(octet);
      const auto read = decode_open(changed);
      if (read && *read) {
        EXPECT_LE((*read)->used, changed.size());
      }
    }
  }
}

TEST(OpenHeader, RefusesAnUnknownVersionBeforeTheRestArrives) {
  const auto read = decode_open(Bytes{0x20, 2});
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Code::unsupported_version);
}

TEST(OpenHeader, RefusesTooManyMetaEntries) {
  Bytes body{1, 0, 1, 'E', 1, 'a', 0};
  append_varint(body, max_meta_entries + 1);
  Bytes bytes;
  append_varint(bytes, body.size());
  bytes.insert(bytes.end(), body.begin(), body.end());
  const auto read = decode_open(bytes);
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().text, HasSubstr("more than 64 meta entries"));
}

TEST(OpenHeader, RefusesLongContentTypesAndTraceIds) {
  Open open = full_open();
  open.content_type = std::string(max_content_type_size + 1, 't');
  EXPECT_THAT(decode_open(encode(open)).error().text, HasSubstr("content type"));
  open.content_type = "\xFF";
  EXPECT_THAT(decode_open(encode(open)).error().text, HasSubstr("UTF-8"));
  open = full_open();
  open.trace.push_back(1);
  EXPECT_THAT(decode_open(encode(open)).error().text, HasSubstr("trace id"));
}

TEST(ReplyHeader, ReadsBackWhatItWrites) {
  for (const Reply& reply : {Reply{}, Reply{.error = {}, .content_type = "json"}, Reply{.error = Error{Code::denied, ""}, .content_type = {}},
                             Reply{.error = Error{static_cast<Code>(max_varint), std::string(max_text_size, 'x')}, .content_type = {}}}) {
    Bytes bytes = encode(reply);
    const std::size_t size = bytes.size();
    for (std::size_t cut = 0; cut < size; ++cut) {
      const auto part = decode_reply(ByteView(bytes).first(cut));
      ASSERT_TRUE(part);
      EXPECT_FALSE(*part);
    }
    bytes.resize(size + 10000);
    const auto read = decode_reply(bytes);
    ASSERT_TRUE(read) << read.error().text;
    ASSERT_TRUE(*read);
    EXPECT_EQ((*read)->value, reply);
    EXPECT_EQ((*read)->used, size);
  }
}

TEST(ReplyHeader, ClipsAndCleansTheTextItSends) {
  const Bytes bytes = encode(Reply{.error = Error{Code::internal, "\xFF" + std::string(5000, 'x')}, .content_type = {}});
  const auto read = decode_reply(bytes);
  ASSERT_TRUE(read);
  ASSERT_TRUE(*read);
  EXPECT_EQ((*read)->value.error->text, "?" + std::string(max_text_size - 1, 'x'));
}

TEST(ReplyHeader, RefusesAMetaThatNeverEnds) {
  Bytes bytes{0, 1, 0x40, 100}; // an unknown even key
  append_varint(bytes, 1000000);
  bytes.resize(max_header_size - 1);
  ASSERT_TRUE(decode_reply(bytes));
  EXPECT_FALSE(*decode_reply(bytes));
  bytes.resize(max_header_size);
  ASSERT_FALSE(decode_reply(bytes));
  EXPECT_EQ(decode_reply(bytes).error().code, Code::bad_request);
}

TEST(UnsupportedVersion, TellsTheHighestThatIsKnown) {
  const auto read = decode_reply(encode(unsupported_version_reply()));
  ASSERT_TRUE(read && *read);
  EXPECT_EQ(highest_version(*(*read)->value.error), version);
  EXPECT_EQ(highest_version(Error{Code::unsupported_version, "12"}), 12U);
  EXPECT_EQ(highest_version(Error{Code::unsupported_version, ""}), std::nullopt);
  EXPECT_EQ(highest_version(Error{Code::unsupported_version, "1 or so"}), std::nullopt);
  EXPECT_EQ(highest_version(Error{Code::unsupported_version, "99999999999999999999"}), std::nullopt);
  EXPECT_EQ(highest_version(Error{Code::denied, "1"}), std::nullopt);
}

} // namespace
} // namespace kith::wire
