// SPDX-License-Identifier: GPL-3.0-or-later
// wolfSSL takes every random byte from kith_tls_random (scripts/setup): its own generator is seeded anew at each HKDF step, half the cost of a handshake.
#include "quic/endpoint.hpp"

#include <sys/random.h>

#include <cerrno>

namespace kith::quic {
namespace {
thread_local Random* tls_source = nullptr;

bool kernel_random(unsigned char* out, std::size_t size) noexcept {
  while (size != 0) {
    const ssize_t got = ::getrandom(out, size, 0);
    if (got < 0) {
      if (errno == EINTR) continue;
      return false;
    }
    out += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}
} // namespace

TlsRandomScope::TlsRandomScope(Random& random) noexcept : before_(tls_source) { tls_source = &random; }
TlsRandomScope::~TlsRandomScope() { tls_source = before_; }

} // namespace kith::quic

extern "C" {

int kith_tls_random(unsigned char* out, unsigned int size);
int kith_tls_random(unsigned char* out, unsigned int size) {
  if (kith::quic::tls_source != nullptr) {
    kith::quic::tls_source->fill({out, size});
    return 0;
  }
  return kith::quic::kernel_random(out, size) ? 0 : -1;
}

// The seed of generators that wolfSSL makes by itself; with the function above in place nothing draws on it for keys.
struct OS_Seed;
int wc_GenerateSeed(OS_Seed* os, unsigned char* output, unsigned int size);
int wc_GenerateSeed(OS_Seed* /*os*/, unsigned char* output, unsigned int size) { return kith_tls_random(output, size); }
}
