// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/unix_socket.hpp"

#include "io/sockaddr.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <chrono>
#include <cstring>

namespace kith::io {

namespace {

constexpr int listen_backlog = 128;
constexpr std::chrono::milliseconds accept_pause{100}; ///< After running out of descriptors.

Error path_error(const std::string& path, const char* step, int error) {
  return {Code::internal, "cannot listen on " + path + ": " + step + ": " + error_text(error)};
}

Result<void> check_folder(const std::string& path) {
  const auto slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  struct stat info {};
  if (::stat(folder.c_str(), &info) != 0) return path_error(path, folder.c_str(), errno);
  if (info.st_uid != ::geteuid()) return bad_request(folder + " belongs to another user: start the daemon as that user, or choose another --home");
  if ((info.st_mode & 077) != 0) return bad_request(folder + " is open to other users: chmod 700 " + folder);
  return {};
}

Result<sockaddr_un> socket_name(const std::string& path) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (path.size() >= sizeof name.sun_path) {
    return bad_request("the socket path " + path + " has " + std::to_string(path.size()) + " characters, and the system allows " +
                       std::to_string(sizeof name.sun_path - 1) + ": choose a shorter --home");
  }
  std::memcpy(name.sun_path, path.c_str(), path.size());
  return name;
}

const sockaddr* generic(const sockaddr_un& name) { return reinterpret_cast<const sockaddr*>(&name); }

UniqueFd make_socket() { return UniqueFd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)}; }

/// Makes room for a bind that found the path taken.
Result<void> remove_stale(const std::string& path, const sockaddr_un& name) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) == 0 && !S_ISSOCK(info.st_mode)) {
    return Error{Code::internal, path + " is not a socket: move it away, the daemon needs this name"};
  }
  const UniqueFd probe = make_socket();
  if (!probe) return path_error(path, "socket", errno);
  if (::connect(probe.get(), generic(name), sizeof name) == 0 || errno == EAGAIN) { // EAGAIN: its queue is full, so it lives
    return Error{Code::busy, "a daemon answers at " + path + " already: kith stop ends it"};
  }
  if (errno != ECONNREFUSED && errno != ENOENT) return path_error(path, "connect", errno);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return path_error(path, "unlink", errno);
  return {};
}

Result<UniqueFd> listen_at(const std::string& path) {
  const auto name = socket_name(path);
  if (!name) return name.error();
  if (auto folder = check_folder(path); !folder) return folder.error();
  UniqueFd fd = make_socket();
  if (!fd) return path_error(path, "socket", errno);
  // The mode of the socket's own inode is what bind() gives to the name: it never exists with a wider one.
  if (::fchmod(fd.get(), 0600) != 0) return path_error(path, "fchmod", errno);
  if (::bind(fd.get(), generic(*name), sizeof *name) != 0) {
    if (errno != EADDRINUSE) return path_error(path, "bind", errno);
    if (auto removed = remove_stale(path, *name); !removed) return removed.error();
    if (::bind(fd.get(), generic(*name), sizeof *name) != 0) return path_error(path, "bind", errno);
  }
  if (::listen(fd.get(), listen_backlog) != 0) return path_error(path, "listen", errno);
  return fd;
}

} // namespace

Result<uid_t> peer_user(int fd) {
  ucred who{};
  socklen_t size = sizeof who;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) return Error{Code::internal, "SO_PEERCRED: " + error_text(errno)};
  return who.uid;
}

Result<std::pair<UniqueFd, UniqueFd>> make_socket_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
    const bool too_many = errno == EMFILE;
    return Error{Code::internal, "the daemon can't open a socket: " + error_text(errno) +
                                     (too_many ? "; raise its limit: max_open_files in kith.yaml, LimitNOFILE= of its service" : "")};
  }
  return std::pair{UniqueFd{ends[0]}, UniqueFd{ends[1]}};
}

struct UnixListener::State {
  State(Reactor& reactor, std::string where, UniqueFd listening, Log& lines, std::function<void(UniqueFd)> callback)
      : fd(std::move(listening)), pause(reactor.make_timer([this] { accept(); })), path(std::move(where)), log(lines), accepted(std::move(callback)) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) == 0) inode = info.st_ino;
  }

  void accept() {
    for (int i = 0; i < listen_backlog; ++i) {
      UniqueFd peer{::accept4(fd.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
      if (!peer && (errno == EINTR || errno == ECONNABORTED)) continue;
      if (!peer && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
      if (!peer) return rest(errno);
      take(std::move(peer));
    }
    pause->arm(std::chrono::steady_clock::now()); // others have a turn
  }

  void take(UniqueFd peer) {
    const auto user = peer_user(peer.get());
    if (user && (*user == ::geteuid() || *user == 0)) {
      accepted(std::move(peer));
    } else {
      log.warn("io", "refused a program of another user on " + path + (user ? " (uid " + std::to_string(*user) + ")" : ": " + user.error().text));
    }
  }

  /// Without descriptors, accepting fails at once for as long as the caller waits in the queue.
  void rest(int error) {
    log.warn("io", "cannot accept on " + path + ": " + error_text(error) + "; trying again");
    pause->arm(std::chrono::steady_clock::now() + accept_pause);
  }

  UniqueFd fd;
  Watch watch; // destroyed before the descriptor
  std::unique_ptr<Timer> pause;
  std::string path;
  Log& log;
  std::function<void(UniqueFd)> accepted;
  ino_t inode = 0;
};

UnixListener::UnixListener(std::unique_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<UnixListener>> UnixListener::open(Reactor& reactor, const std::string& path, Log& log,
                                                         std::function<void(UniqueFd)> accepted) {
  auto fd = listen_at(path);
  if (!fd) return fd.error();
  auto state = std::make_unique<State>(reactor, path, std::move(*fd), log, std::move(accepted));
  auto watch = reactor.watch(state->fd.get(), [raw = state.get()](Readiness) { raw->accept(); });
  if (!watch) return Error{Code::internal, "cannot listen on " + path + ": " + watch.error().text};
  state->watch = std::move(*watch);
  return std::unique_ptr<UnixListener>(new UnixListener(std::move(state)));
}

bool UnixListener::in_place() const noexcept {
  struct stat info {};
  return ::lstat(state_->path.c_str(), &info) == 0 && S_ISSOCK(info.st_mode) && info.st_ino == state_->inode;
}

UnixListener::~UnixListener() {
  if (in_place()) ::unlink(state_->path.c_str());
}

} // namespace kith::io
