// SPDX-License-Identifier: Apache-2.0
#include "interrupt.hpp"

#include <array>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace kith::cli {

Interrupt::Interrupt() {
  sigset_t wanted;
  ::sigemptyset(&wanted);
  ::sigaddset(&wanted, SIGINT);
  ::sigaddset(&wanted, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &wanted, &before_);
  signals_.reset(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
}

Interrupt::~Interrupt() {
  signalfd_siginfo taken{}; // what came must not end the process once it is let through again
  while (::read(signals_.get(), &taken, sizeof taken) > 0) {}
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

Interrupt::Woken Interrupt::wait(int fd, std::chrono::milliseconds patience) {
  if (interrupted_) return Woken::interrupted;
  std::array<pollfd, 2> on{{{signals_.get(), POLLIN, 0}, {fd, POLLIN, 0}}};
  const int ready = ::poll(on.data(), on.size(), static_cast<int>(patience.count()));
  if (ready < 0 || on[0].revents != 0) {
    interrupted_ = true;
    return Woken::interrupted;
  }
  return ready == 0 ? Woken::timeout : Woken::readable;
}

} // namespace kith::cli
