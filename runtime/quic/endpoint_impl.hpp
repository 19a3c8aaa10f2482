// SPDX-License-Identifier: GPL-3.0-or-later
// What connections and the endpoint share.
#pragma once

#include "quic/connection_impl.hpp"

#include <algorithm>
#include <deque>
#include <functional>
#include <unordered_map>
#include <utility>
#include <vector>

namespace kith::quic {

inline constexpr std::size_t min_initial_datagram = 1200;     ///< RFC 9000 §14.1.
inline constexpr std::size_t max_train_bytes = 64 * 1024 - 1; ///< A UDP payload, GSO or not, ends here.

inline ByteView cid_view(const ngtcp2_cid& cid) noexcept { return {cid.data, cid.datalen}; }

struct CidKey {
  std::uint8_t size = 0;
  std::array<std::uint8_t, NGTCP2_MAX_CIDLEN> bytes{};
  explicit CidKey(const ngtcp2_cid& cid) noexcept;
  explicit CidKey(ByteView cid) noexcept;
  friend bool operator==(const CidKey&, const CidKey&) = default;
};

/// SipHash-2-4 (Aumasson and Bernstein, 2012): strangers choose the ids that they send, so the table's hash has a key.
struct CidHash {
  std::array<std::uint8_t, 16> key{};
  std::size_t operator()(const CidKey& cid) const noexcept;
};

class EndpointImpl {
public:
  struct Identity {
    tls::ContextPtr server;
    tls::ContextPtr client;
    std::vector<std::string> alpns;
    bool serving = false;
  };

  ~EndpointImpl() { connections.clear(); } // they count themselves out of the tables below
  EndpointImpl(const EndpointImpl&) = delete;
  EndpointImpl& operator=(const EndpointImpl&) = delete;
  EndpointImpl(const Settings& settings, const Secrets& secrets, Random& random, SlabPool& slabs);

  Result<void> prepare(const Credentials& credentials);
  Identity* find_identity(const PeerId& id) noexcept;
  /// Chooses the identity of a handshake, sets key and ALPNs on the session; false refuses it.
  bool select_identity(WOLFSSL* session, SocketId socket, PeerId& chosen);

  Connection* find(ConnectionId id) noexcept;
  const Connection* find(ConnectionId id) const noexcept;
  Connection& make_connection(bool dialer);
  void add_cid(Connection& connection, const ngtcp2_cid& cid);
  void remove_cid(Connection& connection, const ngtcp2_cid& cid);
  void add_reset_token(Connection& connection, ByteView token);
  void remove_reset_token(Connection& connection, ByteView token);
  void new_cid(ngtcp2_cid& cid, std::size_t size);
  void write_reset_token(std::uint8_t* token, const ngtcp2_cid& cid) const;
  void want_write(Connection& connection);
  void update_timer(Connection& connection);
  void emit(ConnectionId connection, const PingOutcome& outcome) {
    emit(Event::Kind::pinged, connection);
    ping_outcomes.push_back(outcome);
  }
  void emit_closed(ConnectionId connection, CloseReason reason); ///< Before all that wait.
  void emit(Event::Kind kind, ConnectionId connection, StreamPtr stream = nullptr) { events.push_back({kind, connection, std::move(stream)}); }
  static void take_signals(Stream& stream, Stream::Signals& out) noexcept {
    out = std::exchange(stream.signals_, {});
    stream.in_queue_ = false;
  }
  void begin_half_open(const Address& source);
  void end_half_open(const Address& source);
  std::size_t half_open_of(const Address& source) const;
  /// Connections that are more than a stranger's unfinished handshake, and not over.
  std::size_t established() const noexcept { return connections.size() - std::min(connections.size(), half_open + lingering); }
  /// Past max_buffer_bytes: the heaviest streams of all connections are reset; or the connection ends whose QUIC holds most.
  void relieve();
  void reap();

  void receive_packet(const Datagram& datagram, ByteView packet);
  void accept(const Datagram& datagram, ByteView packet);

  // --- stateless.cpp
  void queue_reply(const Datagram& to, Bytes bytes);
  void reply_versions(const Datagram& to, const ngtcp2_version_cid& header);
  void reply_retry(const Datagram& to, const ngtcp2_pkt_hd& header);
  void reply_reset(const Datagram& to, ByteView packet, const ngtcp2_version_cid& header);

  Settings settings;
  Secrets secrets;
  Random& random;
  SlabPool& slabs;
  tls::ContextPtr bootstrap;
  std::unordered_map<PeerId, Identity> identities;
  Endpoint::Chooser chooser;
  Endpoint::LinkSize link_size = [](const Address&) -> std::size_t { return NGTCP2_MAX_PMTUD_UDP_PAYLOAD_SIZE; };
  std::unordered_map<ConnectionId, std::unique_ptr<Connection>> connections;
  std::unordered_map<CidKey, Connection*, CidHash> routes;
  std::unordered_map<CidKey, Connection*, CidHash> peer_tokens; ///< By the reset tokens of peers: a stateless reset carries no id of ours.
  struct Pending {
    Event::Kind kind;
    ConnectionId connection;
    StreamPtr stream;
  };
  std::vector<Pending> events;                             // from next_event on; emptied when all were taken, so that its memory stays
  std::deque<std::pair<ConnectionId, CloseReason>> closes; ///< Before all of these.
  std::deque<PingOutcome> ping_outcomes;                   ///< Of the `pinged` among them, in their order.
  std::size_t next_event = 0;
  std::deque<ConnectionId> writers;
  std::vector<ConnectionId> blocked_writers; ///< Their socket takes nothing now; one that has gone meanwhile is passed over later.
  std::vector<ConnectionId> dead;
  struct TimerEntry {
    TimePoint at;
    ConnectionId connection;
    friend bool operator>(const TimerEntry& a, const TimerEntry& b) noexcept { return a.at > b.at; }
  };
  std::vector<TimerEntry> timers; // a heap, the earliest first
  struct Reply {
    SocketId socket{};
    Address local;
    Address remote;
    Bytes bytes;
    bool needed = false; ///< It waits for a full socket: nobody asks for an acknowledgement again.
  };
  std::deque<Reply>
      replies; // packets outside any connection: Retry, version negotiation, stateless reset; and the last acknowledgement before a close
  std::vector<Reply> blocked_replies; ///< Those that are needed, and whose socket takes nothing now.
  Counters counters;
  std::size_t half_open = 0; ///< Accepted, and not authenticated: under way, or refused and lingering.
  std::size_t lingering = 0; ///< Others that are closed, and answer late packets; as many as max_connections beside those that live.
  std::unordered_map<CidKey, std::size_t, CidHash> half_open_by_source;
  std::uint64_t last_id = 0;
  TimePoint now{};                 ///< Of the last call that told it.
  TimePoint relieve_again{};       ///< Not before then.
  std::size_t transport_bytes = 0; ///< That ngtcp2 holds, for all connections.
  TimePoint reset_second{};
  std::uint32_t resets_in_second = 0;
};

/// wolfSSL's, for connections that are accepted: chooses the identity that the server name asks for. connection.cpp
int server_name_callback(WOLFSSL* session, int* alert, void* argument);

} // namespace kith::quic
