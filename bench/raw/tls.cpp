// SPDX-License-Identifier: GPL-3.0-or-later
#include "raw/tls.hpp"

#include "rows.hpp"

#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <ngtcp2/ngtcp2_crypto_wolfssl.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ed25519.h>

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace kith::bench {
namespace {
constexpr std::array<unsigned char, 12> spki_prefix{0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00}; // RFC 8410 §4

int accept_any_chain(int /*preverify*/, WOLFSSL_X509_STORE_CTX* /*store*/) { return 1; }

void use_fresh_key(WOLFSSL_CTX* context) {
  ed25519_key key;
  WC_RNG rng;
  std::array<unsigned char, 44> spki{};
  std::array<unsigned char, 128> der{};
  word32 size = 32;
  std::copy(spki_prefix.begin(), spki_prefix.end(), spki.begin());
  int der_size = -1;
  if (wc_InitRng(&rng) != 0 || wc_ed25519_init(&key) != 0 || wc_ed25519_make_key(&rng, 32, &key) != 0 ||
      wc_ed25519_export_public(&key, spki.data() + spki_prefix.size(), &size) != 0 ||
      (der_size = wc_Ed25519KeyToDer(&key, der.data(), static_cast<word32>(der.size()))) <= 0 ||
      wolfSSL_CTX_use_certificate_buffer(context, spki.data(), static_cast<long>(spki.size()), WOLFSSL_FILETYPE_ASN1) != WOLFSSL_SUCCESS ||
      wolfSSL_CTX_use_PrivateKey_buffer(context, der.data(), der_size, WOLFSSL_FILETYPE_ASN1) != WOLFSSL_SUCCESS) {
    die("wolfSSL takes no raw key");
  }
  wc_ed25519_free(&key);
  wc_FreeRng(&rng);
}
} // namespace

WOLFSSL_CTX* make_context(bool server) {
  WOLFSSL_CTX* context = wolfSSL_CTX_new(server ? wolfTLSv1_3_server_method() : wolfTLSv1_3_client_method());
  std::array<char, 1> rpk{WOLFSSL_CERT_TYPE_RPK};
  std::array<int, 1> groups{WOLFSSL_ECC_X25519};
  if (context == nullptr ||
      (server ? ngtcp2_crypto_wolfssl_configure_server_context(context) : ngtcp2_crypto_wolfssl_configure_client_context(context)) != 0 ||
      wolfSSL_CTX_set_client_cert_type(context, rpk.data(), 1) != WOLFSSL_SUCCESS ||
      wolfSSL_CTX_set_server_cert_type(context, rpk.data(), 1) != WOLFSSL_SUCCESS ||
      wolfSSL_CTX_set_groups(context, groups.data(), 1) != WOLFSSL_SUCCESS) {
    die("wolfSSL takes no TLS settings");
  }
  use_fresh_key(context);
  wolfSSL_CTX_set_verify(context, WOLFSSL_VERIFY_PEER | WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT, accept_any_chain);
  wolfSSL_CTX_set_session_cache_mode(context, WOLFSSL_SESS_CACHE_OFF);
  if (server) wolfSSL_CTX_no_ticket_TLSv13(context);
  return context;
}

} // namespace kith::bench

// The same generator as kith's (scripts/setup builds wolfSSL to ask for these): the kernel.
extern "C" {
int kith_tls_random(unsigned char* out, unsigned int size);
int kith_tls_random(unsigned char* out, unsigned int size) {
  while (size != 0) {
    const ssize_t got = ::getrandom(out, size, 0);
    if (got < 0) {
      if (errno == EINTR) continue;
      return -1;
    }
    out += got;
    size -= static_cast<unsigned int>(got);
  }
  return 0;
}

struct OS_Seed;
int wc_GenerateSeed(OS_Seed* os, unsigned char* output, unsigned int size);
int wc_GenerateSeed(OS_Seed* /*os*/, unsigned char* output, unsigned int size) { return kith_tls_random(output, size); }
}
