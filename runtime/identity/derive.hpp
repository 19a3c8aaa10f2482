// SPDX-License-Identifier: GPL-3.0-or-later
// Keys that are made from one kept secret (keys/daemon.secret), so that they survive a restart.
#pragma once

#include "base/bytes.hpp"

#include <array>
#include <string_view>

namespace kith::identity {

inline constexpr std::size_t derived_size = 32;
using DerivedKey = std::array<std::uint8_t, derived_size>;

/// BLAKE2b-256 of `purpose`, keyed with `secret` (16 to 64 octets). Another purpose gives a key that tells nothing about this one.
DerivedKey derive(ByteView secret, std::string_view purpose);

/// BLAKE2b-256 of `bytes` without a key: checksums and content hashes.
DerivedKey hash(ByteView bytes);

} // namespace kith::identity
