// SPDX-License-Identifier: GPL-3.0-or-later
#include "identity/derive.hpp"
#include "samples.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace kith::identity {
namespace {

TEST(Derive, GivesOneKeyForEachSecretAndPurpose) {
  const Bytes secret(32, 1);
  const Bytes other(32, 2);
  EXPECT_EQ(derive(secret, "reset-token"), derive(secret, "reset-token"));
  EXPECT_NE(derive(secret, "reset-token"), derive(secret, "retry-token"));
  EXPECT_NE(derive(secret, "reset-token"), derive(other, "reset-token"));
  EXPECT_NE(derive(secret, ""), derive(other, ""));
}

TEST(Hash, IsBlake2b256) { // BLAKE2b-256 of "abc"
  const Bytes abc = from_hex("616263");
  EXPECT_TRUE(std::ranges::equal(hash(abc), from_hex("bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319")));
}

} // namespace
} // namespace kith::identity
