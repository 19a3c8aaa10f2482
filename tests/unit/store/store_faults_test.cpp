// SPDX-License-Identifier: GPL-3.0-or-later
// Files that are newer, damaged, foreign or full, and a daemon that was killed.
#include "store_support.hpp"

#include <sqlite3.h>
#include <sys/stat.h>

#include <fstream>

namespace kith::store {
namespace {

using namespace test;

Error open_error(const std::string& path) {
  SilentLog log;
  const auto store = Store::open(path, log);
  EXPECT_FALSE(store);
  return store ? Error{} : store.error();
}

void run_sql(const std::string& path, const char* sql) {
  sqlite3* db = nullptr;
  ASSERT_EQ(::sqlite3_open(path.c_str(), &db), SQLITE_OK);
  EXPECT_EQ(::sqlite3_exec(db, sql, nullptr, nullptr, nullptr), SQLITE_OK) << ::sqlite3_errmsg(db);
  ::sqlite3_close(db);
}

TEST(StoreFaults, WhatWasSavedIsThereAfterAReopenAndPrivate) {
  Folder folder;
  const std::string path = folder / "state.db";
  ASSERT_TRUE(open_store(path)->add_peer(peer_of(1, 2, "bob")));
  EXPECT_EQ(open_store(path)->list_peers().value(), std::vector{peer_of(1, 2, "bob")});
  struct stat info {};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
}

TEST(StoreFaults, ANewerSchemaIsRefusedWithBothVersionsAndLeftAsItWas) {
  Folder folder;
  const std::string path = folder / "state.db";
  ASSERT_TRUE(open_store(path)->add_peer(peer_of(1, 2, "bob")));
  run_sql(path, "PRAGMA user_version = 42");
  const Error error = open_error(path);
  EXPECT_EQ(error.code, Code::unsupported_version);
  EXPECT_NE(error.text.find("42"), std::string::npos) << error.text;
  EXPECT_NE(error.text.find("up to 1"), std::string::npos) << error.text;
  EXPECT_NE(error.text.find(path), std::string::npos);
  run_sql(path, "PRAGMA user_version = 1");
  EXPECT_EQ(open_store(path)->list_peers().value().size(), 1U);
}

TEST(StoreFaults, GarbageIsCalledDamaged) {
  Folder folder;
  const std::string path = folder / "state.db";
  std::ofstream(path) << std::string(8192, 'x');
  const Error error = open_error(path);
  EXPECT_EQ(error.code, Code::internal);
  EXPECT_NE(error.text.find("damaged"), std::string::npos) << error.text;
  EXPECT_NE(error.text.find(path), std::string::npos);
}

TEST(StoreFaults, APageThatWasOverwrittenIsCalledDamaged) {
  Folder folder;
  const std::string path = folder / "state.db";
  {
    const auto store = open_store(path);
    for (std::uint8_t n = 2; n < 200; ++n) ASSERT_TRUE(store->add_peer(peer_of(1, n, "peer" + std::to_string(n))));
  }
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(4096);
  file << std::string(3 * 4096, '\x7f');
  file.close();
  EXPECT_NE(open_error(path).text.find("damaged"), std::string::npos);
}

TEST(StoreFaults, ADatabaseOfAnotherProgramIsLeftAlone) {
  Folder folder;
  const std::string path = folder / "state.db";
  run_sql(path, "CREATE TABLE songs (title TEXT)");
  const Error error = open_error(path);
  EXPECT_EQ(error.code, Code::internal);
  EXPECT_NE(error.text.find("another program"), std::string::npos) << error.text;
}

TEST(StoreFaults, AFolderThatIsNotThereIsNamed) {
  Folder folder;
  const std::string path = folder / "missing/state.db";
  const Error error = open_error(path);
  EXPECT_EQ(error.code, Code::internal);
  EXPECT_NE(error.text.find(path), std::string::npos) << error.text;
}

TEST(StoreFaults, AFullDiskIsAnErrorAndNothingIsHalfDone) {
  Folder folder;
  const auto store = open_store(folder / "state.db", {.max_state_bytes = 32 * 4096});
  PeerRow last;
  Result<void> result;
  for (int n = 0; n < 5000 && result; ++n) {
    last = peer_of(1, 0, "peer" + std::to_string(n));
    last.id.bytes[0] = static_cast<std::uint8_t>(n & 0xff);
    last.id.bytes[1] = static_cast<std::uint8_t>(n >> 8);
    for (std::uint8_t a = 0; a < 16; ++a) last.addresses.push_back({make_v4({10, 0, 0, a}, 1), AddressSource::ticket, 0});
    result = store->add_peer(last);
  }
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::internal);
  EXPECT_NE(result.error().text.find("disk full"), std::string::npos) << result.error().text;
  EXPECT_EQ(store->find_peer(id_of(1), last.name).value(), std::nullopt);
  for (const auto& peer : store->list_peers().value()) EXPECT_EQ(peer.addresses.size(), 16U);

  std::vector<AuditRow> rows(1000, AuditRow{id_of(1), id_of(2), std::string(100, 'b'), 60, 1, "r"});
  EXPECT_NE(store->append_audit(rows).error().text.find("disk full"), std::string::npos);
  EXPECT_TRUE(store->recent_audit(id_of(1), 1).value().empty()) << "all of a batch or none";
  // With room again, it works again.
  const auto peers = store->list_peers().value();
  for (std::size_t i = 0; i < peers.size() / 2; ++i) ASSERT_TRUE(store->remove_peer(peers[i].identity, peers[i].id));
  EXPECT_TRUE(store->add_peer(last));
}

TEST(StoreFaults, AKilledDaemonLosesNothingThatWasAnswered) {
  Folder folder;
  const auto store = open_store(folder / "state.db");
  ASSERT_TRUE(store->add_peer(peer_of(1, 2, "bob")));
  ASSERT_TRUE(store->set_setting("port", "4433"));
  // What is on the disk at this moment is what a kill leaves: the file and its log, never closed.
  ASSERT_TRUE(std::filesystem::exists(folder / "state.db-wal"));
  std::filesystem::copy_file(folder / "state.db", folder / "copy.db");
  std::filesystem::copy_file(folder / "state.db-wal", folder / "copy.db-wal");
  const auto again = open_store(folder / "copy.db");
  EXPECT_EQ(again->list_peers().value(), std::vector{peer_of(1, 2, "bob")});
  EXPECT_EQ(again->setting("port").value(), "4433");
}

} // namespace
} // namespace kith::store
