// SPDX-License-Identifier: GPL-3.0-or-later
// The node's inside: what its parts share. One story a file: node.cpp drives, links.cpp keeps connections, router.cpp lets streams in, opener.cpp sends them
// out, local.cpp joins the owner's programs with services, streams.cpp is what all have in common, identities.cpp keeps identities and bindings, status.cpp
// tells.
#pragma once

#include "base/id_table.hpp"
#include "base/recycler.hpp"
#include "node/node.hpp"
#include "plugin_host/dialer.hpp"
#include "pool/pool.hpp"
#include "quic/endpoint.hpp"
#include "wire/control.hpp"
#include "wire/open.hpp"

#include <boost/intrusive/list.hpp>
#include <boost/intrusive/set.hpp>

#include <algorithm>
#include <array>
#include <deque>
#include <list>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

namespace kith::node {

inline constexpr std::size_t trains_per_turn = 64; ///< GSO trains sent before the loop gets a turn.
inline constexpr std::size_t events_per_train = 8; ///< At least, before what came of them is sent.
inline constexpr std::size_t looks_per_turn = 64;  ///< Connections whose local address is looked at, after a change, before the loop gets a turn.
inline constexpr std::chrono::seconds ask_again_after{1};        ///< When the kernel could not be asked.
inline constexpr std::size_t max_error_texts = 64;               ///< ERROR frames kept of one connection, until their streams end.
inline constexpr std::size_t max_traffic_rows = 64;              ///< Bindings that one connection counts apart; the rest is one sum.
inline constexpr std::chrono::seconds least_sleep{1};            ///< Of the machine, that puts connections in doubt.
inline constexpr std::size_t max_reaching = 1024;                ///< Pings and traces that wait for a connection; and pings that wait for an answer.
inline constexpr std::size_t max_stream_waiters = 4096;          ///< Streams of one connection that wait for the peer's credit.
inline constexpr std::chrono::milliseconds letting_go_time{100}; ///< For the users of unread streams that were cut off.
inline constexpr std::uint64_t unread_cost =
    4096; ///< Octets that an unread stream counts besides its slabs: itself, its pipes, what its user has of it.

struct Identity;
Error no_identity(const PeerId& id); // identities.cpp
/// The first octets of a pipe in one piece, as many as a header may have; in `scratch` where they lie in several. router.cpp
ByteView peek_header(Pipe& pipe, Bytes& scratch);

using BindingKey = std::pair<std::string, std::string>; ///< Protocol, alias.

/// One binding of an identity, with whatever serves it. An old instance is gone for good before the next one starts.
struct Binding {
  PeerId identity;
  BindingKey key;
  BindingSpec spec;
  std::uint32_t number = 0;       ///< Bulk shares a connection by this.
  access::Policy policy;          ///< `access:` or the protocol's default, and `deny:`.
  std::unique_ptr<Service> owned; ///< A plugin's.
  Service* service = nullptr;     ///< That, or a provider's. Null: takes no streams.
  BindingState state;
  std::uint64_t generation = 0; ///< Rises with each start and stop: answers to older starts are dropped.
  bool removing = false;
  bool draining = false; ///< Takes no new streams; stops when the last is gone, or at drain_until.
  using Started = std::vector<std::function<void(Result<void>)>>;
  std::shared_ptr<Started> starting; ///< A start is under way; these are told its answer.
  struct Held {
    StreamKey key = StreamKey::none;
    wire::Open open;
    TimePoint since;
  };
  std::vector<Held> held;                                     ///< Streams that wait for that answer.
  std::vector<std::pair<StreamKey, LocalRequest>> held_local; ///< The owner's that wait for it.
  bool stopping = false;                                      ///< Its service was told to stop and has not said that it has.
  TimePoint drain_until = never;
  std::vector<std::function<void()>> stopped; ///< Called when it has stopped.
  std::size_t streams = 0;
};

struct Identity {
  PeerId id;
  std::string name;
  bool online = false;
  bool draining = false;
  bool finishing = false; ///< Its streams are gone, its services are stopping.
  std::uint64_t finishes = 0;
  bool removing = false;
  TimePoint drain_until = never;
  std::vector<std::function<void()>> drained;
  std::vector<Address> listen;
  std::vector<SocketId> sockets;
  std::map<BindingKey, std::unique_ptr<Binding>> bindings;
  std::unordered_map<PeerId, PeerSpec> peers;
  struct DialedFrom {
    Address address;
    quic::ConnectionId connection{}; ///< The last that it dialed.
  };
  std::unordered_map<PeerId, DialedFrom> dialed_from; ///< Known peers, and where they were then: tried after what is known of them.
  std::unordered_map<PeerId, std::size_t> connected;  ///< Confirmed connections.
  bool peers_told = true;                             ///< False: its services are about to hear of a change of these.
  std::size_t streams = 0;
};

struct Reached {
  quic::ConnectionId connection{};
  Path path;
};
struct Reaching {
  TimePoint since;
  bool fresh = false;
  std::function<void(Result<Reached>)> then;
};

/// One authenticated connection.
struct Link {
  quic::ConnectionId id = quic::ConnectionId::none;
  PeerId identity;
  PeerId peer;
  std::string alpn;
  bool dialer = false;
  bool confirmed = false; ///< The acceptor took it, whichever that is.
  bool announced = false; ///< The pool knows it.
  bool unproven = false;  ///< Accepted, and it has shown nothing yet.
  bool refused = false;   ///< The pool has no room for it.
  bool goaway_sent = false;
  bool closing = false;
  Address source;           ///< Where the kernel would send its packets from, as it was last seen.
  quic::CloseReason reason; ///< When closing.
  std::string ended;        ///< What its streams here are told when we close it; the peer is told nothing of it.
  bool goaway_seen = false;
  std::size_t goaways = 0;
  std::optional<std::uint64_t> goaway_limit;  ///< With goaway_seen: streams of ours above this never ran; nothing: none did.
  std::optional<std::uint64_t> last_accepted; ///< Of the peer's streams.
  std::size_t headerless = 0;
  PipePtr control_out;
  quic::StreamPtr control_stream;
  quic::StreamPtr control_in;
  wire::ControlDecoder decoder;
  std::map<std::uint64_t, Error> error_texts; ///< By stream id; an ERROR frame may come before or after its RESET_STREAM.
  std::list<StreamKey> waiting;               ///< For stream credit. A list: it holds no memory while nobody waits.
  std::vector<Reaching> reaching;             ///< For its confirmation.
  std::vector<Traffic> traffic;               ///< Of streams that are over; live ones know their row.

  /// The acceptor closed it before the dialer knew that it was taken: no stream on it has run, if the code says so.
  bool refuses() const noexcept { return closing && !confirmed && reason.by_peer; }
  /// The row that a new stream counts into.
  std::uint32_t traffic_row(std::string_view protocol, std::string_view alias, bool ours);
};

enum class Phase : std::uint8_t {
  header,  ///< Incoming: its header is not complete.
  held,    ///< Incoming: its binding is being started.
  offered, ///< Incoming: handed to its user, not answered.
  waiting, ///< Outgoing: for a connection, or for stream credit.
  sent,    ///< Outgoing: the header went out, no reply yet.
  open,    ///< Both sides talk.
  unread,  ///< Both have ended well, and QUIC is done; the user has still octets to read.
  over,    ///< The user has had its closed; QUIC may still be at it.
};

struct Outgoing : Recycled<Outgoing> {
  OpenRequest request;
  TimePoint sent{}; ///< When its header left.
  pool::WaiterId waiter{};
  bool has_waiter = false;
  bool retried = false;
  bool retryable = true;
};

/// One end of a local stream: the owner's program, or the service. Each is a NodeStream without QUIC, and ends with the other.
struct LocalEnd {
  static constexpr std::uint8_t replied_due = 1;
  static constexpr std::uint8_t readable_due = 2;
  static constexpr std::uint8_t writable_due = 4;

  StreamKey twin = StreamKey::none; ///< The other end; none until the program's end was offered.
  std::string content_type;         ///< Of the reply.
  std::uint8_t due = 0;             ///< Signals that its user has not had.
  bool finished = false;            ///< Its user said that `out` is whole.
  bool posted = false;              ///< The program's: a turn for both ends is coming.
};

struct NodeStream : boost::intrusive::set_base_hook<>, Recycled<NodeStream> {
  StreamKey key = StreamKey::none;
  bool incoming = false;
  bool raw = false; ///< On an ALPN of the binding's own: no headers.
  Phase phase = Phase::header;
  StreamKind kind = StreamKind::call;
  Identity* identity = nullptr;
  Binding* binding = nullptr; ///< Incoming only.
  Link* link = nullptr;
  quic::StreamPtr quic;
  StreamUser* user = nullptr;
  PipePtr in;
  PipePtr out;
  PeerId peer;
  Role least = Role::public_; ///< Of the command, for re-evaluation.
  TimePoint deadline = never;
  TimePoint credit_by = never; ///< Waits for stream credit, until then.
  bool in_deadlines = false;
  bool counted_in_pool = false;
  bool wants_writable = false; ///< Asked for before there was a QUIC stream.
  std::uint64_t header_in = 0;
  std::uint64_t prefix_out = 0;
  // Of an unread one:
  std::uint64_t sent = 0;   ///< What octets_sent() was.
  std::uint64_t unread = 0; ///< Octets when it was last looked at.
  std::uint64_t held = 0;   ///< As its peer's Unread counts it.
  TimePoint last_deadline = never;
  boost::intrusive::list_member_hook<> unread_hook;
  std::optional<std::uint32_t> traffic_row; ///< In its link.
  std::unique_ptr<Outgoing> outgoing;
  std::unique_ptr<LocalEnd> local; ///< A local stream's.

  std::uint64_t octets_sent() const { return quic->sent_octets() - std::min(quic->sent_octets(), prefix_out); }
  std::uint64_t octets_received() const { return in->committed() - std::min(in->committed(), header_in); }
  friend bool operator<(const NodeStream& a, const NodeStream& b) noexcept { return std::pair(a.deadline, a.key) < std::pair(b.deadline, b.key); }
};

/// Streams by key, each where it is for as long as it lives.
class StreamTable {
public:
  NodeStream& add();
  NodeStream* find(StreamKey key) noexcept;
  void erase(StreamKey key) { table_.erase(static_cast<std::uint64_t>(key)); }
  std::size_t size() const noexcept { return table_.size(); }
  template <class F> void for_each(F&& use) {
    table_.for_each([&](const std::unique_ptr<NodeStream>& stream) { use(*stream); });
  }
  template <class F> void for_each(F&& use) const {
    table_.for_each([&](const std::unique_ptr<NodeStream>& stream) { use(std::as_const(*stream)); });
  }

private:
  IdTable<std::unique_ptr<NodeStream>> table_;
};

class NodeImpl : public StreamControl, public UdpReceiver, public plugin_host::Dialer {
public:
  NodeImpl(World& world, const Settings& settings, const quic::Secrets& secrets, ServiceFactory& services, Observer& observer);
  ~NodeImpl() override;

  // --- node.cpp: the loop
  void received(std::span<const Datagram> datagrams) override;
  void sendable(SocketId socket) override;
  void close_socket(SocketId socket);
  void on_timer();
  /// Asks for a turn of service(), once, after what runs now.
  void want_service();
  /// The machine slept: every connection is in doubt, though no time passed for its timers.
  void note_sleep();
  void service();
  /// Sends what connections have, one train after the other; false: there may be more than `most`.
  bool transmit(std::size_t most);
  /// Our addresses may have changed: every connection is to be looked at.
  void look_at_addresses();
  /// Looks at the next: one whose way begins elsewhere now moves, if we dialed it, and the pool hears of it.
  void follow_address();
  /// Past max_buffer_bytes somebody pays.
  void relieve();
  void arm_timer();
  /// Runs later in this turn, never inside the caller.
  void defer(std::function<void()> work);

  // --- StreamControl (streams.cpp)
  void accept(StreamKey key, std::string_view content_type) override;
  void reject(StreamKey key, Code code, std::string_view text) override;
  void produced(StreamKey key) override;
  void consumed(StreamKey key) override;
  void reset(StreamKey key, Code code, std::string_view text) override;
  void want_writable(StreamKey key) override;
  void set_urgency(StreamKey key, std::uint8_t urgency) override;

  // --- streams.cpp
  void set_deadline(NodeStream& stream, TimePoint at);
  void on_stream_deadlines();
  void on_stream_deadline(NodeStream& stream);
  void on_stream_event(const quic::Event& event);
  void on_readable(NodeStream& stream);
  void on_peer_gave_up(NodeStream& stream, std::uint64_t code);
  void on_quic_closed(NodeStream& stream, bool lost);
  bool within_call_limit(const NodeStream& stream) const;
  std::string call_limit_text() const;
  /// Ends it for the user: replied (when it is owed) and closed. QUIC's half, when there is one, is reset with the code unless `quiet`.
  void fail(NodeStream& stream, Error error, bool remote, bool quiet = false);
  Error deadline_error(const NodeStream& stream) const;
  void finish(NodeStream& stream, const StreamEnd& end);
  /// Both directions ended well; the user hears of it when it has read what came.
  void keep_unread(NodeStream& stream, std::uint64_t sent);
  /// Counts what it holds now, and gives its user time again.
  void look_at_unread(NodeStream& stream);
  void leave_unread(NodeStream& stream);
  /// The oldest of the peer that holds most is cut off.
  void drop_unread();
  void free_stream(NodeStream& stream);
  void detach_quic(NodeStream& stream);
  void count_down(NodeStream& stream);

  // --- router.cpp
  void on_incoming(Link& link, const quic::StreamPtr& quic);
  void on_header(NodeStream& stream);
  void route(NodeStream& stream, const wire::OpenView& open);
  /// Whether one more may wait for a binding's start; those that have ended meanwhile make room.
  template <class List, class Key> bool may_hold(List& held, Phase phase, Key key) {
    if (held.size() < settings_.max_held) return true;
    std::erase_if(held, [&](const auto& each) {
      const NodeStream* stream = streams_.find(std::invoke(key, each));
      return stream == nullptr || stream->phase != phase;
    });
    return held.size() < settings_.max_held;
  }
  void release_held(const PeerId& identity, const BindingKey& key);
  void offer(NodeStream& stream, Binding& binding, const access::Decision& decision, const wire::OpenView& open);
  void refuse(NodeStream& stream, Code code, std::string_view text);
  void refuse_unseen(const quic::StreamPtr& quic, bool raw, Code code, std::string_view text);
  access::Subject subject(const Identity& identity, const PeerId& peer) const;
  bool admissible(const Identity& identity, const PeerId& peer) const;
  void re_evaluate(Identity& identity);

  // --- opener.cpp
  OpenedStream open(const OpenRequest& request, StreamUser& user);
  StreamKey open(const PeerId& identity, StreamRequest&& request, PipePtr in, PipePtr out, StreamUser& user) override;
  StreamKey open(OpenRequest&& request, StreamUser& user, PipePtr in, PipePtr out);
  void find_connection(NodeStream& stream);
  /// Later in this turn, if it still waits.
  void find_connection_later(StreamKey key);
  void granted(pool::WaiterId waiter, pool::ConnId connection);
  void send_header(NodeStream& stream, Link& link);
  void send_waiting(Link& link);
  void on_reply(NodeStream& stream);
  /// Sends it once more, unseen by its user, when that is possible.
  bool retry(NodeStream& stream);

  // --- local.cpp
  OpenedStream open_local(const LocalRequest& request, StreamUser& user);
  void offer_local(NodeStream& caller, const LocalRequest& request);
  Result<Binding*> find_local(Identity* identity, const LocalRequest& request);
  void accept_local(NodeStream& served, std::string_view content_type);
  void produced_local(NodeStream& end);
  void consumed_local(NodeStream& end);
  void signal_local(NodeStream& end, std::uint8_t due);
  void turn_local(StreamKey caller);
  void deliver_local(NodeStream& end);
  void fail_local(NodeStream& end, const Error& error, bool remote);

  // --- reach.cpp
  struct PendingPing {
    quic::ConnectionId connection{};
    TimePoint deadline;
    PingReport report;
    std::function<void(Result<PingReport>)> done;
  };
  /// Whether it may have connections with this peer. Errors: shutting_down, offline, denied (blocked).
  Result<void> may_reach(const Identity& identity, const PeerId& peer) const;
  /// That identity, if so. Errors: unknown_identity as well.
  Result<const Identity*> may_reach(const PeerId& identity, const PeerId& peer) const;
  /// Where a peer may be, `more` first.
  std::vector<pool::Candidate> candidates(const Identity& identity, const PeerId& peer, std::span<const Address> more) const;
  /// Gets a connection for no stream; `anew`: one that does not exist yet.
  void reach(const PeerId& identity, const PeerId& peer, bool anew, std::function<void(Result<Reached>)> then);
  /// The pool's answer; false: it was for a stream.
  bool reached(pool::WaiterId waiter, const Result<quic::ConnectionId>& connection);
  void tell_reached(const Link& link, const Reaching& asked);
  void ping(const PeerId& identity, const PeerId& peer, Duration patience, std::function<void(Result<PingReport>)> done);
  void answer_ping(quic::PingId id, std::optional<Duration> rtt);
  void on_ping_deadlines();
  void end_pings(quic::ConnectionId connection, const Error& error);
  TimePoint next_ping_deadline() const;
  Result<void> start_trace(const PeerId& identity, const PeerId& peer, std::shared_ptr<quic::TraceSink> sink,
                           std::function<void(Result<Path>)> connected);

  // --- links.cpp
  void on_quic_event(quic::Event& event);
  void on_ready(quic::ConnectionId id);
  void on_confirmed(quic::ConnectionId id);
  void on_closed(quic::Event& event);
  void announce(Link& link);
  void on_address_changed(quic::ConnectionId id);
  /// Connections that the pool does not know yet are ours to end: those with a peer, or all of an identity (peer null).
  void close_unproven(const PeerId& identity, const PeerId* peer, Code code);
  /// Ends every connection with this peer; `why` is for whoever uses them here.
  void end_connections(const PeerId& identity, const PeerId& peer, const Error& why);
  void on_unproven_deadlines();
  void end_oldest_unproven();
  void no_longer_unproven(Link& link) noexcept {
    if (std::exchange(link.unproven, false)) --unproven_count_;
  }
  void do_action(const pool::Action& action);
  void start_attempt(const pool::StartAttempt& action);
  void on_uni_stream(Link& link, const quic::StreamPtr& quic);
  void on_control_data(Link& link);
  void on_control_frame(Link& link, const wire::ControlFrame& frame);
  void send_hello(Link& link);
  void send_goaway(Link& link);
  void send_error_text(Link& link, std::uint64_t stream, const Error& error);
  void write_control(Link& link, const Bytes& bytes);
  Link* find_link(quic::ConnectionId id) noexcept;
  std::optional<SocketId> socket_for(const Identity& identity, const Address& remote) const;

  // --- identities.cpp
  Identity* find_identity(const PeerId& id) noexcept;
  const Identity* find_identity(const PeerId& id) const noexcept;
  Binding* find_binding(Identity& identity, std::string_view protocol, std::string_view alias) noexcept;
  Result<void> add_identity(const IdentitySpec& spec);
  Result<void> set_online(const PeerId& id);
  Result<void> set_offline(const PeerId& id, TimePoint drain_until, std::function<void()> drained);
  void finish_offline(Identity& identity);
  void leave_all(const std::optional<PeerId>& id = {}); ///< Ends the connections of an identity, or of all, whose streams have ended.
  void remove_identity(const PeerId& id, std::function<void()> removed);
  void erase_identity(const PeerId& id, std::function<void()> removed);
  void put_binding(const PeerId& id, const BindingSpec& spec, std::function<void(Result<void>)> done);
  void remove_binding(const PeerId& id, std::string_view protocol, std::string_view alias, TimePoint drain_until, std::function<void()> done);
  /// One start at a time: who asks while one is under way hears its answer.
  void start_binding(Identity& identity, Binding& binding, std::function<void(Result<void>)> done);
  /// Ends it now. `done` (may be empty) when its code has been left.
  void stop_binding(Binding& binding, std::function<void()> done);
  void drain_binding(Binding& binding, TimePoint until, std::function<void()> done);
  void start_when_stopped(Binding& binding, std::function<void(Result<void>)> done);
  void stop_done(const PeerId& identity, const BindingKey& key);
  void run_stopped(Binding& binding);
  void set_state(Binding& binding, BindingState state);
  Binding* find_binding(const PeerId& identity, const BindingKey& key) noexcept;
  Result<void> set_policy(Binding& binding);
  void serve(Identity& identity);
  /// Its services hear of it, once for all that changes in this turn.
  void peers_changed(Identity& identity);
  std::optional<PeerId> nameless_for(SocketId socket) const;
  /// An identity with sockets of its own answers there, and the others on the shared ones: with its sockets its connections end.
  std::optional<PeerId> answering(SocketId socket, const std::optional<PeerId>& named) const;
  void end_streams(const Identity& identity, const Binding* binding, const Error& error);
  void check_drains();

  // --- status.cpp
  Status status() const;
  /// Datagrams that one send carries on the sockets that we listen on.
  std::size_t max_train() const;

  World& world_;
  Settings settings_;
  ServiceFactory& services_;
  Observer& observer_;
  SlabPool slabs_;
  quic::Endpoint endpoint_;
  pool::Pool pool_;
  wire::BootId boot_id_{};
  std::unique_ptr<Timer> timer_;
  TimePoint now_{};
  Duration slept_; ///< As note_sleep() last saw it.

  std::map<PeerId, std::unique_ptr<Identity>> identities_;
  std::optional<PeerId> nameless_;
  std::vector<SocketId> shared_sockets_;
  std::unordered_map<quic::ConnectionId, std::unique_ptr<Link>> links_;
  std::deque<std::pair<TimePoint, quic::ConnectionId>> unproven_; ///< Accepted connections, by the time when they must have shown something.
  std::size_t unproven_count_ = 0;                                ///< Those of them that have not.
  std::unordered_map<pool::AttemptId, quic::ConnectionId> dials_;
  std::unordered_map<quic::ConnectionId, pool::AttemptId> attempts_;
  std::unordered_map<pool::WaiterId, StreamKey> waiters_;
  std::unordered_map<pool::WaiterId, Reaching> reaching_;
  std::map<quic::PingId, PendingPing> pings_;
  std::uint64_t last_ping_ = 0;
  std::map<std::pair<PeerId, PeerId>, std::shared_ptr<quic::TraceSink>> traces_; ///< By identity and peer.
  StreamTable streams_;
  boost::intrusive::multiset<NodeStream> deadlines_;
  /// Streams in that phase with one peer, the oldest first, and what they hold.
  struct Unread {
    boost::intrusive::list<NodeStream, boost::intrusive::member_hook<NodeStream, boost::intrusive::list_member_hook<>, &NodeStream::unread_hook>>
        streams;
    std::uint64_t held = 0;
  };
  std::unordered_map<PeerId, Unread> unread_;
  std::uint64_t unread_held_ = 0;  ///< By all of them.
  std::uint64_t unread_given_ = 0; ///< What those held that were cut off for memory a moment ago; their users are letting go.
  TimePoint unread_given_at_{};
  std::vector<quic::ConnectionId> unlooked_; ///< For follow_address().
  std::vector<quic::ConnectionId> unasked_;  ///< Of whose way the kernel could say nothing: again at ask_again_.
  TimePoint ask_again_ = never;
  std::deque<std::function<void()>> deferred_;
  TimePoint next_drain_ = never;     ///< The earliest drain_until of what drains.
  std::optional<TimePoint> stop_by_; ///< Since shutdown(): nothing new begins, and what drains has until then at most.
  StreamCounts counts_;
  std::uint32_t next_binding_ = 1;
  bool servicing_ = false;
  bool service_posted_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true); ///< Posted work looks here first.

  std::vector<std::uint8_t> buffer_;
  /// A train that its socket did not take.
  struct Blocked {
    Datagram datagram;
    Bytes bytes;
  };
  std::map<SocketId, Blocked> blocked_; ///< Sockets that are full.
  quic::Endpoint::TrainLimit train_ = [this](SocketId socket) { return blocked_.contains(socket) ? 0 : world_.udp().max_train(socket); };
};

} // namespace kith::node
