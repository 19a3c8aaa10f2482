// SPDX-License-Identifier: GPL-3.0-or-later
// The node: drives quic and pool, keeps identities online or offline, routes streams through the Gate to whoever serves them, and opens streams to peers.
// One thread, the network thread; nothing here blocks, touches files or asks for the time except through base/world.hpp.
#pragma once

#include "access/gate.hpp"
#include "base/seed.hpp"
#include "base/stream.hpp"
#include "base/world.hpp"
#include "node/service.hpp"
#include "pool/types.hpp"
#include "quic/settings.hpp"
#include "quic/trace.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kith::plugin_host {
class Dialer;
}

namespace kith::node {

/// What whoever wants something new is told once Node::shutdown was called.
Error stopping_error();

/// Limits and times, with their defaults; kith.yaml sets them.
struct Settings {
  quic::Settings quic;
  pool::Settings pool;
  std::uint64_t max_call_bytes = 1024 * 1024;         ///< Of a call's request, and of its response.
  std::uint64_t max_resend_bytes = 256 * 1024;        ///< Of a stream's first octets, kept until its reply.
  std::uint64_t max_buffer_bytes = 512 * 1024 * 1024; ///< In all pipes together; past it new streams are refused busy.
  Duration header_timeout = std::chrono::seconds(5);
  Duration stream_open_timeout = std::chrono::seconds(10); ///< Until the peer gives a stream.
  Duration call_timeout = std::chrono::seconds(60);        ///< Of calls that name no deadline.
  Duration drain_deadline = std::chrono::seconds(10);      ///< Of a binding that is disabled.
  std::size_t max_headerless_streams = 32;
  std::size_t max_hinted_initials = 3; ///< To an address that a stranger hinted: it must not drown in our Initials.
  std::size_t max_streams = 100'000;   ///< Of the whole daemon, both ways.
  std::size_t max_goaways = 16;        ///< Of one connection; a peer needs one, or two.
  std::size_t max_unproven = 256;      ///< Accepted connections that have shown neither HELLO nor stream; past it the oldest makes room.
  std::size_t max_held = 1024;         ///< Streams that wait for one binding's start; past it they are refused busy.
  Duration unproven_timeout = std::chrono::seconds(30);
  Duration unread_timeout = std::chrono::seconds(60); ///< In which who serves a stream that has ended must read an octet of what is left of it.
};

struct BindingSpec {
  std::string protocol;
  std::string alias = std::string(default_alias_name);
  bool enabled = true;
  bool provider = false;
  std::optional<bool> inline_;
  std::optional<std::vector<access::Entry>> access; ///< Nothing: the protocol's declared default.
  std::vector<access::Entry> deny;
  std::vector<std::string> alpn; ///< ALPNs of its own.
  std::string config_json = "{}";
  std::optional<std::string> sha256;
  friend bool operator==(const BindingSpec&, const BindingSpec&) = default;

  static constexpr std::string_view default_alias_name = "default";
};

struct PeerSpec {
  PeerId id;
  std::string name;
  Role role = Role::member;
  bool blocked = false;
  std::vector<std::string> groups;
  std::vector<Address> addresses; ///< In the order in which they are tried.
};

struct IdentitySpec {
  PeerId id;
  std::string name;
  Seed seed;
  std::vector<Address> listen; ///< Sockets of its own; empty: the shared ones.
  std::vector<BindingSpec> bindings;
  std::vector<PeerSpec> peers;
};

/// A stream to open.
struct OpenRequest : StreamRequest {
  PeerId identity;
  std::vector<Address> addresses; ///< Tried besides those that are known.
};

/// A command that a program of the owner gives to a binding on this machine.
struct LocalRequest {
  PeerId identity;
  std::string protocol;
  std::string alias = "default";
  std::string command;
  StreamKind kind = StreamKind::call;
  std::string content_type;
  TimePoint deadline = never; ///< Calls without one get call_timeout.
};

struct OpenedStream {
  StreamKey key = StreamKey::none;
  PipePtr in;
  PipePtr out; ///< Octets may be written at once; produced() tells of them.
};

/// What node tells the outside of, besides streams. Network thread.
class Observer {
public:
  virtual ~Observer() = default;
  /// A peer connected (its first connection) or left (its last one went).
  virtual void peer_changed(const PeerId& identity, const PeerId& peer, bool connected) = 0;
  /// Whoever answers at this address, which we dialed, has proven to be this peer. It may refuse us all the same.
  virtual void address_worked(const PeerId& identity, const PeerId& peer, const Address& address) = 0;
  /// Somebody was refused; for the audit (aggregate it).
  virtual void refused(const PeerId& identity, const PeerId& peer, std::string_view binding, std::string_view reason) = 0;
  /// A binding's state is now another: what BindingStatus::state says.
  virtual void binding_changed(const PeerId& identity, std::string_view protocol, std::string_view alias, const BindingState& state) = 0;
};

// --- status

struct StreamCounts {
  std::uint64_t opened = 0;
  std::uint64_t accepted = 0;
  std::uint64_t refused = 0;
  std::uint64_t failed = 0;
};

struct BindingStatus {
  std::string protocol;
  std::string alias;
  bool enabled = true;
  bool provider = false;
  BindingState state;
  std::vector<std::string> access;
  std::vector<std::string> deny;
  std::size_t streams = 0;
  std::uint64_t overruns = 0; ///< Of an inline instance: callbacks that took longer than inline_overrun.
};

/// What one binding's streams carried on one connection, headers of kith's left out.
struct Traffic {
  std::string protocol; ///< Empty: the sum of those beyond max_traffic_rows.
  std::string alias;
  bool ours = false;        ///< A binding of our identity's; else the peer's, that we opened streams to.
  std::uint64_t opened = 0; ///< Streams.
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
};

struct ConnectionStatus {
  PeerId peer;
  std::string peer_name; ///< Empty for a stranger.
  std::string alpn;
  Address local; ///< None when it is over.
  Address remote;
  bool dialer = false;
  bool confirmed = false; ///< The peer has taken it: it is connected.
  bool current = false;   ///< New streams go here.
  bool draining = false;
  Duration rtt{};
  std::uint64_t congestion_window = 0;
  std::uint64_t in_flight = 0; ///< Octets.
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t packets_sent = 0;
  std::uint64_t packets_lost = 0;
  std::size_t mtu = 0; ///< UDP payload, octets.
  std::size_t streams = 0;
  std::uint64_t opened = 0; ///< Streams ever.
  Duration age{};
  Duration idle{}; ///< Since the last stream ended; 0 while there are streams.
  std::vector<Traffic> traffic;
};

struct IdentityStatus {
  PeerId id;
  std::string name;
  bool online = false;
  bool draining = false;
  std::vector<Address> listen; ///< Of its own sockets.
  std::vector<BindingStatus> bindings;
  std::vector<ConnectionStatus> connections;
};

struct Status {
  std::vector<Address> listen; ///< Shared sockets.
  std::size_t max_train = 1;   ///< Datagrams that one send carries; 1: this system does no GSO.
  std::vector<IdentityStatus> identities;
  pool::Counters pool;
  StreamCounts streams;
  std::uint64_t buffer_bytes = 0;
};

/// How a peer is reached.
struct Path {
  Address local;
  Address remote;
  bool dialer = false; ///< We dialed this connection.
  bool fresh = false;  ///< It was not there before.
  Duration dialing{};  ///< How long that took.
  std::size_t mtu = 0; ///< UDP payload, octets.
};

struct PingReport {
  Path path;
  std::optional<Duration> rtt; ///< Nothing: no answer.
};

class NodeImpl;

class Node {
public:
  /// World, factory and observer must outlive the node.
  Node(World& world, const Settings& settings, const quic::Secrets& secrets, ServiceFactory& services, Observer& observer);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  /// Other limits and times from now on; what is under way keeps what it has begun with. quic's windows, streams and idle timeout stay as they are.
  void apply(const Settings& settings);

  // --- sockets
  /// Opens a shared socket. Errors: internal, with the address and the kernel's reason.
  Result<Address> listen(const Address& address);
  std::vector<Address> listening() const;
  /// Our addresses may have changed (netlink). Of the connections whose way begins elsewhere now, those that we dialed migrate, and peers that dialed us are
  /// dialed anew; the others notice nothing.
  void addresses_changed();
  /// The identity that answers handshakes without a server name on the shared sockets; nothing: the only one online.
  void set_nameless(std::optional<PeerId> identity);

  // --- identities. Unknown ones: unknown_identity.
  /// Adds one, offline. Errors: internal (its key can't be used), bad_request (exists).
  Result<void> add_identity(const IdentitySpec& spec);
  void rename_identity(const PeerId& identity, std::string name);
  /// Starts its enabled bindings and answers its handshakes. Errors: internal (its own sockets), shutting_down. A binding that fails to start is shown in status and keeps
  /// nothing else from working.
  Result<void> set_online(const PeerId& identity);
  /// On return new streams, dials and handshakes are refused, both ways. What runs may go on until `drain_until`; then `drained` is called.
  Result<void> set_offline(const PeerId& identity, TimePoint drain_until, std::function<void()> drained);
  /// As set_offline with no time to drain; then forgets it.
  void remove_identity(const PeerId& identity, std::function<void()> removed);
  bool is_online(const PeerId& identity) const;

  // --- bindings. `done` comes on the network thread, perhaps at once.
  /// Adds one or changes it live: access is re-evaluated at once, config is checked and applied, enabled starts and stops it.
  void put_binding(const PeerId& identity, const BindingSpec& spec, std::function<void(Result<void>)> done);
  void remove_binding(const PeerId& identity, std::string_view protocol, std::string_view alias, TimePoint drain_until, std::function<void()> done);
  /// A provider serves this binding from now on (the binding says `provider: true`). Errors: unknown_protocol, unknown_alias, busy (has one already).
  /// `service` must stay valid until detach_provider.
  Result<void> attach_provider(const PeerId& identity, std::string_view protocol, std::string_view alias, Service& service);
  /// Its streams fail plugin_failed.
  void detach_provider(const PeerId& identity, std::string_view protocol, std::string_view alias);

  // --- peers
  /// Adds or changes one; live streams that are now denied end at once.
  void put_peer(const PeerId& identity, const PeerSpec& peer);
  /// Its own entries go from the bindings' `access` with it; those of `deny` stay.
  void remove_peer(const PeerId& identity, const PeerId& peer);
  std::optional<PeerSpec> find_peer(const PeerId& identity, const PeerId& peer) const;
  /// Closes every connection with this peer; how many there were. `why` is what their streams here end with.
  std::size_t close_peer(const PeerId& identity, const PeerId& peer, const std::string& why);

  // --- streams
  /// Never fails at once: replied (with an error) and closed follow. `user` must stay valid until closed.
  OpenedStream open(const OpenRequest& request, StreamUser& user);
  /// The same to a binding of this daemon, for the owner: no connection, no wire, no Gate. Its service sees a stream of the identity itself with the role owner.
  /// Errors: unknown_identity, offline (also a disabled binding, or one without its program), unknown_protocol, unknown_alias, unknown_command (remote ones
  /// included), busy (not running now, or a limit), plugin_failed; then what ends calls.
  OpenedStream open_local(const LocalRequest& request, StreamUser& user);
  StreamControl& control();
  /// What plugins open streams with (kith.dial/1).
  plugin_host::Dialer& dialer();
  /// Where all pipes take their slabs from: max_buffer_bytes is about this.
  SlabPool& slabs();

  // --- looking. `done` and `connected` come once, on the network thread, perhaps at once.
  /// Measures a round trip to a peer; dials when there is no connection. Errors: those of dialing, connection_lost.
  void ping(const PeerId& identity, const PeerId& peer, Duration patience, std::function<void(Result<PingReport>)> done);
  /// Records connections that are dialed for this pair from now on, until stop_trace. There is no way to begin in the middle of one: those that are there
  /// take no new streams and end with those that they have, and a new one is dialed. Errors: busy (traced already).
  Result<void> start_trace(const PeerId& identity, const PeerId& peer, std::shared_ptr<quic::TraceSink> sink,
                           std::function<void(Result<Path>)> connected);
  /// No further connections; the sink hears on of those that it has.
  void stop_trace(const PeerId& identity, const PeerId& peer);

  // --- status and the end
  Status status() const;
  /// Every identity goes offline, for good, and what wants something new hears stopping_error(); `done` when everything is stopped, at the latest a little after `deadline`.
  void shutdown(TimePoint deadline, std::function<void()> done);

private:
  std::unique_ptr<NodeImpl> impl_;
};

} // namespace kith::node
