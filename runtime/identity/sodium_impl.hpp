// SPDX-License-Identifier: GPL-3.0-or-later
// libsodium asks for one call before any other; it only picks the fastest implementations for this machine.
#pragma once

#include <sodium.h>

#include <cstdlib>

namespace kith::identity {

inline void start_sodium() noexcept {
  static const bool started = sodium_init() >= 0;
  if (!started) std::abort(); // the kernel has no randomness: nothing that follows could be trusted
}

} // namespace kith::identity
