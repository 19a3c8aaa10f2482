// SPDX-License-Identifier: Apache-2.0
#include "protocol/fd_passing.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <unistd.h>

namespace kith::protocol {
namespace {

constexpr std::size_t kernel_max_fds = 253; ///< SCM_MAX_FD of Linux: room for these, and none is ever cut off and leaked.

Io failed() noexcept {
  Io io;
  if (errno == EAGAIN || errno == EWOULDBLOCK) {
    io.would_block = true;
  } else if (errno == EPIPE || errno == ECONNRESET) {
    io.ended = true;
  } else {
    io.error = errno;
  }
  return io;
}

} // namespace

void Fd::reset(int fd) noexcept {
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

Io send_with_fds(int socket, std::string_view bytes, std::span<const int> fds) {
  iovec piece{const_cast<char*>(bytes.data()), bytes.size()}; // sendmsg only reads it
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * max_fds_per_line)> control{};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  const std::size_t count = std::min(fds.size(), max_fds_per_line);
  if (count > 0) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
    cmsghdr* head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int) * count);
    std::memcpy(CMSG_DATA(head), fds.data(), sizeof(int) * count);
  }
  ssize_t sent = 0;
  do sent = ::sendmsg(socket, &message, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  if (sent < 0) return failed();
  return {static_cast<std::size_t>(sent), false, false, 0};
}

std::vector<Fd> FdQueue::take(std::size_t count) {
  std::vector<Fd> taken;
  if (fds_.size() < count) return taken;
  for (; count > 0; --count) {
    taken.push_back(std::move(fds_.front()));
    fds_.pop_front();
  }
  return taken;
}

void FdQueue::push(Fd fd) {
  if (fds_.size() < max_waiting_fds) fds_.push_back(std::move(fd));
}

Io receive_with_fds(int socket, ByteSpan into, FdQueue& fds) {
  iovec piece{into.data(), into.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kernel_max_fds)> control;
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t received = 0;
  do received = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  while (received < 0 && errno == EINTR);
  if (received < 0) return failed();
  for (cmsghdr* head = CMSG_FIRSTHDR(&message); head != nullptr; head = CMSG_NXTHDR(&message, head)) {
    if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(head) + i * sizeof(int), sizeof fd);
      fds.push(Fd(fd));
    }
  }
  return {static_cast<std::size_t>(received), false, received == 0, 0};
}

} // namespace kith::protocol
