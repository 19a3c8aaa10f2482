// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/base32.hpp"
#include "identity/ticket.hpp"
#include "samples.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kith::identity {
namespace {

using ::testing::HasSubstr;

/// Variant 0 and the id, then what follows it.
Bytes message(std::string_view rest_hex) {
  Bytes out{0};
  const PeerId id = rfc8032_key().id();
  out.insert(out.end(), id.bytes.begin(), id.bytes.end());
  const Bytes rest = from_hex(rest_hex);
  out.insert(out.end(), rest.begin(), rest.end());
  return out;
}

std::string wrap(const Bytes& bytes) { return "endpoint" + base32_encode(bytes, rfc4648_alphabet); }

std::string refusal(const Bytes& bytes) {
  const auto ticket = decode_iroh_ticket(wrap(bytes));
  return ticket ? "" : ticket.error().text;
}

// Three addresses: relay "https://a/", 192.0.2.1:4433 (port d1 22), [2001:db8::1]:443 (port bb 03).
constexpr std::string_view three = "03"
                                   "000a68747470733a2f2f612f"
                                   "0100c0000201d122"
                                   "010120010db8000000000000000000000001bb03";

TEST(IrohTicket, ReadsRelaysAndAddresses) {
  const auto ticket = parse_ticket_or_id(wrap(message(three)));
  ASSERT_TRUE(ticket) << ticket.error().text;
  EXPECT_EQ(ticket->id, rfc8032_key().id());
  EXPECT_THAT(ticket->relays, ::testing::ElementsAre("https://a/"));
  EXPECT_THAT(ticket->addresses, ::testing::ElementsAre(*parse_address("192.0.2.1:4433"), *parse_address("[2001:db8::1]:443")));
  EXPECT_FALSE(ticket->is_signed);
  EXPECT_TRUE(decode_iroh_ticket(wrap(message("00"))));
}

TEST(IrohTicket, TakesTheFirstSixteenAddresses) {
  std::string rest = "14";
  for (int i = 0; i < 20; ++i) rest += "0100c0000201d122";
  const auto ticket = decode_iroh_ticket(wrap(message(rest)));
  ASSERT_TRUE(ticket);
  EXPECT_EQ(ticket->addresses.size(), 16U);
}

TEST(IrohTicket, RefusesBrokenOnes) {
  EXPECT_THAT(refusal({}), HasSubstr("kind"));
  EXPECT_THAT(refusal({1}), HasSubstr("kind"));
  EXPECT_THAT(refusal({0, 1, 2}), HasSubstr("cut short"));
  EXPECT_THAT(refusal(message("")), HasSubstr("cut short"));
  EXPECT_THAT(refusal(message("0102")), HasSubstr("address of a kind"));
  EXPECT_THAT(refusal(message("010102")), HasSubstr("neither IPv4 nor IPv6"));
  EXPECT_THAT(refusal(message("010100c00002")), HasSubstr("cut short"));
  EXPECT_THAT(refusal(message("010100c0000201808004")), HasSubstr("wrong port")); // 65536
  EXPECT_THAT(refusal(message("010100e0000001d122")), HasSubstr("can't be dialed"));
  EXPECT_THAT(refusal(message("010000")), HasSubstr("relay URL"));
  EXPECT_THAT(refusal(message("01000120")), HasSubstr("ASCII"));
  EXPECT_THAT(refusal(message("0000")), HasSubstr("follows its end"));
  EXPECT_THAT(refusal(message("ffffffffffffffffff01")), HasSubstr("cut short")); // a count of 2^64 - 1
  EXPECT_THAT(refusal(message("ffffffffffffffffff02")), HasSubstr("cut short")); // more than 64 bits
  Bytes no_point = message("00");
  std::fill(no_point.begin() + 1, no_point.begin() + 33, std::uint8_t{0});
  EXPECT_THAT(refusal(no_point), HasSubstr("not a public key"));
}

TEST(IrohTicket, NamesThePositionOfABadCharacter) {
  std::string text = wrap(message(three));
  text[20] = '1';
  EXPECT_THAT(decode_iroh_ticket(text).error().text, HasSubstr("character 21 ('1')"));
  EXPECT_THAT(decode_iroh_ticket("endpoint" + std::string(5000, 'a')).error().text, HasSubstr("4096"));
}

TEST(IrohTicket, RefusesEveryCutText) {
  const Bytes whole = message(three);
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_NE(refusal(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size))), "");
}

TEST(IrohTicket, NamesTheOlderForms) {
  for (const std::string older : {"node", "blob", "doc"}) {
    const auto ticket = parse_ticket_or_id(older + std::string(80, 'a'));
    ASSERT_FALSE(ticket);
    EXPECT_THAT(ticket.error().text, HasSubstr("iroh from before 1.0"));
  }
}

} // namespace
} // namespace kith::identity
