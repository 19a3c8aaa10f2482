// SPDX-License-Identifier: GPL-3.0-or-later
// The Gate: the one place that decides who may do what, before any plugin code runs (DESIGN section 8).
#pragma once

#include "access/entry.hpp"

#include <string>
#include <vector>

namespace kith::access {

/// Who may use a binding. No allow entry is nobody; a deny entry that matches wins over everything.
struct Policy {
  std::vector<Entry> allow;
  std::vector<Entry> deny;
  friend bool operator==(const Policy&, const Policy&) = default;
};

/// What the identity knows about a peer at this moment.
struct Subject {
  PeerId peer;
  Role role = Role::public_; ///< The role on the identity; public for a stranger.
  bool known = false;        ///< In the identity's list of peers. Of a stranger neither role nor groups count.
  bool blocked = false;
  std::vector<std::string> groups; ///< Groups of this identity that the peer is in.
};

struct Decision {
  bool allow = false;
  Role role = Role::public_; ///< On this binding: the highest that the peer has or that a matching entry gives. Means nothing after a refusal.
  std::string reason;        ///< Of a refusal, for the owner's log; the peer never sees it.
};

/// Allow = not blocked, no deny entry matches, some allow entry matches, and the role on this binding is at least the command's.
Decision decide(const Policy& policy, const Subject& subject, Role least_role_of_command);

} // namespace kith::access
