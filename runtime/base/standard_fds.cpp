// SPDX-License-Identifier: Apache-2.0
#include "base/standard_fds.hpp"

#include <fcntl.h>
#include <initializer_list>
#include <unistd.h>

namespace kith {

void open_standard_fds() noexcept {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) >= 0) continue;
    if (::open("/dev/null", fd == STDOUT_FILENO ? O_RDONLY : O_RDWR) != fd) return; // the lowest free number
  }
}

} // namespace kith
