// SPDX-License-Identifier: Apache-2.0
#include "pump.hpp"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace kith::cli {
namespace {

constexpr std::size_t chunk_size = 64 * 1024;

class Pump {
public:
  Pump(client::Client& client, client::Stream& stream, int in, int out) : client_(client), stream_(stream), in_(in), out_(out), fd_(stream.fd.get()) {
    ::fcntl(fd_, F_SETFL, O_NONBLOCK);
  }

  Result<client::Closed> run() {
    while (true) {
      if (const int failed = wait(); failed != 0) return Error{Code::internal, "poll: " + std::generic_category().message(failed)};
      if (!read_peer() || !write_error_.empty()) return Error{Code::internal, "the output can't be written: " + write_error_};
      if (!read_input()) return bad_request("reading the input: " + read_error_);
      write_peer();
      auto closed = client_.poll_closed(stream_);
      if (!closed) return closed.error();
      if (!*closed) continue;
      while (peer_sends_ && read_peer() && more_) {} // everything received lies in the descriptor by now
      if (!write_error_.empty()) return Error{Code::internal, "the output can't be written: " + write_error_};
      return std::move(**closed);
    }
  }

private:
  int wait() {
    short wanted = 0;
    if (peer_sends_) wanted |= POLLIN;
    if (!pending_.empty()) wanted |= POLLOUT;
    // A negative descriptor is left out: one that has hung up would be reported over and over.
    std::array<pollfd, 3> entries{pollfd{in_open_ && pending_.empty() ? in_ : -1, POLLIN, 0}, pollfd{wanted != 0 ? fd_ : -1, wanted, 0},
                                  pollfd{client_.fd(), POLLIN, 0}};
    int ready = 0;
    do ready = ::poll(entries.data(), entries.size(), -1);
    while (ready < 0 && errno == EINTR);
    in_ready_ = entries[0].revents != 0;
    return ready < 0 ? errno : 0;
  }

  /// One chunk from the peer; `more_` says whether to come again. False when the output failed.
  bool read_peer() {
    more_ = false;
    if (!peer_sends_) return true;
    const ssize_t got = ::read(fd_, buffer_.data(), buffer_.size());
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) peer_sends_ = false;
    if (got <= 0) return true;
    more_ = true;
    return write_all(static_cast<std::size_t>(got));
  }

  bool write_all(std::size_t size) {
    for (std::size_t at = 0; at < size;) {
      const ssize_t put = ::write(out_, buffer_.data() + at, size - at);
      if (put >= 0) {
        at += static_cast<std::size_t>(put);
      } else if (errno == EAGAIN) {
        pollfd entry{out_, POLLOUT, 0};
        ::poll(&entry, 1, -1);
      } else if (errno != EINTR) {
        write_error_ = std::generic_category().message(errno);
        return false;
      }
    }
    return true;
  }

  /// False when the input failed: the peer must not take what came so far for all there is.
  bool read_input() {
    if (!in_ready_ || !in_open_ || !pending_.empty()) return true;
    pending_.resize(chunk_size);
    const ssize_t got = ::read(in_, pending_.data(), pending_.size());
    const int failed = got < 0 ? errno : 0;
    pending_.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    if (got > 0 || failed == EINTR || failed == EAGAIN) return true;
    if (failed != 0) {
      read_error_ = std::generic_category().message(failed);
      return false;
    }
    in_open_ = false;
    ::shutdown(fd_, SHUT_WR); // FIN; the descriptor stays open until the end is known
    return true;
  }

  void write_peer() {
    if (pending_.empty()) return;
    const ssize_t put = ::send(fd_, pending_.data(), pending_.size(), MSG_NOSIGNAL);
    if (put > 0) {
      pending_.erase(pending_.begin(), pending_.begin() + put);
    } else if (put < 0 && errno != EAGAIN && errno != EINTR) {
      pending_.clear(); // the stream is over: the closed event says why
      in_open_ = false;
    }
  }

  client::Client& client_;
  client::Stream& stream_;
  const int in_;
  const int out_;
  const int fd_;
  bool in_open_ = true;
  bool in_ready_ = false;
  bool peer_sends_ = true;
  bool more_ = false;
  std::vector<char> pending_; ///< Read from the input and not yet taken by the stream.
  std::vector<char> buffer_ = std::vector<char>(chunk_size);
  std::string write_error_;
  std::string read_error_;
};

} // namespace

Result<client::Closed> pump(client::Client& client, client::Stream& stream, int in, int out) { return Pump(client, stream, in, out).run(); }

} // namespace kith::cli
