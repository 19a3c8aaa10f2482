// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/readiness.hpp"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace kith::daemon {
namespace {

constexpr char ready_octet = 'r';

/// In the first process: its life after the fork.
[[noreturn]] void wait_for(int pipe, pid_t child) {
  char octet = 0;
  ssize_t got = 0;
  do got = ::read(pipe, &octet, 1);
  while (got < 0 && errno == EINTR);
  if (got == 1 && octet == ready_octet) ::_exit(0);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {}
  ::_exit(WIFEXITED(status) && WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : exit_code(Code::internal));
}

} // namespace

Result<Readiness> Readiness::detach() {
  std::array<int, 2> ends{};
  const auto failed = [](const char* what) { return Error{Code::internal, std::string(what) + ": " + std::generic_category().message(errno)}; };
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return failed("pipe");
  const pid_t child = ::fork();
  if (child < 0) return failed("fork");
  if (child > 0) {
    ::close(ends[1]);
    wait_for(ends[0], child);
  }
  ::close(ends[0]);
  ::setsid();
  ::close(STDIN_FILENO); // while there is one thread the next descriptor has this number; when the daemon is ready there may be no other left
  if (::open("/dev/null", O_RDWR) != STDIN_FILENO) return failed("open /dev/null");
  Readiness readiness;
  readiness.pipe_ = ends[1];
  return readiness;
}

Readiness::Readiness(Readiness&& other) noexcept : pipe_(std::exchange(other.pipe_, -1)) {}

Readiness& Readiness::operator=(Readiness&& other) noexcept {
  std::swap(pipe_, other.pipe_);
  return *this;
}

Readiness::~Readiness() {
  if (pipe_ >= 0) ::close(pipe_);
}

void Readiness::ready() {
  if (pipe_ < 0) return;
  for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) ::dup2(STDIN_FILENO, fd); // /dev/null, see detach()
  ssize_t written = 0;
  do written = ::write(pipe_, &ready_octet, 1);
  while (written < 0 && errno == EINTR);
  ::close(std::exchange(pipe_, -1));
}

} // namespace kith::daemon
