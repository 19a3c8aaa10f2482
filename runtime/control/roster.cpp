// SPDX-License-Identifier: GPL-3.0-or-later
#include "control/roster.hpp"

#include "base/name.hpp"

#include <algorithm>

namespace kith::control {
namespace {

std::string suggestion(std::string_view typed, const std::vector<std::string_view>& known) {
  const std::string_view near = nearest_name(typed, known);
  return near.empty() ? "" : "; did you mean \"" + std::string(near) + "\"?";
}

/// True for strangers and for members: a role may be too low, and a binding's lists may leave one out, or name him.
constexpr std::string_view rights_hint =
    "; its owner decides, by the peer's role (`kith peer role`, for a new one `kith peer add … --role`) and the `access` and `deny` of the binding";

constexpr std::size_t most_listed = 8;    ///< Identities in one text.
constexpr std::size_t shown_of_an_id = 4; ///< Beside a name: enough to tell which of two keys it was.

/// Failures of ours that concern the peer, whether or not their texts say so.
bool is_of_the_peer(Code code) {
  return code == Code::unreachable || code == Code::timeout || code == Code::connection_lost || code == Code::wrong_key;
}

std::string quoted(std::string_view name) {
  std::string out = "\"";
  for (const char c : name.substr(0, max_name_size)) out += c >= ' ' && c <= '~' ? std::string(1, c) : std::string("?");
  return out + "\"";
}

} // namespace

std::string KnownIdentity::problem_text() const {
  if (problems.empty()) return socket_error ? socket_error->text : "";
  return problems.front().text + (problems.size() > 1 ? " (and " + std::to_string(problems.size() - 1) + " more: kith config check)" : "");
}

Result<const KnownIdentity*> Roster::find_identity(std::string_view name) const {
  if (name.empty()) {
    if (identities_.size() == 1) return identities_.begin()->second.get();
    if (identities_.empty()) return Error{Code::unknown_identity, "there is no identity yet; make one: kith create-identity NAME"};
    std::string names;
    std::size_t shown = 0;
    for (auto each = identities_.begin(); each != identities_.end() && shown < most_listed; ++each, ++shown)
      names += (names.empty() ? "" : ", ") + each->first;
    if (identities_.size() > shown) names += " and " + std::to_string(identities_.size() - shown) + " more";
    return bad_request("there are several identities (" + names + "): say which one");
  }
  if (const auto found = identities_.find(name); found != identities_.end()) return found->second.get();
  if (looks_like_id(name)) {
    const auto id = parse_peer_id(name);
    if (!id) return id.error();
    for (const auto& [each, identity] : identities_) {
      if (identity->loaded && identity->id == *id) return identity.get();
    }
  }
  std::vector<std::string_view> known;
  for (const auto& [each, identity] : identities_) known.push_back(each);
  return Error{Code::unknown_identity, "there is no identity " + quoted(name) + suggestion(name, known) + " (kith list-identities)"};
}

Result<KnownIdentity*> Roster::find_identity(std::string_view name) {
  const auto found = std::as_const(*this).find_identity(name);
  if (!found) return found.error();
  return identities_.find((*found)->name)->second.get();
}

KnownIdentity* Roster::by_id(const PeerId& id) const {
  for (const auto& [name, identity] : identities_) {
    if (identity->loaded && identity->id == id) return identity.get();
  }
  return nullptr;
}

KnownIdentity& Roster::add(std::string name) {
  auto& slot = identities_[name];
  slot = std::make_unique<KnownIdentity>();
  slot->name = std::move(name);
  return *slot;
}

void Roster::remove(const std::string& name) { identities_.erase(name); }

void Roster::rename(const std::string& name, const std::string& to) {
  auto taken = identities_.extract(name);
  if (taken.empty()) return;
  taken.key() = to;
  taken.mapped()->name = to;
  identities_.insert(std::move(taken));
}

Result<PeerId> Roster::find_peer(const KnownIdentity& identity, std::string_view name) const {
  if (const auto found = identity.peer_ids.find(name); found != identity.peer_ids.end()) return found->second;
  if (looks_like_id(name)) return parse_peer_id(name);
  std::vector<std::string_view> known;
  for (const auto& [each, id] : identity.peer_ids) known.push_back(each);
  return Error{Code::unknown_peer, identity.name + " knows no peer " + quoted(name) + suggestion(name, known) + " (add one: kith peer add " +
                                       identity.name + " NAME TICKET)"};
}

Result<std::optional<PeerId>> Roster::free_name(std::string_view name) const {
  if (const auto own = identities_.find(name); own != identities_.end()) {
    const std::string problem = own->second->problem_text();
    return bad_request("there is an identity " + std::string(name) + " already" + (problem.empty() ? "" : "; " + problem));
  }
  std::optional<PeerId> id;
  for (const auto& [own_name, identity] : identities_) {
    const auto peer = identity->peer_ids.find(name);
    if (peer == identity->peer_ids.end()) continue;
    if (id && *id != peer->second) return bad_request(std::string(name) + " is the name of several peers here: choose another for the identity");
    id = peer->second;
  }
  return id;
}

void Roster::put_peer(KnownIdentity& identity, store::PeerRow row) {
  remove_peer(identity, row.id);
  identity.peer_ids[row.name] = row.id;
  identity.peers[row.id] = std::move(row);
}

void Roster::remove_peer(KnownIdentity& identity, const PeerId& id) {
  const auto found = identity.peers.find(id);
  if (found == identity.peers.end()) return;
  identity.peer_ids.erase(found->second.name);
  identity.peers.erase(found);
  identity.worked.erase(id);
}

Result<const KnownIdentity*> Roster::find_usable(std::string_view name) const {
  auto found = find_identity(name);
  if (found && !(*found)->loaded) return Error{Code::offline, (*found)->name + " can't be used: " + (*found)->problem_text()};
  return found;
}

Result<node::LocalRequest> Roster::resolve(const protocol::LocalRequest& wanted) const {
  const auto identity = find_usable(wanted.identity);
  if (!identity) return identity.error();
  node::LocalRequest local;
  local.identity = (*identity)->id;
  local.protocol = wanted.protocol;
  local.alias = wanted.alias;
  local.command = wanted.command;
  return local;
}

Result<node::OpenRequest> Roster::resolve(const protocol::Target& target) const {
  const auto from = find_usable(target.from);
  if (!from) return from.error();
  const auto peer = find_peer(**from, target.target);
  if (!peer) return peer.error();
  node::OpenRequest open;
  open.identity = (*from)->id;
  open.peer = *peer;
  open.protocol = target.protocol;
  open.alias = target.alias;
  open.command = target.command;
  return open;
}

Error Roster::explain(const PeerId& identity, const PeerId& peer, const StreamEnd& end) const {
  Error error = end.error;
  if (is_app_code(error.code)) return error;
  const std::string id = peer.text();
  std::string called = id;
  const KnownIdentity* own = by_id(identity);
  if (own != nullptr) {
    if (const auto row = own->peers.find(peer); row != own->peers.end()) called = row->second.name + " (" + id.substr(0, shown_of_an_id) + "…)";
  }
  if (const auto at = error.text.find(id); at != std::string::npos) {
    error.text.replace(at, id.size(), called);
    if (error.code == Code::denied) error.text += rights_hint; // only the peer says so of a dial
  } else if (end.remote && error.code == Code::denied && error.text.empty()) {
    error.text = called + ": denied: " + (own != nullptr ? own->name : "this identity") + " has no right to that there, if it is there at all" +
                 std::string(rights_hint);
  } else if (end.remote || is_of_the_peer(error.code)) {
    error.text = called + ": " + (error.text.empty() ? code_name(error.code) : error.text);
  }
  return error;
}

// --- words

std::string binding_key(std::string_view protocol, std::string_view alias) { return std::string(protocol) + "/" + std::string(alias); }

node::PeerSpec peer_spec(const store::PeerRow& row) {
  node::PeerSpec spec;
  spec.id = row.id;
  spec.name = row.name;
  spec.role = row.role;
  spec.blocked = row.blocked;
  for (const auto& each : row.addresses) spec.addresses.push_back(each.address);
  return spec;
}

} // namespace kith::control
