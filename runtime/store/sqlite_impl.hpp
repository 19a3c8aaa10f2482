// SPDX-License-Identifier: GPL-3.0-or-later
// SQLite's handles with owners. Failures are exceptions here, and end at Store's functions.
#pragma once

#include "base/bytes.hpp"
#include "base/error.hpp"

#include <sqlite3.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace kith::store {

/// What SQLite could not do. Never leaves the module.
struct Failure {
  Error error;
};

class Database {
public:
  /// Makes the file with mode 0600 where it does not exist; without `make` it must.
  explicit Database(const std::string& path, bool make = true);
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database() { ::sqlite3_close(handle_); }

  sqlite3* handle() const noexcept { return handle_; }
  void run(const std::string& sql);            ///< One or more statements without results.
  std::int64_t number(const std::string& sql); ///< The first column of the first row.
  std::int64_t changes() const noexcept { return ::sqlite3_changes64(handle_); }
  [[noreturn]] void fail(int code) const;

private:
  std::string path_;
  sqlite3* handle_ = nullptr;
};

/// A prepared statement. Parameters are bound in their order.
class Statement {
public:
  Statement(Database& database, std::string_view sql);
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  ~Statement() { ::sqlite3_finalize(handle_); }

  Statement& bind(std::int64_t value);
  Statement& bind(std::string_view text); ///< Copied.
  Statement& bind(ByteView bytes);        ///< Copied.
  bool step();                            ///< True: there is a row.
  void run() {
    while (step()) {}
    reset();
  }
  void reset() noexcept; ///< For another round with other parameters.

  std::int64_t integer(int column) const noexcept { return ::sqlite3_column_int64(handle_, column); }
  std::string_view text(int column) const noexcept; ///< Valid until the next step.
  ByteView bytes(int column) const noexcept;        ///< Valid until the next step.

private:
  void check(int code) const;

  Database& database_;
  sqlite3_stmt* handle_ = nullptr;
  int bound_ = 0;
};

/// All or nothing: rolled back unless commit() was reached.
class Transaction {
public:
  explicit Transaction(Database& database) : database_(database) { database.run("BEGIN IMMEDIATE"); }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction();
  void commit() { database_.run("COMMIT"); }

private:
  Database& database_;
};

/// Brings a new or older file to the schema of this version. Throws Failure: unsupported_version for a newer one, internal for a foreign file.
void check_schema(Database& database, const std::string& path); ///< Refuses what is damaged, not ours, or newer than we are.
void migrate(Database& database);                               ///< After check_schema.

} // namespace kith::store
