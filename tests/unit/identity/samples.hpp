// SPDX-License-Identifier: GPL-3.0-or-later
// Keys and octets that the tests of this folder share.
#pragma once

#include "identity/keys.hpp"

#include <string_view>

namespace kith::identity {

inline Bytes from_hex(std::string_view hex) {
  Bytes out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) out.push_back(static_cast<std::uint8_t>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  return out;
}

/// RFC 8032 §7.1, test 1.
inline SecretKey rfc8032_key() {
  const Bytes seed = from_hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
  return SecretKey::from_seed(std::span<const std::uint8_t, seed_size>(seed));
}

/// Counts up; fit for tests alone.
class CountingRandom final : public Random {
public:
  void fill(ByteSpan out) override {
    for (std::uint8_t& octet : out) octet = next_++;
  }

private:
  std::uint8_t next_ = 1;
};

} // namespace kith::identity
