// SPDX-License-Identifier: GPL-3.0-or-later
#include "identity/sign.hpp"
#include "samples.hpp"

#include <gtest/gtest.h>

namespace kith::identity {
namespace {

TEST(Sign, VerifiesUnderItsContextAlone) {
  const SecretKey key = rfc8032_key();
  const Bytes message = from_hex("0102030405");
  const Signature signature = sign(key, Context::ticket, message);
  EXPECT_TRUE(verify(key.id(), Context::ticket, message, signature));
  EXPECT_FALSE(verify(key.id(), Context::plugin, message, signature));
}

TEST(Sign, NeverSignsTheRawMessage) {
  // RFC 8032 §7.1, test 1: the signature of the empty message without a context.
  const Bytes raw =
      from_hex("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b");
  const SecretKey key = rfc8032_key();
  EXPECT_FALSE(verify(key.id(), Context::ticket, {}, raw));
  EXPECT_FALSE(verify(key.id(), Context::plugin, {}, raw));
}

TEST(Verify, RefusesEveryChangedBit) {
  const SecretKey key = rfc8032_key();
  const Bytes message = from_hex("00ff");
  const Signature good = sign(key, Context::plugin, message);
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    Signature changed = good;
    changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ (1U << (bit % 8)));
    EXPECT_FALSE(verify(key.id(), Context::plugin, message, changed));
  }
  EXPECT_FALSE(verify(key.id(), Context::plugin, ByteView(message).first(1), good));
  EXPECT_FALSE(verify(key.id(), Context::plugin, message, ByteView(good).first(63)));
  EXPECT_FALSE(verify(key.id(), Context::plugin, message, {}));
  EXPECT_FALSE(verify(PeerId{}, Context::plugin, message, good));
}

TEST(PluginMessage, SeparatesItsParts) {
  EXPECT_EQ(plugin_message("Mail", "post", from_hex("0a0b")), from_hex("044d61696c04706f7374020a0b"));
  EXPECT_NE(plugin_message("ab", "c", {}), plugin_message("a", "bc", {}));
}

} // namespace
} // namespace kith::identity
