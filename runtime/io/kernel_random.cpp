// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/kernel_random.hpp"

#include <sys/mman.h>
#include <sys/random.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace kith::io {

namespace {

constexpr std::size_t buffer_size = 1024;
constexpr std::size_t max_buffered_request = 64; ///< More goes to the kernel directly.

void fill_from_kernel(std::uint8_t* out, std::size_t size) {
  while (size > 0) {
    const ssize_t got = ::getrandom(out, size, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      std::perror("kithd: the kernel has no randomness to give (getrandom)");
      std::abort();
    }
    out += got;
    size -= static_cast<std::size_t>(got);
  }
}

} // namespace

/// All zero, as mmap and MADV_WIPEONFORK leave it, is an empty buffer.
struct KernelRandom::Page {
  std::size_t left;
  std::array<std::uint8_t, buffer_size> bytes;
};

KernelRandom::KernelRandom() {
  void* page = ::mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return;
  if (::madvise(page, sizeof(Page), MADV_WIPEONFORK) != 0) {
    ::munmap(page, sizeof(Page));
    return;
  }
  page_ = static_cast<Page*>(page);
}

KernelRandom::~KernelRandom() {
  if (page_ == nullptr) return;
  ::explicit_bzero(page_, sizeof(Page));
  ::munmap(page_, sizeof(Page));
}

void KernelRandom::fill(ByteSpan out) {
  if (page_ == nullptr || out.size() > max_buffered_request) {
    fill_from_kernel(out.data(), out.size());
    return;
  }
  if (page_->left < out.size()) {
    fill_from_kernel(page_->bytes.data(), page_->bytes.size());
    page_->left = page_->bytes.size();
  }
  std::uint8_t* from = page_->bytes.data() + (page_->left - out.size());
  if (!out.empty()) std::memcpy(out.data(), from, out.size());
  ::explicit_bzero(from, out.size());
  page_->left -= out.size();
}

} // namespace kith::io
