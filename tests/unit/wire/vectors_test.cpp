// SPDX-License-Identifier: GPL-3.0-or-later
// Replays docs/wire-vectors.txt, the examples of the specification.
#include "wire/control.hpp"
#include "wire/open.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>
#include <vector>

namespace kith::wire {
namespace {

struct Vector {
  std::string what;
  Bytes bytes;
  std::string outcome;
};

std::vector<std::string> columns(std::string_view line) {
  std::vector<std::string> out;
  while (true) {
    const std::size_t bar = line.find(" | ");
    out.emplace_back(line.substr(0, bar));
    if (bar == std::string_view::npos) return out;
    line.remove_prefix(bar + 3);
  }
}

Bytes from_hex(const std::string& hex) {
  Bytes out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) out.push_back(static_cast<std::uint8_t>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return out;
}

std::map<std::string, Vector> load() {
  std::map<std::string, Vector> out;
  std::ifstream file(KITH_WIRE_VECTORS);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    const auto column = columns(line);
    EXPECT_EQ(column.size(), 5U) << line;
    if (column.size() != 5) continue;
    const Vector vector{column[0], from_hex(column[2]), column[3]};
    EXPECT_TRUE(out.emplace(column[1], vector).second) << "twice: " << column[1];
  }
  return out;
}

/// What our decoder and encoder make of a vector, in the words of its outcome.
std::string replay(const Vector& vector) {
  const auto judge = [&](const Bytes& again) { return again == vector.bytes ? "ok" : "ok-other"; };
  if (vector.what == "open") {
    const auto read = decode_open(vector.bytes);
    if (!read) return code_name(read.error().code);
    return *read && (*read)->used == vector.bytes.size() ? judge(encode((*read)->value)) : "incomplete";
  }
  if (vector.what == "reply") {
    const auto read = decode_reply(vector.bytes);
    if (!read) return code_name(read.error().code);
    return *read && (*read)->used == vector.bytes.size() ? judge(encode((*read)->value)) : "incomplete";
  }
  ControlDecoder decoder;
  decoder.push(vector.bytes);
  Bytes again = encode_control_stream_type();
  std::size_t count = 0;
  while (true) {
    const auto frame = decoder.next();
    if (!frame) return code_name(frame.error().code);
    if (!*frame) return count == 0 ? "incomplete" : judge(again);
    const Bytes bytes = std::visit([](const auto& each) { return encode(each); }, **frame);
    again.insert(again.end(), bytes.begin(), bytes.end());
    ++count;
  }
}

TEST(WireVectors, AreReadAsTheSpecificationSays) {
  const auto vectors = load();
  EXPECT_GE(vectors.size(), 35U);
  for (const auto& [name, vector] : vectors) EXPECT_EQ(replay(vector), vector.outcome) << name;
}

TEST(WireVectors, MeanWhatTheSpecificationSays) {
  const auto vectors = load();
  const Open minimal{
      .kind = StreamKind::call, .protocol = "Echo", .alias = "default", .command = {}, .deadline_ms = {}, .content_type = {}, .trace = {}};
  const Open full{.kind = StreamKind::call,
                  .protocol = "Social",
                  .alias = "home",
                  .command = "friend.list",
                  .deadline_ms = 10000,
                  .content_type = "json",
                  .trace = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77}};
  Open stream = minimal;
  stream.kind = StreamKind::stream;
  const auto bytes = [&](const char* name) { return vectors.at(name).bytes; };
  EXPECT_EQ(encode(minimal), bytes("call-minimal"));
  EXPECT_EQ(encode(full), bytes("call-full"));
  EXPECT_EQ(encode(stream), bytes("stream-minimal"));
  EXPECT_EQ((*decode_open(bytes("unknown-even-meta")))->value, minimal);
  EXPECT_EQ((*decode_open(bytes("long-length")))->value, minimal);

  EXPECT_EQ(encode(Reply{}), bytes("ok-bytes"));
  EXPECT_EQ(encode(Reply{.error = {}, .content_type = "json"}), bytes("ok-json"));
  EXPECT_EQ(encode(Reply{.error = Error{Code::denied, ""}, .content_type = {}}), bytes("denied"));
  EXPECT_EQ(encode(Reply{.error = Error{Code{1001}, "too long"}, .content_type = {}}), bytes("application-error"));
  EXPECT_EQ(encode(unsupported_version_reply()), bytes("unsupported-version"));

  const auto control = [](const Bytes& frame) {
    Bytes out = encode_control_stream_type();
    out.insert(out.end(), frame.begin(), frame.end());
    return out;
  };
  EXPECT_EQ(control(encode(Hello{{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, 1})), bytes("hello"));
  EXPECT_EQ(control(encode(Goaway{8})), bytes("goaway"));
  EXPECT_EQ(control(encode(Goaway{})), bytes("goaway-none"));
  EXPECT_EQ(control(encode(StreamError{4, {Code::plugin_failed, "Echo failed"}})), bytes("error"));
}

TEST(WireVectors, AreQuotedRightInTheSpecification) {
  const auto vectors = load();
  std::ifstream file(KITH_WIRE_DOCUMENT);
  std::size_t quoted = 0;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string what;
    std::string name;
    std::string hex;
    if (!(words >> what >> name >> hex) || !vectors.contains(name) || vectors.at(name).what != what) continue;
    EXPECT_EQ(from_hex(hex), vectors.at(name).bytes) << name;
    ++quoted;
  }
  EXPECT_EQ(quoted, 6U);
}

} // namespace
} // namespace kith::wire
