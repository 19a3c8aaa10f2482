// SPDX-License-Identifier: GPL-3.0-or-later
#include "quic/tokens.hpp"

#include <sodium/crypto_generichash.h>
#include <sodium/crypto_verify_16.h>

#include <algorithm>
#include <cassert>

namespace kith::quic {
namespace {

using Tag = std::array<std::uint8_t, crypto_verify_16_BYTES>;

Tag keyed_hash(const TokenKey& key, ByteView bytes) noexcept {
  static_assert(crypto_generichash_KEYBYTES == std::tuple_size_v<TokenKey> && crypto_generichash_BYTES_MIN == std::tuple_size_v<Tag>);
  Tag tag{};
  crypto_generichash(tag.data(), tag.size(), bytes.data(), bytes.size(), key.data(), key.size());
  return tag;
}

// Every part has its place, whatever its length: two different sets never read the same.
Tag retry_tag(const TokenKey& key, std::uint64_t window, ByteView original, const Address& remote, ByteView retry_scid) noexcept {
  std::array<std::uint8_t, 8 + 1 + 16 + 2 + 2 * (1 + max_cid_size)> said{};
  auto* at = said.begin();
  for (unsigned shift = 64; shift != 0; shift -= 8) *at++ = static_cast<std::uint8_t>(window >> (shift - 8));
  *at++ = static_cast<std::uint8_t>(remote.family);
  at = std::copy(remote.ip.begin(), remote.ip.end(), at);
  *at++ = static_cast<std::uint8_t>(remote.port >> 8);
  *at++ = static_cast<std::uint8_t>(remote.port);
  for (const ByteView cid : {original, retry_scid}) {
    *at++ = static_cast<std::uint8_t>(cid.size());
    std::copy(cid.begin(), cid.end(), at);
    at += max_cid_size;
  }
  return keyed_hash(key, said);
}

std::uint64_t window_of(TimePoint now) noexcept { return static_cast<std::uint64_t>(now.time_since_epoch() / retry_token_window); }

} // namespace

ResetToken make_reset_token(const TokenKey& key, ByteView cid) noexcept { return keyed_hash(key, cid); }

Bytes make_retry_token(const TokenKey& key, const Address& to, ByteView retry_scid, ByteView original, TimePoint now) {
  assert(original.size() <= max_cid_size && retry_scid.size() <= max_cid_size);
  const Tag tag = retry_tag(key, window_of(now), original, to, retry_scid);
  Bytes token;
  token.reserve(max_retry_token_size);
  token.push_back(retry_token_mark);
  token.insert(token.end(), tag.begin(), tag.end());
  token.insert(token.end(), original.begin(), original.end());
  return token;
}

std::optional<ByteView> open_retry_token(const TokenKey& key, ByteView token, const Address& from, ByteView retry_scid, TimePoint now) noexcept {
  constexpr std::size_t original_at = 1 + std::tuple_size_v<Tag>;
  if (token.size() < original_at || token.size() > max_retry_token_size || token[0] != retry_token_mark || retry_scid.size() > max_cid_size)
    return {};
  const ByteView original = token.subspan(original_at);
  for (const std::uint64_t window : {window_of(now), window_of(now) - 1}) {
    if (crypto_verify_16(retry_tag(key, window, original, from, retry_scid).data(), token.data() + 1) == 0) return original;
  }
  return {};
}

} // namespace kith::quic
