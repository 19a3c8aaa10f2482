// SPDX-License-Identifier: GPL-3.0-or-later
// The rows of the benchmark, written once: what is measured (raw ngtcp2 + wolfSSL, two kith nodes, programs on the daemons' sockets) is a Link.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace kith::bench {

using Clock = std::chrono::steady_clock;

inline constexpr std::size_t call_size = 100;    ///< Octets of a call's request, and of its reply.
inline constexpr std::size_t message_size = 100; ///< Octets of a message, its length (2 octets, big endian) included.

/// What a stream is for. The first octet of a raw stream; the command of a kith stream.
enum class Mode : char {
  echo = 'E',     ///< Reply with what came, after its end.
  sink = 'S',     ///< Read everything; then reply with the count of octets (8, big endian).
  messages = 'M', ///< The same, walking from message to message; the count is of messages.
  source = 'G',   ///< Send for as many milliseconds as the request says (4 octets, big endian).
};

/// Hears of finished calls.
class Events {
public:
  virtual ~Events() = default;
  /// `count`: what the sink counted; of other modes: octets received.
  virtual void done(std::uint64_t tag, std::uint64_t count) = 0;
};

/// One side's way to the other. Connections are named by number and dialed by the first call. A call that fails ends the program with a text.
class Link {
public:
  virtual ~Link() = default;
  virtual void set_events(Events& events) = 0;
  virtual void call(std::size_t connection, std::uint64_t tag) = 0;
  virtual void upload(std::size_t connection, Clock::time_point until, std::uint64_t tag) = 0;
  virtual void download(std::size_t connection, std::chrono::milliseconds time, std::uint64_t tag) = 0;
  /// `each`: one write(2) for each message, where there is one.
  virtual void messages(std::size_t connection, Clock::time_point until, std::uint64_t tag, bool each) = 0;
  /// The next call on it dials anew.
  virtual void hang_up(std::size_t connection) = 0;
  virtual void run() = 0;  ///< Until stop().
  virtual void stop() = 0; ///< From within done().
};

/// Runs one row and prints `{"NAME":VALUE,…}` on a line of its own. "idle-N" opens N connections, prints a line and stays until the process is ended.
/// False: there is no such row.
bool run_row(Link& link, const std::string& row, std::chrono::milliseconds time);

/// Ends the process when its standard input ends: nothing outlives the program that started it.
void end_with_stdin();

/// Prints a text on standard error and ends the process.
[[noreturn]] void die(const std::string& text);

} // namespace kith::bench
