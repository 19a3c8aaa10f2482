// SPDX-License-Identifier: Apache-2.0
#include "base/peer_id.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace kith {
namespace {

using ::testing::HasSubstr;

// The public key of RFC 8032 §7.1, test 1.
constexpr std::string_view hex = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

std::string upper(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  return out;
}

/// Any id52 text, written with another alphabet of 32.
std::string in_alphabet(std::string_view text, std::string_view alphabet) {
  std::string out;
  for (const char c : text) out.push_back(alphabet[std::string_view("0123456789abcdefghijklmnopqrstuv").find(c)]);
  return out;
}
constexpr std::string_view rfc_alphabet = "abcdefghijklmnopqrstuvwxyz234567";
constexpr std::string_view z_alphabet = "ybndrfg8ejkmcpqxot1uwisza345h769";

PeerId sample() { return *parse_peer_id(hex); }

std::string refusal(std::string_view text) {
  const auto id = parse_peer_id(text);
  if (id) return "";
  EXPECT_EQ(id.error().code, Code::bad_request);
  return id.error().text;
}

TEST(PeerId, ReadsAllFourForms) {
  const PeerId id = sample();
  EXPECT_EQ(id.bytes[0], 0xD7);
  EXPECT_EQ(id.bytes[31], 0x1A);
  const std::string printed = id.text();
  ASSERT_EQ(printed.size(), id52_size);
  EXPECT_EQ(*parse_peer_id(printed), id);
  EXPECT_EQ(*parse_peer_id(in_alphabet(printed, rfc_alphabet)), id);
  EXPECT_EQ(*parse_peer_id(in_alphabet(printed, z_alphabet)), id);
  EXPECT_EQ(*parse_peer_id(upper(hex)), id);
  EXPECT_EQ(*parse_peer_id(upper(in_alphabet(printed, rfc_alphabet))), id);
}

TEST(PeerId, PrintsTheTextOfTheDesign) {
  const auto id = parse_peer_id("35vmm8v1di2j5hlbp0sfljauku4rs33mma906d03jft8mf9mhlgg");
  ASSERT_TRUE(id);
  EXPECT_EQ(id->text(), "35vmm8v1di2j5hlbp0sfljauku4rs33mma906d03jft8mf9mhlgg");
}

TEST(PeerId, RoundTripsAtTheEdges) {
  PeerId zero;
  EXPECT_EQ(zero.text(), std::string(52, '0'));
  PeerId ones;
  ones.bytes.fill(0xFF);
  EXPECT_EQ(ones.text(), std::string(51, 'v') + "g");
  EXPECT_EQ(*parse_peer_id(ones.text()), ones);
  EXPECT_EQ(*parse_peer_id(std::string(51, '7') + "q"), ones);
  EXPECT_EQ(*parse_peer_id(std::string(51, '9') + "o"), ones);
  EXPECT_EQ(*parse_peer_id(std::string(52, 'y')), zero);
}

TEST(PeerId, NamesThePositionOfABadCharacter) {
  std::string text = sample().text();
  text.back() = '0';
  text[6] = 'w';
  EXPECT_THAT(refusal(text), HasSubstr("character 7 ('w')"));
  text[6] = 'B'; // id52 is lower case
  EXPECT_THAT(refusal(text), HasSubstr("character 7 ('B')"));
  text[0] = '\n';
  EXPECT_THAT(refusal(text), HasSubstr("character 1 (0x0a)"));
  std::string bad_hex(hex);
  bad_hex[63] = 'g';
  EXPECT_THAT(refusal(bad_hex), HasSubstr("character 64 ('g')"));
  std::string bad_z(52, 'y');
  bad_z[2] = 'l';
  EXPECT_THAT(refusal(bad_z), HasSubstr("character 3 ('l')"));
  std::string bad_rfc(52, 'a');
  bad_rfc[50] = '1';
  EXPECT_THAT(refusal(bad_rfc), HasSubstr("character 51 ('1')"));
}

TEST(PeerId, RefusesSpareBits) {
  std::string text(52, '0');
  for (const char last : std::string_view("123456789bcdefhijklmnprstuvwxz")) {
    text.back() = last;
    EXPECT_THAT(refusal(text), HasSubstr("character 52")) << last;
  }
  text.back() = 'h';
  EXPECT_THAT(refusal(text), HasSubstr("spare bits"));
}

TEST(PeerId, RefusesOtherLengths) {
  for (const std::size_t size : {0U, 1U, 51U, 53U, 63U, 65U, 1000U}) {
    EXPECT_THAT(refusal(std::string(size, '0')), HasSubstr(std::to_string(size) + " characters"));
  }
}

TEST(PeerId, IsTheServerName) {
  const PeerId id = sample();
  EXPECT_EQ(server_name(id), id.text() + ".iroh.invalid");
  EXPECT_EQ(parse_server_name(server_name(id)), id);
  EXPECT_EQ(parse_server_name("example.com"), std::nullopt);
  EXPECT_EQ(parse_server_name(""), std::nullopt);
  EXPECT_EQ(parse_server_name(".iroh.invalid"), std::nullopt);
  EXPECT_EQ(parse_server_name(std::string(52, 'v') + ".iroh.invalid"), std::nullopt); // spare bits
  EXPECT_EQ(parse_server_name(std::string(52, 'a') + ".iroh.invalid"), std::nullopt); // another alphabet
  EXPECT_EQ(parse_server_name("x" + server_name(id)), std::nullopt);
  EXPECT_EQ(parse_server_name(server_name(id) + "."), std::nullopt);
}

} // namespace
} // namespace kith
