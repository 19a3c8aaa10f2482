// SPDX-License-Identifier: GPL-3.0-or-later
// One QUIC connection over ngtcp2 and wolfSSL. Owned by the endpoint.
#pragma once

#include "quic/endpoint.hpp"
#include "quic/pings_impl.hpp"
#include "quic/tls_impl.hpp"
#include "quic/write_scheduler.hpp"

#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include <memory>
#include <string>
#include <vector>

namespace kith::quic {

class EndpointImpl;

inline ngtcp2_duration to_duration(Duration d) noexcept { return static_cast<ngtcp2_duration>(d.count()); }
ngtcp2_tstamp to_ngtcp2(TimePoint at) noexcept;
TimePoint from_ngtcp2(ngtcp2_tstamp at) noexcept;

/// An Address as ngtcp2 takes it; valid as long as this object is.
struct PathStorage {
  PathStorage(const Address& local, const Address& remote, SocketId socket) noexcept;
  ngtcp2_sockaddr_union local{};
  ngtcp2_sockaddr_union remote{};
  ngtcp2_path path{};
};

Address from_sockaddr(const ngtcp2_addr& address) noexcept;

/// A route of the dialer has a local address of its own, whatever the kernel picks: ngtcp2 migrates only to another local address, and drops what comes on
/// paths that it does not know. fd6b:6974:6800::/48 holds them ("kith"); the subnet counts a connection's paths.
Address synthetic_label(ConnectionId id, std::uint16_t path) noexcept;

struct ConnDeleter {
  void operator()(ngtcp2_conn* conn) const noexcept { ngtcp2_conn_del(conn); }
};
using ConnPtr = std::unique_ptr<ngtcp2_conn, ConnDeleter>;

class Connection {
public:
  /// What an acceptable Initial said (and its Retry token, when it carried a good one).
  struct Incoming {
    ngtcp2_cid client_scid{};
    ngtcp2_cid original_dcid{};
    ngtcp2_cid retry_scid{};
    bool retried = false;
    std::uint32_t version = 0;
    ByteView token;
  };
  enum class State : std::uint8_t { handshaking, ready, closing, gone };

  Connection(EndpointImpl& endpoint, ConnectionId id, bool dialer) noexcept;
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Result<void> start_dial(const Dial& dial, TimePoint now);
  Result<void> start_accept(const Incoming& incoming, const Datagram& first, TimePoint now);

  void receive(const Datagram& datagram, ByteView packet, TimePoint now);
  /// One train into `buffer`; 0 when there is nothing to send now.
  std::size_t write(ByteSpan buffer, std::size_t max_train, TimePoint now, Datagram& out);
  void on_deadline(TimePoint now);
  TimePoint deadline() const noexcept;
  void close(Code code, std::string_view text, TimePoint now);
  /// Sends now what ngtcp2 would acknowledge a little later, and gives the time that it believes in after that: close() is to follow, with that time.
  TimePoint acknowledge(TimePoint now);
  void move(const Address& local, TimePoint now);
  void ping();
  void ping(PingId id);

  Result<StreamPtr> open_stream(PipePtr in, PipePtr out);
  Result<StreamPtr> open_uni_stream(PipePtr out);

  ConnectionInfo info() const;
  Duration pto() const noexcept;
  Duration linger_time() const noexcept;
  std::uint64_t streams_left() const noexcept;
  ConnectionId id() const noexcept { return id_; }
  State state() const noexcept { return state_; }
  bool dialer() const noexcept { return dialer_; }
  bool half_open() const noexcept { return half_open_; }
  TimePoint heard_at() const noexcept { return heard_at_; }
  const PeerId& identity() const noexcept { return identity_; }
  SocketId socket() const noexcept; ///< Which its next packets leave by.
  std::size_t transport_bytes() const noexcept { return transport_bytes_; }

  // --- for Stream
  void stream_produced(Stream& stream);
  void stream_consumed(Stream& stream);
  void stream_want_writable(Stream& stream);
  void stream_reset(Stream& stream, std::uint64_t code);
  void stream_stop(Stream& stream, std::uint64_t code);
  void stream_set_urgency(Stream& stream, std::uint8_t urgency);
  void release_acked(Stream& stream);
  void forget_pipes(Stream& stream) noexcept;
  /// A stream and what is in its pipes. When memory runs out those are missed least that weigh most: octets times the time in which none of them moved.
  struct Holder {
    StreamPtr stream;
    std::uint64_t octets = 0;
    double weight = 0;
  };
  /// All that hold something. Returns what is held for those that were reset a moment ago, and are not among them: their users are letting go.
  std::uint64_t add_holders(std::vector<Holder>& holders, TimePoint now);
  static std::uint64_t held(const Stream& stream) noexcept;
  static bool letting_go(const Stream& stream, TimePoint now) noexcept;
  Stream* longest_parked() noexcept;
  void reset_too_slow(Stream& stream);
  void relieve_of(Stream& stream);
  std::uint64_t packets_written() const noexcept { return packets_written_; }

  // --- for the endpoint's maps and queues
  std::vector<ngtcp2_cid> cids;         ///< Under which the endpoint finds this connection.
  std::vector<ResetToken> reset_tokens; ///< The peer's, by which it finds it too.
  TimePoint timer_at = never;           ///< The earliest deadline that stands in the endpoint's heap for it.
  bool write_queued = false;

private:
  friend struct Callbacks;
  /// The close that we sent, to be sent again for packets that come late.
  struct Closing {
    Datagram datagram; ///< Without its octets.
    Bytes packet;
    std::uint64_t late_packets = 0;
    bool pending = true;
  };

  Result<void> make_session(WOLFSSL_CTX* context);
  void fill_settings(ngtcp2_settings& settings, TimePoint now) const;
  void fill_params(ngtcp2_transport_params& params) const;
  ngtcp2_ssize write_packet(ngtcp2_path* path, ngtcp2_pkt_info* info, std::uint8_t* dest, std::size_t size, ngtcp2_tstamp now);
  std::size_t packet_limit(TimePoint now) noexcept;
  void migrate(TimePoint now);
  void follow_peer();
  void on_path_validation(bool proven, bool failed) noexcept;
  void on_new_path() noexcept;
  Address source(const ngtcp2_path& path) const noexcept;
  /// The dialer's synthetic local address: another one for each path.
  Address local_label() const noexcept { return synthetic_label(id_, moves_); }
  Address arrival_label(const Address& local) const noexcept;
  static ngtcp2_ssize on_write_packet(ngtcp2_conn*, ngtcp2_path* path, ngtcp2_pkt_info* info, std::uint8_t* dest, std::size_t size, ngtcp2_tstamp now,
                                      void* user);
  bool has_credit(Stream& stream, std::size_t count) const noexcept;
  void account(Stream& stream, std::uint64_t count, bool fin);
  StreamPtr adopt(std::int64_t id, bool bidirectional, bool local, PipePtr in, PipePtr out);
  void mark(Stream& stream);
  int on_handshake_completed();
  int on_handshake_confirmed();
  int become_ready();
  int fail_authentication(const Error& error);
  int on_stream_data(Stream* stream, ByteView data, bool fin);
  void on_acked(Stream& stream, std::uint64_t count);
  void on_stream_closed(std::int64_t id, Stream* stream);
  void give_leave();
  void grow_window(Stream& stream);
  void check_parked();
  void count_output(Stream& stream);
  static std::uint64_t parked_of(const Stream& stream) noexcept;
  void uncount(Stream& stream) noexcept;
  std::uint64_t send_limit(const Stream& stream) const noexcept;
  void unblock();
  std::uint64_t packets_received() const noexcept;
  std::uint64_t in_flight() const noexcept { return numbers().bytes_in_flight; }
  ngtcp2_conn_info numbers() const noexcept;
  void update_keep_alive();
  void set_keep_alive();
  void finish(CloseReason reason, TimePoint linger_until);
  void fail(int error, TimePoint now);
  void send_close(const ngtcp2_ccerr& error, CloseReason reason, TimePoint now);
  CloseReason peers_reason() const;

  EndpointImpl& endpoint_;
  ConnectionId id_;
  bool dialer_;
  State state_ = State::handshaking;
  bool half_open_ = false;
  bool confirmed_ = false;       ///< RFC 9001 §4.1.2
  bool restarted_ = false;       ///< A stateless reset said so.
  bool lingers_ = false;         ///< Closing, and counted so.
  TimePoint confirm_by_ = never; ///< Or it is given up: ngtcp2's own limit ends when the handshake is completed.
  PeerId identity_;
  PeerId peer_; ///< The one asked for, then the one proven.
  std::string alpn_;
  std::unique_ptr<Error> refusal_; ///< Why we refuse this handshake, said in the close.
  std::size_t initials_left_ = 0;
  SocketId socket_{};

  // its path
  bool limit_initials_ = false;
  bool heard_ = false;
  bool must_migrate_ = false;  ///< It has moved, and QUIC has not: not confirmed yet, or the peer has given no connection id for it.
  bool validating_ = false;    ///< Whether path_remote_ is being proven, now (RFC 9000 §8.2).
  std::uint16_t moves_ = 0;    ///< Paths that the dialer left.
  bool peer_has_spare_ = true; ///< An id of the dialer's for another path, as far as that can know.
  bool tangled_ = false;       ///< The peer has one id on two paths.
  TimePoint moved_at_{};       ///< When the dialer's address changed last.
  int unproven_moves_ = 0;     ///< Paths in a row whose validation failed.
  Address local_;              ///< The dialer's real one: where the peer's first packet came, or where it has moved.
  Address remote_;
  Address path_remote_;  ///< The acceptor's: where its packets go, whether or not that path is valid.
  Address first_remote_; ///< Of an accepted connection: whom its handshake counts against.

  std::size_t transport_bytes_ = 0; ///< That ngtcp2 holds: octets with a hole in front, and what it knows of packets.
  ngtcp2_mem memory_;               ///< Counts them. Outlives conn_.
  std::unique_ptr<TraceLog> trace_; ///< conn_ writes into it as long as it lives.
  ConnPtr conn_;
  tls::SessionPtr tls_; ///< Freed with its handshake.
  tls::LateMessages late_messages_;
  ngtcp2_crypto_conn_ref conn_ref_{};
  using Streams = boost::intrusive::list<Stream, boost::intrusive::member_hook<Stream, boost::intrusive::list_member_hook<>, &Stream::own_hook_>>;
  Streams streams_; ///< Each counts as one owner.
  WriteScheduler scheduler_;
  std::vector<StreamPtr> early_; ///< Of the peer's, from before `ready`, in the order in which they became worth a look.
  std::size_t bidi_streams_ = 0;
  std::size_t ended_bidi_ = 0; ///< Of the peer's, not yet given back to it.
  std::uint64_t parked_ = 0;
  std::uint64_t condemned_parked_ = 0; ///< Of these, on streams that were reset for it.
  std::uint64_t cwnd_ = 0;             ///< After the last packet that came.
  std::uint64_t held_ = 0;             ///< In the `out` pipes: written by our side, not acknowledged by the peer's.
  std::uint64_t packets_written_ = 0;

  // A path that swallows large packets without a word (RFC 8899 §4.2): ngtcp2 looks for larger sizes only.
  std::int64_t large_stream_ = -1; ///< A large packet carried this stream's octets up to `large_end_`, and they are not acknowledged;
  std::uint64_t large_end_ = 0;
  TimePoint large_since_{};
  TimePoint small_until_{};             ///< Packets are of the least size that QUIC lives with until then.
  std::size_t link_size_ = 0;           ///< What our own link takes towards the peer; 0: not asked yet.
  std::size_t packet_limit_ = 0;        ///< Of the train that is being written.
  const std::uint8_t* train_ = nullptr; ///< Its first octet.
  bool probes_other_path_ = false;      ///< Its first packet, which is its only one then.

  bool data_blocked_ = false;   ///< Some stream waits for credit, perhaps the connection's.
  bool streams_wanted_ = false; ///< A stream was refused for want of credit.
  bool keeping_alive_ = false;
  bool ping_pending_ = false;
  bool silent_ = false;    ///< Nothing heard for keep_alive, though streams are open.
  bool listening_ = false; ///< Pinged, and nothing heard since.
  bool moved_ = false;     ///< Octets of a stream arrived, or were acknowledged, since `heard` was told.
  TimePoint heard_at_{};
  TimePoint heard_told_{};
  std::unique_ptr<Pings> pings_; ///< Null while nobody measures.
  TimePoint now_{};              ///< Of the call that runs.

  // closing
  TimePoint linger_until_ = never;
  std::unique_ptr<Closing> closing_; ///< Null unless a close was sent.
};

} // namespace kith::quic
