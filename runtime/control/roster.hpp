// SPDX-License-Identifier: GPL-3.0-or-later
// Who is who: identities and their peers by name and by id, as files and store have them. Network thread.
#pragma once

#include "config/identity_edits.hpp"
#include "home/home.hpp"
#include "node/node.hpp"
#include "protocol/envelope.hpp"
#include "store/store.hpp"

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace kith::control {

/// One identity of this home. Without `loaded` its files are bad, and `problems` say why.
struct KnownIdentity {
  std::string name;
  PeerId id;
  std::shared_ptr<const home::LoadedIdentity> loaded;
  bool adopted = false;                                       ///< Node has it.
  std::optional<Error> socket_error;                          ///< Why it is not online, though it is to be: a reload tries again.
  std::vector<Error> problems;                                ///< Of its files now; with `loaded`, the last good state runs on, whole.
  std::map<std::string, std::vector<Error>> binding_problems; ///< "Echo/default" → why node was not given it.
  config::PeerIds peer_ids;                                   ///< By name.
  std::unordered_map<PeerId, store::PeerRow> peers;
  struct Worked {
    Address address;
    TimePoint noted; ///< When it was last written.
  };
  std::unordered_map<PeerId, Worked> worked; ///< Of these: where they were last reached.

  /// Why its files can't be used, or it can't be online, in one line.
  std::string problem_text() const;
};

class Roster {
public:
  /// By name or id; empty: the only one. Errors: unknown_identity, bad_request when there are several. A failed one is found too.
  Result<KnownIdentity*> find_identity(std::string_view name_or_id);
  Result<const KnownIdentity*> find_identity(std::string_view name_or_id) const;
  KnownIdentity* by_id(const PeerId& id) const;
  const std::map<std::string, std::unique_ptr<KnownIdentity>, std::less<>>& identities() const noexcept { return identities_; }
  KnownIdentity& add(std::string name);
  void remove(const std::string& name);
  void rename(const std::string& name, const std::string& to);

  /// By the name that this identity has for it, or an id in any form. Errors: unknown_peer.
  Result<PeerId> find_peer(const KnownIdentity& identity, std::string_view name_or_id) const;
  void put_peer(KnownIdentity& identity, store::PeerRow row);
  void remove_peer(KnownIdentity& identity, const PeerId& id);

  /// Who calls whom. Errors: those above; offline for an identity whose files are bad.
  Result<node::OpenRequest> resolve(const protocol::Target& target) const;
  /// Whose binding is meant. Errors: unknown_identity, bad_request; offline for an identity whose files are bad.
  Result<node::LocalRequest> resolve(const protocol::LocalRequest& wanted) const;

  /// Why a stream from `identity` to `peer` failed, for the people of this daemon: the peer by the name that the identity has for it, and words where the peer
  /// sent a code alone. What a protocol said stays as it is.
  Error explain(const PeerId& identity, const PeerId& peer, const StreamEnd& end) const;

  /// Whether an identity here may have this name: no other has it, and a peer only who is that identity, so that a name means one of them. What it gives is the
  /// id that the identity must have; nullopt: any. Errors: bad_request, naming whoever has the name.
  Result<std::optional<PeerId>> free_name(std::string_view name) const;

private:
  Result<const KnownIdentity*> find_usable(std::string_view name_or_id) const;

  std::map<std::string, std::unique_ptr<KnownIdentity>, std::less<>> identities_;
};

// --- the words of files and store, as node takes them

node::PeerSpec peer_spec(const store::PeerRow& row);
std::string binding_key(std::string_view protocol, std::string_view alias);

} // namespace kith::control
