// SPDX-License-Identifier: Apache-2.0
#include "base/standard_fds.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace kith {

void open_standard_fds() noexcept {
  int fd = ::open("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= STDERR_FILENO) fd = ::open("/dev/null", O_RDWR);
  if (fd >= 0) ::close(fd);
}

} // namespace kith
