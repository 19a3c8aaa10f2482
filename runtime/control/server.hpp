// SPDX-License-Identifier: GPL-3.0-or-later
// The daemon's end of daemon.sock: takes clients in and keeps their sessions.
#pragma once

#include "control/context.hpp"
#include "io/unix_socket.hpp"

#include <memory>
#include <unordered_map>

namespace kith::control {

class Session;

class Server {
public:
  /// The context must outlive the server, and the node's streams must be over before it goes.
  explicit Server(Context& context);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Once more: makes the socket again when its path does not lead to it any more. Sessions stay. Errors: those of io::UnixListener::open.
  Result<void> listen(const std::string& path);
  /// Takes a connected socket in, as the listener does. For tests as well.
  void accept(io::UniqueFd socket);
  /// No new clients; the socket's file goes away.
  void stop_listening();
  /// Writes what is queued, as far as it goes at once, and closes all sessions.
  void close_all();
  std::size_t clients() const noexcept { return sessions_.size(); }

private:
  /// Says in the log that max_clients are here, now and then.
  void log_full();

  Context& context_;
  std::unique_ptr<io::UnixListener> listener_;
  std::unordered_map<Session*, std::shared_ptr<Session>> sessions_;
  std::size_t reserve_used_ = 0;  ///< Of the sessions, those beyond max_clients.
  std::uint64_t turned_away_ = 0; ///< Since the last line in the log.
  TimePoint next_log_ = TimePoint::min();
};

} // namespace kith::control
