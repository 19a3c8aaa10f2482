// SPDX-License-Identifier: GPL-3.0-or-later
// Tells a program that ended its direction of a socketpair from one that closed it or died.
#pragma once

#include <cstdint>

namespace kith::control {

/// Names the other end of a socketpair for as long as it is open: its inode.
std::uint64_t socket_inode(int fd) noexcept;

enum class FarEnd : std::uint8_t { ended, gone, unknown };

/// After a read gave end of file. `own_shutdown`: we have shut down our own direction; then poll can't tell the two apart (both give POLLHUP), and the kernel
/// is asked whether a socket with `far_inode` still exists (sock_diag(7)). unknown: the kernel has no unix_diag.
FarEnd look_at_far_end(int fd, bool own_shutdown, std::uint64_t far_inode) noexcept;

} // namespace kith::control
