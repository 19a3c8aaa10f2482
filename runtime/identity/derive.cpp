// SPDX-License-Identifier: GPL-3.0-or-later
#include "identity/derive.hpp"

#include "identity/sodium_impl.hpp"

#include <cassert>

namespace kith::identity {

DerivedKey derive(ByteView secret, std::string_view purpose) {
  start_sodium();
  assert(secret.size() >= crypto_generichash_KEYBYTES_MIN && secret.size() <= crypto_generichash_KEYBYTES_MAX);
  DerivedKey out{};
  const ByteView message = as_bytes(purpose);
  crypto_generichash(out.data(), out.size(), message.data(), message.size(), secret.data(), secret.size());
  return out;
}

DerivedKey hash(ByteView bytes) {
  start_sodium();
  DerivedKey out{};
  crypto_generichash(out.data(), out.size(), bytes.data(), bytes.size(), nullptr, 0);
  return out;
}

std::string sha256_hex(ByteView bytes) {
  start_sodium();
  std::array<unsigned char, crypto_hash_sha256_BYTES> sum{};
  crypto_hash_sha256(sum.data(), bytes.data(), bytes.size());
  std::array<char, 2 * crypto_hash_sha256_BYTES + 1> text{};
  sodium_bin2hex(text.data(), text.size(), sum.data(), sum.size());
  return text.data();
}

} // namespace kith::identity
