// SPDX-License-Identifier: Apache-2.0
#include "socket.hpp"

#include "kith/home.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <system_error>
#include <unistd.h>

namespace kith::client {
namespace {

std::string reason(int error) { return std::generic_category().message(error); }

Error gone(const std::string& home) {
  const LockHolder holder = lock_holder(home);
  if (holder.stopping) return {Code::connection_lost, "the daemon was stopped"};
  if (holder.pid == 0) return {Code::connection_lost, "the daemon is gone: it was killed, or it crashed"};
  return {Code::connection_lost, "the daemon closed the connection: see `kith logs` for why"};
}

Error no_answer() { return {Code::timeout, "the daemon does not answer: see `kith logs` and `kith doctor`"}; }

Error no_daemon(const std::string& home) {
  const std::string way_out = "start it with `kith daemon" + home_option(home) + "`";
  if (const LockHolder holder = lock_holder(home); holder.pid != 0) {
    const std::string daemon = "the daemon at " + home + " (pid " + std::to_string(holder.pid) + ") ";
    if (holder.stopping) return {Code::unreachable, daemon + "is stopping: when it is gone, " + way_out}; // it has closed its socket
    return {Code::unreachable, daemon + "has no socket: it is starting, or somebody deleted daemon.sock; then `kill -HUP " +
                                   std::to_string(holder.pid) + "` brings it back (`kill` without -HUP ends the daemon)"};
  }
  return {Code::unreachable, "no daemon at " + home + ": " + way_out};
}

/// The system does not let us at the socket: whose it is says what helps.
Error no_entry(const std::string& home) {
  struct stat about {};
  if (::stat(socket_path(home).c_str(), &about) != 0 && ::stat(home.c_str(), &about) != 0) {
    return {Code::denied, "can't get into " + home + ": a folder above it is closed to you"};
  }
  if (about.st_uid != ::geteuid()) return {Code::denied, "the daemon at " + home + " belongs to another user"};
  return {Code::denied, "can't get into " + home + ", though it is yours; run: chmod 700 '" + home + "'"};
}

} // namespace

Deadline deadline_in(std::chrono::milliseconds patience) {
  if (patience.count() < 0) return std::nullopt;
  return std::chrono::steady_clock::now() + patience;
}

/// connect() of a Unix socket waits while the queue of the listener is full, for as long as this says.
static Result<void> limit_connect(int fd, Deadline deadline) {
  if (!deadline) return {};
  const auto left = std::max(*deadline - std::chrono::steady_clock::now(), std::chrono::steady_clock::duration(std::chrono::milliseconds(1)));
  const auto whole = std::chrono::floor<std::chrono::seconds>(left);
  const timeval most{whole.count(), std::chrono::ceil<std::chrono::microseconds>(left - whole).count()};
  if (::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most) != 0) return Error{Code::internal, "setsockopt: " + reason(errno)};
  return {};
}

Result<Socket> Socket::connect(const std::string& home, Deadline deadline) {
  const std::string path = socket_path(home);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return bad_request("the path " + path + " is too long for a Unix socket (" + std::to_string(path.size()) + " octets, " +
                       std::to_string(sizeof address.sun_path - 1) + " at most): use a shorter --home");
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  protocol::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return Error{Code::internal, "this program can't open a socket: " + reason(errno)};
  if (const auto limited = limit_connect(fd.get(), deadline); !limited) return limited.error();
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    if (errno == ENOTDIR) return bad_request(home + " is not a folder: choose another --home");
    if (errno == ENOENT || errno == ECONNREFUSED) return no_daemon(home);
    if (errno == EAGAIN) return no_answer();
    if (errno == EACCES) return no_entry(home);
    return Error{Code::unreachable, "can't connect to " + path + ": " + reason(errno)};
  }
  if (::fcntl(fd.get(), F_SETFL, O_NONBLOCK) != 0) return Error{Code::internal, "fcntl: " + reason(errno)};
  return Socket(std::move(fd), home);
}

Result<void> Socket::wait_for(short events, Deadline deadline) const {
  while (true) {
    int patience = -1;
    if (deadline) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline - std::chrono::steady_clock::now()).count();
      patience = static_cast<int>(std::clamp<std::int64_t>(left, 0, 3'600'000));
    }
    pollfd entry{fd_.get(), events, 0};
    const int ready = ::poll(&entry, 1, patience);
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return Error{Code::internal, "poll: " + reason(errno)};
    if (deadline && std::chrono::steady_clock::now() >= *deadline) return no_answer();
  }
}

Result<bool> Socket::fill() {
  const protocol::Io io = protocol::receive_with_fds(fd_.get(), reader_.prepare(), fds_);
  if (io.would_block) return false;
  if (io.ended) return gone(home_);
  if (io.error != 0) return Error{Code::connection_lost, "reading from the daemon: " + reason(io.error)};
  reader_.commit(io.count);
  return true;
}

Result<void> Socket::send(std::string_view bytes, std::span<const int> fds, Deadline deadline) {
  while (!bytes.empty()) {
    const protocol::Io io = protocol::send_with_fds(fd_.get(), bytes, fds);
    if (io.ended) return gone(home_);
    if (io.error != 0) return Error{Code::connection_lost, "writing to the daemon: " + reason(io.error)};
    if (io.would_block) {
      if (auto waited = wait_for(POLLIN | POLLOUT, deadline); !waited) return waited.error();
      if (auto filled = fill(); !filled) return filled.error();
      continue;
    }
    bytes.remove_prefix(io.count);
    fds = {};
  }
  return {};
}

Result<std::optional<std::string>> Socket::poll_line() {
  while (true) {
    if (const auto line = reader_.take_line()) return std::optional(std::string(*line));
    if (reader_.too_long()) return Error{Code::too_large, "the daemon sent a line that is longer than it may be"};
    const auto filled = fill();
    if (!filled) return filled.error();
    if (!*filled) return std::optional<std::string>();
  }
}

Result<std::string> Socket::receive_line(Deadline deadline) {
  while (true) {
    auto line = poll_line();
    if (!line) return line.error();
    if (*line) return std::move(**line);
    if (auto waited = wait_for(POLLIN, deadline); !waited) return waited.error();
  }
}

Result<std::string> Socket::receive_octets(std::size_t count, Deadline deadline) {
  while (true) {
    if (const auto octets = reader_.take_octets(count)) return std::string(as_text(*octets));
    const auto filled = fill();
    if (!filled) return filled.error();
    if (*filled) continue;
    if (auto waited = wait_for(POLLIN, deadline); !waited) return waited.error();
  }
}

} // namespace kith::client
