// SPDX-License-Identifier: GPL-3.0-or-later
// The kernel's randomness, with a small buffer so that connection ids and nonces do not cost a system call each.
#pragma once

#include "base/random.hpp"

namespace kith::io {

/// One thread. Octets are wiped from the buffer as they are handed out; a child of fork() finds the buffer empty (MADV_WIPEONFORK), never a copy.
class KernelRandom final : public Random {
public:
  KernelRandom();
  KernelRandom(const KernelRandom&) = delete;
  KernelRandom& operator=(const KernelRandom&) = delete;
  ~KernelRandom() override;

  void fill(ByteSpan out) override;

private:
  struct Page;
  Page* page_ = nullptr; // null: unbuffered, where the kernel gave no page that is wiped on fork
};

} // namespace kith::io
