// SPDX-License-Identifier: Apache-2.0
// An IP address with a port: where a datagram comes from or goes to, or a synthetic label of a route (DESIGN: routes).
#pragma once

#include "base/bytes.hpp"
#include "base/error.hpp"

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace kith {

struct Address {
  enum class Family : std::uint8_t { none, v4, v6 };

  std::array<std::uint8_t, 16> ip{}; ///< IPv4 in the first four octets.
  std::uint16_t port = 0;            ///< Host order.
  Family family = Family::none;
  std::uint32_t scope = 0; ///< Interface of a link-local IPv6 address, else 0.

  /// "192.0.2.1:4433", "[2001:db8::1]:4433", "[fe80::1%3]:4433".
  std::string text() const;
  bool is_v4() const noexcept { return family == Family::v4; }
  bool is_v6() const noexcept { return family == Family::v6; }
  bool is_unspecified() const noexcept;
  bool is_loopback() const noexcept;
  /// Neither unspecified, multicast, broadcast nor an IPv4 address inside IPv6 (::ffff:0:0/96), with a port: something one can dial.
  bool is_dialable() const noexcept;
  ByteView ip_bytes() const noexcept { return {ip.data(), family == Family::v4 ? 4U : family == Family::v6 ? 16U : 0U}; }

  friend auto operator<=>(const Address&, const Address&) = default;
};

/// Numeric forms only, as text() prints them; nothing is looked up. Errors: bad_request.
Result<Address> parse_address(std::string_view text);

Address make_v4(std::array<std::uint8_t, 4> ip, std::uint16_t port) noexcept;
Address make_v6(const std::array<std::uint8_t, 16>& ip, std::uint16_t port, std::uint32_t scope = 0) noexcept;

} // namespace kith

template <> struct std::hash<kith::Address> { std::size_t operator()(const kith::Address& a) const noexcept; };
