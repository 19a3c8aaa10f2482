// SPDX-License-Identifier: GPL-3.0-or-later
#include "control/bridge.hpp"

#include "control/context.hpp"
#include "control/hangup.hpp"
#include "io/unix_socket.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>

namespace kith::control {
namespace {

using boost::system::error_code;
using Descriptor = boost::asio::posix::stream_descriptor;

constexpr std::size_t least_read = small_slab_size; ///< Room asked for before a read.
constexpr std::size_t pieces_per_write = 16;
constexpr Duration doubt_time = std::chrono::milliseconds(100);

} // namespace

Result<std::pair<std::shared_ptr<Bridge>, protocol::Fd>> Bridge::make(boost::asio::io_context& io, World& world, StreamControl& control,
                                                                      Wires wires) {
  auto pair = io::make_socket_pair();
  if (!pair) return pair.error();
  protocol::Fd theirs(pair->second.release());
  ::fcntl(theirs.get(), F_SETFL, 0); // O_NONBLOCK belongs to the open file, so the program would inherit it
  const std::uint64_t inode = socket_inode(theirs.get());
  std::shared_ptr<Bridge> bridge(new Bridge(io, world, control, std::move(wires), pair->first.release(), inode));
  return std::pair(std::move(bridge), std::move(theirs));
}

Bridge::Bridge(boost::asio::io_context& io, World& world, StreamControl& control, Wires wires, int fd, std::uint64_t far_inode)
    : fd_(io, fd), io_(io), world_(world), control_(control), wires_(std::move(wires)), far_inode_(far_inode), doubt_(world.make_timer([this] {
        far_fin();
      })) {}

void Bridge::start() {
  wait_hangup();
  schedule();
}

void Bridge::drop() {
  if (dropped_) return;
  dropped_ = true;
  doubt_->arm(never);
  error_code ignored;
  fd_.close(ignored);
}

void Bridge::writable() { schedule(); }

/// One turn of the loop moves at most turn_budget each way; then others have theirs.
void Bridge::schedule() {
  if (scheduled_ || dropped_) return;
  scheduled_ = true;
  boost::asio::post(io_, [self = shared_from_this()] {
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
    const ssize_t sent = ::sendmsg(fd_.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      takes_output_ = false;
      wait_writable();
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
    ::shutdown(fd_.native_handle(), SHUT_WR);
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
    const ssize_t got = ::read(fd_.native_handle(), into.data(), static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), room)));
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
  if (dropped_) return;
  if (moved >= turn_budget) schedule();
  if (!has_input_) wait_readable();
}

void Bridge::far_end_of_file() {
  switch (look_at_far_end(fd_.native_handle(), own_shutdown_, far_inode_)) {
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

// --- waiting

void Bridge::wait_readable() {
  if (reading_ || far_ended_ || dropped_) return;
  reading_ = true;
  fd_.async_wait(Descriptor::wait_read, [self = shared_from_this()](const error_code& error) {
    self->reading_ = false;
    if (error || self->dropped_) return;
    self->has_input_ = true;
    self->turn();
  });
}

void Bridge::wait_writable() {
  if (writing_ || dropped_) return;
  writing_ = true;
  fd_.async_wait(Descriptor::wait_write, [self = shared_from_this()](const error_code& error) {
    self->writing_ = false;
    if (error || self->dropped_) return;
    self->takes_output_ = true;
    self->turn();
  });
}

/// Sees a hang-up while neither direction moves. Once both directions are shut down the kernel says the same, and it means nothing.
void Bridge::wait_hangup() {
  fd_.async_wait(Descriptor::wait_error, [self = shared_from_this()](const error_code& error) {
    if (error || self->dropped_ || self->own_shutdown_) return;
    self->hang_up();
  });
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
