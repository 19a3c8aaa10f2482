// SPDX-License-Identifier: GPL-3.0-or-later
// Handshakes without a server name, as iroh 1.4 makes them, against a whole node: who answers.
#include "net.hpp"
#include "raw_host.hpp"

namespace kith::testing {
namespace {

/// alice and bob on the shared socket of one node, carol there on a socket of her own, and a client that names nobody.
struct Nameless : ::testing::Test {
  Nameless() {
    host.bindings[0].access = {access::parse_entry("public").value()};
    host.node->put_binding(host.id, host.bindings[0], [](const Result<void>&) {});
    bob = add("bob", 0xb0);
    carol = add("carol", 0xca, own_socket);
  }

  PeerId add(const std::string& name, std::uint8_t seed, std::optional<Address> listen = std::nullopt) {
    node::IdentitySpec spec;
    spec.seed.octets.fill(seed);
    spec.id = identity::SecretKey::from_seed(spec.seed.octets).id();
    spec.name = name;
    spec.bindings = host.bindings;
    if (listen) spec.listen = {*listen};
    EXPECT_TRUE(host.node->add_identity(spec));
    return spec.id;
  }

  /// Whether `expected` answers at this address when nobody is named.
  bool answers(const PeerId& expected, const Address& at, bool named = false) {
    const auto connection = client.dial(expected, at, named);
    sim.run_until([&] { return client.is_ready(connection) || client.ending(connection) != nullptr; }, seconds(15));
    const bool ready = client.is_ready(connection);
    if (const auto* reason = client.ending(connection)) last = reason->error;
    client.close(connection, Code{});
    sim.run_for(seconds(1));
    return ready;
  }

  const Address own_socket = make_v4({10, 0, 0, 1}, 5555);
  Sim sim{1};
  SimNetwork network{sim};
  Host host{sim, network, 1}; // alice
  RawHost client{sim, network, 66};
  PeerId bob;
  PeerId carol;
  Error last;
};

TEST_F(Nameless, TheOnlyIdentityOnlineAnswers) {
  EXPECT_TRUE(answers(host.id, host.ip));
  EXPECT_FALSE(answers(bob, host.ip)) << "alice answers, whoever was meant";
  EXPECT_EQ(last.code, Code::wrong_key) << last.text;
  ASSERT_TRUE(host.node->set_offline(host.id, sim.now(), {}));
  ASSERT_TRUE(host.node->set_online(bob));
  EXPECT_TRUE(answers(bob, host.ip));
}

TEST_F(Nameless, NobodyOnlineAndSeveralOnlineAreRefusedAlike) {
  ASSERT_TRUE(host.node->set_online(bob));
  EXPECT_FALSE(answers(host.id, host.ip));
  EXPECT_EQ(last.code, Code::offline) << last.text;
  ASSERT_TRUE(host.node->set_offline(bob, sim.now(), {}));
  ASSERT_TRUE(host.node->set_offline(host.id, sim.now(), {}));
  EXPECT_FALSE(answers(host.id, host.ip));
  EXPECT_EQ(last.code, Code::offline) << last.text;
}

TEST_F(Nameless, TheSettingNamesOneOfSeveral) {
  ASSERT_TRUE(host.node->set_online(bob));
  host.node->set_nameless(host.id);
  EXPECT_TRUE(answers(host.id, host.ip));
  host.node->set_nameless(bob);
  EXPECT_TRUE(answers(bob, host.ip));
  EXPECT_FALSE(answers(host.id, host.ip));
  ASSERT_TRUE(host.node->set_offline(bob, sim.now(), {}));
  EXPECT_TRUE(answers(host.id, host.ip)) << "the only one online, whatever the setting says";
}

TEST_F(Nameless, ASocketOfItsOwnIsForItsIdentity) {
  ASSERT_TRUE(host.node->set_online(carol));
  EXPECT_TRUE(answers(carol, own_socket));
  ASSERT_TRUE(host.node->set_online(bob));
  EXPECT_TRUE(answers(carol, own_socket));
  host.node->set_nameless(bob);
  EXPECT_TRUE(answers(carol, own_socket)) << "the setting is about shared sockets";
  EXPECT_FALSE(answers(carol, host.ip));
}

// With its sockets its connections end: others' must not be among them.
TEST_F(Nameless, NamesAreAnsweredWhereTheyListen) {
  ASSERT_TRUE(host.node->set_online(carol));
  EXPECT_TRUE(answers(carol, own_socket, true));
  EXPECT_TRUE(answers(host.id, host.ip, true));
  EXPECT_FALSE(answers(host.id, own_socket, true));
  EXPECT_EQ(last.code, Code::offline);
  EXPECT_FALSE(answers(carol, host.ip, true));
}

} // namespace
} // namespace kith::testing
