// SPDX-License-Identifier: GPL-3.0-or-later
#include "quic/tls_impl.hpp"

#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <ngtcp2/ngtcp2_crypto_wolfssl.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ed25519.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace kith::quic::tls {
namespace {

// SubjectPublicKeyInfo of an Ed25519 key, RFC 8410 §4: these twelve octets, then the key.
constexpr std::array<unsigned char, 12> spki_prefix{0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
constexpr std::size_t spki_size = spki_prefix.size() + 32;

// The chain of a raw public key is the key itself: nothing to verify here. Who it is, proven_peer() reads after the handshake.
int accept_any_chain(int /*preverify*/, WOLFSSL_X509_STORE_CTX* /*store*/) { return 1; }

Error refused(const char* what) { return {Code::internal, std::string("TLS: the identity's key can't be used (") + what + ")"}; }

Result<void> use_key(WOLFSSL_CTX* context, const Credentials& credentials) {
  std::array<unsigned char, spki_size> spki{};
  std::copy(spki_prefix.begin(), spki_prefix.end(), spki.begin());
  std::copy(credentials.id.bytes.begin(), credentials.id.bytes.end(), spki.begin() + spki_prefix.size());
  if (wolfSSL_CTX_use_certificate_buffer(context, spki.data(), static_cast<long>(spki.size()), WOLFSSL_FILETYPE_ASN1) != WOLFSSL_SUCCESS) {
    return refused("public key");
  }
  ed25519_key key;
  if (wc_ed25519_init(&key) != 0) return refused("init");
  std::array<unsigned char, 128> der{};
  int size = wc_ed25519_import_private_key(credentials.seed.octets.data(), 32, credentials.id.bytes.data(), 32, &key);
  if (size == 0) size = wc_Ed25519KeyToDer(&key, der.data(), static_cast<word32>(der.size()));
  wc_ed25519_free(&key);
  const bool ok = size > 0 && wolfSSL_CTX_use_PrivateKey_buffer(context, der.data(), size, WOLFSSL_FILETYPE_ASN1) == WOLFSSL_SUCCESS;
  ngtcp2_secure_clear(der.data(), der.size());
  if (!ok) return refused("private key");
  return {};
}

Result<void> configure(WOLFSSL_CTX* context, const Credentials& credentials) {
  if (auto used = use_key(context, credentials); !used) return used.error();
  std::array<char, 1> rpk{WOLFSSL_CERT_TYPE_RPK};
  if (wolfSSL_CTX_set_client_cert_type(context, rpk.data(), 1) != WOLFSSL_SUCCESS) return refused("client certificate type");
  if (wolfSSL_CTX_set_server_cert_type(context, rpk.data(), 1) != WOLFSSL_SUCCESS) return refused("server certificate type");
  std::array<int, 1> groups{WOLFSSL_ECC_X25519};
  if (wolfSSL_CTX_set_groups(context, groups.data(), 1) != WOLFSSL_SUCCESS) return refused("groups");
  wolfSSL_CTX_set_verify(context, WOLFSSL_VERIFY_PEER | WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT, accept_any_chain);
  wolfSSL_CTX_set_session_cache_mode(context, WOLFSSL_SESS_CACHE_OFF);
  return {};
}

} // namespace

Result<ContextPtr> make_server_context(const Credentials& credentials) {
  ContextPtr context(wolfSSL_CTX_new(wolfTLSv1_3_server_method()));
  if (!context || ngtcp2_crypto_wolfssl_configure_server_context(context.get()) != 0) return refused("server context");
  if (auto done = configure(context.get(), credentials); !done) return done.error();
  wolfSSL_CTX_no_ticket_TLSv13(context.get()); // no resumption: a resumed session proves no key
  return context;
}

Result<ContextPtr> make_client_context(const Credentials& credentials) {
  ContextPtr context(wolfSSL_CTX_new(wolfTLSv1_3_client_method()));
  if (!context || ngtcp2_crypto_wolfssl_configure_client_context(context.get()) != 0) return refused("client context");
  if (auto done = configure(context.get(), credentials); !done) return done.error();
  return context;
}

Result<ContextPtr> make_bootstrap_context(Random& random) {
  Credentials throwaway;
  random.fill(throwaway.seed.octets);
  ed25519_key key;
  if (wc_ed25519_init(&key) != 0) return refused("init");
  int failed = wc_ed25519_import_private_only(throwaway.seed.octets.data(), 32, &key);
  if (failed == 0) failed = wc_ed25519_make_public(&key, throwaway.id.bytes.data(), 32);
  wc_ed25519_free(&key);
  if (failed != 0) return refused("throwaway key");
  return make_server_context(throwaway);
}

std::string_view requested_name(WOLFSSL* session) {
  void* name = nullptr;
  const unsigned short size = wolfSSL_SNI_GetRequest(session, WOLFSSL_SNI_HOST_NAME, &name);
  if (size == 0 || name == nullptr) return {};
  return {static_cast<const char*>(name), size};
}

bool offer_alpns(WOLFSSL* session, const std::vector<std::string>& alpns) {
  std::string list;
  for (const std::string& alpn : alpns) {
    if (!list.empty()) list += ',';
    list += alpn;
  }
  return wolfSSL_UseALPN(session, list.data(), static_cast<unsigned int>(list.size()), WOLFSSL_ALPN_FAILED_ON_MISMATCH) == WOLFSSL_SUCCESS;
}

std::string negotiated_alpn(WOLFSSL* session) {
  char* name = nullptr;
  unsigned short size = 0;
  if (wolfSSL_ALPN_GetProtocol(session, &name, &size) != WOLFSSL_SUCCESS || name == nullptr) return {};
  return {name, size};
}

Result<PeerId> proven_peer(WOLFSSL* session) {
  if (wolfSSL_session_reused(session) != 0) return Error{Code::denied, "the peer resumed a session, which proves no key"};
  int client_type = WOLFSSL_CERT_TYPE_UNKNOWN;
  int server_type = WOLFSSL_CERT_TYPE_UNKNOWN;
  wolfSSL_get_negotiated_client_cert_type(session, &client_type);
  wolfSSL_get_negotiated_server_cert_type(session, &server_type);
  if (client_type != WOLFSSL_CERT_TYPE_RPK || server_type != WOLFSSL_CERT_TYPE_RPK) {
    return Error{Code::denied, "the peer does not use raw public keys (RFC 7250)"};
  }
  const std::unique_ptr<WOLFSSL_X509, void (*)(WOLFSSL_X509*)> certificate(wolfSSL_get_peer_certificate(session), wolfSSL_X509_free);
  if (!certificate) return Error{Code::denied, "the peer sent no key"};
  std::array<unsigned char, 128> spki{};
  int size = static_cast<int>(spki.size());
  if (wolfSSL_X509_get_pubkey_buffer(certificate.get(), spki.data(), &size) != WOLFSSL_SUCCESS || size != static_cast<int>(spki_size) ||
      !std::equal(spki_prefix.begin(), spki_prefix.end(), spki.begin())) {
    return Error{Code::denied, "the peer's key is not an Ed25519 key (RFC 8410)"};
  }
  PeerId id;
  std::copy_n(spki.begin() + spki_prefix.size(), id.bytes.size(), id.bytes.begin());
  return id;
}

LateMessages::Verdict LateMessages::take(ByteView octets, bool from_server) noexcept {
  constexpr std::uint8_t new_session_ticket = 4;
  constexpr std::uint8_t certificate_request = 13;
  while (!octets.empty()) {
    if (head_left_ == 0) {
      const std::size_t skipped = std::min<std::size_t>(body_left_, octets.size());
      body_left_ -= static_cast<std::uint32_t>(skipped);
      octets = octets.subspan(skipped);
      if (body_left_ == 0) head_left_ = head_size;
      continue;
    }
    const std::uint8_t octet = octets.front();
    octets = octets.subspan(1);
    if (head_left_-- < head_size) {
      body_left_ = body_left_ << 8U | octet;
      if (head_left_ == 0 && body_left_ == 0) head_left_ = head_size;
    } else if (from_server && octet == certificate_request) {
      return Verdict::protocol_violation;
    } else if (!from_server || octet != new_session_ticket) {
      return Verdict::unexpected_message;
    }
  }
  return Verdict::fine;
}

} // namespace kith::quic::tls
