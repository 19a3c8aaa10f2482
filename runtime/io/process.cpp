// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/process.hpp"

#include "io/sockaddr.hpp"
#include "io/unique_fd.hpp"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>

namespace kith::io {

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

Signals::Signals(boost::asio::io_context& context, std::function<void()> on_terminate, std::function<void()> on_reload)
    : signals_(context, SIGTERM, SIGINT, SIGHUP), on_terminate_(std::move(on_terminate)), on_reload_(std::move(on_reload)) {
  wait();
}

void Signals::wait() {
  signals_.async_wait([this](const boost::system::error_code& error, int signal) {
    if (error) return; // the object is gone
    wait();
    if (signal == SIGHUP) {
      on_reload_();
    } else {
      on_terminate_();
    }
  });
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
