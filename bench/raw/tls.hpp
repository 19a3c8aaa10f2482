// SPDX-License-Identifier: GPL-3.0-or-later
// The TLS that both sides of the baseline use: TLS 1.3, raw Ed25519 keys both ways, X25519, no tickets; the same choices as kith's.
#pragma once

#include <wolfssl/options.h>
// options.h comes first
#include <wolfssl/ssl.h>

namespace kith::bench {

inline constexpr char raw_alpn[] = "raw/1";

/// A context with a fresh key. Ends the process when wolfSSL refuses it.
WOLFSSL_CTX* make_context(bool server);

} // namespace kith::bench
