// SPDX-License-Identifier: GPL-3.0-or-later
#include "wire/control.hpp"

#include "base/varint.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace kith::wire {
namespace {

void append(Bytes& out, const Bytes& more) { out.insert(out.end(), more.begin(), more.end()); }

const std::vector<ControlFrame> frames{Hello{{1, 2, 3}, 7}, Goaway{}, Goaway{max_varint}, StreamError{4, {Code::plugin_failed, "why"}}};

Bytes whole_stream() {
  Bytes out = encode_control_stream_type();
  for (const ControlFrame& frame : frames) std::visit([&](const auto& each) { append(out, encode(each)); }, frame);
  return out;
}

/// Every frame of a stream that comes in pieces of `step` octets.
Result<std::vector<ControlFrame>> read_all(ByteView in, std::size_t step) {
  ControlDecoder decoder;
  std::vector<ControlFrame> out;
  while (!in.empty()) {
    const std::size_t size = std::min(step, in.size());
    decoder.push(in.first(size));
    in = in.subspan(size);
    while (true) {
      auto frame = decoder.next();
      if (!frame) return frame.error();
      if (!*frame) break;
      out.push_back(std::move(**frame));
    }
  }
  return out;
}

TEST(ControlStream, ReadsItsFramesInPiecesOfAnySize) {
  const Bytes bytes = whole_stream();
  for (const std::size_t step : {std::size_t{1}, std::size_t{2}, std::size_t{7}, bytes.size()}) {
    const auto read = read_all(bytes, step);
    ASSERT_TRUE(read) << read.error().text;
    EXPECT_EQ(*read, frames);
  }
}

TEST(ControlStream, SkipsUnknownFramesOfAnySizeWithoutKeepingThem) {
  Bytes bytes = encode_control_stream_type();
  append_varint(bytes, 99);
  append_varint(bytes, 300000);
  bytes.resize(bytes.size() + 300000, 0x01);
  append(bytes, encode(Goaway{8}));
  for (const std::size_t step : {std::size_t{1000}, bytes.size()}) {
    const auto read = read_all(bytes, step);
    ASSERT_TRUE(read) << read.error().text;
    EXPECT_EQ(*read, std::vector<ControlFrame>{Goaway{8}});
  }
}

TEST(ControlStream, RefusesLongFramesBeforeTheyArrive) {
  Bytes bytes = encode_control_stream_type();
  append_varint(bytes, 1);
  append_varint(bytes, max_control_frame_size + 1);
  const auto read = read_all(bytes, 1);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Code::bad_request);
}

TEST(ControlStream, AnErrorStays) {
  ControlDecoder decoder;
  decoder.push(Bytes{5});
  const auto first = decoder.next();
  ASSERT_FALSE(first);
  EXPECT_EQ(first.error().code, Code::unsupported_version);
  decoder.push(encode(Goaway{8}));
  EXPECT_EQ(decoder.next().error(), first.error());
}

TEST(ControlStream, NoChangedOctetCrashes) {
  const Bytes bytes = whole_stream();
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    for (unsigned octet = 0; octet < 256; ++octet) {
      Bytes changed = bytes;
      changed[i] = static_cast<std::uint8_t>(octet);
      static_cast<void>(read_all(changed, changed.size()));
    }
  }
}

TEST(ControlStream, ClipsTheTextItSends) {
  Bytes bytes = encode_control_stream_type();
  append(bytes, encode(StreamError{4, {Code::internal, std::string(5000, 'x')}}));
  const auto read = read_all(bytes, bytes.size());
  ASSERT_TRUE(read);
  ASSERT_EQ(read->size(), 1U);
  EXPECT_EQ(std::get<StreamError>((*read)[0]).error.text.size(), max_text_size);
}

} // namespace
} // namespace kith::wire
