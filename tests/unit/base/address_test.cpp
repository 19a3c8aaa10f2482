// SPDX-License-Identifier: Apache-2.0
#include "base/address.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kith {
namespace {

using ::testing::HasSubstr;

TEST(Address, ReadsBackWhatItPrints) {
  for (const std::string text :
       {"192.0.2.1:4433", "0.0.0.0:0", "255.255.255.255:65535", "[2001:db8::1]:4433", "[::]:0", "[fe80::1%3]:4433", "[::1]:1"}) {
    const auto address = parse_address(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->text(), text);
  }
  EXPECT_EQ(Address{}.text(), "none");
}

TEST(Address, BuildsTheSameByHand) {
  EXPECT_EQ(*parse_address("127.0.0.1:80"), make_v4({127, 0, 0, 1}, 80));
  EXPECT_EQ(*parse_address("[fe80::1%3]:80"), make_v6({0xFE, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 80, 3));
  EXPECT_EQ(make_v4({1, 2, 3, 4}, 1).ip_bytes().size(), 4U);
  EXPECT_EQ(make_v6({}, 1).ip_bytes().size(), 16U);
  EXPECT_EQ(Address{}.ip_bytes().size(), 0U);
}

TEST(Address, RefusesEverythingElse) {
  const std::string_view bad[] = {"",
                                  ":",
                                  "1.2.3.4",
                                  "1.2.3.4:",
                                  "1.2.3.4:65536",
                                  "1.2.3.4:-1",
                                  "1.2.3.4:+1",
                                  "1.2.3.4: 1",
                                  "1.2.3.4:1x",
                                  "1.2.3:1",
                                  "1.2.3.4.5:1",
                                  "01.2.3.4:1",
                                  "256.2.3.4:1",
                                  "host:1",
                                  "2001:db8::1:1",
                                  "[::1]",
                                  "[::1]1",
                                  "[::1:1",
                                  "[::1%]:1",
                                  "[::1%eth0]:1",
                                  "[1.2.3.4]:1",
                                  "[::1%5000000000]:1",
                                  "[]:1",
                                  std::string_view("1.2.3.4\0:1", 10)};
  for (const std::string_view text : bad) {
    const auto address = parse_address(text);
    ASSERT_FALSE(address) << text;
    EXPECT_EQ(address.error().code, Code::bad_request);
    EXPECT_THAT(address.error().text, HasSubstr("is not an address"));
  }
  EXPECT_FALSE(parse_address(std::string(100000, '1') + ":1"));
}

bool dialable(std::string_view text) { return parse_address(text)->is_dialable(); }

TEST(Address, KnowsWhatCanBeDialed) {
  EXPECT_TRUE(dialable("192.0.2.1:1"));
  EXPECT_TRUE(dialable("127.0.0.1:1"));
  EXPECT_TRUE(dialable("[fe80::1%3]:1"));
  EXPECT_FALSE(dialable("192.0.2.1:0"));
  EXPECT_FALSE(dialable("0.0.0.0:1"));
  EXPECT_FALSE(dialable("224.0.0.1:1"));
  EXPECT_FALSE(dialable("239.255.255.255:1"));
  EXPECT_FALSE(dialable("255.255.255.255:1"));
  EXPECT_FALSE(dialable("[::]:1"));
  EXPECT_FALSE(dialable("[ff02::1]:1"));
  EXPECT_FALSE(dialable("[::ffff:224.0.0.1]:1")); // IPv4 in disguise
  EXPECT_FALSE(Address{}.is_dialable());
}

TEST(Address, KnowsLoopback) {
  EXPECT_TRUE(parse_address("127.3.2.1:1")->is_loopback());
  EXPECT_TRUE(parse_address("[::1]:1")->is_loopback());
  EXPECT_FALSE(parse_address("[::2]:1")->is_loopback());
  EXPECT_FALSE(parse_address("128.0.0.1:1")->is_loopback());
}

TEST(Address, HashesByEveryPart) {
  const std::hash<Address> hash;
  const Address a = make_v4({1, 2, 3, 4}, 5);
  EXPECT_EQ(hash(a), hash(make_v4({1, 2, 3, 4}, 5)));
  EXPECT_NE(hash(a), hash(make_v4({1, 2, 3, 4}, 6)));
  EXPECT_NE(hash(a), hash(make_v4({1, 2, 3, 5}, 5)));
}

} // namespace
} // namespace kith
