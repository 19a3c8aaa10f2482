// SPDX-License-Identifier: Apache-2.0
// Ctrl-C as an event, for commands that have a last word.
#pragma once

#include "protocol/fd_passing.hpp"

#include <chrono>
#include <signal.h>

namespace kith::cli {

/// While it lives SIGINT and SIGTERM do not end the process. One thread.
class Interrupt {
public:
  enum class Woken { readable, interrupted, timeout };

  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  /// Waits until `fd` (-1: none) can be read, a signal comes or the time is over; negative: without end. Once interrupted it stays so.
  Woken wait(int fd, std::chrono::milliseconds patience);
  bool interrupted() const noexcept { return interrupted_; }

private:
  sigset_t before_{};
  protocol::Fd signals_;
  bool interrupted_ = false;
};

} // namespace kith::cli
