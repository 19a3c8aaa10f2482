// SPDX-License-Identifier: GPL-3.0-or-later
#include "store/store.hpp"

#include "store/sqlite_impl.hpp"

#include <algorithm>
#include <array>
#include <type_traits>
#include <utility>

namespace kith::store {

namespace {

constexpr std::uint64_t page_size = 4096;

[[noreturn]] void refuse(Code code, std::string text) { throw Failure{{code, std::move(text)}}; }

/// Runs a body that throws Failure, and gives its result or the error.
template <class Body> auto guarded(const Body& body) -> Result<decltype(body())> {
  try {
    if constexpr (std::is_void_v<decltype(body())>) {
      body();
      return {};
    } else {
      return body();
    }
  } catch (const Failure& failure) {
    return failure.error;
  }
}

PeerId read_id(const Statement& row, int column) {
  PeerId id;
  const ByteView bytes = row.bytes(column);
  if (bytes.size() == id.bytes.size()) std::copy(bytes.begin(), bytes.end(), id.bytes.begin());
  return id;
}

} // namespace

struct Store::Impl {
  Impl(const std::string& path, StoreSettings s) : settings(s), database(path) {}

  /// The number of a peer's row, or nothing.
  std::optional<std::int64_t> find_row(const PeerId& identity, const PeerId& id) {
    Statement find(database, "SELECT row FROM peers WHERE identity = ? AND id = ?");
    if (!find.bind(identity.view()).bind(id.view()).step()) return std::nullopt;
    return find.integer(0);
  }

  std::int64_t need_row(const PeerId& identity, const PeerId& id) {
    const auto row = find_row(identity, id);
    if (!row) refuse(Code::unknown_peer, "there is no peer " + id.text() + ": kith peer list shows those that are there");
    return *row;
  }

  void need_free_name(const PeerId& identity, std::string_view name, std::int64_t except) {
    Statement find(database, "SELECT id FROM peers WHERE identity = ? AND name = ? AND row <> ?");
    if (find.bind(identity.view()).bind(name).bind(except).step()) {
      refuse(Code::bad_request, "there is a peer called " + std::string(name) + " already (" + read_id(find, 0).text() + "): choose another name");
    }
  }

  void insert_addresses(std::int64_t row, std::span<const PeerAddress> addresses) {
    if (addresses.size() > max_peer_addresses) {
      refuse(Code::bad_request,
             std::to_string(addresses.size()) + " addresses for one peer, and " + std::to_string(max_peer_addresses) + " are allowed");
    }
    Statement insert(database, "INSERT INTO peer_addresses (peer, address, source, last_ok) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING");
    for (const auto& a : addresses) {
      insert.bind(row).bind(a.address.text()).bind(static_cast<std::int64_t>(a.source)).bind(a.last_ok).run();
    }
  }

  std::vector<PeerAddress> addresses_of(std::int64_t row) {
    std::vector<PeerAddress> found;
    Statement select(database, "SELECT address, source, last_ok FROM peer_addresses WHERE peer = ? ORDER BY last_ok DESC, source, rowid");
    select.bind(row);
    while (select.step()) {
      const auto address = parse_address(select.text(0));
      if (!address) continue; // written by hand: one address less to dial
      found.push_back({*address, static_cast<AddressSource>(select.integer(1)), select.integer(2)});
    }
    return found;
  }

  /// `where` follows the FROM clause; `bind` binds its parameters.
  template <class Bind> std::vector<PeerRow> select_peers(const std::string& where, const Bind& bind) {
    std::vector<PeerRow> found;
    Statement select(database, "SELECT row, identity, id, name, role, blocked, note, created, last_seen FROM peers " + where);
    bind(select);
    while (select.step()) {
      PeerRow peer;
      peer.identity = read_id(select, 1);
      peer.id = read_id(select, 2);
      peer.name = select.text(3);
      peer.role = static_cast<Role>(select.integer(4)); // the table's CHECK keeps it in range
      peer.blocked = select.integer(5) != 0;
      peer.note = select.text(6);
      peer.created = select.integer(7);
      peer.last_seen = select.integer(8);
      peer.addresses = addresses_of(select.integer(0));
      found.push_back(std::move(peer));
    }
    return found;
  }

  template <class Value> void update(const PeerId& identity, const PeerId& id, const char* column, Value value) {
    Statement set(database, "UPDATE peers SET " + std::string(column) + " = ? WHERE row = ?");
    const std::int64_t row = need_row(identity, id);
    set.bind(value).bind(row).run();
  }

  StoreSettings settings;
  Database database;
};

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Store::~Store() = default;

Result<std::unique_ptr<Store>> Store::open(const std::string& path, Log& log, StoreSettings settings) {
  return guarded([&] {
    auto impl = std::make_unique<Impl>(path, settings);
    Database& db = impl->database;
    // A commit is on the disk before its command is answered.
    db.run("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON");
    check_schema(db, path);
    migrate(db);
    db.number("PRAGMA max_page_count = " + std::to_string(std::max<std::uint64_t>(settings.max_state_bytes / page_size, 1)));
    log.debug("store", path + " is open");
    return std::unique_ptr<Store>(new Store(std::move(impl)));
  });
}

Result<void> Store::check(const std::string& path) {
  return guarded([&] {
    Database db(path, false);
    check_schema(db, path);
  });
}

Result<void> Store::add_peer(const PeerRow& peer) {
  return guarded([&] {
    Database& db = impl_->database;
    Transaction transaction(db);
    if (impl_->find_row(peer.identity, peer.id)) {
      const auto known =
          impl_->select_peers("WHERE identity = ? AND id = ?", [&](Statement& s) { s.bind(peer.identity.view()).bind(peer.id.view()); });
      refuse(Code::bad_request, "this peer is there already, as " + known.at(0).name);
    }
    impl_->need_free_name(peer.identity, peer.name, 0);
    Statement insert(db, "INSERT INTO peers (identity, id, name, role, blocked, note, created, last_seen) VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
    insert.bind(peer.identity.view())
        .bind(peer.id.view())
        .bind(peer.name)
        .bind(static_cast<std::int64_t>(peer.role))
        .bind(std::int64_t{peer.blocked});
    insert.bind(peer.note).bind(peer.created).bind(peer.last_seen).run();
    impl_->insert_addresses(::sqlite3_last_insert_rowid(db.handle()), peer.addresses);
    transaction.commit();
  });
}

Result<void> Store::rename_peer(const PeerId& identity, const PeerId& id, std::string_view name) {
  return guarded([&] {
    Transaction transaction(impl_->database);
    impl_->need_free_name(identity, name, impl_->need_row(identity, id));
    impl_->update(identity, id, "name", name);
    transaction.commit();
  });
}

Result<void> Store::set_role(const PeerId& identity, const PeerId& id, Role role) {
  return guarded([&] { impl_->update(identity, id, "role", static_cast<std::int64_t>(role)); });
}

Result<void> Store::set_blocked(const PeerId& identity, const PeerId& id, bool blocked) {
  return guarded([&] { impl_->update(identity, id, "blocked", std::int64_t{blocked}); });
}

Result<void> Store::set_note(const PeerId& identity, const PeerId& id, std::string_view note) {
  return guarded([&] { impl_->update(identity, id, "note", note); });
}

Result<void> Store::remove_peer(const PeerId& identity, const PeerId& id) {
  return guarded([&] { Statement(impl_->database, "DELETE FROM peers WHERE row = ?").bind(impl_->need_row(identity, id)).run(); });
}

Result<std::vector<PeerRow>> Store::list_peers() {
  return guarded([&] { return impl_->select_peers("ORDER BY identity, name", [](Statement&) {}); });
}

Result<std::vector<PeerRow>> Store::list_peers(const PeerId& identity) {
  return guarded([&] { return impl_->select_peers("WHERE identity = ? ORDER BY name", [&](Statement& s) { s.bind(identity.view()); }); });
}

Result<std::optional<PeerRow>> Store::find_peer(const PeerId& identity, const PeerId& id) {
  return guarded([&]() -> std::optional<PeerRow> {
    auto found = impl_->select_peers("WHERE identity = ? AND id = ?", [&](Statement& s) { s.bind(identity.view()).bind(id.view()); });
    if (found.empty()) return std::nullopt;
    return std::move(found.front());
  });
}

Result<std::optional<PeerRow>> Store::find_peer(const PeerId& identity, std::string_view name) {
  return guarded([&]() -> std::optional<PeerRow> {
    auto found = impl_->select_peers("WHERE identity = ? AND name = ?", [&](Statement& s) { s.bind(identity.view()).bind(name); });
    if (found.empty()) return std::nullopt;
    return std::move(found.front());
  });
}

Result<void> Store::remove_identity(const PeerId& identity) {
  return guarded([&] {
    Transaction transaction(impl_->database);
    Statement(impl_->database, "DELETE FROM peers WHERE identity = ?").bind(identity.view()).run();
    Statement(impl_->database, "DELETE FROM audit WHERE identity = ?").bind(identity.view()).run();
    transaction.commit();
  });
}

Result<void> Store::replace_addresses(const PeerId& identity, const PeerId& id, std::span<const PeerAddress> addresses) {
  return guarded([&] {
    Transaction transaction(impl_->database);
    const std::int64_t row = impl_->need_row(identity, id);
    Statement(impl_->database, "DELETE FROM peer_addresses WHERE peer = ?").bind(row).run();
    impl_->insert_addresses(row, addresses);
    transaction.commit();
  });
}

Result<void> Store::note_address_ok(const PeerId& identity, const PeerId& id, const Address& address, UnixSeconds now) {
  return guarded([&] {
    Database& db = impl_->database;
    Transaction transaction(db);
    const auto row = impl_->find_row(identity, id);
    if (!row) return;
    Statement(db, "UPDATE peers SET last_seen = max(last_seen, ?) WHERE row = ?").bind(now).bind(*row).run();
    Statement(db, "UPDATE peer_addresses SET last_ok = ? WHERE peer = ? AND address = ?").bind(now).bind(*row).bind(address.text()).run();
    if (db.changes() == 0) {
      Statement count(db, "SELECT count(*) FROM peer_addresses WHERE peer = ?");
      const bool full = count.bind(*row).step() && count.integer(0) >= static_cast<std::int64_t>(max_peer_addresses);
      constexpr auto learned = static_cast<std::int64_t>(AddressSource::learned);
      bool room = !full;
      if (full) {
        Statement forget(db, "DELETE FROM peer_addresses WHERE rowid = "
                             "(SELECT rowid FROM peer_addresses WHERE peer = ? AND source = ? ORDER BY last_ok LIMIT 1)");
        forget.bind(*row).bind(learned).run();
        room = db.changes() == 1;
      }
      if (room) impl_->insert_addresses(*row, std::array{PeerAddress{address, AddressSource::learned, now}});
    }
    transaction.commit();
  });
}

Result<void> Store::note_seen(const PeerId& identity, const PeerId& id, UnixSeconds now) {
  return guarded([&] {
    Statement(impl_->database, "UPDATE peers SET last_seen = max(last_seen, ?) WHERE identity = ? AND id = ?")
        .bind(now)
        .bind(identity.view())
        .bind(id.view())
        .run();
  });
}

Result<void> Store::append_audit(std::span<const AuditRow> rows) {
  return guarded([&] {
    Transaction transaction(impl_->database);
    Statement insert(impl_->database, "INSERT INTO audit (identity, peer, binding, minute, count, reason) VALUES (?, ?, ?, ?, ?, ?)");
    for (const auto& row : rows) {
      insert.bind(row.identity.view()).bind(row.peer.view()).bind(row.binding).bind(row.minute);
      insert.bind(static_cast<std::int64_t>(row.count)).bind(row.reason).run();
    }
    Statement(impl_->database, "DELETE FROM audit WHERE row <= (SELECT max(row) FROM audit) - ?")
        .bind(static_cast<std::int64_t>(impl_->settings.max_audit_rows))
        .run();
    transaction.commit();
  });
}

Result<std::vector<AuditRow>> Store::recent_audit(const PeerId& identity, std::size_t limit) {
  return guarded([&] {
    std::vector<AuditRow> found;
    Statement select(impl_->database, "SELECT peer, binding, minute, count, reason FROM audit WHERE identity = ? ORDER BY row DESC LIMIT ?");
    select.bind(identity.view()).bind(static_cast<std::int64_t>(limit));
    while (select.step()) {
      found.push_back({identity, read_id(select, 0), std::string(select.text(1)), select.integer(2), static_cast<std::uint64_t>(select.integer(3)),
                       std::string(select.text(4))});
    }
    return found;
  });
}

Result<std::optional<std::string>> Store::setting(std::string_view key) {
  return guarded([&]() -> std::optional<std::string> {
    Statement select(impl_->database, "SELECT value FROM settings WHERE key = ?");
    if (!select.bind(key).step()) return std::nullopt;
    return std::string(select.text(0));
  });
}

Result<void> Store::set_setting(std::string_view key, std::string_view value) {
  return guarded([&] {
    Statement(impl_->database, "INSERT INTO settings (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value")
        .bind(key)
        .bind(value)
        .run();
  });
}

} // namespace kith::store
