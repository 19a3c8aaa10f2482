// SPDX-License-Identifier: GPL-3.0-or-later
// Here because wolfSSL is: it asks the processor to do it. With libsodium's the sums of three plugins took 2 ms of a daemon's start.
#pragma once

#include "base/bytes.hpp"

#include <string>

namespace kith::quic {

/// SHA-256 (FIPS 180-4) of at most 4 GiB - 1 as 64 hex digits in lower case: what `sha256:` of a binding pins. Any thread.
std::string sha256_hex(ByteView bytes);

} // namespace kith::quic
