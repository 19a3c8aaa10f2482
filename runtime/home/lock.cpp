// SPDX-License-Identifier: GPL-3.0-or-later
#include "home/lock.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

namespace kith::home {
namespace {

constexpr std::string_view stopping = "stopping\n"; ///< Behind the pid; the client library looks for it.
constexpr std::size_t most_read = 64;               ///< Octets that anybody reads of the file.
constexpr int death_patience_ms = 200; ///< For a holder that may be dying, which takes some ms; who finds one that lives waits as long for nothing.

struct Holder {
  std::string pid; ///< Empty: unknown.
  bool stopping = false;
};

Holder holder_of(int fd) {
  std::array<char, 32> buffer{};
  const ssize_t got = ::pread(fd, buffer.data(), buffer.size(), 0);
  const std::string_view text(buffer.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
  return {std::string(text.substr(0, text.find_first_not_of("0123456789"))), text.ends_with(stopping)};
}

/// `kill -9` returns before the process is gone, and its lock goes with it.
void await_death(const Holder& holder) {
  pid_t pid = 0;
  std::from_chars(holder.pid.data(), holder.pid.data() + holder.pid.size(), pid);
  const Fd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  pollfd entry{process.get(), POLLIN, 0};
  if (process.valid()) ::poll(&entry, 1, death_patience_ms);
}

Error already_runs(const std::string& home_path, int fd) {
  const Holder holder = holder_of(fd);
  const std::string pid = holder.pid.empty() ? "unknown" : holder.pid;
  if (holder.stopping) {
    return {Code::busy,
            "the daemon on " + home_path + " (pid " + pid + ") is stopping; wait until it is gone, or end its drain with 'kith stop --now'"};
  }
  return {Code::busy, "a daemon runs on " + home_path + " already (pid " + pid + "); stop it with 'kith stop', or choose another --home"};
}

/// In the place of what an earlier daemon wrote, in one write: who reads meanwhile finds one pid or the other. Not cut to nothing first: ext4 takes that for a file
/// that is being replaced, and brings it to the disk at once, which takes longer than all else here.
bool write_pid(int fd) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return false;
  std::string text = std::to_string(::getpid()) + "\n";
  const std::size_t size = text.size();
  text.resize(std::max(size, std::min<std::size_t>(static_cast<std::size_t>(info.st_size), most_read)), '\n');
  return write_all(fd, text) && ::ftruncate(fd, static_cast<off_t>(size)) == 0 && ::lseek(fd, 0, SEEK_END) >= 0;
}

} // namespace

Result<Lock> Lock::acquire(const std::string& home_path) {
  const std::string path = home_path + "/daemon.lock";
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR));
  if (!fd.valid()) return system_error("open", path);
  const auto lock = [&fd] { return ::flock(fd.get(), LOCK_EX | LOCK_NB) == 0; };
  bool locked = lock();
  if (!locked && errno == EWOULDBLOCK) {
    await_death(holder_of(fd.get()));
    locked = lock();
  }
  if (!locked) {
    if (errno == EWOULDBLOCK) return already_runs(home_path, fd.get());
    return system_error("lock", path);
  }
  if (socket_answers(home_path + "/daemon.sock")) return already_runs(home_path, fd.get());
  if (!write_pid(fd.get())) return system_error("write", path);
  return Lock(std::move(fd));
}

bool Lock::is_of(const std::string& home_path) const noexcept {
  struct stat own {};
  struct stat there {};
  return ::fstat(fd_.get(), &own) == 0 && ::stat((home_path + "/daemon.lock").c_str(), &there) == 0 && own.st_dev == there.st_dev &&
         own.st_ino == there.st_ino;
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
