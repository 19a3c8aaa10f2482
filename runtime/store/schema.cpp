// SPDX-License-Identifier: GPL-3.0-or-later
// The tables of state.db, as the steps that lead to them. A step is never changed once it was released; a new one is added at the end.
#include "store/sqlite_impl.hpp"

#include <array>

namespace kith::store {

namespace {

constexpr std::int64_t application_id = 0x6b697468; // "kith", in the file's header

constexpr std::array<const char*, 1> steps{
    R"sql(
CREATE TABLE peers (
  row       INTEGER PRIMARY KEY,
  identity  BLOB NOT NULL CHECK (length(identity) = 32),
  id        BLOB NOT NULL CHECK (length(id) = 32),
  name      TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 64),
  role      INTEGER NOT NULL CHECK (role BETWEEN 0 AND 4),
  blocked   INTEGER NOT NULL DEFAULT 0,
  note      TEXT NOT NULL DEFAULT '',
  created   INTEGER NOT NULL,
  last_seen INTEGER NOT NULL DEFAULT 0,
  UNIQUE (identity, name),
  UNIQUE (identity, id)
);
CREATE TABLE peer_addresses (
  peer    INTEGER NOT NULL REFERENCES peers (row) ON DELETE CASCADE,
  address TEXT NOT NULL,
  source  INTEGER NOT NULL,
  last_ok INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (peer, address)
);
CREATE TABLE audit (
  row      INTEGER PRIMARY KEY,
  identity BLOB NOT NULL,
  peer     BLOB NOT NULL,
  binding  TEXT NOT NULL,
  minute   INTEGER NOT NULL,
  count    INTEGER NOT NULL,
  reason   TEXT NOT NULL
);
CREATE INDEX audit_by_identity ON audit (identity, row);
CREATE TABLE settings (
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;
)sql",
};

} // namespace

void check_schema(Database& database, const std::string& path) {
  {
    Statement check(database, "PRAGMA quick_check(1)");
    if (check.step() && check.text(0) != "ok") {
      throw Failure{{Code::internal,
                     path + " is damaged (" + std::string(check.text(0)) + "): put a backup in its place, or move it away to start with no peers"}};
    }
  }
  const std::int64_t version = database.number("PRAGMA user_version");
  const std::int64_t known = steps.size();
  if (version > known) {
    throw Failure{{Code::unsupported_version, path + " has schema version " + std::to_string(version) + ", and this kithd knows versions up to " +
                                                  std::to_string(known) + ": a newer kith wrote it; run that one, or move the file away"}};
  }
  const std::int64_t owner = database.number("PRAGMA application_id");
  const bool empty = database.number("SELECT count(*) FROM sqlite_schema") == 0;
  if (owner != application_id && !(empty && version == 0)) {
    throw Failure{{Code::internal, path + " is a database of another program: move it away"}};
  }
}

void migrate(Database& database) {
  const std::int64_t version = database.number("PRAGMA user_version");
  const std::int64_t known = steps.size();
  if (version == known) return;
  Transaction transaction(database);
  for (auto step = static_cast<std::size_t>(version); step < steps.size(); ++step) database.run(steps[step]);
  database.run("PRAGMA application_id = " + std::to_string(application_id));
  database.run("PRAGMA user_version = " + std::to_string(known));
  transaction.commit();
}

} // namespace kith::store
