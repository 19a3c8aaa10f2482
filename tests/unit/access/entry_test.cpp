// SPDX-License-Identifier: GPL-3.0-or-later
#include "access/entry.hpp"

#include <gtest/gtest.h>

namespace kith::access {
namespace {

PeerId id_of(std::uint8_t n) {
  PeerId id;
  id.bytes.fill(n);
  return id;
}

TEST(Entry, ReadsEveryRole) {
  for (const auto name : role_names) {
    const auto entry = parse_entry(name);
    ASSERT_TRUE(entry) << name;
    EXPECT_EQ(entry->kind, Entry::Kind::role);
    EXPECT_EQ(entry->text(), name);
  }
}

TEST(Entry, ReadsGroupsAndPeers) {
  const auto group = parse_entry("group:family");
  ASSERT_TRUE(group);
  EXPECT_EQ(group->kind, Entry::Kind::group);
  EXPECT_EQ(group->group, "family");
  EXPECT_EQ(group->role, Role::member);

  const auto text = "peer:" + id_of(7).text();
  const auto peer = parse_entry(text, "admin");
  ASSERT_TRUE(peer);
  EXPECT_EQ(peer->kind, Entry::Kind::peer);
  EXPECT_EQ(peer->peer, id_of(7));
  EXPECT_EQ(peer->role, Role::admin);
  EXPECT_EQ(peer->text(), text);
  EXPECT_EQ(parse_entry("group:family", "viewer")->role, Role::viewer);
}

TEST(Entry, ResolvesNamesThroughTheLookup) {
  const PeerLookup lookup = [](std::string_view name) { return name == "bob" ? std::optional(id_of(3)) : std::nullopt; };
  const auto bob = parse_entry("peer:bob", std::nullopt, lookup);
  ASSERT_TRUE(bob);
  EXPECT_EQ(bob->peer, id_of(3));
  EXPECT_NE(parse_entry("peer:eve", std::nullopt, lookup).error().text.find("no peer is called 'eve'"), std::string::npos);
  EXPECT_FALSE(parse_entry("peer:bob"));
}

TEST(Entry, RefusesWhatItDoesNotKnow) {
  const auto full = "peer:" + id_of(1).text();
  const std::vector<std::string> bad{"",
                                     "Public",
                                     "members",
                                     "group:",
                                     "group:../x",
                                     "group:a b",
                                     "peer:",
                                     "peer:..",
                                     "peer:a b",
                                     "peers:bob",
                                     "group:family=viewer",
                                     " public",
                                     "public ",
                                     "role:member",
                                     full + "0",
                                     full.substr(0, 56) + "v",
                                     "group",
                                     "*",
                                     "everybody",
                                     "group:" + id_of(1).text()};
  for (const auto& text : bad) {
    const auto entry = parse_entry(text);
    ASSERT_FALSE(entry) << text;
    EXPECT_EQ(entry.error().code, Code::bad_request);
    EXPECT_FALSE(entry.error().text.empty());
  }
}

TEST(Entry, RefusesWrongAs) {
  EXPECT_FALSE(parse_entry("member", "admin"));
  EXPECT_FALSE(parse_entry("group:family", "boss"));
  EXPECT_FALSE(parse_entry("group:family", ""));
  EXPECT_FALSE(parse_entry("peer:" + id_of(1).text(), "Admin"));
}

} // namespace
} // namespace kith::access
