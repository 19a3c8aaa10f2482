// SPDX-License-Identifier: GPL-3.0-or-later
#include "programs/socket.hpp"

#include "rows.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>

namespace kith::bench {

ControlSocket::ControlSocket(const std::string& home)
    : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)), reader_(protocol::default_max_call_bytes + protocol::line_overhead) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  const std::string path = home + "/daemon.sock";
  if (path.size() >= sizeof name.sun_path) die("the home's path is too long for a socket: " + home);
  std::memcpy(name.sun_path, path.data(), path.size());
  if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) die("no daemon at " + path);
  ::fcntl(fd_.get(), F_SETFL, ::fcntl(fd_.get(), F_GETFL) | O_NONBLOCK);
}

short ControlSocket::wanted() const noexcept { return static_cast<short>(POLLIN | (out_at_ < out_.size() ? POLLOUT : 0)); }

void ControlSocket::send(std::string_view line, std::string_view octets) { out_.append(line).append("\n").append(octets); }

void ControlSocket::flush() {
  while (out_at_ < out_.size()) {
    const protocol::Io sent = protocol::send_with_fds(fd_.get(), std::string_view(out_).substr(out_at_), {});
    if (sent.would_block) return;
    if (sent.count == 0) die("the daemon is gone");
    out_at_ += sent.count;
  }
  out_.clear();
  out_at_ = 0;
}

protocol::Fd ControlSocket::take_fd() {
  auto fds = fds_.take(1);
  if (fds.empty()) die("a stream came without its descriptor");
  return std::move(fds.front());
}

void ControlSocket::read(const std::function<void(const protocol::Object&, ByteView)>& each) {
  const protocol::Io got = protocol::receive_with_fds(fd_.get(), reader_.prepare(64 * 1024), fds_);
  if (got.would_block) return;
  if (got.count == 0) die("the daemon closed the socket");
  reader_.commit(got.count);
  for (;;) {
    if (!waiting_) {
      const auto line = reader_.take_line();
      if (!line) return;
      line_ = *line;
      waiting_ = true;
      const auto object = protocol::Object::parse(line_);
      if (!object) die("the daemon sent no object: " + line_);
      octets_ = static_cast<std::size_t>(object->number("bytes").value().value_or(0));
    }
    const auto octets = reader_.take_octets(octets_);
    if (!octets) return;
    waiting_ = false;
    each(*protocol::Object::parse(line_), *octets);
  }
}

} // namespace kith::bench
