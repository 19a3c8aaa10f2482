// SPDX-License-Identifier: GPL-3.0-or-later
// Preloaded into a daemon: a kernel that knows neither UDP_SEGMENT nor UDP_GRO.
#define _GNU_SOURCE 1 // NOLINT(readability-identifier-naming): syscall()
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { udp_segment = 103, udp_gro = 104 };

__attribute__((visibility("default"))) int setsockopt(int fd, int level, int name, const void* value, socklen_t size) {
  if (level == IPPROTO_UDP && (name == udp_segment || name == udp_gro)) {
    errno = ENOPROTOOPT;
    return -1;
  }
  return (int)syscall(SYS_setsockopt, fd, level, name, value, size);
}
