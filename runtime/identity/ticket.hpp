// SPDX-License-Identifier: GPL-3.0-or-later
// Tickets: one line that says who somebody is and where to reach them (docs/wire.md, "Tickets"). Plain functions, callable from any thread.
#pragma once

#include "base/address.hpp"
#include "base/time.hpp"
#include "identity/sign.hpp"

#include <optional>
#include <vector>

namespace kith::identity {

inline constexpr std::string_view ticket_prefix = "kith:";
inline constexpr std::size_t max_ticket_size = 4096; ///< Characters of a ticket's text.
inline constexpr std::size_t max_ticket_addresses = 16;
inline constexpr std::size_t max_ticket_relays = 4;
inline constexpr std::size_t max_relay_url_size = 256;     ///< Octets.
inline constexpr std::size_t max_ticket_invite_size = 256; ///< Octets.

struct Ticket {
  PeerId id;
  std::vector<Address> addresses;         ///< Dialable ones, without scopes; at most max_ticket_addresses.
  std::vector<std::string> relays;        ///< URLs, UTF-8 as they came; at most max_ticket_relays.
  std::string name;                       ///< What the peer calls itself; keeps check_name, or is empty.
  std::optional<std::uint32_t> not_after; ///< Seconds since 1970: the last moment at which it is good.
  std::string protocol;                   ///< What to call, with its alias; or empty both.
  std::string alias;
  Bytes invite;           ///< Empty: none.
  bool is_signed = false; ///< The id's key signed it. Set by decode, ignored by encode.
  friend bool operator==(const Ticket&, const Ticket&) = default;
};

/// The text of a ticket, in lower case; with `signer`, whose id must be the ticket's, it carries a signature. Errors: bad_request when the ticket breaks
/// one of the limits above, has an address that can't be dialed, or a name that check_name refuses.
Result<std::string> encode_ticket(const Ticket& ticket, const SecretKey* signer = nullptr);

/// Reads a `kith:` ticket in either case. Errors: bad_request with the position of a character that does not belong, "the checksum does not match", or
/// the item that is broken. Item types that this version does not know are skipped.
Result<Ticket> decode_ticket(std::string_view text);

/// Reads iroh's `endpoint…` ticket. Of more than max_ticket_addresses addresses the first are taken. Errors: bad_request.
Result<Ticket> decode_iroh_ticket(std::string_view text);

/// What `kith peer add` takes: a ticket of either kind, or an id in any of its forms (a ticket with nothing but that). Blanks around it are dropped; the id
/// is a point of the curve. Errors: bad_request; older iroh tickets are named as such.
Result<Ticket> parse_ticket_or_id(std::string_view text);

/// Errors: bad_request when the ticket has run out.
Result<void> check_not_expired(const Ticket& ticket, UnixSeconds now);

} // namespace kith::identity
