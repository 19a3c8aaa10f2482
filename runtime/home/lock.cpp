// SPDX-License-Identifier: GPL-3.0-or-later
#include "home/lock.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace kith::home {
namespace {

constexpr std::string_view stopping = "stopping\n"; ///< Behind the pid; the client library looks for it.

Error already_runs(const std::string& home_path, int fd) {
  std::array<char, 32> buffer{};
  const ssize_t got = ::pread(fd, buffer.data(), buffer.size(), 0);
  const std::string_view text(buffer.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
  std::string pid(text.substr(0, text.find_first_not_of("0123456789")));
  if (pid.empty()) pid = "unknown";
  if (text.ends_with(stopping)) {
    return {Code::busy,
            "the daemon on " + home_path + " (pid " + pid + ") is stopping; wait until it is gone, or end its drain with 'kith stop --now'"};
  }
  return {Code::busy, "a daemon runs on " + home_path + " already (pid " + pid + "); stop it with 'kith stop', or choose another --home"};
}

/// What an earlier daemon wrote. An empty line of it stays: ext4 takes a file that is cut to nothing and written for one that is replaced, and brings it to the disk
/// at once, which took longer than all else here.
bool forget_earlier(int fd) { return ::pwrite(fd, "\n", 1, 0) == 1 && ::ftruncate(fd, 1) == 0; }

} // namespace

Result<Lock> Lock::acquire(const std::string& home_path) {
  const std::string path = home_path + "/daemon.lock";
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR));
  if (!fd.valid()) return system_error("open", path);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return already_runs(home_path, fd.get());
    return system_error("lock", path);
  }
  if (socket_answers(home_path + "/daemon.sock")) return already_runs(home_path, fd.get());
  if (!forget_earlier(fd.get()) || !write_all(fd.get(), std::to_string(::getpid()) + "\n")) return system_error("write", path);
  return Lock(std::move(fd));
}

void Lock::tell_stopping() const noexcept { static_cast<void>(write_all(fd_.get(), stopping)); }

bool socket_answers(const std::string& path) noexcept {
  sockaddr_un address{};
  if (path.size() >= sizeof address.sun_path) return false;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  const Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return false;
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 || errno == EAGAIN; // EAGAIN: its backlog is full
}

} // namespace kith::home
