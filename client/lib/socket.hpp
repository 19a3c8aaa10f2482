// SPDX-License-Identifier: Apache-2.0
// The connected socket underneath a Client: whole lines out, whole messages in, against a deadline.
#pragma once

#include "base/error.hpp"
#include "protocol/fd_passing.hpp"
#include "protocol/line_reader.hpp"

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace kith::client {

/// A moment to give up; nothing: never.
using Deadline = std::optional<std::chrono::steady_clock::time_point>;
Deadline deadline_in(std::chrono::milliseconds patience);

class Socket {
public:
  /// Connects to a path. Errors as Client::connect.
  static Result<Socket> connect(const std::string& home, Deadline deadline);

  Socket(protocol::Fd fd, std::string home)
      : fd_(std::move(fd)), home_(std::move(home)), reader_(protocol::default_max_call_bytes + protocol::line_overhead) {}

  /// All of it, `fds` with the first octet. What arrives meanwhile is read and kept, so that two full sockets don't wait for each other.
  Result<void> send(std::string_view bytes, std::span<const int> fds, Deadline deadline);

  /// The next line; waits for it. Errors: connection_lost at the end of the socket, timeout.
  Result<std::string> receive_line(Deadline deadline);
  /// The next line if it is complete, after one look at the socket.
  Result<std::optional<std::string>> poll_line();
  Result<std::string> receive_octets(std::size_t count, Deadline deadline);
  /// The descriptors of the line that was received last.
  std::vector<protocol::Fd> take_fds(std::size_t count) { return fds_.take(count); }

  void set_max_line(std::size_t octets) { reader_.set_max_line(octets); }
  int fd() const noexcept { return fd_.get(); }

private:
  Result<void> wait_for(short events, Deadline deadline) const;
  Result<bool> fill(); ///< One read; false when there was nothing.

  protocol::Fd fd_;
  std::string home_;
  protocol::LineReader reader_;
  protocol::FdQueue fds_;
};

} // namespace kith::client
