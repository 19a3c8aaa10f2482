// SPDX-License-Identifier: GPL-3.0-or-later
#include "access/gate.hpp"

#include <gtest/gtest.h>

namespace kith::access {
namespace {

PeerId id_of(std::uint8_t n) {
  PeerId id;
  id.bytes.fill(n);
  return id;
}

/// "public", "group:g", "peer:1" (the id of that number), each with "=role" for `as`.
Entry entry(std::string text) {
  std::optional<std::string> as;
  if (const auto at = text.find('='); at != std::string::npos) {
    as = text.substr(at + 1);
    text.resize(at);
  }
  if (text.starts_with("peer:")) text = "peer:" + id_of(static_cast<std::uint8_t>(std::stoi(text.substr(5)))).text();
  return parse_entry(text, as ? std::optional<std::string_view>(*as) : std::nullopt).value();
}

std::vector<Entry> entries(const std::vector<std::string>& texts) {
  std::vector<Entry> out;
  for (const auto& text : texts) out.push_back(entry(text));
  return out;
}

Subject stranger() {
  Subject subject;
  subject.peer = id_of(1);
  return subject;
}
Subject peer(Role role, std::vector<std::string> groups = {}) { return {.peer = id_of(1), .role = role, .known = true, .groups = std::move(groups)}; }
Subject blocked(Role role) {
  auto subject = peer(role);
  subject.blocked = true;
  return subject;
}

struct Case {
  const char* name;
  std::vector<std::string> allow;
  std::vector<std::string> deny;
  Subject subject;
  Role command;
  bool allowed;
  Role role;
};

TEST(Gate, Table) {
  using enum Role;
  const Case cases[] = {
      {"an empty list is nobody", {}, {}, peer(owner), public_, false, owner},
      {"public lets a stranger in", {"public"}, {}, stranger(), public_, true, public_},
      {"a stranger is not a viewer", {"viewer"}, {}, stranger(), public_, false, public_},
      {"viewer lets a viewer in", {"viewer"}, {}, peer(viewer), public_, true, viewer},
      {"viewer lets an owner in", {"viewer"}, {}, peer(owner), public_, true, owner},
      {"admin keeps a member out", {"admin"}, {}, peer(member), public_, false, member},
      {"public gives no role for a member's command", {"public"}, {}, stranger(), member, false, public_},
      {"a member passes a member's command through public", {"public"}, {}, peer(member), member, true, member},
      {"the command's role counts", {"member"}, {}, peer(member), admin, false, member},
      {"a peer entry gives member", {"peer:1"}, {}, stranger(), member, true, member},
      {"a peer entry is for that peer", {"peer:2"}, {}, peer(owner), public_, false, owner},
      {"a peer entry gives no admin", {"peer:1"}, {}, stranger(), admin, false, member},
      {"as gives its role", {"peer:1=admin"}, {}, stranger(), admin, true, admin},
      {"as may be less than member", {"peer:1=viewer"}, {}, stranger(), member, false, viewer},
      {"the higher of both roles", {"peer:1=viewer"}, {}, peer(admin), admin, true, admin},
      {"the best entry counts, not the first", {"public", "peer:1=admin"}, {}, stranger(), admin, true, admin},
      {"a group entry gives member", {"group:g"}, {}, peer(public_, {"f", "g"}), member, true, member},
      {"a group with as", {"group:g=admin"}, {}, peer(viewer, {"g"}), admin, true, admin},
      {"not in the group", {"group:g"}, {}, peer(owner, {"f"}), public_, false, owner},
      {"deny wins over a role", {"member"}, {"peer:1"}, peer(owner), public_, false, public_},
      {"deny wins over as", {"peer:1=owner"}, {"peer:1"}, peer(owner), public_, false, public_},
      {"deny by group", {"public"}, {"group:g"}, peer(member, {"g"}), public_, false, public_},
      {"deny of another", {"public"}, {"peer:2", "group:g"}, peer(member, {"f"}), public_, true, member},
      {"deny public is everybody", {"public", "peer:1=owner"}, {"public"}, peer(owner), public_, false, public_},
      {"deny from a role on", {"public"}, {"admin"}, peer(owner), public_, false, public_},
      {"deny from a role on leaves those below", {"public"}, {"admin"}, peer(member), public_, true, member},
      {"blocked", {"public", "peer:1=owner"}, {}, blocked(owner), public_, false, public_},
  };
  for (const auto& c : cases) {
    const auto decision = decide({entries(c.allow), entries(c.deny)}, c.subject, c.command);
    EXPECT_EQ(decision.allow, c.allowed) << c.name << ": " << decision.reason;
    EXPECT_EQ(decision.role, c.role) << c.name;
    EXPECT_EQ(decision.reason.empty(), decision.allow) << c.name;
  }
}

TEST(Gate, StrangersHaveNeitherRoleNorGroups) {
  Subject subject = stranger();
  subject.role = Role::owner; // a row that was deleted while a caller still held it
  subject.groups = {"g"};
  EXPECT_FALSE(decide({entries({"member", "group:g"}), {}}, subject, Role::public_).allow);
}

TEST(Gate, EveryRoleAgainstEveryRole) {
  for (std::size_t least = 0; least < role_names.size(); ++least) {
    for (std::size_t has = 0; has < role_names.size(); ++has) {
      const Policy policy{entries({std::string(role_names[least])}), {}};
      EXPECT_EQ(decide(policy, peer(static_cast<Role>(has)), Role::public_).allow, has >= least);
    }
  }
}

TEST(Gate, ReasonsNameTheCause) {
  EXPECT_NE(decide({}, peer(Role::owner), Role::public_).reason.find("empty"), std::string::npos);
  EXPECT_NE(decide({entries({"public"}), entries({"group:g"})}, peer(Role::member, {"g"}), Role::public_).reason.find("group:g"), std::string::npos);
  EXPECT_NE(decide({entries({"public"}), {}}, stranger(), Role::admin).reason.find("admin"), std::string::npos);
}

} // namespace
} // namespace kith::access
