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

  /// Errors: those of io::UnixListener::open.
  Result<void> listen(const std::string& path);
  /// Takes a connected socket in, as the listener does. For tests as well.
  void accept(io::UniqueFd socket);
  /// No new clients; the socket's file goes away.
  void stop_listening();
  /// Writes what is queued, as far as it goes at once, and closes all sessions.
  void close_all();
  std::size_t clients() const noexcept { return sessions_.size(); }

private:
  Context& context_;
  std::unique_ptr<io::UnixListener> listener_;
  std::unordered_map<Session*, std::shared_ptr<Session>> sessions_;
};

} // namespace kith::control
