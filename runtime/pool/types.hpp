// SPDX-License-Identifier: GPL-3.0-or-later
// The words of the connection pool: keys, settings, actions, rows.
#pragma once

#include "base/address.hpp"
#include "base/error.hpp"
#include "base/peer_id.hpp"
#include "base/time.hpp"

#include <compare>
#include <cstdint>
#include <string>
#include <variant>

namespace kith::pool {

enum class ConnId : std::uint64_t {};    ///< Names a connection; given by the caller, never reused.
enum class AttemptId : std::uint64_t {}; ///< Names one dial to one address; given by the pool, never reused.
enum class WaiterId : std::uint64_t {};  ///< Names one want(); given by the pool, never reused.

inline constexpr Code no_error{0}; ///< The code of a Close that is no failure.

/// What a connection is for. One usable connection a key. Ordered, so that tables need no hash that a stranger could aim at.
struct Key {
  PeerId identity; ///< Ours.
  PeerId peer;     ///< Theirs; the same as `identity` when one calls oneself.
  std::string alpn;
  bool self() const noexcept { return identity == peer; }
  friend auto operator<=>(const Key&, const Key&) = default;
};

/// An address to dial. Those that only a stranger gave get at most 3 Initials before they answer (the caller's connection sees to it).
struct Candidate {
  Address address;
  bool hinted = false;
};

/// Every limit and time of the pool. Those that a user may want to change have a name in kith.yaml (runtime/daemon hands them on).
struct Settings {
  Duration attempt_gap = std::chrono::milliseconds(50);    ///< Between two attempts of a race, while none fails.
  Duration connect_timeout = std::chrono::seconds(10);     ///< Of an attempt, and the longest wait of a waiter.
  Duration attempt_refresh = std::chrono::seconds(1);      ///< A new want dials an address again when its last attempt is older than this.
  Duration idle_close = std::chrono::seconds(60);          ///< Without a stream; the dialer closes.
  Duration stranger_silence = std::chrono::seconds(60);    ///< A stranger's connection ends when none of its streams moved for so long.
  Duration stranger_grace = std::chrono::seconds(5);       ///< So long a stranger's place is its own; then it may have to make room for another.
  Duration backoff_first = std::chrono::milliseconds(250); ///< Automatic reconnects only; doubles,
  Duration backoff_limit = std::chrono::seconds(60);       ///< up to this; jitter takes off up to half.
  Duration redial_within = std::chrono::milliseconds(500); ///< After a change of our addresses.
  Duration initial_pto = std::chrono::seconds(1);          ///< Until heard() tells a measured one (RFC 9002 §6.2.2).
  std::size_t max_redials = 10;                            ///< Automatic reconnects in a row before giving up.
  std::size_t max_connections = 4096;                      ///< With attempts in flight.
  std::size_t max_connections_per_identity = 1024;
  std::size_t max_connections_per_key = 4;   ///< Old ones that still drain included.
  std::size_t max_stranger_connections = 64; ///< Accepted from peers without a role.
  std::size_t max_attempts_per_peer = 16;    ///< In flight; further addresses wait their turn.
  std::size_t max_addresses_per_peer = 32;   ///< Of one race; further ones are left out.
  std::size_t max_waiters_per_peer = 1024;
};

/// PTOs of silence after which a connection in doubt is dropped, and for which a retired one lingers so that streams in flight are refused, not lost.
inline constexpr int silent_ptos = 3;
/// What counts at most as a PTO there: a peer that was frozen makes its absence look like a round trip.
inline constexpr std::chrono::seconds longest_pto{5};

// --- actions: what the caller does next, in order
struct StartAttempt {
  AttemptId attempt;
  Key key;
  Address address;
  bool hinted;
};
struct AbandonAttempt {
  AttemptId attempt;
}; ///< Close it, even if it has just been authenticated. Sends no HELLO.
struct Grant {
  WaiterId waiter;
  ConnId connection;
}; ///< Open the stream now.
struct Fail {
  WaiterId waiter;
  Error error;
};
struct Goaway {
  ConnId connection;
}; ///< Send GOAWAY; refuse further streams with going_away.
struct Close {
  ConnId connection;
  Code code;
  std::string text;
}; ///< The pool has forgotten it already; no closed() is needed.
struct Ping {
  ConnId connection;
};
using Action = std::variant<StartAttempt, AbandonAttempt, Grant, Fail, Goaway, Close, Ping>;

struct Counters {
  std::uint64_t handshakes_dialed = 0;
  std::uint64_t handshakes_accepted = 0;
  std::uint64_t reuses = 0;    ///< Wants that found a connection.
  std::uint64_t failures = 0;  ///< Wants that were answered with an error, and dials that the peer refused.
  std::uint64_t evictions = 0; ///< Connections closed to make room.
};

/// One connection, for `kith status` and `kith pool`.
struct Row {
  Key key;
  ConnId connection;
  Address remote;
  bool dialer;   ///< We dialed it.
  bool current;  ///< New streams go here.
  bool draining; ///< GOAWAY was sent or received.
  bool stranger;
  std::size_t streams;
  std::uint64_t opened; ///< Streams ever, both sides': all but the first reused the connection.
  TimePoint since;
  TimePoint heard;
  TimePoint idle_since; ///< The end of the last stream; of no use while there are streams.
};

} // namespace kith::pool
