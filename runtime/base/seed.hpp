// SPDX-License-Identifier: Apache-2.0
// The private half of an identity's key on its way from the file to TLS.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

namespace kith {

/// 32 octets (RFC 8032 §5.1.5) that are overwritten wherever a copy of them goes out of use.
struct Seed {
  Seed() = default;
  Seed(const std::array<std::uint8_t, 32>& from) : octets(from) {} // NOLINT(google-explicit-constructor): it is these octets
  Seed(const Seed&) = default;
  Seed& operator=(const Seed&) = default;
  ~Seed() { ::explicit_bzero(octets.data(), octets.size()); }

  std::array<std::uint8_t, 32> octets{};
};

} // namespace kith
