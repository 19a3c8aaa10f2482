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

} // namespace kith::identity
