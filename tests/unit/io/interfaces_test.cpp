// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/interfaces.hpp"

#include <gtest/gtest.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cstring>
#include <string>

namespace kith::io {
namespace {

std::string message(std::uint16_t type, std::uint8_t flags = 0) {
  nlmsghdr header{};
  header.nlmsg_len = NLMSG_LENGTH(sizeof(ifaddrmsg));
  header.nlmsg_type = type;
  ifaddrmsg address{};
  address.ifa_flags = flags;
  std::string out(NLMSG_ALIGN(header.nlmsg_len), '\0');
  std::memcpy(out.data(), &header, sizeof header);
  std::memcpy(out.data() + NLMSG_HDRLEN, &address, sizeof address);
  return out;
}

const Address one = *parse_address("192.0.2.1:0");
const Address two = *parse_address("[2001:db8::2]:0");

TEST(AddressNews, ARepeatedAddressIsNone) {
  AddressNews news({one, two});
  EXPECT_TRUE(news.heard(message(RTM_NEWADDR)));
  EXPECT_FALSE(news.changed({two, one}));
}

TEST(AddressNews, AddressesThatComeAndGoAre) {
  AddressNews news({one});
  EXPECT_TRUE(news.heard(message(RTM_NEWLINK) + message(RTM_NEWADDR)));
  EXPECT_TRUE(news.changed({one, two}));
  EXPECT_TRUE(news.heard(message(RTM_DELADDR)));
  EXPECT_TRUE(news.changed({two}));
  EXPECT_FALSE(news.changed({two}));
}

TEST(AddressNews, ALinkIsWithTheAddressesThatGoWithIt) {
  AddressNews news({one, two});
  EXPECT_TRUE(news.heard(message(RTM_NEWLINK)));
  EXPECT_FALSE(news.changed({one, two})) << "it says much besides";
  EXPECT_TRUE(news.heard(message(RTM_NEWLINK)));
  EXPECT_TRUE(news.changed({two}));
  EXPECT_TRUE(news.heard(message(RTM_DELLINK)));
  EXPECT_TRUE(news.changed({}));
}

TEST(AddressNews, AnAddressThatIsNoLongerTentativeIs) {
  AddressNews news({one});
  news.heard(message(RTM_NEWADDR, IFA_F_TENTATIVE));
  EXPECT_TRUE(news.changed({one, two}));
  news.heard(message(RTM_NEWADDR));
  EXPECT_TRUE(news.changed({one, two}));
  news.heard(message(RTM_NEWADDR));
  EXPECT_FALSE(news.changed({one, two}));
}

TEST(AddressNews, ARouteIsWithAllAddressesInPlace) {
  const auto route = [](std::uint16_t type, std::uint8_t table, std::uint32_t flags = 0) {
    nlmsghdr header{};
    header.nlmsg_len = NLMSG_LENGTH(sizeof(rtmsg));
    header.nlmsg_type = type;
    rtmsg body{};
    body.rtm_table = table;
    body.rtm_flags = flags;
    std::string out(NLMSG_ALIGN(header.nlmsg_len), '\0');
    std::memcpy(out.data(), &header, sizeof header);
    std::memcpy(out.data() + NLMSG_HDRLEN, &body, sizeof body);
    return out;
  };
  AddressNews news({one});
  EXPECT_TRUE(news.heard(route(RTM_NEWROUTE, RT_TABLE_MAIN)));
  EXPECT_TRUE(news.changed({one}));
  EXPECT_FALSE(news.changed({one}));
  EXPECT_TRUE(news.heard(route(RTM_DELROUTE, RT_TABLE_COMPAT))) << "a VPN's own table";
  EXPECT_TRUE(news.changed({one}));
  EXPECT_FALSE(news.heard(route(RTM_NEWROUTE, RT_TABLE_LOCAL))) << "it comes with an address";
  EXPECT_FALSE(news.heard(route(RTM_NEWROUTE, RT_TABLE_MAIN, RTM_F_CLONED)));
  EXPECT_FALSE(news.changed({one}));
}

TEST(AddressNews, OtherAndBrokenMessagesArePassedOver) {
  AddressNews news({one});
  EXPECT_FALSE(news.heard({}));
  EXPECT_FALSE(news.heard(message(RTM_NEWNEIGH)));
  EXPECT_FALSE(news.heard(std::string(100, '\0')));
  const std::string whole = message(RTM_NEWADDR);
  for (std::size_t size = 0; size < sizeof(nlmsghdr); ++size) EXPECT_FALSE(news.heard(std::span(whole).first(size)));
  EXPECT_TRUE(news.heard(std::span(whole).first(sizeof(nlmsghdr))));
}

} // namespace
} // namespace kith::io
