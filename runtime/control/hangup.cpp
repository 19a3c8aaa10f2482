// SPDX-License-Identifier: GPL-3.0-or-later
#include "control/hangup.hpp"

#include "protocol/fd_passing.hpp"

#include <cerrno>
#include <cstring>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

namespace kith::control {
namespace {

/// Whether the kernel knows an AF_UNIX socket of that inode. The answer is in the queue when send returns: nothing here waits.
FarEnd ask_kernel(std::uint64_t inode) noexcept {
  const protocol::Fd netlink(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG));
  if (!netlink) return FarEnd::unknown;
  struct {
    nlmsghdr head;
    unix_diag_req body;
  } question{};
  question.head.nlmsg_len = sizeof question;
  question.head.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  question.head.nlmsg_flags = NLM_F_REQUEST;
  question.body.sdiag_family = AF_UNIX;
  question.body.udiag_states = ~0U;
  question.body.udiag_ino = static_cast<std::uint32_t>(inode);
  question.body.udiag_cookie[0] = question.body.udiag_cookie[1] = ~0U;
  if (::send(netlink.get(), &question, sizeof question, 0) < 0) return FarEnd::unknown;
  alignas(nlmsghdr) char answer[4096];
  const ssize_t count = ::recv(netlink.get(), answer, sizeof answer, 0);
  nlmsghdr head{};
  if (count < static_cast<ssize_t>(sizeof head)) return FarEnd::unknown;
  std::memcpy(&head, answer, sizeof head);
  if (head.nlmsg_type == SOCK_DIAG_BY_FAMILY) return FarEnd::ended;
  int error = 0;
  if (head.nlmsg_type != NLMSG_ERROR || count < static_cast<ssize_t>(sizeof head + sizeof error)) return FarEnd::unknown;
  std::memcpy(&error, answer + sizeof head, sizeof error);
  return error == -ENOENT ? FarEnd::gone : FarEnd::unknown;
}

} // namespace

std::uint64_t socket_inode(int fd) noexcept {
  struct stat info {};
  return ::fstat(fd, &info) == 0 ? info.st_ino : 0;
}

FarEnd look_at_far_end(int fd, bool own_shutdown, std::uint64_t far_inode) noexcept {
  pollfd one{fd, POLLRDHUP, 0};
  if (::poll(&one, 1, 0) < 0) return FarEnd::unknown;
  if ((one.revents & (POLLHUP | POLLERR)) == 0) return FarEnd::ended;
  if (!own_shutdown) return FarEnd::gone;
  return ask_kernel(far_inode);
}

} // namespace kith::control
