// SPDX-License-Identifier: Apache-2.0
#include "base/address.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace kith {
namespace {

template <class T> std::optional<T> read_number(std::string_view digits) noexcept {
  T value{};
  const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || failed != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

Error not_an_address(std::string_view text, std::string_view why) {
  return bad_request("\"" + std::string(text.substr(0, 80)) + "\" is not an address: " + std::string(why) +
                     "; write 192.0.2.1:4433 or [2001:db8::1]:4433");
}

bool is_mapped_v4(const Address& a) noexcept {
  return a.is_v6() && std::all_of(a.ip.begin(), a.ip.begin() + 10, [](std::uint8_t o) { return o == 0; }) && a.ip[10] == 0xFF && a.ip[11] == 0xFF;
}

} // namespace

std::string Address::text() const {
  char buffer[INET6_ADDRSTRLEN] = {};
  if (is_v4()) {
    ::inet_ntop(AF_INET, ip.data(), buffer, sizeof buffer);
    return std::string(buffer) + ":" + std::to_string(port);
  }
  if (is_v6()) {
    ::inet_ntop(AF_INET6, ip.data(), buffer, sizeof buffer);
    return "[" + std::string(buffer) + (scope != 0 ? "%" + std::to_string(scope) : "") + "]:" + std::to_string(port);
  }
  return "none";
}

bool Address::is_unspecified() const noexcept {
  return std::all_of(ip.begin(), ip.end(), [](std::uint8_t octet) { return octet == 0; });
}

bool Address::is_loopback() const noexcept {
  if (is_v4()) return ip[0] == 127;
  return is_v6() && ip[15] == 1 && std::all_of(ip.begin(), ip.begin() + 15, [](std::uint8_t octet) { return octet == 0; });
}

bool Address::is_dialable() const noexcept {
  if (family == Family::none || port == 0 || is_unspecified()) return false;
  if (is_v4()) {
    const bool multicast = (ip[0] & 0xF0U) == 0xE0U; // RFC 5771: 224.0.0.0/4
    const bool broadcast = ip[0] == 255 && ip[1] == 255 && ip[2] == 255 && ip[3] == 255;
    return !multicast && !broadcast;
  }
  return ip[0] != 0xFF && !is_mapped_v4(*this); // RFC 4291 §2.7: ff00::/8
}

Result<Address> parse_address(std::string_view text) {
  const bool v6 = text.starts_with('[');
  const std::size_t host_end = v6 ? text.find(']') : text.rfind(':');
  if (host_end == std::string_view::npos) return not_an_address(text, v6 ? "the bracket is not closed" : "it has no port");
  std::string_view host = text.substr(0, host_end);
  std::string_view rest = text.substr(host_end);
  if (v6) {
    host.remove_prefix(1);
    rest.remove_prefix(1);
  }
  if (!rest.starts_with(':')) return not_an_address(text, "it has no port");
  const auto port = read_number<std::uint16_t>(rest.substr(1));
  if (!port) return not_an_address(text, "the port is not a number from 0 to 65535");

  std::uint32_t scope = 0;
  if (const std::size_t percent = host.find('%'); v6 && percent != std::string_view::npos) {
    const auto number = read_number<std::uint32_t>(host.substr(percent + 1));
    if (!number) return not_an_address(text, "the scope after % is not an interface number");
    scope = *number;
    host = host.substr(0, percent);
  }
  char buffer[INET6_ADDRSTRLEN] = {};
  if (host.size() >= sizeof buffer) return not_an_address(text, "the IP address is too long");
  std::memcpy(buffer, host.data(), host.size());
  if (std::strlen(buffer) != host.size()) return not_an_address(text, "it has a zero octet");
  Address address{.ip = {}, .port = *port, .family = v6 ? Address::Family::v6 : Address::Family::v4, .scope = scope};
  if (::inet_pton(v6 ? AF_INET6 : AF_INET, buffer, address.ip.data()) != 1) {
    return not_an_address(text, v6 ? "no IPv6 address stands in the brackets" : "no IPv4 address stands before the port");
  }
  return address;
}

Address make_v4(std::array<std::uint8_t, 4> ip, std::uint16_t port) noexcept {
  Address address{.ip = {}, .port = port, .family = Address::Family::v4, .scope = 0};
  std::copy(ip.begin(), ip.end(), address.ip.begin());
  return address;
}

Address make_v6(const std::array<std::uint8_t, 16>& ip, std::uint16_t port, std::uint32_t scope) noexcept {
  return {.ip = ip, .port = port, .family = Address::Family::v6, .scope = scope};
}

} // namespace kith

std::size_t std::hash<kith::Address>::operator()(const kith::Address& a) const noexcept {
  const std::string_view ip(reinterpret_cast<const char*>(a.ip.data()), a.ip.size());
  const std::size_t rest = (std::size_t{a.scope} << 24) ^ (std::size_t{a.port} << 8) ^ static_cast<std::size_t>(a.family);
  return std::hash<std::string_view>{}(ip) ^ (rest * 0x9E3779B97F4A7C15U);
}
