// SPDX-License-Identifier: GPL-3.0-or-later
// One daemon per home: an flock on daemon.lock, held until the process ends, however it ends.
#pragma once

#include "home/files.hpp"

namespace kith::home {

class Lock {
public:
  /// Takes the lock of a home and writes our pid into it; blocks for up to 0.2 s, for a holder that was just killed. Errors: busy with the other's pid, also
  /// when the lock is free and a daemon answers on the socket all the same (a file system on which flock means nothing).
  static Result<Lock> acquire(const std::string& home_path);

  /// Says in the file that this daemon is on its way out, for who comes to a closed socket, or wants the lock. Once; blocking.
  void tell_stopping() const noexcept;

  /// Whether the lock of that home is this one: no longer once the folder was moved, or another was put in its place.
  bool is_of(const std::string& home_path) const noexcept;

private:
  explicit Lock(Fd fd) noexcept : fd_(std::move(fd)) {}
  Fd fd_;
};

/// Whether somebody accepts connections on a Unix socket.
bool socket_answers(const std::string& path) noexcept;

} // namespace kith::home
