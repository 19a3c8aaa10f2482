// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/identity_edits.hpp"

#include "config/identity_config.hpp"

#include <gtest/gtest.h>

namespace kith::config {
namespace {

PeerId id_of(std::uint8_t n) {
  PeerId id;
  id.bytes.fill(n);
  return id;
}

const std::string id_line = "id: " + id_of(1).text() + "\n";
const std::string alice = "# Alice's\n" + id_line +
                          "online: true   # at home\n"
                          "\n"
                          "bindings:\n"
                          "  # my echo\n"
                          "  - protocol: Echo\n"
                          "    access: [public]  # all\n"
                          "    config: { max_length: 1000 }  # characters\n";

std::string text_of(const Result<std::string>& r) { return r ? *r : "error: " + r.error().text; }

std::string replaced(std::string text, const std::string& what, const std::string& with) {
  const auto at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), with);
}

TEST(IdentityEdits, OnlineAndOffline) {
  EXPECT_EQ(text_of(set_online(alice, "a", false)), replaced(alice, "online: true ", "online: false "));
  EXPECT_EQ(text_of(set_online(id_line, "a", true)), id_line + "online: true\n");
}

TEST(IdentityEdits, AddBindingToANewIdentity) {
  const auto fresh = new_identity_text(id_of(1), false);
  ASSERT_TRUE(parse_identity(fresh, "a"));
  const auto peer = "peer:" + id_of(2).text();
  NewBinding binding{
      "Echo", "loud", false, std::vector<AccessEdit>{{"member", {}, {}}, {peer, {}, "bob"}}, R"({"max_length": 12345678901234567890123, "r": 1.0})",
      {}};
  const auto out = add_binding(fresh, "a", binding);
  EXPECT_EQ(text_of(out), replaced(fresh, "bindings: []\n",
                                   "bindings:\n"
                                   "  - protocol: Echo\n"
                                   "    alias: loud\n"
                                   "    access:\n"
                                   "      - member\n"
                                   "      - " +
                                       peer +
                                       "  # bob\n"
                                       "    config:\n"
                                       "      max_length: 12345678901234567890123\n"
                                       "      r: 1.0\n"));
  EXPECT_EQ(parse_identity(*out, "a")->bindings[0].config_json, R"({"max_length":12345678901234567890123,"r":1.0})");
}

TEST(IdentityEdits, AddBindingKeepsComments) {
  NewBinding binding{"1e5", "", true, std::vector<AccessEdit>{{"public", {}, {}}}, std::nullopt, {"exec"}};
  EXPECT_EQ(text_of(add_binding(alice, "a", binding)),
            alice + "  - protocol: \"1e5\"\n    provider: true\n    access: [public]\n    grants: [exec]\n");
  EXPECT_EQ(parse_identity(*add_binding(alice, "a", binding), "a")->bindings[1].protocol, "1e5");
}

TEST(IdentityEdits, AddBindingRefuses) {
  const auto add = [](std::string protocol, std::string alias, std::optional<std::string> config = std::nullopt) {
    return text_of(add_binding(alice, "a", {std::move(protocol), std::move(alias), false, std::nullopt, std::move(config), {}}));
  };
  EXPECT_NE(add("Echo", "").find("there already"), std::string::npos);
  EXPECT_NE(add("Echo", "default").find("there already"), std::string::npos);
  EXPECT_EQ(add("..", "").find("error: "), 0U);
  EXPECT_EQ(add("kith.peer", "").find("error: "), 0U);
  EXPECT_EQ(add("B", "a b").find("error: "), 0U);
  EXPECT_NE(add("B", "", "{").find("config:1:2: not JSON"), std::string::npos);
  EXPECT_NE(add("B", "", "[1]").find("JSON object"), std::string::npos);
  EXPECT_EQ(text_of(add_binding(alice, "a", {"B", "", false, std::vector<AccessEdit>{{"publik", {}, {}}}, std::nullopt, {}})).find("error: "), 0U);
  EXPECT_EQ(text_of(add_binding(alice, "a", {"B", "", false, std::vector<AccessEdit>{{"member", "admin", {}}}, std::nullopt, {}})).find("error: "),
            0U);
}

TEST(IdentityEdits, TheDeepestConfigFitsIntoTheFile) {
  std::string config = "1";
  for (int i = 0; i < max_config_depth; i += 2) config.insert(0, R"({"a":[)").append("]}");
  const auto file = add_binding(new_identity_text(id_of(1), false), "a", {"Deep", "", true, {}, config, {}});
  ASSERT_TRUE(file) << file.error().text;
  EXPECT_EQ(parse_identity(*file, "a")->bindings[0].config_json, config);
}

TEST(IdentityEdits, RemoveBinding) {
  const auto two = *add_binding(alice, "a", {"B", "x", false, std::nullopt, std::nullopt, {}});
  EXPECT_EQ(text_of(remove_binding(two, "a", "B", "x")), alice);
  EXPECT_EQ(remove_binding(alice, "a", "Nope", "default").error().code, Code::unknown_protocol);
  EXPECT_EQ(remove_binding(alice, "a", "Echo", "other").error().code, Code::unknown_alias);
  const auto none = remove_binding(alice, "a", "Echo", "default");
  ASSERT_TRUE(none) << none.error().text;
  EXPECT_TRUE(parse_identity(*none, "a")->bindings.empty());
  EXPECT_NE(none->find("# at home"), std::string::npos);
}

TEST(IdentityEdits, EnabledConfigAndAccess) {
  const auto off = set_enabled(alice, "a", "Echo", "default", false);
  EXPECT_EQ(text_of(off), alice + "    enabled: false\n");
  EXPECT_EQ(text_of(set_enabled(*off, "a", "Echo", "default", true)), alice + "    enabled: true\n");
  EXPECT_EQ(text_of(replace_config(alice, "a", "Echo", "default", R"({"max_length": 5})")), replaced(alice, "1000", "5"));
  EXPECT_EQ(text_of(replace_config(alice, "a", "Echo", "default", R"({"other": "on"})")),
            replaced(alice, "config: { max_length: 1000 }  # characters\n", "config:  # characters\n      other: \"on\"\n"));
  EXPECT_EQ(text_of(set_access(alice, "a", "Echo", "default", {{"member", {}, {}}, {"group:family", {}, {}}})),
            replaced(alice, "[public]", "[member, group:family]"));
  EXPECT_EQ(text_of(set_access(alice, "a", "Echo", "default", {})), replaced(alice, "[public]", "[]"));
  const auto peer = id_of(2).text();
  const auto denied = set_deny(alice, "a", "Echo", "default", {{"peer:" + peer, {}, "bob"}});
  EXPECT_EQ(text_of(denied), alice + "    deny:\n      - peer:" + peer + "  # bob\n");
  const auto as = set_access(alice, "a", "Echo", "default", {{"peer:" + peer, "admin", "bob"}});
  ASSERT_TRUE(as) << as.error().text;
  EXPECT_EQ(parse_identity(*as, "a")->bindings[0].access->at(0), (AccessWord{"peer:" + peer, "admin", {}}));
  EXPECT_NE(as->find("# bob"), std::string::npos);
}

TEST(IdentityEdits, NamesOfPeersBecomeIds) {
  const std::string bob = id_of(2).text();
  const std::string carol = id_of(3).text();
  const PeerIds peers{{"bob", id_of(2)}, {"carol", id_of(3)}};
  const std::string head = "id: " + id_of(1).text() + "\nbindings:\n  - protocol: Echo\n";
  const auto pinned = [&](const std::string& lines) { return text_of(pin_peers(head + lines, "a", peers)).substr(head.size()); };
  EXPECT_EQ(pinned("    access: [peer:bob]\n"), "    access: [peer:" + bob + "]  # bob\n");
  EXPECT_EQ(pinned("    access: [member, peer:bob, peer:carol, peer:dora]\n    # end\n"),
            "    access: [member, peer:" + bob + ", peer:" + carol + ", peer:dora]  # bob, carol\n    # end\n");
  EXPECT_EQ(pinned("    access: [peer:bob]   # my friend\n"), "    access: [peer:" + bob + "]   # my friend\n");
  EXPECT_EQ(pinned("    deny:\n      # these\n      - peer:bob\n      - 'peer:carol' # never\n"),
            "    deny:\n      # these\n      - peer:" + bob + "  # bob\n      - peer:" + carol + " # never\n");
  EXPECT_EQ(pinned("    access:\n      - {peer: bob, as: admin}\n      - peer: carol\n        as: viewer\n"),
            "    access:\n      - {peer: " + bob + ", as: admin}  # bob\n      - peer: " + carol + "  # carol\n        as: viewer\n");
  EXPECT_EQ(pinned("    access:\n      - \"peer:bob=admin\"\n"), "    access:\n      - peer:" + bob + "=admin  # bob\n");
  EXPECT_EQ(pinned("    access: [peer:" + bob + ", group:bob, member]\n"), "    access: [peer:" + bob + ", group:bob, member]\n");
  const auto config = parse_identity(head + "    access: [peer:" + bob + "]\n", "a");
  EXPECT_FALSE(has_peer_names(*config));
  EXPECT_TRUE(has_peer_names(*parse_identity(head + "    deny: [peer:bob]\n", "a")));
}

TEST(IdentityEdits, ARemovedPeerLeavesEveryAccess) {
  const std::string bob = id_of(2).text();
  const std::string carol = id_of(3).text();
  const std::string head = "id: " + id_of(1).text() + "\nbindings:\n  - protocol: Echo\n";
  const auto left = [&](const std::string& lines) { return text_of(remove_peer(head + lines, "a", id_of(2))).substr(head.size()); };
  EXPECT_EQ(left("    access: [member, peer:" + bob + ", peer:" + carol + "]\n"), "    access: [member, peer:" + carol + "]\n");
  EXPECT_EQ(left("    access:\n      - {peer: " + bob + ", as: admin}\n      - member\n      - peer:" + bob + " # bob\n"),
            "    access:\n      - member\n");
  const std::string denied = "    deny: [peer:" + bob + "]\n";
  EXPECT_EQ(left("    access: [public]\n" + denied), "    access: [public]\n" + denied);
  const auto nobody = parse_identity(head + left("    access: [peer:" + bob + "] # only he\n"), "a");
  ASSERT_TRUE(nobody) << nobody.error().text;
  ASSERT_TRUE(nobody->bindings[0].access); // left out it would be the default
  EXPECT_TRUE(nobody->bindings[0].access->empty());
}

TEST(IdentityEdits, CrLfStaysCrLf) {
  std::string text;
  for (const char c : alice) text += c == '\n' ? "\r\n" : std::string(1, c);
  const auto out = add_binding(text, "a", {"B", "", false, std::nullopt, R"({"x":1})", {}});
  ASSERT_TRUE(out) << out.error().text;
  EXPECT_EQ(*out, text + "  - protocol: B\r\n    config:\r\n      x: 1\r\n");
}

TEST(IdentityEdits, ABrokenFileIsNotEdited) {
  EXPECT_FALSE(set_online("id: [", "a", true));
  EXPECT_FALSE(set_online("", "a", true));
  EXPECT_FALSE(set_online(alice + "foo: 1\n", "a", false));
}

} // namespace
} // namespace kith::config
