// SPDX-License-Identifier: GPL-3.0-or-later
// A program's control socket, by client/protocol: requests collected and sent in one write, answers taken from one read.
#pragma once

#include "protocol/envelope.hpp"
#include "protocol/fd_passing.hpp"
#include "protocol/line_reader.hpp"

#include <functional>
#include <string>

namespace kith::bench {

class ControlSocket {
public:
  explicit ControlSocket(const std::string& home);
  int fd() const noexcept { return fd_.get(); }
  short wanted() const noexcept;

  void send(std::string_view line, std::string_view octets = {});
  /// Reads what is there and hands out each complete line, with its octets. Ends the process when the daemon is gone.
  void read(const std::function<void(const protocol::Object&, ByteView octets)>& each);
  void flush();
  protocol::Fd take_fd();

private:
  protocol::Fd fd_;
  protocol::LineReader reader_;
  protocol::FdQueue fds_;
  std::string out_;
  std::size_t out_at_ = 0;
  std::string line_; ///< Whose octets have not all come.
  std::size_t octets_ = 0;
  bool waiting_ = false;
};

} // namespace kith::bench
