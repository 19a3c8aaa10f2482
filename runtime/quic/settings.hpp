// SPDX-License-Identifier: GPL-3.0-or-later
// What a QUIC endpoint is told once: every limit and time of the transport, with its default.
#pragma once

#include "base/bytes.hpp"
#include "base/peer_id.hpp"
#include "base/pipe.hpp"
#include "base/seed.hpp"
#include "base/time.hpp"
#include "quic/tokens.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace kith::quic {

inline constexpr std::uint64_t scarce_send_buffer = small_slab_size;      ///< Octets that each stream may have outstanding whatever the others have.
inline constexpr std::uint64_t first_send_buffer = 4 * small_slab_size;   ///< What a new stream of the peer's may have, until it was counted once.
inline constexpr std::uint64_t max_transport_overhead = 16 * 1024 * 1024; ///< What ngtcp2 may hold of a connection besides connection_window.

struct Settings {
  Duration handshake_timeout = std::chrono::seconds(10);
  Duration idle_timeout = std::chrono::seconds(90); ///< The transport's (RFC 9000 §10.1); the pool closes idle connections long before.
  Duration keep_alive = std::chrono::seconds(15);   ///< Sent while streams are open.

  std::uint64_t stream_window = 256 * 1024;           ///< Credit of a new stream, octets.
  std::uint64_t max_stream_window = 16 * 1024 * 1024; ///< A window doubles up to here while its reader keeps the pipe empty.
  std::uint64_t connection_window = 24 * 1024 * 1024; ///< Credit of a connection; it returns when octets enter a stream's pipe.
  std::uint64_t max_parked_bytes = 64 * 1024 * 1024;  ///< Received and not yet read, for one connection.
  std::uint64_t max_buffer_bytes = 512 * 1024 * 1024; ///< In the pipes of all connections together.
  std::uint64_t max_send_buffer =
      4 * 1024 * 1024;              ///< Written on a connection's streams and not acknowledged; past it a stream has scarce_send_buffer.
  std::uint64_t max_streams = 1024; ///< Bidirectional streams a peer may have open at once.
  std::uint64_t max_uni_streams = 16;

  std::size_t max_connections = 10'000;
  std::size_t max_half_open = 1'000;         ///< Handshakes of strangers under way; more are dropped.
  std::size_t max_half_open_per_source = 64; ///< Of these, from one IPv4 address or one IPv6 /56.
  std::size_t retry_above_per_source = 16;   ///< As retry_above, for one source: whoever borrows its address can't use up its share.
  std::size_t retry_above = 100; ///< Handshakes under way from which on a stranger must prove its address first (Retry, RFC 9000 §8.1.2).
  std::uint32_t stateless_resets_per_second = 200;

  std::uint64_t max_packet = 16336; ///< The largest UDP payload that path MTU discovery tries, octets; 1200 or more. The last of packet_sizes.

  std::uint8_t cid_size = 8; ///< Octets of the connection ids that we give out.
};

/// The key that answers for one identity.
struct Credentials {
  PeerId id;
  Seed seed;
};

/// Secrets that survive a restart: reset tokens, Retry tokens and connection-id hashes.
struct Secrets {
  TokenKey reset{};
  TokenKey retry{};
  std::array<std::uint8_t, 16> hash{};
};

} // namespace kith::quic
