// SPDX-License-Identifier: Apache-2.0
// The id of an identity or a peer: its 32-byte Ed25519 public key (RFC 8032), and the text forms that people exchange.
#pragma once

#include "base/bytes.hpp"
#include "base/error.hpp"

#include <array>
#include <compare>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace kith {

inline constexpr std::size_t id52_size = 52; ///< Characters of the printed form.

/// Any 32 octets; whether they are a point of the curve is `identity`'s to say (identity::check_point).
struct PeerId {
  std::array<std::uint8_t, 32> bytes{};

  /// id52: base32 with the alphabet 0-9a-v, lower case, unpadded.
  std::string text() const;
  ByteView view() const noexcept { return bytes; }
  friend auto operator<=>(const PeerId&, const PeerId&) = default;
};

/// Reads id52, 64 hex digits, RFC 4648 base32 and z-base-32 (the last of 52 characters tells the alphabet), in lower case; hex and RFC 4648 in
/// upper case too. Errors: bad_request, with the position (from 1) of the first character that does not belong, or the spare bits that are set.
Result<PeerId> parse_peer_id(std::string_view text);

/// Whether a text has the length and alphabet of an id in any form that parse_peer_id reads, valid or not. No name may look so.
bool looks_like_id(std::string_view text) noexcept;

/// The server name by which QUIC handshakes pick an identity: "<id52>.iroh.invalid".
std::string server_name(const PeerId& id);
/// The other way round; nothing for any other name.
std::optional<PeerId> parse_server_name(std::string_view name);

} // namespace kith

/// Public keys are uniform already: eight octets of one are a hash (a table that strangers can fill must not rely on it).
template <> struct std::hash<kith::PeerId> {
  std::size_t operator()(const kith::PeerId& id) const noexcept {
    std::size_t h = 0;
    std::memcpy(&h, id.bytes.data(), sizeof h);
    return h;
  }
};
