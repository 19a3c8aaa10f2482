// SPDX-License-Identifier: GPL-3.0-or-later
// One client on the control socket: its lines in, answers and events out, and what it has started.
#pragma once

#include "base/bytes.hpp"
#include "control/context.hpp"
#include "control/outbox.hpp"
#include "io/reactor.hpp"
#include "io/unique_fd.hpp"
#include "protocol/envelope.hpp"
#include "protocol/line_reader.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace kith::control {

class Provider;

/// Something that a request started and that goes on after it was read. Owned by its session, which it tells by ended() when it is over.
class Operation {
public:
  virtual ~Operation() = default;
  /// The program asked for its end (or its socket is gone): an answer or event `cancelled` follows where the contract has one; then ended(), perhaps later.
  virtual void cancel() = 0;
  /// Whether it goes on after its answer, and counts for max_streams.
  virtual bool lasts() const noexcept { return true; }
};

/// A session that has taken the whole socket for itself (an inline stream).
class InlineInput {
public:
  virtual ~InlineInput() = default;
  /// Takes what it can of the octets that are there. False: it wants no more for now; call Session::resume().
  virtual bool input(protocol::LineReader& reader) = 0;
  /// The outbox has less than turn_budget again.
  virtual void output_room() = 0;
};

/// What whoever comes when max_clients are here is told.
Error socket_full(const Context& context);

class Session final : public std::enable_shared_from_this<Session> {
public:
  /// A `reserve` one is beyond max_clients: it may stop the daemon, reload, and look; anything else is refused, and closes it.
  enum class Kind : std::uint8_t { ordinary, reserve };

  /// `gone` is called once, when the socket is closed and nothing that it started is left; the owner lets go of the session then.
  Session(Context& context, io::UniqueFd socket, Kind kind, std::function<void()> gone);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Errors: internal, when the socket can't be watched; nothing has begun then.
  Result<void> start();
  /// Writes what it can and closes. What was started is cancelled.
  void close();
  bool alive() const noexcept { return alive_; }
  Context& context() noexcept { return context_; }

  // --- for operations
  void answer(const protocol::Answer& answer, ByteView octets = {}, std::vector<protocol::Fd> fds = {});
  void send(std::string_view line, ByteView octets = {}, std::vector<protocol::Fd> fds = {});
  void send_raw(ByteView octets);
  std::size_t queued() const noexcept { return outbox_.size(); }
  /// The operation of this id is over: it is destroyed soon, not inside this call.
  void ended(const std::string& id);
  /// The id of an answered call is free for another request, but the node has not let go of the call yet: it owns itself until give_back.
  std::unique_ptr<Operation> release(const std::string& id);
  void give_back(std::unique_ptr<Operation> operation);
  /// Octets of requests that are kept until they have left: they count like octets queued.
  void hold(std::size_t octets) noexcept { held_ += octets; }
  void unhold(std::size_t octets);
  /// An unanswered request counts until settle().
  void settle();
  void resume();
  /// A name for a call that is handed to the program, good until withdraw.
  std::string offer(Provider& provider);
  void withdraw(const std::string& call) { offered_.erase(call); }
  void take_inline(InlineInput& input) noexcept { inline_ = &input; }
  /// Closes when everything queued is written.
  void close_when_written();
  Operation* find(const std::string& id) noexcept;
  /// Runs `work` off the network thread, then `then` back on it.
  void offload(std::function<void()> work, std::function<void()> then);

private:
  void changed(io::Readiness ready);
  void read();
  void process();
  bool step();
  void take_line(std::string_view line);
  void parse_elsewhere(std::string_view line);
  bool finish_waiting();
  void handle(Result<protocol::Request>&& request, const std::string& id, std::string_view line, ByteView octets);
  void dispatch(protocol::Request& request, std::string_view line, ByteView octets);
  void start_operation(protocol::Request& request, ByteView octets, std::vector<protocol::Fd> fds);
  void administer(protocol::Request& request, std::string_view line, std::vector<protocol::Fd> fds);
  Result<void> provide(const protocol::Request& request, ByteView octets);
  bool was_offered(std::string_view call) const;
  void hello(const protocol::Request& request);
  void cancel(const protocol::Request& request);
  void refuse(const std::string& id, Error error);
  void keep_reserve();
  bool paused() const noexcept;
  void schedule_flush();
  void watch_stall();
  void flush();
  void lose();
  void release_if_done();

  Context& context_;
  io::UniqueFd socket_;
  io::Watch watch_; // destroyed before the socket
  std::function<void()> gone_;
  protocol::LineReader reader_;
  protocol::FdQueue fds_;
  Outbox outbox_;
  std::unordered_map<std::string, std::unique_ptr<Operation>> operations_;
  std::unordered_map<std::string, Provider*> offered_; ///< Calls that wait for a provider's answer.
  std::uint64_t last_offer_ = 0;
  std::vector<std::unique_ptr<Operation>> over_; ///< Destroyed outside of their own functions.
  std::unique_ptr<Timer> stall_;
  std::unique_ptr<Timer> reserve_;   ///< Of a session in the reserve: closes it when it asks for nothing.
  std::shared_ptr<Executor> strand_; ///< For long JSON; made when it is needed.
  InlineInput* inline_ = nullptr;

  std::string waiting_line_; ///< A line whose octets have not all come.
  std::uint64_t waiting_octets_ = 0;
  std::uint64_t skip_ = 0;    ///< Octets of a refused request that are still to come.
  std::size_t in_flight_ = 0; ///< Requests without their answer.
  std::size_t lasting_ = 0;   ///< Of the operations, those that last.
  std::size_t held_ = 0;
  std::size_t offloaded_ = 0;
  std::size_t lingering_ = 0;
  std::uint64_t written_at_stall_ = 0;
  bool alive_ = true;
  bool has_input_ = false; ///< There may be something to read.
  bool hung_up_ = false;   ///< The client has closed its end.
  bool inline_full_ = false;
  bool parsing_ = false; ///< A long line is being parsed elsewhere.
  bool stalled_ = false; ///< The stall timer runs.
  bool flush_posted_ = false;
  bool resume_posted_ = false;
  bool input_ended_ = false; ///< The client has shut its direction down; answers still go out.
  bool closing_ = false;
  bool gone_told_ = false;
};

} // namespace kith::control
