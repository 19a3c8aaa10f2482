// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/identity_config.hpp"

#include <gtest/gtest.h>

namespace kith::config {
namespace {

PeerId id_of(std::uint8_t n) {
  PeerId id;
  id.bytes.fill(n);
  return id;
}

const std::string head = "id: " + id_of(1).text() + "\nonline: true\n";

std::string error_of(const std::string& text) {
  const auto config = parse_identity(text, "a.yaml");
  return config ? "no error" : config.error().text;
}

TEST(IdentityConfig, ReadsEverything) {
  const auto peer = id_of(2).text();
  const auto config = parse_identity(head +
                                         "listen: [\"0.0.0.0:4433\", '[::]:4433']\n"
                                         "bindings:\n"
                                         "  - protocol: Echo\n"
                                         "    access: [public]\n"
                                         "    config: { z: 1.0, big: 123456789012345678901, name: on, off: ~ }\n"
                                         "  - protocol: 1e5\n"
                                         "    alias: null\n"
                                         "    enabled: false\n"
                                         "    inline: true\n"
                                         "    provider: true\n"
                                         "    access:\n"
                                         "      - member\n"
                                         "      - group:family\n"
                                         "      - peer:" +
                                         peer +
                                         "  # bob\n"
                                         "      - {peer: " +
                                         peer +
                                         ", as: admin}\n"
                                         "      - {group: on, as: viewer}\n"
                                         "      - peer:bob=admin\n"
                                         "      - \"group:on=viewer\"\n"
                                         "    deny: []\n"
                                         "    alpn: [echo/0]\n"
                                         "    grants: [exec, \"fs:/music\"]\n"
                                         "    sha256: " +
                                         std::string(64, 'a') + "\n",
                                     "a.yaml");
  ASSERT_TRUE(config) << config.error().text;
  EXPECT_EQ(config->id, id_of(1));
  EXPECT_TRUE(config->online);
  ASSERT_EQ(config->listen.size(), 2U);
  EXPECT_EQ(config->listen[0].port, 4433);
  ASSERT_EQ(config->bindings.size(), 2U);
  const auto& echo = config->bindings[0];
  EXPECT_EQ(echo.alias, "default");
  EXPECT_TRUE(echo.enabled);
  EXPECT_FALSE(echo.inline_.has_value());
  EXPECT_FALSE(echo.deny.has_value());
  EXPECT_EQ(echo.config_json, R"({"z":1.0,"big":123456789012345678901,"name":"on","off":null})");
  EXPECT_EQ(echo.config.find("z")->mark.line, 7);
  const auto& other = config->bindings[1];
  EXPECT_EQ(other.protocol, "1e5");
  EXPECT_EQ(other.alias, "null");
  EXPECT_FALSE(other.enabled);
  EXPECT_EQ(other.inline_, true);
  EXPECT_TRUE(other.provider);
  ASSERT_TRUE(other.access.has_value());
  const std::vector<AccessWord> access{{"member", std::nullopt, {}},  {"group:family", std::nullopt, {}}, {"peer:" + peer, std::nullopt, {}},
                                       {"peer:" + peer, "admin", {}}, {"group:on", "viewer", {}},         {"peer:bob", "admin", {}},
                                       {"group:on", "viewer", {}}};
  EXPECT_EQ(*other.access, access);
  EXPECT_TRUE(other.deny.has_value() && other.deny->empty());
  EXPECT_EQ(other.alpn, std::vector<std::string>{"echo/0"});
  EXPECT_EQ(other.grants.size(), 2U);
  EXPECT_EQ(other.config_json, "{}");
  EXPECT_EQ(config->find("1e5", "null"), &other);
  EXPECT_EQ(config->find("1e5", "default"), nullptr);
}

TEST(IdentityConfig, DefaultsAreOfflineAndNothing) {
  const auto config = parse_identity("id: " + id_of(1).text() + "\n", "a");
  ASSERT_TRUE(config);
  EXPECT_FALSE(config->online);
  EXPECT_TRUE(config->bindings.empty());
  EXPECT_TRUE(parse_identity(head + "bindings:\n", "a"));
}

struct Bad {
  std::string text;
  std::string place;
  std::string says;
};

TEST(IdentityConfig, BadInputIsRefusedWithItsPlace) {
  const std::string b = head + "bindings:\n  - protocol: Echo\n";
  const Bad cases[] = {
      {"", "a.yaml:1:1", "empty"},
      {"online: true\n", "a.yaml:1:1", "'id:' is missing"},
      {"id: bob\n", "a.yaml:1:5", "id"},
      {"id:\n", "a.yaml", "no value"},
      {"- a\n", "a.yaml:1:1", "must be a map"},
      {head + "onlin: true\n", "a.yaml:3:1", "did you mean 'online'"},
      {"id: " + id_of(1).text() + "\nonline: on\n", "a.yaml:2:9", "true or false"},
      {"id: " + id_of(1).text() + "\nonline: 'true'\n", "a.yaml:2:9", "true or false"},
      {head + "bindings: {}\n", "a.yaml:3:11", "list"},
      {head + "bindings: [x]\n", "a.yaml:3:12", "must be a map"},
      {head + "bindings:\n  - alias: x\n", "a.yaml:4:5", "needs 'protocol:'"},
      {head + "bindings:\n  - protocol: kith.peer\n", "a.yaml:4:15", "reserved"},
      {head + "bindings:\n  - protocol: '..'\n", "a.yaml:4:15", "protocol"},
      {head + "bindings:\n  - protocol: ''\n", "a.yaml:4:15", "empty"},
      {head + "bindings:\n  - protocol: [a]\n", "a.yaml:4:15", "single value"},
      {head + "bindings:\n  - protocol: " + std::string(65, 'a') + "\n", "a.yaml:4:15", "65"},
      {b + "    alias: " + id_of(3).text() + "\n", "a.yaml:5:12", "id"},
      {b + "    acces: [public]\n", "a.yaml:5:5", "did you mean 'access'"},
      {b + "    access: public\n", "a.yaml:5:13", "list"},
      {b + "    access: [publik]\n", "a.yaml:5:14", "not known"},
      {b + "    access: [{peer: bob, as: boss}]\n", "a.yaml:5:14", "not a role"},
      {b + "    access: [peer:bob=boss]\n", "a.yaml:5:14", "'boss' is not a role"},
      {b + "    access: ['peer:=admin']\n", "a.yaml:5:14", "empty"},
      {b + "    access: [admin=viewer]\n", "a.yaml:5:14", "not known"},
      {b + "    access: [{as: admin}]\n", "a.yaml:5:14", "either"},
      {b + "    access: ['group:']\n", "a.yaml:5:14", "empty"},
      {b + "    config: [1]\n", "a.yaml:5:13", "map"},
      {b + "    config: {a: .inf}\n", "a.yaml:5:17", ".inf"},
      {b + "    alpn: [kith/1]\n", "a.yaml:5:12", "kith's own"},
      {b + "    sha256: abc\n", "a.yaml:5:13", "64"},
      {b + "  - protocol: Echo\n    alias: default\n", "a.yaml:5:5", "there twice (first in line 4)"},
      {b + "    alpn: [e/0]\n  - protocol: B\n    alpn: [e/0]\n", "a.yaml:6:5", "claimed twice"},
      {head + "listen: [localhost:1]\n", "a.yaml:3:10", "listen"},
  };
  for (const auto& c : cases) {
    const auto text = error_of(c.text);
    EXPECT_EQ(text.find(c.place), 0U) << c.text << "\n" << text;
    EXPECT_NE(text.find(c.says), std::string::npos) << c.text << "\n" << text;
  }
}

TEST(IdentityConfig, CheckFindsEverything) {
  EXPECT_EQ(check_identity("id: bob\nonline: x\nfoo: 1\n", "a").size(), 3U);
  EXPECT_EQ(check_identity(head, "a").size(), 0U);
  EXPECT_EQ(check_identity("a: [", "a").size(), 1U);
}

TEST(IdentityConfig, AFileOfSomethingElseIsNotRepeatedInItsErrors) {
  std::string text;
  for (int i = 0; i < 24; ++i) text += "\"line\\e" + std::string(1000, 'x') + std::to_string(i) + "\": 1\n";
  const auto errors = check_identity(text, "a");
  ASSERT_EQ(errors.size(), 6U) << "four keys, the others, and the id";
  EXPECT_EQ(errors[0].text, "a:1:1: the key 'line\\x1b" + std::string(67, 'x') + "…' is not known in an identity's file");
  EXPECT_EQ(errors[4].text, "a:5:1: and 20 more keys from here on are not known in an identity's file");
}

TEST(IdentityConfig, ProblemsAreTakenApart) {
  const auto errors = check_identity(head + "foo: 1\n", "/etc/a:1/a.yaml");
  ASSERT_EQ(errors.size(), 1U);
  const auto problem = problem_in("/etc/a:1/a.yaml", errors[0]);
  EXPECT_EQ(problem.line, 3);
  EXPECT_EQ(problem.column, 1);
  EXPECT_EQ(problem.text.find("the key 'foo'"), 0U) << problem.text;
  EXPECT_EQ(problem_in("f", bad_request("f: too large")), (Problem{"f", 0, 0, "too large"}));
  EXPECT_EQ(problem_in("f", bad_request("other")), (Problem{"f", 0, 0, "other"}));
}

} // namespace
} // namespace kith::config
