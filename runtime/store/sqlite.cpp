// SPDX-License-Identifier: GPL-3.0-or-later
#include "store/sqlite_impl.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace kith::store {

namespace {

std::string explain(int code, const std::string& path, const char* detail) {
  switch (code & 0xff) { // the primary code of an extended one
    case SQLITE_FULL: return "disk full: nothing of this was saved to " + path + "; make room and try again";
    case SQLITE_IOERR:
      return "disk full or failing: nothing of this was saved to " + path + " (" + ::sqlite3_errstr(code) +
             "); make room, check the disk and try again";
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT: return path + " is damaged (" + detail + "): put a backup in its place, or move it away to start with no peers";
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return path + " is in use by another program: close that and try again";
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM: return "cannot open " + path + " for writing (" + detail + "): check its owner and permissions";
    default: return path + ": " + detail;
  }
}

constexpr int busy_timeout_ms = 2000; ///< Somebody may look into the file with sqlite3.

} // namespace

Database::Database(const std::string& path, bool make) : path_(path) {
  if (path != ":memory:" && make) {
    // SQLite would make it readable for others where the umask allows.
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0) ::close(fd);
  }
  // One thread uses it, so SQLite needs no mutexes.
  const int code = ::sqlite3_open_v2(path.c_str(), &handle_, SQLITE_OPEN_READWRITE | (make ? SQLITE_OPEN_CREATE : 0) | SQLITE_OPEN_NOMUTEX, nullptr);
  if (code != SQLITE_OK) {
    const Failure failure{{Code::internal, explain(code, path, handle_ != nullptr ? ::sqlite3_errmsg(handle_) : ::sqlite3_errstr(code))}};
    ::sqlite3_close(handle_);
    throw failure;
  }
  ::sqlite3_extended_result_codes(handle_, 1);
  ::sqlite3_busy_timeout(handle_, busy_timeout_ms);
}

void Database::fail(int code) const { throw Failure{{Code::internal, explain(code, path_, ::sqlite3_errmsg(handle_))}}; }

void Database::run(const std::string& sql) {
  const int code = ::sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(code);
}

std::int64_t Database::number(const std::string& sql) {
  Statement statement(*this, sql);
  return statement.step() ? statement.integer(0) : 0;
}

Statement::Statement(Database& database, std::string_view sql) : database_(database) {
  check(::sqlite3_prepare_v2(database.handle(), sql.data(), static_cast<int>(sql.size()), &handle_, nullptr));
}

void Statement::check(int code) const {
  if (code != SQLITE_OK) database_.fail(code);
}

Statement& Statement::bind(std::int64_t value) {
  check(::sqlite3_bind_int64(handle_, ++bound_, value));
  return *this;
}

Statement& Statement::bind(std::string_view text) {
  check(::sqlite3_bind_text64(handle_, ++bound_, text.data() != nullptr ? text.data() : "", text.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
  return *this;
}

Statement& Statement::bind(ByteView bytes) {
  check(::sqlite3_bind_blob64(handle_, ++bound_, bytes.data(), bytes.size(), SQLITE_TRANSIENT));
  return *this;
}

bool Statement::step() {
  const int code = ::sqlite3_step(handle_);
  if (code != SQLITE_ROW && code != SQLITE_DONE) database_.fail(code);
  return code == SQLITE_ROW;
}

void Statement::reset() noexcept {
  ::sqlite3_reset(handle_);
  ::sqlite3_clear_bindings(handle_);
  bound_ = 0;
}

std::string_view Statement::text(int column) const noexcept {
  const auto bytes = this->bytes(column);
  return as_text(bytes);
}

ByteView Statement::bytes(int column) const noexcept {
  const void* data = ::sqlite3_column_blob(handle_, column);
  return {static_cast<const std::uint8_t*>(data), static_cast<std::size_t>(::sqlite3_column_bytes(handle_, column))};
}

Transaction::~Transaction() {
  // After some errors (a full disk) SQLite has rolled back by itself.
  if (::sqlite3_get_autocommit(database_.handle()) == 0) ::sqlite3_exec(database_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
}

} // namespace kith::store
