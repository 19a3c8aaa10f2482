// SPDX-License-Identifier: GPL-3.0-or-later
#include "access/entry.hpp"

#include "base/name.hpp"
#include "base/utf8.hpp"

namespace kith::access {
namespace {

constexpr std::string_view group_prefix = "group:";
constexpr std::string_view peer_prefix = "peer:";
constexpr std::string_view roles_text = "public, viewer, member, admin or owner";

Result<Role> role_of_match(std::string_view entry, std::optional<std::string_view> as) {
  if (!as) return Role::member;
  const auto role = parse_role(*as);
  if (!role) return bad_request(in_quotes(*as) + " beside " + in_quotes(entry) + " is not a role: use " + std::string(roles_text));
  return *role;
}

Result<PeerId> find_peer(std::string_view word, std::string_view entry, const PeerLookup& lookup) {
  if (looks_like_id(word)) return parse_peer_id(word);
  if (const auto name = check_name(word, "peer name"); !name) return bad_request("access entry " + in_quotes(entry) + ": " + name.error().text);
  if (lookup) {
    if (const auto id = lookup(word)) return *id;
  }
  return bad_request("access entry " + in_quotes(entry) + ": no peer is called " + in_quotes(word) +
                     "; write its id, or add it with 'kith peer add'");
}

} // namespace

std::string Entry::text() const {
  switch (kind) {
    case Kind::role: return std::string(role_name(role));
    case Kind::group: return std::string(group_prefix) + group;
    case Kind::peer: return std::string(peer_prefix) + peer.text();
  }
  return {};
}

Result<Entry> parse_entry(std::string_view text, std::optional<std::string_view> as, const PeerLookup& lookup) {
  Entry entry;
  if (const auto role = parse_role(text)) {
    if (as) return bad_request("'as:' goes with a peer or a group; " + in_quotes(text) + " is a role already");
    entry.role = *role;
    return entry;
  }
  const auto given = role_of_match(text, as);
  if (text.starts_with(group_prefix)) {
    if (!given) return given.error();
    const auto name = text.substr(group_prefix.size());
    if (const auto ok = check_name(name, "group name"); !ok) return bad_request("access entry " + in_quotes(text) + ": " + ok.error().text);
    entry.kind = Entry::Kind::group;
    entry.role = *given;
    entry.group = name;
    return entry;
  }
  if (text.starts_with(peer_prefix)) {
    if (!given) return given.error();
    const auto id = find_peer(text.substr(peer_prefix.size()), text, lookup);
    if (!id) return id.error();
    entry.kind = Entry::Kind::peer;
    entry.role = *given;
    entry.peer = *id;
    return entry;
  }
  return bad_request("access entry " + in_quotes(text) + " is not known: use " + std::string(roles_text) + ", group:NAME, peer:NAME or peer:ID");
}

} // namespace kith::access
