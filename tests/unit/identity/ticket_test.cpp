// SPDX-License-Identifier: GPL-3.0-or-later
#include "identity/ticket.hpp"

#include "base/base32.hpp"
#include "base/varint.hpp"
#include "identity/derive.hpp"
#include "samples.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace kith::identity {
namespace {

using ::testing::HasSubstr;

Ticket full_ticket() {
  Ticket ticket;
  ticket.id = rfc8032_key().id();
  ticket.addresses = {*parse_address("192.0.2.1:4433"), *parse_address("[2001:db8::1]:4434")};
  ticket.relays = {"https://relay.example/"};
  ticket.name = "alice";
  ticket.not_after = 4102444800U;
  ticket.protocol = "Echo";
  ticket.alias = "default";
  ticket.invite = {1, 2, 3};
  return ticket;
}

/// A ticket around any body, with a right checksum.
std::string wrap(Bytes body) {
  const DerivedKey sum = hash(body);
  body.insert(body.end(), sum.begin(), sum.begin() + 4);
  return "kith:" + base32_encode(body, id52_alphabet);
}

Bytes item(std::uint64_t type, ByteView value) {
  Bytes out;
  append_varint(out, type);
  append_varint(out, value.size());
  out.insert(out.end(), value.begin(), value.end());
  return out;
}

/// Version 1, the id, then more items.
Bytes body_with(std::initializer_list<Bytes> items) {
  Bytes body{1};
  const PeerId id = rfc8032_key().id();
  const Bytes first = item(1, id.view());
  body.insert(body.end(), first.begin(), first.end());
  for (const Bytes& each : items) body.insert(body.end(), each.begin(), each.end());
  return body;
}

std::string refusal(const std::string& text) {
  const auto ticket = decode_ticket(text);
  return ticket ? "" : ticket.error().text;
}

TEST(Ticket, ReadsBackWhatItWrites) {
  const Ticket ticket = full_ticket();
  const auto text = encode_ticket(ticket);
  ASSERT_TRUE(text);
  const auto back = decode_ticket(*text);
  ASSERT_TRUE(back) << back.error().text;
  EXPECT_EQ(*back, ticket);
  std::string upper = *text;
  std::ranges::transform(upper, upper.begin(), [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  EXPECT_EQ(*decode_ticket(upper), ticket); // as QR codes carry it
}

TEST(Ticket, SignedOnesVerify) {
  const SecretKey key = rfc8032_key();
  Ticket ticket = full_ticket();
  const auto text = encode_ticket(ticket, &key);
  ASSERT_TRUE(text);
  const auto back = decode_ticket(*text);
  ASSERT_TRUE(back) << back.error().text;
  EXPECT_TRUE(back->is_signed);
  ticket.is_signed = true;
  EXPECT_EQ(*back, ticket);
  CountingRandom random;
  const SecretKey other = SecretKey::generate(random);
  EXPECT_FALSE(encode_ticket(ticket, &other));
}

TEST(Ticket, RefusesAWrongSignature) {
  Bytes body = body_with({});
  const Signature wrong{};
  const Bytes last = item(9, wrong);
  body.insert(body.end(), last.begin(), last.end());
  EXPECT_THAT(refusal(wrap(body)), HasSubstr("signature is not by the key"));
}

TEST(Ticket, RefusesWhatFollowsTheSignature) {
  Bytes body = body_with({});
  const Bytes last = item(9, sign(rfc8032_key(), Context::ticket, body));
  body.insert(body.end(), last.begin(), last.end());
  EXPECT_EQ(refusal(wrap(body)), "");
  const Bytes more = item(100, {});
  body.insert(body.end(), more.begin(), more.end());
  EXPECT_THAT(refusal(wrap(body)), HasSubstr("follows its signature"));
}

TEST(Ticket, FindsEveryWrongCharacter) {
  const std::string text = *encode_ticket(full_ticket());
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string changed = text;
    changed[i] = 'z';
    EXPECT_FALSE(decode_ticket(changed)) << i;
    if (i >= 5) {
      EXPECT_THAT(refusal(changed), HasSubstr("character " + std::to_string(i + 1) + " ('z')"));
    }
    changed[i] = text[i] == '7' ? '8' : '7';
    EXPECT_FALSE(decode_ticket(changed)) << i;
    if (i >= 5 && i + 1 < text.size()) {
      EXPECT_THAT(refusal(changed), HasSubstr("checksum does not match"));
    }
  }
}

TEST(Ticket, RefusesEveryCutText) {
  const std::string text = *encode_ticket(full_ticket());
  for (std::size_t size = 0; size < text.size(); ++size) EXPECT_FALSE(decode_ticket(text.substr(0, size))) << size;
  EXPECT_FALSE(decode_ticket(text + "0"));
  EXPECT_THAT(refusal("kith:" + std::string(5000, '0')), HasSubstr("4096"));
}

TEST(Ticket, SkipsUnknownItems) {
  const auto ticket = decode_ticket(wrap(body_with({item(10, Bytes(200, 1)), item(0, {}), item(12345, Bytes(1, 1)), item(5, as_bytes("bob"))})));
  ASSERT_TRUE(ticket) << ticket.error().text;
  EXPECT_EQ(ticket->name, "bob");
}

TEST(Ticket, RefusesAnotherVersionAsSuch) {
  Bytes body = body_with({});
  body[0] = 2;
  const auto ticket = decode_ticket(wrap(body));
  ASSERT_FALSE(ticket);
  EXPECT_EQ(ticket.error().code, Code::unsupported_version);
}

TEST(Ticket, RefusesBrokenItems) {
  EXPECT_THAT(refusal(wrap({1})), HasSubstr("no id"));
  EXPECT_THAT(refusal(wrap(body_with({item(1, Bytes(32, 0))}))), HasSubstr("item 1 comes twice"));
  EXPECT_THAT(refusal(wrap({1, 1, 2, 0, 0})), HasSubstr("item 1 has a wrong size"));
  EXPECT_THAT(refusal(wrap(body_with({item(2, Bytes(5, 1))}))), HasSubstr("item 2 has a wrong size"));
  EXPECT_THAT(refusal(wrap(body_with({item(3, Bytes(6, 1))}))), HasSubstr("item 3 has a wrong size"));
  EXPECT_THAT(refusal(wrap(body_with({item(4, {})}))), HasSubstr("relay URL"));
  EXPECT_THAT(refusal(wrap(body_with({item(5, {})}))), HasSubstr("item 5 has a wrong size"));
  EXPECT_THAT(refusal(wrap(body_with({item(5, as_bytes(std::string(65, 'x')))}))), HasSubstr("65 characters"));
  EXPECT_THAT(refusal(wrap(body_with({item(5, as_bytes(".."))}))), HasSubstr("position 1"));
  EXPECT_THAT(refusal(wrap(body_with({item(6, Bytes(3, 1))}))), HasSubstr("item 6 has a wrong size"));
  EXPECT_THAT(refusal(wrap(body_with({item(7, as_bytes("Echo"))}))), HasSubstr("PROTOCOL/ALIAS"));
  EXPECT_THAT(refusal(wrap(body_with({item(7, as_bytes("Echo/"))}))), HasSubstr("PROTOCOL/ALIAS"));
  EXPECT_THAT(refusal(wrap(body_with({item(7, as_bytes("E/a/b"))}))), HasSubstr("'/' at position 2"));
  EXPECT_THAT(refusal(wrap(body_with({item(8, Bytes(257, 1))}))), HasSubstr("256"));
  EXPECT_THAT(refusal(wrap(body_with({item(9, Bytes(63, 1))}))), HasSubstr("item 9 has a wrong size"));
  EXPECT_THAT(refusal(wrap(body_with({Bytes{2, 200}}))), HasSubstr("cut short"));
  EXPECT_THAT(refusal(wrap(body_with({Bytes{2}}))), HasSubstr("cut short"));
  Bytes zero_id{1, 1, 32};
  zero_id.resize(35);
  EXPECT_THAT(refusal(wrap(zero_id)), HasSubstr("not a public key"));
}

TEST(Ticket, RefusesAddressesThatNobodyCanDial) {
  for (const std::string text : {"0.0.0.0:1", "224.0.0.1:1", "255.255.255.255:1", "192.0.2.1:0", "[::]:1", "[ff02::1]:1", "[::ffff:192.0.2.1]:1"}) {
    Ticket ticket = full_ticket();
    ticket.addresses = {*parse_address(text)};
    EXPECT_FALSE(encode_ticket(ticket)) << text;
  }
  EXPECT_THAT(refusal(wrap(body_with({item(2, Bytes{224, 0, 0, 1, 0, 1})}))), HasSubstr("224.0.0.1:1 can't be dialed"));
  EXPECT_THAT(refusal(wrap(body_with({item(3, Bytes(18, 0))}))), HasSubstr("can't be dialed"));
}

TEST(Ticket, TakesSixteenAddressesAndNoMore) {
  Ticket ticket = full_ticket();
  ticket.addresses.assign(16, *parse_address("192.0.2.1:1"));
  EXPECT_TRUE(decode_ticket(*encode_ticket(ticket)));
  ticket.addresses.push_back(*parse_address("192.0.2.1:1"));
  EXPECT_FALSE(encode_ticket(ticket));
  Bytes body = body_with({});
  for (int i = 0; i < 17; ++i) {
    const Bytes one = item(2, Bytes{192, 0, 2, 1, 0, 1});
    body.insert(body.end(), one.begin(), one.end());
  }
  EXPECT_THAT(refusal(wrap(body)), HasSubstr("more than 16 addresses"));
}

TEST(Ticket, RunsOut) {
  Ticket ticket = full_ticket();
  EXPECT_TRUE(check_not_expired(ticket, 4102444800));
  EXPECT_FALSE(check_not_expired(ticket, 4102444801));
  ticket.not_after.reset();
  EXPECT_TRUE(check_not_expired(ticket, 9999999999));
}

TEST(Ticket, NoChangedOctetCrashes) {
  const Ticket ticket = full_ticket();
  const std::string text = *encode_ticket(ticket);
  const Bytes all = *base32_decode(std::string_view(text).substr(5), id52_alphabet, LetterCase::lower, "a ticket");
  const Bytes body(all.begin(), all.end() - 4);
  for (std::size_t i = 0; i < body.size(); ++i) {
    for (const int octet : {0, 1, 63, 64, 127, 128, 191, 192, 255}) {
      Bytes changed = body;
      changed[i] = static_cast<std::uint8_t>(octet);
      static_cast<void>(decode_ticket(wrap(changed)));
    }
    static_cast<void>(decode_ticket(wrap(Bytes(body.begin(), body.begin() + static_cast<std::ptrdiff_t>(i)))));
  }
}

TEST(ParseTicketOrId, TakesEither) {
  const Ticket ticket = full_ticket();
  EXPECT_EQ(*parse_ticket_or_id(" " + *encode_ticket(ticket) + "\n"), ticket);
  Ticket bare;
  bare.id = ticket.id;
  EXPECT_EQ(*parse_ticket_or_id(ticket.id.text() + "\r\n"), bare);
  EXPECT_FALSE(parse_ticket_or_id(""));
  EXPECT_FALSE(parse_ticket_or_id(" \n"));
  EXPECT_FALSE(parse_ticket_or_id("bob"));
  EXPECT_THAT(parse_ticket_or_id(PeerId{}.text()).error().text, HasSubstr("not a public key"));
  EXPECT_THAT(parse_ticket_or_id("kith:zz").error().text, HasSubstr("character 6 ('z')"));
}

} // namespace
} // namespace kith::identity
