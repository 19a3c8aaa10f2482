// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/interfaces.hpp"

#include "io/sockaddr.hpp"
#include "io/unique_fd.hpp"

#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace kith::io {

std::vector<Address> local_addresses() {
  std::vector<Address> found;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return found;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr || (entry->ifa_flags & IFF_UP) == 0) continue;
    const int family = entry->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    sockaddr_storage name{};
    std::memcpy(&name, entry->ifa_addr, family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
    Address address = from_sockaddr(name);
    if (address.scope != 0) continue; // link-local
    found.push_back(address);
  }
  ::freeifaddrs(list);
  return found;
}

AddressNews::AddressNews(std::vector<Address> now) : known_(std::move(now)) { std::ranges::sort(known_); }

bool AddressNews::heard(std::span<const char> messages) {
  bool about_addresses = false;
  while (messages.size() >= sizeof(nlmsghdr)) {
    nlmsghdr header{};
    std::memcpy(&header, messages.data(), sizeof header);
    if (header.nlmsg_len < sizeof header) break;
    if (header.nlmsg_type == RTM_NEWADDR || header.nlmsg_type == RTM_DELADDR) {
      about_addresses = true;
      ifaddrmsg address{};
      if (messages.size() >= NLMSG_LENGTH(sizeof address)) std::memcpy(&address, messages.data() + NLMSG_HDRLEN, sizeof address);
      heard_tentative_ = heard_tentative_ || (address.ifa_flags & IFA_F_TENTATIVE) != 0;
    }
    // With a link that goes down its addresses count no more, and of IPv4's nothing else is told.
    if (header.nlmsg_type == RTM_NEWLINK || header.nlmsg_type == RTM_DELLINK) about_addresses = true;
    if (header.nlmsg_type == RTM_NEWROUTE || header.nlmsg_type == RTM_DELROUTE) {
      rtmsg route{};
      if (messages.size() >= NLMSG_LENGTH(sizeof route)) std::memcpy(&route, messages.data() + NLMSG_HDRLEN, sizeof route);
      const bool of_an_address =
          route.rtm_table == RT_TABLE_LOCAL || (route.rtm_flags & RTM_F_CLONED) != 0; // comes along with it, or says nothing new
      heard_route_ = heard_route_ || !of_an_address;
      about_addresses = about_addresses || !of_an_address;
    }
    messages = messages.subspan(std::min<std::size_t>(NLMSG_ALIGN(header.nlmsg_len), messages.size()));
  }
  return about_addresses;
}

bool AddressNews::changed(std::vector<Address> now) {
  std::ranges::sort(now);
  const bool was_settling = std::exchange(settling_, std::exchange(heard_tentative_, false));
  const bool differs = now != known_;
  known_ = std::move(now);
  return std::exchange(heard_route_, false) || differs || was_settling;
}

struct AddressWatcher::State {
  State(UniqueFd netlink, std::function<void()> callback) : fd(std::move(netlink)), changed(std::move(callback)), news(local_addresses()) {}

  void readable() {
    if (read_all() && news.changed(local_addresses())) changed();
  }

  /// Reads what is there; true when any of it was about an address. After an overflow (ENOBUFS) anything may have changed.
  bool read_all() {
    bool about_addresses = false;
    for (;;) {
      const ssize_t got = ::recv(fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && errno == ENOBUFS) {
        about_addresses = true;
        continue;
      }
      if (got <= 0) return about_addresses;
      about_addresses = news.heard(std::span(buffer).first(static_cast<std::size_t>(got))) || about_addresses;
    }
  }

  UniqueFd fd;
  Watch watch;
  std::function<void()> changed;
  AddressNews news;
  std::array<char, 16 * 1024> buffer{};
};

AddressWatcher::AddressWatcher(std::unique_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<AddressWatcher>> AddressWatcher::open(Reactor& reactor, std::function<void()> changed) {
  UniqueFd fd{::socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE)};
  sockaddr_nl name{};
  name.nl_family = AF_NETLINK;
  name.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
  if (!fd || ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) {
    return Error{Code::internal, "cannot watch the addresses of this machine (netlink): " + error_text(errno)};
  }
  auto state = std::make_unique<State>(std::move(fd), std::move(changed));
  auto watch = reactor.watch(state->fd.get(), [raw = state.get()](Readiness) { raw->readable(); });
  if (!watch) return Error{Code::internal, "cannot watch the addresses of this machine (netlink): " + watch.error().text};
  state->watch = std::move(*watch);
  return std::unique_ptr<AddressWatcher>(new AddressWatcher(std::move(state)));
}

AddressWatcher::~AddressWatcher() = default;

} // namespace kith::io
