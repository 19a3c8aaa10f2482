// SPDX-License-Identifier: GPL-3.0-or-later
#include "store_support.hpp"

namespace kith::store {
namespace {

using namespace test;

const Address first = make_v4({192, 0, 2, 1}, 4433);
const Address second = make_v6({0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 4433);

class StoreTest : public ::testing::Test {
protected:
  std::unique_ptr<Store> store = open_store(":memory:");
};

TEST_F(StoreTest, APeerComesBackAsItWasAdded) {
  PeerRow bob = peer_of(1, 2, "bob");
  bob.role = Role::admin;
  bob.blocked = true;
  bob.note = "met at the harbour";
  bob.last_seen = 77;
  bob.addresses = {{first, AddressSource::ticket, 9}, {second, AddressSource::manual, 0}};
  ASSERT_TRUE(store->add_peer(bob));
  EXPECT_EQ(store->find_peer(id_of(1), id_of(2)).value(), bob);
  EXPECT_EQ(store->find_peer(id_of(1), "bob").value(), bob);
  EXPECT_EQ(store->list_peers(id_of(1)).value(), std::vector{bob});
  EXPECT_EQ(store->find_peer(id_of(9), id_of(2)).value(), std::nullopt) << "another identity's peers are its own";
  EXPECT_EQ(store->find_peer(id_of(1), "Bob").value(), std::nullopt);
}

TEST_F(StoreTest, NamesAndIdsAreUniquePerIdentity) {
  ASSERT_TRUE(store->add_peer(peer_of(1, 2, "bob")));
  const auto same_name = store->add_peer(peer_of(1, 3, "bob"));
  ASSERT_FALSE(same_name);
  EXPECT_EQ(same_name.error().code, Code::bad_request);
  EXPECT_NE(same_name.error().text.find(id_of(2).text()), std::string::npos) << same_name.error().text;
  const auto same_id = store->add_peer(peer_of(1, 2, "robert"));
  ASSERT_FALSE(same_id);
  EXPECT_EQ(same_id.error().code, Code::bad_request);
  EXPECT_NE(same_id.error().text.find("bob"), std::string::npos);
  EXPECT_TRUE(store->add_peer(peer_of(5, 2, "bob"))) << "another identity has names of its own";
  EXPECT_EQ(store->list_peers().value().size(), 2U);
}

TEST_F(StoreTest, ChangesOfOnePeerLeaveTheOthersAlone) {
  ASSERT_TRUE(store->add_peer(peer_of(1, 2, "bob")));
  ASSERT_TRUE(store->add_peer(peer_of(1, 3, "carol")));
  EXPECT_TRUE(store->rename_peer(id_of(1), id_of(2), "robert"));
  EXPECT_TRUE(store->rename_peer(id_of(1), id_of(2), "robert")) << "its own name is free for it";
  EXPECT_TRUE(store->set_role(id_of(1), id_of(2), Role::owner));
  EXPECT_TRUE(store->set_blocked(id_of(1), id_of(2), true));
  EXPECT_TRUE(store->set_note(id_of(1), id_of(2), "n"));
  PeerRow expected = peer_of(1, 2, "robert");
  expected.role = Role::owner;
  expected.blocked = true;
  expected.note = "n";
  EXPECT_EQ(store->find_peer(id_of(1), id_of(2)).value(), expected);
  EXPECT_EQ(store->find_peer(id_of(1), id_of(3)).value(), peer_of(1, 3, "carol"));
  EXPECT_EQ(store->rename_peer(id_of(1), id_of(3), "robert").error().code, Code::bad_request);
  EXPECT_TRUE(store->remove_peer(id_of(1), id_of(2)));
  EXPECT_EQ(store->list_peers(id_of(1)).value(), std::vector{peer_of(1, 3, "carol")});
}

TEST_F(StoreTest, WhoIsNotThereIsUnknown) {
  const PeerId a = id_of(1);
  const PeerId b = id_of(2);
  EXPECT_EQ(store->rename_peer(a, b, "x").error().code, Code::unknown_peer);
  EXPECT_EQ(store->set_role(a, b, Role::owner).error().code, Code::unknown_peer);
  EXPECT_EQ(store->set_blocked(a, b, true).error().code, Code::unknown_peer);
  EXPECT_EQ(store->set_note(a, b, "x").error().code, Code::unknown_peer);
  EXPECT_EQ(store->remove_peer(a, b).error().code, Code::unknown_peer);
  EXPECT_EQ(store->replace_addresses(a, b, {}).error().code, Code::unknown_peer);
  EXPECT_TRUE(store->note_address_ok(a, b, first, 5));
  EXPECT_TRUE(store->note_seen(a, b, 5));
  EXPECT_TRUE(store->list_peers().value().empty());
}

TEST_F(StoreTest, RemovingAnIdentityLeavesNothingForALaterOne) {
  PeerRow bob = peer_of(1, 2, "bob");
  bob.addresses = {{first, AddressSource::ticket, 0}};
  ASSERT_TRUE(store->add_peer(bob));
  ASSERT_TRUE(store->add_peer(peer_of(5, 2, "bob")));
  ASSERT_TRUE(store->append_audit(std::array{AuditRow{id_of(1), id_of(9), "a", 60, 1, "r"}, AuditRow{id_of(5), id_of(9), "a", 60, 1, "r"}}));
  ASSERT_TRUE(store->remove_identity(id_of(1)));
  EXPECT_TRUE(store->remove_identity(id_of(1)));
  EXPECT_TRUE(store->list_peers(id_of(1)).value().empty());
  EXPECT_TRUE(store->recent_audit(id_of(1), 10).value().empty());
  EXPECT_EQ(store->list_peers(id_of(5)).value().size(), 1U);
  EXPECT_EQ(store->recent_audit(id_of(5), 10).value().size(), 1U);
  ASSERT_TRUE(store->add_peer(peer_of(1, 2, "bob")));
  EXPECT_TRUE(store->find_peer(id_of(1), "bob").value()->addresses.empty()) << "addresses went with their peer";
}

TEST_F(StoreTest, AddressesAreReplacedLearnedAndOrderedByTheirLastSuccess) {
  PeerRow bob = peer_of(1, 2, "bob");
  bob.addresses = {{first, AddressSource::ticket, 0}};
  ASSERT_TRUE(store->add_peer(bob));
  ASSERT_TRUE(store->note_address_ok(id_of(1), id_of(2), second, 50));
  auto now = store->find_peer(id_of(1), id_of(2)).value().value();
  EXPECT_EQ(now.last_seen, 50);
  EXPECT_EQ(now.addresses, (std::vector<PeerAddress>{{second, AddressSource::learned, 50}, {first, AddressSource::ticket, 0}}));
  ASSERT_TRUE(store->note_address_ok(id_of(1), id_of(2), first, 60));
  now = store->find_peer(id_of(1), id_of(2)).value().value();
  EXPECT_EQ(now.addresses, (std::vector<PeerAddress>{{first, AddressSource::ticket, 60}, {second, AddressSource::learned, 50}}))
      << "known: its source stays";
  ASSERT_TRUE(store->note_seen(id_of(1), id_of(2), 10));
  EXPECT_EQ(store->find_peer(id_of(1), id_of(2)).value()->last_seen, 60) << "never goes back";
  const std::vector<PeerAddress> replaced{{second, AddressSource::manual, 0}};
  ASSERT_TRUE(store->replace_addresses(id_of(1), id_of(2), replaced));
  EXPECT_EQ(store->find_peer(id_of(1), id_of(2)).value()->addresses, replaced);
}

TEST_F(StoreTest, AFullAddressBookForgetsTheOldestLearnedAndNothingElse) {
  PeerRow bob = peer_of(1, 2, "bob");
  bob.addresses = {{first, AddressSource::manual, 0}};
  ASSERT_TRUE(store->add_peer(bob));
  const auto learned = [](std::size_t n) { return make_v4({198, 51, 100, static_cast<std::uint8_t>(n)}, 1); };
  for (std::size_t n = 1; n <= max_peer_addresses + 3; ++n) {
    ASSERT_TRUE(store->note_address_ok(id_of(1), id_of(2), learned(n), static_cast<UnixSeconds>(n)));
  }
  const auto addresses = store->find_peer(id_of(1), id_of(2)).value()->addresses;
  ASSERT_EQ(addresses.size(), max_peer_addresses);
  EXPECT_EQ(addresses.front().address, learned(max_peer_addresses + 3));
  EXPECT_EQ(addresses.back().address, first);

  std::vector<PeerAddress> many;
  for (std::size_t n = 0; n < max_peer_addresses; ++n) many.push_back({learned(n), AddressSource::manual, 0});
  ASSERT_TRUE(store->replace_addresses(id_of(1), id_of(2), many));
  ASSERT_TRUE(store->note_address_ok(id_of(1), id_of(2), first, 99)) << "no room among the user's own: not learned";
  EXPECT_EQ(store->find_peer(id_of(1), id_of(2)).value()->addresses.size(), max_peer_addresses);
  EXPECT_EQ(store->find_peer(id_of(1), id_of(2)).value()->last_seen, 99);
  many.push_back({first, AddressSource::manual, 0});
  EXPECT_EQ(store->replace_addresses(id_of(1), id_of(2), many).error().code, Code::bad_request);
  EXPECT_EQ(store->find_peer(id_of(1), id_of(2)).value()->addresses.size(), max_peer_addresses) << "nothing half done";
}

TEST_F(StoreTest, TheAuditKeepsTheNewestRows) {
  store = open_store(":memory:", {.max_audit_rows = 10});
  std::vector<AuditRow> rows;
  for (int i = 0; i < 25; ++i) rows.push_back({id_of(1), id_of(2), "alice/Echo/default", 60 * i, 3, "no role"});
  ASSERT_TRUE(store->append_audit(rows));
  const auto kept = store->recent_audit(id_of(1), 100).value();
  ASSERT_EQ(kept.size(), 10U);
  EXPECT_EQ(kept.front(), rows.back());
  EXPECT_EQ(kept.back(), rows[15]);
  EXPECT_EQ(store->recent_audit(id_of(1), 3).value().size(), 3U);
  EXPECT_TRUE(store->append_audit({}));
}

TEST_F(StoreTest, SettingsAreReplaced) {
  EXPECT_EQ(store->setting("port").value(), std::nullopt);
  ASSERT_TRUE(store->set_setting("port", "4433"));
  ASSERT_TRUE(store->set_setting("port", "4434"));
  EXPECT_EQ(store->setting("port").value(), "4434");
  ASSERT_TRUE(store->set_setting("empty", ""));
  EXPECT_EQ(store->setting("empty").value(), "");
}

TEST_F(StoreTest, TextWithQuotesAndZerosIsData) {
  PeerRow bob = peer_of(1, 2, "bob");
  bob.note = std::string("'); DROP TABLE peers; --\0x", 26);
  ASSERT_TRUE(store->add_peer(bob));
  EXPECT_EQ(store->find_peer(id_of(1), "bob").value(), bob);
}

} // namespace
} // namespace kith::store
