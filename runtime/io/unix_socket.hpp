// SPDX-License-Identifier: GPL-3.0-or-later
// The daemon's listening Unix socket: private to its user, one daemon behind it. What is said over it, descriptors included, is client/protocol's.
#pragma once

#include "base/error.hpp"
#include "base/log.hpp"
#include "io/reactor.hpp"
#include "io/unique_fd.hpp"

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace kith::io {

/// The user on the other end of a connected Unix socket (SO_PEERCRED). Errors: internal.
Result<uid_t> peer_user(int fd);

/// Two connected stream sockets, close-on-exec, non-blocking. Errors: internal, when no descriptors are left.
Result<std::pair<UniqueFd, UniqueFd>> make_socket_pair();

/// Network thread. Destroying it stops listening and removes the socket, if it is still the one that it made.
class UnixListener {
public:
  /// Binds `path` with mode 0600. The folder must belong to this user and be closed to others (0700). A socket that nobody answers at is replaced.
  /// `accepted` gets each connection (non-blocking, close-on-exec), after its user was found to be ours (or root). Errors: bad_request for a path that is too long or a folder
  /// that is open to others; busy when somebody answers there; internal for the rest. Each names the path and the way out.
  static Result<std::unique_ptr<UnixListener>> open(Reactor& reactor, const std::string& path, Log& log, std::function<void(UniqueFd)> accepted);
  UnixListener(const UnixListener&) = delete;
  UnixListener& operator=(const UnixListener&) = delete;
  ~UnixListener();

  /// Whether its path still leads to it: somebody may have deleted the socket, or put something else there.
  bool in_place() const noexcept;

private:
  struct State;
  explicit UnixListener(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

} // namespace kith::io
