// SPDX-License-Identifier: GPL-3.0-or-later
#include "quic/tokens.hpp"

#include <gtest/gtest.h>

namespace kith::quic {
namespace {

using namespace std::chrono_literals;

struct Given {
  TokenKey key{1, 2, 3};
  Address from = make_v4({192, 0, 2, 1}, 4433);
  Bytes scid = Bytes(8, 0x11);
  Bytes original = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  TimePoint issued{12341s};
};

Bytes made(const Given& by) { return make_retry_token(by.key, by.from, by.scid, by.original, by.issued); }
bool opens(const Given& by, ByteView token, Duration after = 0s) {
  return open_retry_token(by.key, token, by.from, by.scid, by.issued + after).has_value();
}

TEST(RetryToken, GivesTheOriginalIdBack) {
  Given given;
  for (const std::size_t size : {std::size_t{0}, std::size_t{8}, max_cid_size}) {
    given.original = Bytes(size, 0xab);
    const Bytes token = made(given);
    EXPECT_LE(token.size(), max_retry_token_size);
    const auto original = open_retry_token(given.key, token, given.from, given.scid, given.issued + 1s);
    ASSERT_TRUE(original);
    EXPECT_EQ(Bytes(original->begin(), original->end()), given.original);
  }
}

TEST(RetryToken, IsGoodInItsWindowAndTheNext) {
  Given given;
  given.issued = TimePoint(1000 * retry_token_window);
  const Bytes token = made(given);
  EXPECT_TRUE(opens(given, token, 2 * retry_token_window - 1ns));
  EXPECT_FALSE(opens(given, token, 2 * retry_token_window));
  EXPECT_FALSE(opens(given, token, -1ns));
  EXPECT_EQ(made(given), token) << "the same in one window: it holds no clock";
}

TEST(RetryToken, IsGoodForOneAddressOneIdAndOneKey) {
  const Given given;
  const Bytes token = made(given);
  ASSERT_TRUE(opens(given, token));
  Given other = given;
  other.from.port = 4434;
  EXPECT_FALSE(opens(other, token));
  other = given;
  other.from.ip[3] = 2;
  EXPECT_FALSE(opens(other, token));
  other = given;
  other.from.family = Address::Family::v6;
  EXPECT_FALSE(opens(other, token));
  other = given;
  other.scid.back() ^= 1;
  EXPECT_FALSE(opens(other, token));
  other = given;
  other.scid.pop_back();
  EXPECT_FALSE(opens(other, token));
  other = given;
  other.scid = Bytes(max_cid_size + 1, 0x11);
  EXPECT_FALSE(opens(other, token));
  other = given;
  other.key.back() ^= 1;
  EXPECT_FALSE(opens(other, token));
}

TEST(RetryToken, EveryBitOfItIsLookedAt) {
  const Given given;
  const Bytes token = made(given);
  for (std::size_t bit = 0; bit != token.size() * 8; ++bit) {
    Bytes bent = token;
    bent[bit / 8] = static_cast<std::uint8_t>(bent[bit / 8] ^ 1U << bit % 8);
    EXPECT_FALSE(opens(given, bent)) << "bit " << bit;
  }
  for (std::size_t size = 0; size != token.size(); ++size) EXPECT_FALSE(opens(given, ByteView(token).first(size))) << size;
  Bytes longer = token;
  longer.push_back(0);
  EXPECT_FALSE(opens(given, longer));
  longer.resize(4096);
  EXPECT_FALSE(opens(given, longer));
}

TEST(ResetToken, IsTheSameForTheSameIdAndKeyOnly) {
  const TokenKey key{7};
  const Bytes cid(8, 1);
  EXPECT_EQ(make_reset_token(key, cid), make_reset_token(key, cid));
  EXPECT_NE(make_reset_token(key, cid), make_reset_token(key, Bytes(8, 2)));
  EXPECT_NE(make_reset_token(key, cid), make_reset_token(TokenKey{8}, cid));
}

} // namespace
} // namespace kith::quic
