// SPDX-License-Identifier: GPL-3.0-or-later
// What a session on the socket works with. Everything here lives on the network thread and outlives the sessions.
#pragma once

#include "base/error.hpp"
#include "base/stream.hpp"
#include "base/world.hpp"
#include "io/reactor.hpp"
#include "node/node.hpp"
#include "node/service.hpp"
#include "protocol/fd_passing.hpp"
#include "protocol/object.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace kith::control {

class Roster;
class Topics;

/// kith.yaml sets them by these names (max_clients and so on).
struct Limits {
  std::size_t max_call_bytes = 1024 * 1024;
  std::size_t max_clients = 256;
  std::size_t max_requests = 1024;                   ///< In flight on one socket; then it is not read.
  std::size_t max_queue = 16 * 1024 * 1024;          ///< Octets queued for one socket or taken from it for open calls; then it is not read.
  std::size_t max_streams = 256;                     ///< Streams, serves and subscriptions of one socket.
  Duration stall_timeout = std::chrono::seconds(30); ///< A client that takes nothing for so long is closed.
};

/// Beyond max_clients so many more may still stop, reload and look (Session::Kind::reserve): an owner must be able to end what fills the socket.
inline constexpr std::size_t reserved_clients = 4;
inline constexpr Duration reserve_patience = std::chrono::seconds(10); ///< One of them that asks nothing for so long is closed.
inline constexpr Duration full_log_interval = std::chrono::minutes(1); ///< From one line in the log about a full socket to the next.
inline constexpr std::size_t read_size = 64 * 1024;                    ///< Octets asked for in one read of a socket.
inline constexpr int reads_per_turn = 4;                               ///< Then the loop has a turn.
inline constexpr std::size_t turn_budget = 256 * 1024;                 ///< Octets a stream may move, each way, before others have a turn.
inline constexpr std::size_t parse_inline_limit = 64 * 1024;           ///< Longer JSON is parsed off the network thread.
inline constexpr std::size_t max_waiting_mutations = 64;               ///< Administration that waits for one identity.

/// What sessions need of the node; tests have one of their own.
class Backend {
public:
  virtual ~Backend() = default;
  virtual node::OpenedStream open(const node::OpenRequest& request, StreamUser& user) = 0;
  virtual node::OpenedStream open_local(const node::LocalRequest& request, StreamUser& user) = 0;
  virtual StreamControl& control() = 0;
  virtual Result<void> attach_provider(const PeerId& identity, std::string_view protocol, std::string_view alias, node::Service& service) = 0;
  virtual void detach_provider(const PeerId& identity, std::string_view protocol, std::string_view alias) = 0;
  virtual Result<void> start_trace(const PeerId& identity, const PeerId& peer, std::shared_ptr<quic::TraceSink> sink,
                                   std::function<void(Result<node::Path>)> connected) = 0;
  virtual void stop_trace(const PeerId& identity, const PeerId& peer) = 0;
};

/// An administrative request with everything that came with it; `fields` borrows from `line`.
struct Ask {
  std::string type;
  std::string line;
  protocol::Object fields;
  std::vector<protocol::Fd> fds;
};

/// The `data` of an answer as JSON; empty: none.
using Told = Result<std::string>;
using Tell = std::function<void(Told)>;

/// Serves what is neither call nor stream.
class Administration {
public:
  virtual ~Administration() = default;
  /// Whether it knows requests of this type.
  virtual bool knows(std::string_view type) const = 0;
  /// `tell` is called exactly once, perhaps at once, on the network thread.
  virtual void handle(std::unique_ptr<Ask> ask, Tell tell) = 0;
};

struct Context {
  World& world;
  io::Reactor& reactor;
  Backend& backend;
  Roster& roster;
  Topics& topics;
  Administration& administration;
  Limits limits;
  std::string version;
  std::string home;
};

} // namespace kith::control
