// SPDX-License-Identifier: GPL-3.0-or-later
// One end of a stream as a program has it: a descriptor that is read and written when poll says so.
#pragma once

#include "octets.hpp"
#include "protocol/fd_passing.hpp"
#include "rows.hpp"

#include <string>

namespace kith::bench {

class Pump {
public:
  /// The dialing end: sends the mode, then what the mode asks for. `each`: one write(2) for each message.
  static Pump dialed(protocol::Fd fd, Mode mode, Clock::time_point until, std::chrono::milliseconds time, bool each);
  /// The accepting end: the first octet says what to do.
  static Pump accepted(protocol::Fd fd);

  int fd() const noexcept { return fd_.get(); }
  /// What to poll for; 0: nothing any more.
  short wanted() const noexcept;
  void ready(short events);
  bool over() const noexcept { return read_over_ && write_over_; }
  /// The dialing end: what the other one counted, or what came.
  std::uint64_t result() const noexcept { return mode_ == Mode::source ? received_ : read_number(small_); }

private:
  Pump(protocol::Fd fd, bool dialer);
  void read();
  void take(std::span<const std::uint8_t> piece);
  void write();
  bool write_some(std::string_view octets, std::size_t& at);
  void end_writing();

  protocol::Fd fd_;
  bool dialer_;
  Mode mode_{};
  bool each_ = false;
  Clock::time_point until_{};
  std::string head_; ///< Goes first.
  std::size_t head_at_ = 0;
  bool bulk_ = false;       ///< After it: octets or messages until `until_`.
  std::size_t bulk_at_ = 0; ///< In the buffer that is being written.
  std::string small_;       ///< A reply, or a request.
  std::uint64_t received_ = 0;
  Counter counter_;
  bool answering_ = false; ///< The accepting end has something to write.
  bool read_over_ = false;
  bool write_over_ = false;
};

} // namespace kith::bench
