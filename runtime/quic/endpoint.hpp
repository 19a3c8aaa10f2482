// SPDX-License-Identifier: GPL-3.0-or-later
// The QUIC endpoint: all connections of all identities, over any number of UDP sockets. A plain state machine (RFC 9000): datagrams and `now` in; datagrams,
// a deadline and events out. It authenticates both ends by raw public keys (RFC 7250) and knows nothing of what the streams carry.
#pragma once

#include "base/address.hpp"
#include "base/error.hpp"
#include "base/peer_id.hpp"
#include "base/pipe.hpp"
#include "base/random.hpp"
#include "base/time.hpp"
#include "base/world.hpp"
#include "quic/settings.hpp"
#include "quic/stream.hpp"
#include "quic/trace.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace kith::quic {

/// Names a connection for as long as the endpoint lives; never reused.
enum class ConnectionId : std::uint64_t { none = 0 };

/// Names one ping(); chosen by the caller.
enum class PingId : std::uint64_t {};

inline constexpr std::size_t max_pings = 64; ///< Of one connection that wait for an answer; the oldest are forgotten.

struct PingOutcome {
  PingId id{};
  bool lost = false; ///< Its packet, or the answer, got lost on the way.
  Duration rtt{};    ///< Unless lost: the round trip, the peer's own delay taken off.
};

/// Why a connection came to its end.
struct CloseReason {
  Error error; ///< In kith's terms: what a dial or a stream on it fails with.
  bool by_peer = false;
  bool stateless_reset = false; ///< The peer has forgotten this connection: it was restarted.
  bool was_ready = false;       ///< It was authenticated before.
};

struct Event {
  enum class Kind : std::uint8_t {
    ready, ///< The peer's key is proven (docs/security.md). Only now may streams be opened. A dialer's may still be refused: nothing of it has run then.
    confirmed,       ///< A dialer's: the acceptor took it (RFC 9001 §4.1.2). An acceptor's `ready` says that already.
    closed,          ///< Over; its streams have their own closed signals after this.
    address_changed, ///< The peer's address changed and was validated (RFC 9000 §9).
    heard,           ///< The first packet of the peer's after ping(); and streams moved, either way: told at most once a second.
    pinged,          ///< A ping with an id was answered, or got lost. One that stays without either is the caller's to give up.
    streams,         ///< The peer gives more streams (after open_stream said busy).
    stream,          ///< Look at `signals`.
  };
  Kind kind = Kind::stream;
  ConnectionId connection = ConnectionId::none;
  StreamPtr stream;
  Stream::Signals signals;
  CloseReason reason;
  PingOutcome ping{};
};

/// A connection as status shows it.
struct ConnectionInfo {
  ConnectionId id = ConnectionId::none;
  PeerId identity;
  PeerId peer;
  std::string alpn;
  SocketId socket{};
  Address local; ///< Where its packets leave from; family none until a dialer has heard of its peer, and when the connection is over.
  Address remote;
  bool dialer = false;
  bool ready = false;
  std::size_t mtu = 0; ///< The largest UDP payload that is known to get through (RFC 8899); 0 when the connection is over.
  std::size_t streams = 0;
  Duration smoothed_rtt{};
  Duration pto{};
  std::uint64_t congestion_window = 0;
  std::uint64_t in_flight = 0;
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t bytes_lost = 0;
  std::uint64_t packets_sent = 0;
  std::uint64_t packets_lost = 0;
  std::uint64_t parked_bytes = 0;
  std::size_t transport_bytes = 0; ///< Held by QUIC itself.
};

struct Counters {
  std::uint64_t handshakes_dialed = 0;   ///< Completed.
  std::uint64_t handshakes_accepted = 0; ///< Completed.
  std::uint64_t datagrams_received = 0;
  std::uint64_t datagrams_dropped = 0; ///< Not for any connection, and no acceptable Initial.
  std::uint64_t retries_sent = 0;
  std::uint64_t refused_busy = 0;
  std::uint64_t stateless_resets_sent = 0;
};

struct Dial {
  PeerId identity; ///< One of ours.
  PeerId peer;
  std::string alpn; ///< Offered, one.
  SocketId socket{};
  Address remote;
  bool send_name = true;      ///< Off: the handshake names nobody, as iroh 1.4's do; the acceptor's nameless identity answers.
  std::size_t initials = 0;   ///< At most this many Initials before the peer answers; 0: no limit but the timeout.
  TraceSink* trace = nullptr; ///< Hears of this connection from its beginning.
};

class EndpointImpl;

/// Network thread. Not one of these calls blocks or calls back.
class Endpoint {
public:
  Endpoint(const Settings& settings, const Secrets& secrets, Random& random, SlabPool& slabs);
  /// Limits and times from now on. What is promised to peers stays as it is: windows, streams, the idle timeout and keep-alive, the size of ids.
  void apply(const Settings& settings);
  ~Endpoint();
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  // --- identities
  /// Makes the key known without answering handshakes, so that the identity can dial. Errors: internal, when the key can't be used.
  Result<void> add_key(const Credentials& credentials);
  /// From now on handshakes for this identity are answered, with these ALPNs (in our order of preference). Again: changes the ALPNs.
  /// Errors: unknown_identity, without add_key.
  Result<void> serve(const PeerId& identity, std::vector<std::string> alpns);
  /// Handshakes for it are refused from now on, those under way included. Connections stay; close them.
  void stop_serving(const PeerId& identity);
  void remove_key(const PeerId& identity);
  /// Who answers a handshake on this socket that names this identity, or nobody. Without one: whoever is named.
  using Chooser = std::function<std::optional<PeerId>(SocketId, const std::optional<PeerId>& named)>;
  void set_chooser(Chooser chooser);
  /// How large a UDP payload our own link takes towards an address (Udp::max_payload). Without one: Ethernet's.
  using LinkSize = std::function<std::size_t(const Address& remote)>;
  void set_link_size(LinkSize size);

  // --- connections
  /// Begins a handshake. `ready` or `closed` follows. Errors: unknown_identity, busy (max_connections), internal.
  Result<ConnectionId> connect(const Dial& dial, TimePoint now);
  /// Past max_buffer_bytes: whoever is missed least is reset too_slow, or closed. To be called once for all that came together, before its events are taken.
  void relieve(TimePoint now);
  /// Tells the peer and forgets the connection; `closed` follows.
  void close(ConnectionId connection, Code code, std::string_view text, TimePoint now);
  /// The same at the end of a connection whose streams have ended well: what came is acknowledged first, so that they do at the peer's end too.
  void leave(ConnectionId connection, Code code, std::string_view text, TimePoint now);
  /// A dialer's packets leave from `local` (with its port) from now on: nothing if they do already, else migration (RFC 9000 §9) as soon as the peer allows
  /// it. An acceptor stays where it was asked.
  void move(ConnectionId connection, const Address& local, TimePoint now);
  /// Makes the peer say something; `heard` follows if it does.
  void ping(ConnectionId connection);
  /// Measures a round trip; `pinged` with this id follows, or `closed`, or nothing.
  void ping(ConnectionId connection, PingId id);
  std::optional<ConnectionInfo> info(ConnectionId connection) const;
  std::vector<ConnectionInfo> list() const;
  /// The smoothed probe timeout (RFC 9002 §6.2), for deadlines that follow the path.
  TimePoint heard_at(ConnectionId connection) const; ///< When its last packet came.
  Duration pto(ConnectionId connection) const;

  // --- streams
  /// Errors: connection_lost (no such connection, or not ready), busy (the peer gives no more streams now).
  Result<StreamPtr> open_stream(ConnectionId connection, PipePtr in, PipePtr out);
  /// A unidirectional stream of ours.
  Result<StreamPtr> open_uni_stream(ConnectionId connection, PipePtr out);
  /// Bidirectional streams that can be opened now.
  std::uint64_t streams_left(ConnectionId connection) const;

  // --- the outside
  void receive(const Datagram& datagram, TimePoint now);
  /// Fills `buffer` (64 KiB is a full train) with the next datagrams to send; nothing when there is nothing to send now. The answer's `bytes` point into
  /// `buffer`. `train` says how many datagrams a send on a socket may carry now; 0: none, connections that use it wait for sendable().
  using TrainLimit = std::function<std::size_t(SocketId)>;
  std::optional<Datagram> transmit(ByteSpan buffer, const TrainLimit& train, TimePoint now);
  /// A socket takes datagrams again.
  void sendable();
  TimePoint next_deadline() const;
  void on_deadline(TimePoint now);
  bool next_event(Event& event);
  std::size_t pending_events() const noexcept; ///< Without those of connections that have closed.

  const Counters& counters() const noexcept;
  std::size_t half_open() const noexcept;

private:
  std::unique_ptr<EndpointImpl> impl_;
};

/// Where wolfSSL's random bytes come from on this thread while an endpoint runs; the kernel's otherwise.
class TlsRandomScope {
public:
  explicit TlsRandomScope(Random& random) noexcept;
  ~TlsRandomScope();
  TlsRandomScope(const TlsRandomScope&) = delete;
  TlsRandomScope& operator=(const TlsRandomScope&) = delete;

private:
  Random* before_;
};

} // namespace kith::quic
