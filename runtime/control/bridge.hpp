// SPDX-License-Identifier: GPL-3.0-or-later
// Between a stream's pipes and one end of a socketpair whose other end a program holds. Raw octets both ways, read into and written from the slabs themselves.
#pragma once

#include "base/stream.hpp"
#include "base/world.hpp"
#include "io/reactor.hpp"
#include "io/unique_fd.hpp"
#include "protocol/fd_passing.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

namespace kith::control {

/// Network thread. Kept alive by its own posted work as well as by its owner.
class Bridge final : public std::enable_shared_from_this<Bridge> {
public:
  struct Wires {
    StreamKey key = StreamKey::none;
    PipePtr in;
    PipePtr out;
  };

  /// The bridge and the program's end (blocking, close-on-exec). Errors: internal, when no descriptors are left.
  static Result<std::pair<std::shared_ptr<Bridge>, protocol::Fd>> make(io::Reactor& reactor, World& world, StreamControl& control, Wires wires);

  void start();
  // The stream's signals.
  void readable() { schedule(); }
  void writable();
  /// The stream is over: what was received still goes to the program, as far as it takes it, then `done` is called (perhaps at once).
  void closed(const StreamEnd& end, std::function<void()> done);
  /// Lets go of the descriptor, now and silently.
  void drop();

private:
  Bridge(World& world, StreamControl& control, Wires wires, io::UniqueFd fd, std::uint64_t far_inode);

  void changed(io::Readiness ready);
  void schedule();
  void turn();
  void pump_in();
  void pump_out();
  void far_end_of_file();
  void far_fin();
  void hang_up();
  void finish_if_done();

  io::UniqueFd fd_;
  io::Watch watch_; // destroyed before the descriptor
  World& world_;
  StreamControl& control_;
  Wires wires_;
  std::uint64_t far_inode_;
  std::unique_ptr<Timer> doubt_; ///< Where the kernel can't tell an end from a death: the control socket's loss gets this long to tell.
  std::function<void()> done_;
  bool scheduled_ = false;
  bool has_input_ = true;     ///< The descriptor may have something to read.
  bool takes_output_ = true;  ///< It may take something.
  bool far_ended_ = false;    ///< The program ended its direction: FIN is sent.
  bool own_shutdown_ = false; ///< The peer's FIN was passed on.
  bool stream_closed_ = false;
  bool dropped_ = false;
};

} // namespace kith::control
