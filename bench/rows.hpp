// SPDX-License-Identifier: Apache-2.0
// The rows of the benchmark, written once: what is measured (raw ngtcp2 + wolfSSL, two kith nodes, a plugin that dials, programs on the daemons' sockets) is a
// Link.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
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

/// One side's way to the other. Connections are named by number and dialed by the first call.
class Link {
public:
  virtual ~Link() = default;
  virtual void set_events(Events& events) = 0;
  virtual void call(std::size_t connection, std::uint64_t tag) = 0;
  virtual void upload(std::size_t connection, Clock::time_point until, std::uint64_t tag) = 0;
  virtual void download(std::size_t connection, std::chrono::milliseconds time, std::uint64_t tag) = 0;
  /// `each`: one write(2) for each message, where there is one.
  virtual void messages(std::size_t connection, Clock::time_point until, std::uint64_t tag, bool each) = 0;
  /// The next call on it dials anew. Links whose connections are the daemon's do nothing.
  virtual void hang_up(std::size_t connection) = 0;
};

/// A link with a loop of its own. A call that fails ends the program with a text.
class LoopLink : public Link {
public:
  virtual void run() = 0;  ///< Until stop().
  virtual void stop() = 0; ///< From within done().
};

/// One row under way. What it measured is a line, `{"NAME":VALUE,…}`.
class Row : public Events {
public:
  /// Null: there is no such row. "idle-N" opens N connections, gives its line and is never over.
  static std::unique_ptr<Row> make(const std::string& name, Link& link, std::chrono::milliseconds time);

  /// `on_line`: called once, from within start() or done().
  void start(std::function<void(const std::string&)> on_line);
  void done(std::uint64_t tag, std::uint64_t count) final;

protected:
  /// `warm_calls`: made one after another before the row begins, uncounted.
  Row(Link& link, std::size_t warm_calls) : link_(link), warm_left_(warm_calls) {}
  virtual void begin() = 0;
  virtual void step(std::uint64_t tag, std::uint64_t count) = 0;
  void over(const std::string& line) { on_line_(line); }
  Link& link() noexcept { return link_; }

private:
  Link& link_;
  std::size_t warm_left_;
  std::function<void(const std::string&)> on_line_;
};

/// Runs one row and prints its line; "idle-N" stays until the process is ended. False: there is no such row.
bool run_row(LoopLink& link, const std::string& row, std::chrono::milliseconds time);

/// Ends the process when its standard input ends: nothing outlives the program that started it.
void end_with_stdin();

/// Prints a text on standard error and ends the process.
[[noreturn]] void die(const std::string& text);

} // namespace kith::bench
