// SPDX-License-Identifier: Apache-2.0
// Unix sockets with descriptors. Plain POSIX, blocking or not as the socket is.
#pragma once

#include "base/bytes.hpp"

#include <deque>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace kith::protocol {

inline constexpr std::size_t max_fds_per_line = 8;
inline constexpr std::size_t max_waiting_fds = 64; ///< Received and not yet asked for; more are closed at once.

/// Owns a descriptor.
class Fd {
public:
  Fd() noexcept = default;
  explicit Fd(int fd) noexcept : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  ~Fd() { reset(); }
  int get() const noexcept { return fd_; }
  int release() noexcept { return std::exchange(fd_, -1); }
  void reset(int fd = -1) noexcept;
  explicit operator bool() const noexcept { return fd_ >= 0; }

private:
  int fd_ = -1;
};

/// The outcome of one read or write.
struct Io {
  std::size_t count = 0;    ///< Octets moved.
  bool would_block = false; ///< Nothing moved; wait until the socket is ready.
  bool ended = false;       ///< Reading: end of file. Writing: the other side is gone.
  int error = 0;            ///< errno of any other failure.
};

/// Sends the front of `bytes`, `fds` (at most max_fds_per_line) with its first octet, in one sendmsg; never raises SIGPIPE. When count is not 0 the descriptors
/// have left: send the rest without them. The caller keeps its own copies of them.
Io send_with_fds(int socket, std::string_view bytes, std::span<const int> fds);

/// Descriptors in the order of their lines.
class FdQueue {
public:
  /// The next `count` of them; empty, and nothing taken, when so many have not come.
  std::vector<Fd> take(std::size_t count);
  void push(Fd fd);
  /// Closes what nobody announced. Call when every complete line has been handled.
  void clear() noexcept { fds_.clear(); }
  std::size_t size() const noexcept { return fds_.size(); }

private:
  std::deque<Fd> fds_;
};

/// Reads octets and the descriptors that come with them (close-on-exec).
Io receive_with_fds(int socket, ByteSpan into, FdQueue& fds);

} // namespace kith::protocol
