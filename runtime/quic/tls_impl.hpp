// SPDX-License-Identifier: GPL-3.0-or-later
// TLS 1.3 with raw public keys (RFC 7250) over wolfSSL: contexts of identities, and what a finished handshake proved.
#pragma once

#include "base/error.hpp"
#include "base/peer_id.hpp"
#include "base/random.hpp"
#include "quic/settings.hpp"

#include <wolfssl/options.h>
// options.h comes first
#include <wolfssl/ssl.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kith::quic::tls {

struct ContextDeleter {
  void operator()(WOLFSSL_CTX* context) const noexcept { wolfSSL_CTX_free(context); }
};
using ContextPtr = std::unique_ptr<WOLFSSL_CTX, ContextDeleter>;

struct SessionDeleter {
  void operator()(WOLFSSL* session) const noexcept { wolfSSL_free(session); }
};
using SessionPtr = std::unique_ptr<WOLFSSL, SessionDeleter>;

inline constexpr unsigned char alert_unexpected_message = 10;       ///< RFC 8446 §6.2.
inline constexpr unsigned char alert_unrecognized_name = 112;       ///< RFC 6066 §3.
inline constexpr unsigned char alert_no_application_protocol = 120; ///< RFC 7301 §3.2.

/// Raw public keys both ways, Ed25519, X25519, no tickets, no resumption. Errors: internal.
Result<ContextPtr> make_server_context(const Credentials& credentials);
Result<ContextPtr> make_client_context(const Credentials& credentials);
/// A server context with a key that nobody has: for handshakes until their server name has chosen an identity.
Result<ContextPtr> make_bootstrap_context(Random& random);

/// The server name that the peer asked for; empty when it sent none.
std::string_view requested_name(WOLFSSL* session);

/// The list in the form that wolfSSL takes, and that list set on the session: a handshake without a common protocol fails.
bool offer_alpns(WOLFSSL* session, const std::vector<std::string>& alpns);
std::string negotiated_alpn(WOLFSSL* session);

/// The peer's key, when the handshake proved one: not resumed, raw public keys on both sides, a certificate present, an Ed25519 SubjectPublicKeyInfo of
/// exactly 44 octets (RFC 8410 §4). Otherwise the error says what was missing.
Result<PeerId> proven_peer(WOLFSSL* session);

/// What a peer's TLS says after the handshake. There is no session then to hear it, and need not be: a ticket is never used, and all else is forbidden.
class LateMessages {
public:
  enum class Verdict : std::uint8_t { fine, unexpected_message, protocol_violation };

  /// Looks at the types of the messages in the next octets (RFC 8446 §4) and forgets them. A server may send tickets, and no CertificateRequest (RFC 9001
  /// §4.4); KeyUpdate is for neither side (RFC 9001 §6), and a client has nothing to say.
  Verdict take(ByteView octets, bool from_server) noexcept;

private:
  static constexpr std::size_t head_size = 4; ///< Its type, and its length in three octets.
  std::size_t head_left_ = head_size;         ///< Of the message that is being read: octets of its head,
  std::uint32_t body_left_ = 0;               ///< and, as far as the head has come, of its body.
};

} // namespace kith::quic::tls
