// SPDX-License-Identifier: GPL-3.0-or-later
// What the daemon knows about peers, in SQLite (state.db): rows as plain structs, every change all or nothing.
//
// Used from the disk executor's thread alone; every function blocks. Errors that any of them may give: internal, with "disk full" in its text when
// that is why, and the file's name. After an error nothing of the call was saved.
#pragma once

#include "base/address.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/peer_id.hpp"
#include "base/role.hpp"
#include "base/time.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kith::store {

/// Per peer. A learned one beyond it takes the place of the learned one that worked longest ago.
inline constexpr std::size_t max_peer_addresses = 16;

struct StoreSettings {
  std::uint64_t max_state_bytes = std::uint64_t{1} << 30; ///< The file never grows above this; a change that would is refused as "disk full".
  std::size_t max_audit_rows = 100'000;                   ///< Kept; the oldest make room.
};

/// Where an address of a peer came from: learned ones may be forgotten, the others are the user's.
enum class AddressSource : std::uint8_t { ticket = 0, manual = 1, learned = 2 };

struct PeerAddress {
  Address address;
  AddressSource source = AddressSource::manual;
  UnixSeconds last_ok = 0; ///< When a connection to it last was authenticated; 0: never.
  friend bool operator==(const PeerAddress&, const PeerAddress&) = default;
};

struct PeerRow {
  PeerId identity; ///< Whose peer it is.
  PeerId id;
  std::string name; ///< By base's check_name; unique per identity.
  Role role = Role::member;
  bool blocked = false;
  std::string note;
  UnixSeconds created = 0;
  UnixSeconds last_seen = 0;          ///< 0: never.
  std::vector<PeerAddress> addresses; ///< Those that worked last come first.
  friend bool operator==(const PeerRow&, const PeerRow&) = default;
};

/// Refusals of one peer at one binding within one minute.
struct AuditRow {
  PeerId identity;
  PeerId peer;
  std::string binding;
  UnixSeconds minute = 0;
  std::uint64_t count = 0;
  std::string reason;
  friend bool operator==(const AuditRow&, const AuditRow&) = default;
};

class Store {
public:
  /// ":memory:" is a store that ends with the object. Errors: unsupported_version for a file that a newer kith wrote (naming both versions); internal
  /// for a file that is damaged, foreign or not ours to write.
  static Result<std::unique_ptr<Store>> open(const std::string& path, Log& log, StoreSettings settings = {});
  /// Whether open would take the file that is there; writes nothing, and may run beside an open store.
  static Result<void> check(const std::string& path);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // --- peers. Where a peer is named that is not there: unknown_peer.
  /// Errors: bad_request when the identity has a peer of that id or name, or for more than max_peer_addresses.
  Result<void> add_peer(const PeerRow& peer);
  Result<void> rename_peer(const PeerId& identity, const PeerId& id, std::string_view name); ///< bad_request when the name is taken.
  Result<void> set_role(const PeerId& identity, const PeerId& id, Role role);
  Result<void> set_blocked(const PeerId& identity, const PeerId& id, bool blocked);
  Result<void> set_note(const PeerId& identity, const PeerId& id, std::string_view note);
  Result<void> remove_peer(const PeerId& identity, const PeerId& id);
  Result<std::vector<PeerRow>> list_peers();                       ///< Of all identities, by identity and name.
  Result<std::vector<PeerRow>> list_peers(const PeerId& identity); ///< By name.
  Result<std::optional<PeerRow>> find_peer(const PeerId& identity, const PeerId& id);
  Result<std::optional<PeerRow>> find_peer(const PeerId& identity, std::string_view name);
  /// Forgets everything that belongs to an identity, its audit included. One that has nothing is fine.
  Result<void> remove_identity(const PeerId& identity);

  // --- address book
  Result<void> replace_addresses(const PeerId& identity, const PeerId& id, std::span<const PeerAddress> addresses); ///< bad_request for too many.
  /// A connection to `address` was authenticated: sets last_ok and last_seen, and learns the address if it is new. Nothing happens for strangers.
  Result<void> note_address_ok(const PeerId& identity, const PeerId& id, const Address& address, UnixSeconds now);
  Result<void> note_seen(const PeerId& identity, const PeerId& id, UnixSeconds now); ///< Nothing happens for strangers.

  // --- audit
  Result<void> append_audit(std::span<const AuditRow> rows);                             ///< All of them or none.
  Result<std::vector<AuditRow>> recent_audit(const PeerId& identity, std::size_t limit); ///< Newest first.

  // --- settings that the daemon makes for itself (the port it chose, …)
  Result<std::optional<std::string>> setting(std::string_view key);
  Result<void> set_setting(std::string_view key, std::string_view value);

private:
  struct Impl;
  explicit Store(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

} // namespace kith::store
