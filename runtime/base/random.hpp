// SPDX-License-Identifier: Apache-2.0
// Randomness is passed in: the kernel's in the daemon, a seeded one in the simulator.
#pragma once

#include "base/bytes.hpp"

#include <cstdint>

namespace kith {

class Random {
public:
  virtual ~Random() = default;
  /// Fills the whole span with bytes fit for keys. Ends the process when the kernel has none to give: there is no way on without them.
  virtual void fill(ByteSpan out) = 0;

  std::uint64_t next_u64() {
    std::uint64_t value = 0;
    fill({reinterpret_cast<std::uint8_t*>(&value), sizeof value});
    return value;
  }
};

} // namespace kith
