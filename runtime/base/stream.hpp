// SPDX-License-Identifier: Apache-2.0
// A stream as the rest of the daemon sees it: two pipes and a few signals. `node` is on one side (StreamControl); a plugin instance, a provider or a program
// on the socket is on the other (StreamUser). Everything here is called on the network thread; whoever lives on another thread hops by itself.
#pragma once

#include "base/error.hpp"
#include "base/peer_id.hpp"
#include "base/pipe.hpp"
#include "base/role.hpp"
#include "base/time.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace kith {

/// Names one stream for as long as the daemon runs; never reused.
enum class StreamKey : std::uint64_t { none = 0 };

enum class StreamKind : std::uint8_t { call = 0, stream = 1 };

inline constexpr std::string_view content_json = "json"; ///< A content type; the empty one is bytes.

/// A stream to a peer, as its opener asks for it.
struct StreamRequest {
  PeerId peer;
  StreamKind kind = StreamKind::call;
  std::string protocol;
  std::string alias = "default";
  std::string command;
  std::string content_type;
  TimePoint deadline = never; ///< Calls without one get call_timeout.
};

/// An incoming stream, after the Gate has let it in and before any of its bytes are looked at.
struct IncomingStream {
  StreamKey key = StreamKey::none;
  PeerId identity;
  PeerId peer;
  std::string peer_name; ///< What this identity calls the peer; empty for a stranger.
  Role role = Role::public_;
  StreamKind kind = StreamKind::call;
  std::string command;
  std::string content_type;
  TimePoint deadline = never;
  PipePtr in;  ///< The user is its consumer.
  PipePtr out; ///< The user is its producer, and stops when room() is 0.
};

/// How a stream came to its end.
struct StreamEnd {
  bool ok = false;     ///< Both directions ended with FIN.
  Error error;         ///< Otherwise: why. Codes from 1000 on come from the protocol.
  bool remote = false; ///< The peer ended it.
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
};

/// What the other side may hear of a stream. No call re-enters the node from inside one of these except through StreamControl, which only takes notes.
class StreamUser {
public:
  virtual ~StreamUser() = default;
  /// An incoming stream; answer with accept or reject. Never for streams that this user opened. `in` may hold octets, or its end, already.
  virtual void opened(IncomingStream stream) = 0;
  /// A stream that this user opened was answered: `in` may hold octets, or its end, already. After an error nothing follows but closed.
  virtual void replied(StreamKey key, const Result<std::string>& content_type) = 0;
  /// `in` has octets, or its end, that came after opened or replied (edge-triggered, coalesced).
  virtual void readable(StreamKey key) = 0;
  /// `out` has room(): the answer to want_writable.
  virtual void writable(StreamKey key) = 0;
  /// Exactly once for every stream that was opened either way. The pipes stay valid for as long as the user holds them.
  virtual void closed(StreamKey key, const StreamEnd& end) = 0;
};

/// What the user of a stream may ask for. Unknown keys (streams that have ended) are ignored.
class StreamControl {
public:
  virtual ~StreamControl() = default;
  virtual void accept(StreamKey key, std::string_view content_type) = 0;
  /// Refuses an incoming stream that was not accepted. `code` is a protocol's (>= 1000) or one of the table.
  virtual void reject(StreamKey key, Code code, std::string_view text) = 0;
  virtual void produced(StreamKey key) = 0; ///< `out` has more octets, or was finished.
  virtual void consumed(StreamKey key) = 0; ///< Octets of `in` were consumed: credit goes back to the peer.
  /// Ends both directions at once; the peer sees the code, and the text in an ERROR frame.
  virtual void reset(StreamKey key, Code code, std::string_view text) = 0;
  /// The user found `out` without room(): writable() follows once, when there is some (perhaps at once).
  virtual void want_writable(StreamKey key) = 0;
  /// Lower goes first on the wire; 3 at first (RFC 9218 §4.1: 0 to 7).
  virtual void set_urgency(StreamKey key, std::uint8_t urgency) = 0;
};

} // namespace kith
