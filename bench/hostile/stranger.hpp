// SPDX-License-Identifier: GPL-3.0-or-later
// A QUIC client that the daemon is to turn away: one connection, and how it ended.
#pragma once

#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <wolfssl/options.h>
// options.h comes first
#include <wolfssl/ssl.h>

#include <netinet/in.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace kith::bench {

using Octets = std::vector<std::uint8_t>;

/// The CONNECTION_CLOSE that came.
struct Refused {
  bool application = false;
  std::uint64_t code = 0;
  friend bool operator==(const Refused&, const Refused&) = default;
};

class Stranger {
public:
  /// `context`: of make_context(false). It connects to `server_name` and offers `alpn` alone.
  Stranger(WOLFSSL_CTX* context, const std::string& server_name, const std::string& alpn, const sockaddr_in& remote);
  ~Stranger();
  Stranger(const Stranger&) = delete;
  Stranger& operator=(const Stranger&) = delete;

  /// The next datagram to send; empty: none now. The first is an Initial of 1,200 octets.
  Octets write();
  void read(std::span<const std::uint8_t> datagram);
  void on_time();
  /// It ended, one way or another.
  bool over() const noexcept { return over_; }
  const std::optional<Refused>& refused() const noexcept { return refused_; }

private:
  friend struct StrangerCallbacks;
  ngtcp2_path path() noexcept;

  sockaddr_in remote_;
  ngtcp2_conn* quic_ = nullptr;
  WOLFSSL* tls_;
  ngtcp2_crypto_conn_ref ref_{};
  bool over_ = false;
  std::optional<Refused> refused_;
};

} // namespace kith::bench
