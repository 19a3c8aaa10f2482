// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/sockaddr.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstring>
#include <system_error>

namespace kith::io {

socklen_t to_sockaddr(const Address& address, sockaddr_storage& out) noexcept {
  if (address.is_v4()) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(address.port);
    std::memcpy(&v4.sin_addr, address.ip.data(), sizeof v4.sin_addr);
    std::memcpy(&out, &v4, sizeof v4);
    return sizeof v4;
  }
  if (address.is_v6()) {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(address.port);
    std::memcpy(&v6.sin6_addr, address.ip.data(), sizeof v6.sin6_addr);
    v6.sin6_scope_id = address.scope;
    std::memcpy(&out, &v6, sizeof v6);
    return sizeof v6;
  }
  return 0;
}

Address from_sockaddr(const sockaddr_storage& in) noexcept {
  Address address;
  if (in.ss_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &in, sizeof v4);
    address.family = Address::Family::v4;
    address.port = ntohs(v4.sin_port);
    std::memcpy(address.ip.data(), &v4.sin_addr, sizeof v4.sin_addr);
  } else if (in.ss_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &in, sizeof v6);
    address.family = Address::Family::v6;
    address.port = ntohs(v6.sin6_port);
    std::memcpy(address.ip.data(), &v6.sin6_addr, sizeof v6.sin6_addr);
    if (IN6_IS_ADDR_LINKLOCAL(&v6.sin6_addr)) address.scope = v6.sin6_scope_id;
  }
  return address;
}

std::string error_text(int error) { return std::system_category().message(error); }

} // namespace kith::io
