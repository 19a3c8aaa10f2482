// SPDX-License-Identifier: GPL-3.0-or-later
// Ed25519 keys (RFC 8032): an identity is one of these. No function here keeps state; all are callable from any thread.
#pragma once

#include "base/error.hpp"
#include "base/peer_id.hpp"
#include "base/random.hpp"

#include <array>
#include <span>
#include <string>
#include <string_view>

namespace kith::identity {

inline constexpr std::size_t seed_size = 32; ///< The private key of RFC 8032 §5.1.5.

/// Overwrites octets in a way that the compiler does not leave out.
void wipe(ByteSpan secret) noexcept;

/// One key pair. Moved-from and destroyed ones are wiped; copies are made by clone() only, so that each is seen in the code.
class SecretKey {
public:
  static SecretKey generate(Random& random);
  static SecretKey from_seed(std::span<const std::uint8_t, seed_size> seed);
  /// Reads the PKCS#8 PEM of RFC 8410 §7 (48 octets within). Errors: bad_request, saying which other kind of key it is, or what is broken.
  static Result<SecretKey> from_pem(std::string_view text);

  SecretKey(SecretKey&& other) noexcept;
  SecretKey& operator=(SecretKey&& other) noexcept;
  SecretKey(const SecretKey&) = delete;
  SecretKey& operator=(const SecretKey&) = delete;
  ~SecretKey();

  SecretKey clone() const { return from_seed(seed()); }
  const PeerId& id() const noexcept { return id_; }
  std::span<const std::uint8_t, seed_size> seed() const noexcept { return seed_; }
  /// What from_pem and openssl read. The caller wipes it.
  std::string to_pem() const;

private:
  SecretKey() = default;
  std::array<std::uint8_t, seed_size> seed_{};
  PeerId id_;
};

/// Whether an id is a point of the curve that somebody can hold the key of: canonical, in the main subgroup. Errors: bad_request.
Result<void> check_point(const PeerId& id);

} // namespace kith::identity
