// SPDX-License-Identifier: GPL-3.0-or-later
#include "programs/pump.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace kith::bench {
namespace {
constexpr std::size_t buffer_size = 100 * 2560; // a multiple of message_size: buffers of whole messages
constexpr int reads_per_turn = 4;
constexpr int messages_per_turn = 256;

/// Messages, one after another; as bulk octets they do as well.
const std::string& octets() {
  static const std::string made = [] {
    std::string out(buffer_size, '\0');
    for (std::size_t at = 0; at < out.size(); at += message_size) out[at + 1] = static_cast<char>(message_size - 2);
    return out;
  }();
  return made;
}
} // namespace

Pump::Pump(protocol::Fd fd, bool dialer) : fd_(std::move(fd)), dialer_(dialer) {
  ::fcntl(fd_.get(), F_SETFL, ::fcntl(fd_.get(), F_GETFL) | O_NONBLOCK);
}

Pump Pump::dialed(protocol::Fd fd, Mode mode, Clock::time_point until, std::chrono::milliseconds time, bool each) {
  Pump made(std::move(fd), true);
  made.mode_ = mode;
  made.until_ = until;
  made.each_ = each;
  made.head_.push_back(static_cast<char>(mode));
  if (mode == Mode::source) {
    made.head_ += number(static_cast<std::uint64_t>(time.count()), 4);
  } else {
    made.bulk_ = true;
  }
  made.answering_ = true;
  return made;
}

Pump Pump::accepted(protocol::Fd fd) { return Pump(std::move(fd), false); }

short Pump::wanted() const noexcept { return static_cast<short>((read_over_ ? 0 : POLLIN) | (answering_ && !write_over_ ? POLLOUT : 0)); }

void Pump::ready(short events) {
  if ((events & (POLLIN | POLLHUP | POLLERR)) != 0 && !read_over_) read();
  if ((events & (POLLOUT | POLLHUP | POLLERR)) != 0 && answering_ && !write_over_) write();
}

void Pump::read() {
  static std::array<std::uint8_t, 256 * 1024> buffer;
  for (int i = 0; i < reads_per_turn; ++i) {
    const ssize_t got = ::read(fd_.get(), buffer.data(), buffer.size());
    if (got > 0) {
      take({buffer.data(), static_cast<std::size_t>(got)});
      if (static_cast<std::size_t>(got) < buffer.size()) return;
      continue;
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    read_over_ = true;
    if (dialer_) return;
    if (mode_ == Mode::source) {
      until_ = Clock::now() + std::chrono::milliseconds(read_number(small_));
      bulk_ = true;
    } else {
      head_ = counter_.reply(mode_);
    }
    answering_ = true;
    return;
  }
}

void Pump::take(std::span<const std::uint8_t> piece) {
  if (!dialer_ && mode_ == Mode{}) {
    mode_ = static_cast<Mode>(piece[0]);
    piece = piece.subspan(1);
  }
  received_ += piece.size();
  if (!dialer_ && mode_ != Mode::source) {
    counter_.take(piece, mode_ == Mode::messages);
  } else if (small_.size() < 8) {
    small_.append(reinterpret_cast<const char*>(piece.data()), std::min(piece.size(), 8 - small_.size()));
  }
}

/// False: the socket is full.
bool Pump::write_some(std::string_view all, std::size_t& at) {
  const ssize_t put = ::write(fd_.get(), all.data() + at, all.size() - at);
  if (put > 0) {
    at += static_cast<std::size_t>(put);
    return at == all.size();
  }
  if (put < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  die("a stream's socket is gone");
}

void Pump::end_writing() {
  write_over_ = true;
  ::shutdown(fd_.get(), SHUT_WR);
}

void Pump::write() {
  if (head_at_ < head_.size() && !write_some(head_, head_at_)) return;
  if (!bulk_) return end_writing();
  const std::string_view all = each_ ? std::string_view(octets()).substr(0, message_size) : std::string_view(octets());
  for (int i = 0; i < (each_ ? messages_per_turn : 1); ++i) { // one buffer: an answer that came meanwhile is not to wait for more of our own writes
    if (bulk_at_ == 0 && (!each_ || i == 0) && Clock::now() >= until_) return end_writing();
    if (!write_some(all, bulk_at_)) return;
    bulk_at_ = 0;
  }
}

} // namespace kith::bench
