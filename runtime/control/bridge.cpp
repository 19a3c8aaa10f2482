// SPDX-License-Identifier: GPL-3.0-or-later
#include "control/bridge.hpp"

#include "control/context.hpp"
#include "control/hangup.hpp"
#include "io/unix_socket.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>

namespace kith::control {
namespace {

constexpr std::size_t least_read = small_slab_size; ///< Room asked for before a read.
constexpr std::size_t pieces_per_write = 16;
constexpr Duration doubt_time = std::chrono::milliseconds(100);

} // namespace

Result<std::pair<std::shared_ptr<Bridge>, protocol::Fd>> Bridge::make(io::Reactor& reactor, World& world, StreamControl& control, Wires wires) {
  auto pair = io::make_socket_pair();
  if (!pair) return pair.error();
  protocol::Fd theirs(pair->second.release());
  ::fcntl(theirs.get(), F_SETFL, 0); // O_NONBLOCK belongs to the open file, so the program would inherit it
  const std::uint64_t inode = socket_inode(theirs.get());
  std::shared_ptr<Bridge> bridge(new Bridge(world, control, std::move(wires), std::move(pair->first), inode));
  auto watch = reactor.watch(bridge->fd_.get(), [raw = bridge.get()](io::Readiness ready) { raw->changed(ready); });
  if (!watch) return watch.error();
  bridge->watch_ = std::move(*watch);
  return std::pair(std::move(bridge), std::move(theirs));
}

Bridge::Bridge(World& world, StreamControl& control, Wires wires, io::UniqueFd fd, std::uint64_t far_inode)
    : fd_(std::move(fd)), world_(world), control_(control), wires_(std::move(wires)), far_inode_(far_inode), doubt_(world.make_timer([this] {
        far_fin();
      })) {}

void Bridge::start() { schedule(); }

void Bridge::changed(io::Readiness ready) {
  const auto self = shared_from_this();
  // Once both directions are shut down the kernel says that it hung up as well, and it means nothing.
  if (ready.hung_up && !own_shutdown_) return hang_up();
  has_input_ = has_input_ || ready.readable;
  takes_output_ = takes_output_ || ready.writable;
  turn();
}

void Bridge::drop() {
  if (dropped_) return;
  dropped_ = true;
  doubt_->arm(never);
  watch_ = {};
  fd_.reset();
}

void Bridge::writable() { schedule(); }

/// One turn of the loop moves at most turn_budget each way; then others have theirs.
void Bridge::schedule() {
  if (scheduled_ || dropped_) return;
  scheduled_ = true;
  world_.network().post([self = shared_from_this()] {
    self->scheduled_ = false;
    self->turn();
  });
}

void Bridge::turn() {
  if (dropped_) return;
  pump_in();
  if (!dropped_ && !stream_closed_) pump_out();
  finish_if_done();
}

// --- from the peer to the program

void Bridge::pump_in() {
  std::size_t moved = 0;
  const bool finished = wires_.in->finished();
  while (!own_shutdown_ && takes_output_ && moved < turn_budget) {
    std::array<ByteView, pieces_per_write> pieces;
    const std::size_t count = wires_.in->peek(pieces);
    if (count == 0) break;
    std::array<iovec, pieces_per_write> parts;
    for (std::size_t i = 0; i < count; ++i) parts[i] = {const_cast<std::uint8_t*>(pieces[i].data()), pieces[i].size()}; // sendmsg only reads it
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = count;
    const ssize_t sent = ::sendmsg(fd_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      takes_output_ = false;
      watch_.want_writable();
      break;
    }
    if (sent < 0) return hang_up();
    wires_.in->consume(static_cast<std::uint64_t>(sent));
    moved += static_cast<std::size_t>(sent);
  }
  if (moved > 0 && !stream_closed_) control_.consumed(wires_.key);
  if (moved >= turn_budget) schedule();
  if (finished && !own_shutdown_ && wires_.in->readable() == 0) {
    own_shutdown_ = true;
    ::shutdown(fd_.get(), SHUT_WR);
  }
}

// --- from the program to the peer

void Bridge::pump_out() {
  std::size_t moved = 0;
  while (has_input_ && !far_ended_ && moved < turn_budget) {
    const std::uint64_t room = wires_.out->room();
    if (room == 0) {
      control_.want_writable(wires_.key);
      break;
    }
    const ByteSpan into = wires_.out->reserve(least_read);
    const ssize_t got = ::read(fd_.get(), into.data(), static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), room)));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      has_input_ = false;
      break;
    }
    if (got < 0) return hang_up();
    if (got == 0) {
      far_end_of_file();
      break;
    }
    wires_.out->commit(static_cast<std::size_t>(got));
    moved += static_cast<std::size_t>(got);
  }
  if (moved > 0) control_.produced(wires_.key);
  if (!dropped_ && moved >= turn_budget) schedule();
}

void Bridge::far_end_of_file() {
  switch (look_at_far_end(fd_.get(), own_shutdown_, far_inode_)) {
    case FarEnd::ended: return far_fin();
    case FarEnd::gone: return hang_up();
    case FarEnd::unknown:
      has_input_ = false;
      far_ended_ = true; // nothing more is read; what it was is seen when the time is over
      doubt_->arm(world_.now() + doubt_time);
      return;
  }
}

void Bridge::far_fin() {
  if (dropped_ || stream_closed_) return;
  far_ended_ = true;
  wires_.out->finish();
  control_.produced(wires_.key);
}

/// The program closed its end or died before the stream was over: the peer must not take that for an end.
void Bridge::hang_up() {
  if (dropped_) return;
  drop();
  if (!stream_closed_) control_.reset(wires_.key, Code::cancelled, "the program went away");
  finish_if_done();
}

// --- the end

void Bridge::closed(const StreamEnd& end, std::function<void()> done) {
  stream_closed_ = true;
  done_ = std::move(done);
  if (!dropped_) pump_in();
  if (!end.ok) drop(); // what the program did not take by now belongs to a stream that failed
  finish_if_done();
}

void Bridge::finish_if_done() {
  if (!stream_closed_ || !done_) return;
  if (!dropped_ && !own_shutdown_ && wires_.in->readable() > 0) return;
  drop();
  std::exchange(done_, nullptr)();
}

} // namespace kith::control
