// SPDX-License-Identifier: GPL-3.0-or-later
// One entry of an `access:` or `deny:` list (DESIGN section 8).
#pragma once

#include "base/error.hpp"
#include "base/peer_id.hpp"
#include "base/role.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace kith::access {

/// A least role, the members of a group, or one peer.
struct Entry {
  enum class Kind : std::uint8_t { role, group, peer };

  Kind kind = Kind::role;
  Role role = Role::owner; ///< Kind::role: the least role. Otherwise: what a match gives on this binding (member unless `as` said otherwise).
  std::string group;       ///< Kind::group.
  PeerId peer;             ///< Kind::peer.

  /// As YAML has it, without `as`: "member", "group:family", "peer:<id52>".
  std::string text() const;
  friend bool operator==(const Entry&, const Entry&) = default;
};

/// What an identity calls whom; nothing for a name that it does not know.
using PeerLookup = std::function<std::optional<PeerId>(std::string_view name)>;

/// Reads "public" to "owner", "group:NAME" and "peer:ID"; `as` is the role word beside a peer or group. "peer:NAME" is looked up where a lookup is
/// given (a name written by hand is resolved at load; the caller pins what came out). Errors: bad_request, naming the word and what would be right; a
/// word is never guessed.
Result<Entry> parse_entry(std::string_view text, std::optional<std::string_view> as = std::nullopt, const PeerLookup& lookup = {});

} // namespace kith::access
