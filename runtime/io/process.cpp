// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/process.hpp"

#include "io/sockaddr.hpp"
#include "io/unique_fd.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>

namespace kith::io {

Result<void> check_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max >= least_file_limit) return {};
  return Error{Code::internal, "at most " + std::to_string(limit.rlim_max) + " files may be open here, a daemon needs " +
                                   std::to_string(least_file_limit) + ": raise the limit (ulimit -Hn; LimitNOFILE= of its service)"};
}

std::uint64_t raise_file_limit(std::uint64_t most, Log& log) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  const rlim_t before = limit.rlim_cur;
  limit.rlim_cur = std::min<rlim_t>(most, limit.rlim_max);
  if (before >= limit.rlim_cur) return before;
  if (::setrlimit(RLIMIT_NOFILE, &limit) == 0) return limit.rlim_cur;
  log.warn("io", "cannot raise the limit of open files above " + std::to_string(before) + ": " + error_text(errno));
  return before;
}

void harden_process(Log& log) {
  if (::prctl(PR_SET_DUMPABLE, 0) != 0) log.warn("io", "PR_SET_DUMPABLE refused: " + error_text(errno) + "; a core dump may hold keys");
  std::signal(SIGPIPE, SIG_IGN);
}

namespace {

constexpr std::array handled_signals{SIGTERM, SIGINT, SIGHUP};
std::atomic<int> signal_pipe{-1}; // what a handler may look at: lock-free

void tell_pipe(int signal) {
  const int before = errno;
  const auto number = static_cast<std::uint8_t>(signal);
  static_cast<void>(::write(signal_pipe.load(), &number, 1)); // a full pipe has enough of them
  errno = before;
}

void handle_signals(void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  for (const int signal : handled_signals) ::sigaction(signal, &action, nullptr);
}

} // namespace

Result<std::unique_ptr<Signals>> Signals::open(Reactor& reactor, std::function<void()> on_terminate, std::function<void()> on_reload) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return Error{Code::internal, "cannot watch for signals: pipe: " + error_text(errno)};
  std::unique_ptr<Signals> signals(new Signals(UniqueFd{ends[0]}, UniqueFd{ends[1]}, std::move(on_terminate), std::move(on_reload)));
  auto watch = reactor.watch(ends[0], [raw = signals.get()](Readiness) { raw->read(); });
  if (!watch) return Error{Code::internal, "cannot watch for signals: " + watch.error().text};
  signals->watch_ = std::move(*watch);
  return signals;
}

Signals::Signals(UniqueFd in, UniqueFd out, std::function<void()> on_terminate, std::function<void()> on_reload)
    : in_(std::move(in)), out_(std::move(out)), on_terminate_(std::move(on_terminate)), on_reload_(std::move(on_reload)) {
  signal_pipe = out_.get();
  handle_signals(tell_pipe);
}

Signals::~Signals() {
  handle_signals(SIG_DFL);
  signal_pipe = -1;
}

void Signals::read() {
  std::uint8_t signal = 0;
  while (::read(in_.get(), &signal, 1) == 1) {
    if (signal == SIGHUP) {
      on_reload_();
    } else {
      on_terminate_();
    }
  }
}

bool ServiceNotifier::notify(ServiceState state, TimePoint now) const {
  if (socket_.empty()) return true;
  std::string message;
  switch (state) {
    case ServiceState::ready: message = "READY=1"; break;
    case ServiceState::stopping: message = "STOPPING=1"; break;
    case ServiceState::reloading:
      message =
          "RELOADING=1\nMONOTONIC_USEC=" + std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count());
      break;
  }
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (socket_.size() >= sizeof name.sun_path) return false;
  std::memcpy(name.sun_path, socket_.data(), socket_.size());
  if (name.sun_path[0] == '@') name.sun_path[0] = '\0';
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
  const UniqueFd fd{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  return fd && ::sendto(fd.get(), message.data(), message.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&name), length) >= 0;
}

} // namespace kith::io
