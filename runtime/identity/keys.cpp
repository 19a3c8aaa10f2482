// SPDX-License-Identifier: GPL-3.0-or-later
#include "identity/keys.hpp"

#include "identity/sodium_impl.hpp"

#include <algorithm>

namespace kith::identity {

void wipe(ByteSpan secret) noexcept {
  if (!secret.empty()) sodium_memzero(secret.data(), secret.size());
}

SecretKey SecretKey::generate(Random& random) {
  std::array<std::uint8_t, seed_size> seed{};
  random.fill(seed);
  SecretKey key = from_seed(seed);
  wipe(seed);
  return key;
}

SecretKey SecretKey::from_seed(std::span<const std::uint8_t, seed_size> seed) {
  start_sodium();
  SecretKey key;
  std::copy(seed.begin(), seed.end(), key.seed_.begin());
  std::array<std::uint8_t, crypto_sign_SECRETKEYBYTES> expanded{};
  crypto_sign_seed_keypair(key.id_.bytes.data(), expanded.data(), key.seed_.data());
  wipe(expanded);
  return key;
}

SecretKey::SecretKey(SecretKey&& other) noexcept : seed_(other.seed_), id_(other.id_) { wipe(other.seed_); }

SecretKey& SecretKey::operator=(SecretKey&& other) noexcept {
  if (this != &other) {
    seed_ = other.seed_;
    id_ = other.id_;
    wipe(other.seed_);
  }
  return *this;
}

SecretKey::~SecretKey() { wipe(seed_); }

Result<void> check_point(const PeerId& id) {
  start_sodium();
  if (crypto_core_ed25519_is_valid_point(id.bytes.data()) == 1) return {};
  return bad_request("not an id: " + id.text() + " is not a public key (no point of the curve); copy it again");
}

} // namespace kith::identity
