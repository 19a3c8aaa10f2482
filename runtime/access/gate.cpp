// SPDX-License-Identifier: GPL-3.0-or-later
#include "access/gate.hpp"

#include <algorithm>

namespace kith::access {
namespace {

Role own_role(const Subject& subject) { return subject.known ? subject.role : Role::public_; }

bool matches(const Entry& entry, const Subject& subject) {
  switch (entry.kind) {
    case Entry::Kind::role: return own_role(subject) >= entry.role;
    case Entry::Kind::group: return subject.known && std::ranges::find(subject.groups, entry.group) != subject.groups.end();
    case Entry::Kind::peer: return entry.peer == subject.peer;
  }
  return false;
}

} // namespace

Decision decide(const Policy& policy, const Subject& subject, Role least_role_of_command) {
  if (subject.blocked) return {false, Role::public_, "the peer is blocked"};
  for (const Entry& entry : policy.deny) {
    if (matches(entry, subject)) return {false, Role::public_, "denied by the entry '" + entry.text() + "'"};
  }
  Role role = own_role(subject);
  bool matched = false;
  for (const Entry& entry : policy.allow) {
    if (!matches(entry, subject)) continue;
    matched = true;
    if (entry.kind != Entry::Kind::role) role = std::max(role, entry.role);
  }
  if (!matched) {
    return {false, role,
            policy.allow.empty() ? "the binding's access list is empty"
                                 : "no access entry matches a peer with the role " + std::string(role_name(role))};
  }
  if (role < least_role_of_command) {
    return {false, role,
            "the command needs the role " + std::string(role_name(least_role_of_command)) + ", the peer has " + std::string(role_name(role))};
  }
  return {true, role, {}};
}

} // namespace kith::access
