// SPDX-License-Identifier: GPL-3.0-or-later
#include "quic/sha256.hpp"

#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/hash.h>

#include <array>
#include <cassert>
#include <cstdlib>

namespace kith::quic {

std::string sha256_hex(ByteView bytes) {
  assert(bytes.size() <= UINT32_MAX);
  std::array<std::uint8_t, WC_SHA256_DIGEST_SIZE> sum{};
  if (wc_Sha256Hash(bytes.data(), static_cast<word32>(bytes.size()), sum.data()) != 0) std::abort(); // out of memory
  return hex(sum);
}

} // namespace kith::quic
