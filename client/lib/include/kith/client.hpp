// SPDX-License-Identifier: Apache-2.0
// libkith-client: programs talk to the daemon of their user through this. No keys, no cryptography, no QUIC: lines and descriptors over a Unix socket.
//
//   auto client = kith::client::Client::connect(kith::client::resolve_home(""));
//   if (!client) return fail(client.error());              // "no daemon at …: start it with `kith daemon`"
//   auto reply = client->call({"", "bob", "Echo"}, kith::client::Payload::of_json(R"({"message":"hi"})"));
//   if (reply) puts(reply->bytes.c_str());                 // {"echoed":"hi"}
//
// Blocking, for one thread at a time. Many requests may be in flight: submit() each, then wait() for their ids in any order.
#pragma once

#include "base/error.hpp"
#include "protocol/envelope.hpp"
#include "protocol/fd_passing.hpp"
#include "protocol/line_reader.hpp"

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace kith::client {

using protocol::Fd;
using protocol::ObjectWriter;
using protocol::Target;

/// Longer than the daemon's own timeouts: it answers first, with the better text.
inline constexpr std::chrono::milliseconds default_patience{40'000};
inline constexpr std::chrono::milliseconds forever{-1};
/// What a patience must exceed the daemon's timeout by, so that the daemon's answer is the one that is heard.
inline constexpr std::chrono::milliseconds patience_margin{2'000};
/// For connecting and hello, which a daemon that is well answers at once.
inline constexpr std::chrono::milliseconds connect_patience{10'000};

/// What a call carries either way: one JSON value, or octets.
struct Payload {
  bool json = false;
  std::string bytes;
  static Payload of_json(std::string text) { return {true, std::move(text)}; }
  static Payload of_octets(std::string octets) { return {false, std::move(octets)}; }
};

/// What the daemon said of itself.
struct Hello {
  std::uint64_t api = 0;
  std::string version;
  int pid = 0;
  std::uint64_t max_call_bytes = protocol::default_max_call_bytes;
};

/// A good answer.
struct Answer {
  Payload payload; ///< Of `data` or `bytes`; octets and empty when it had neither.
  std::vector<Fd> fds;
};

/// One event as it came. The typed forms are protocol::IncomingEvent, TopicEvent and the others: decode(Object::parse(line)).
struct Event {
  std::string id;    ///< Of the request that it belongs to.
  std::string event; ///< "closed", "incoming", "cancelled", "topic", "lagged", or one that is newer than this library: ignore it.
  std::string line;
  std::string octets;
  std::vector<Fd> fds;
};

/// How a stream ended.
struct Closed {
  std::uint64_t sent = 0; ///< Octets of the stream, not of the descriptor.
  std::uint64_t received = 0;
  std::optional<Error> error; ///< Nothing: both directions ended with FIN.
};

/// An open stream. Read and write the descriptor; shutdown(fd, SHUT_WR) is FIN. Keep it open until wait_closed() has returned: closing it earlier resets the stream.
struct Stream {
  std::string id;
  Fd fd;
};

/// Closing the client (or its end) cancels what it has in flight, streams included.
class Client {
public:
  /// Connects to the daemon of a home and says hello. Errors: unreachable when no daemon runs there, with the way out; unsupported_version when it speaks
  /// another API; timeout; bad_request for a home whose socket path is too long.
  static Result<Client> connect(const std::string& home, std::chrono::milliseconds patience = connect_patience);

  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  ~Client();

  const Hello& hello() const noexcept;

  /// Sends one request of docs/control-socket.md and waits for its answer. Errors: the daemon's; connection_lost when the daemon goes away; timeout when it does
  /// not answer within the patience (the request may have been done).
  Result<Answer> request(std::string_view type, const ObjectWriter& fields, std::chrono::milliseconds patience = default_patience);
  /// The same with a payload and descriptors (which stay the caller's).
  Result<Answer> request(std::string_view type, const ObjectWriter& fields, const Payload* payload, std::span<const int> fds,
                         std::chrono::milliseconds patience);

  /// `tell` is called once, in the next wait for the daemon that lasts so long. It must not use this client.
  void when_slow(std::chrono::milliseconds after, std::function<void()> tell);

  /// One call to a peer. Errors: those of the daemon and of the peer; codes from 1000 on are the protocol's.
  Result<Payload> call(const Target& target, const Payload& payload);

  /// A command to a binding of this daemon (scope `local` or `both`). Errors: those of call.
  Result<Payload> local(const protocol::LocalRequest& request, const Payload& payload);

  /// Opens a stream; returns once the peer has accepted it.
  Result<Stream> open_stream(const Target& target);
  /// Waits for the end of a stream. Errors: connection_lost, timeout.
  Result<Closed> wait_closed(const Stream& stream, std::chrono::milliseconds patience = forever);
  /// The end of a stream, if it is known by now; takes what the socket has without waiting. For loops of their own over fd().
  Result<std::optional<Closed>> poll_closed(const Stream& stream);

  /// Sends without waiting for the answer; returns the id to wait for. Errors: those of sending, timeout when the daemon does not take it.
  Result<std::string> submit(std::string_view type, const ObjectWriter& fields, const Payload* payload = nullptr, std::span<const int> fds = {},
                             std::chrono::milliseconds patience = default_patience);
  Result<Answer> wait(const std::string& id, std::chrono::milliseconds patience = default_patience);

  /// The next event of any request but streams'; at most 1,024 are kept, the oldest go first.
  Result<Event> next_event(std::chrono::milliseconds patience = forever);

  /// Waits for the daemon to close the socket (after `stop`). Errors: timeout.
  Result<void> wait_end(std::chrono::milliseconds patience);

  /// The control socket, for poll(): readable means that poll_closed or next_event may have something.
  int fd() const noexcept;

private:
  struct State;
  explicit Client(std::unique_ptr<State> state) noexcept;
  std::unique_ptr<State> state_;
};

} // namespace kith::client
