// SPDX-License-Identifier: GPL-3.0-or-later
#include "hostile/flood.hpp"

#include "rows.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <random>
#include <thread>
#include <utility>

namespace kith::bench {
namespace {

constexpr std::size_t ports = 64;
constexpr std::size_t batch = 32;
constexpr auto tick = std::chrono::microseconds(500);
constexpr std::uint32_t loopback_net = 0x7f000000;
constexpr std::uint32_t host_mask = 0x00ffffff;

bool is_loopback(const sockaddr_in& address) { return (ntohl(address.sin_addr.s_addr) & ~host_mask) == loopback_net; }

in_addr some_source() {
  static std::mt19937 random(std::random_device{}());
  return {htonl(loopback_net | std::clamp<std::uint32_t>(random() & host_mask, 2, host_mask - 1))};
}

} // namespace

Flood::Flood(const sockaddr_in& remote, bool listens) : remote_(remote), listens_(listens) {
  if (!is_loopback(remote)) die("floods are for 127.0.0.0/8 alone");
  for (std::size_t i = 0; i < ports; ++i) {
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_in any{};
    any.sin_family = AF_INET;
    const int buffer = listens ? 1 << 20 : 1;
    ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    if (fd < 0 || ::bind(fd, reinterpret_cast<const sockaddr*>(&any), sizeof any) != 0) die("no UDP socket");
    sockets_.push_back(fd);
  }
}

Flood::~Flood() {
  for (const int fd : sockets_) ::close(fd);
}

std::size_t Flood::send_some(std::vector<Octets>::const_iterator first, std::size_t count) {
  struct Control {
    alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(in_pktinfo))> bytes{};
  };
  std::array<mmsghdr, batch> headers{};
  std::array<iovec, batch> vectors{};
  std::array<Control, batch> controls{};
  for (std::size_t i = 0; i < count; ++i, ++first) {
    vectors[i] = {const_cast<std::uint8_t*>(first->data()), first->size()};
    msghdr& message = headers[i].msg_hdr;
    message.msg_name = &remote_;
    message.msg_namelen = sizeof remote_;
    message.msg_iov = &vectors[i];
    message.msg_iovlen = 1;
    message.msg_control = controls[i].bytes.data();
    message.msg_controllen = controls[i].bytes.size();
    cmsghdr* c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = IPPROTO_IP;
    c->cmsg_type = IP_PKTINFO;
    c->cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
    in_pktinfo source{};
    source.ipi_spec_dst = some_source();
    std::memcpy(CMSG_DATA(c), &source, sizeof source);
  }
  const int sent = ::sendmmsg(sockets_[next_++ % sockets_.size()], headers.data(), static_cast<unsigned>(count), 0);
  if (sent < 0 && errno != EAGAIN && errno != EINTR) die(std::string("sendmmsg: ") + std::strerror(errno));
  return sent > 0 ? static_cast<std::size_t>(sent) : 0;
}

std::size_t Flood::send(const std::vector<Octets>& packets, std::size_t first, std::size_t last, double rate) {
  const auto start = Clock::now();
  const double allowed = 2 * static_cast<double>(last - first) / rate + 1;
  std::size_t sent = 0;
  while (first + sent < last) {
    const double passed = std::chrono::duration<double>(Clock::now() - start).count();
    if (passed > allowed) break;
    const std::size_t due = std::min(last - first, static_cast<std::size_t>(passed * rate) + 1);
    if (due > sent) {
      sent += send_some(packets.begin() + static_cast<std::ptrdiff_t>(first + sent), std::min(due - sent, batch));
    } else {
      if (listens_) receive();
      std::this_thread::sleep_for(tick);
    }
  }
  return sent;
}

void Flood::receive() {
  constexpr std::uint8_t long_form_and_type = 0xb0;
  constexpr std::uint8_t retry = 0xb0;
  std::array<std::uint8_t, 2048> buffer{};
  for (const int fd : sockets_) {
    while (::recv(fd, buffer.data(), buffer.size(), 0) > 0) ++((buffer[0] & long_form_and_type) == retry ? answers_.retries : answers_.others);
  }
}

Flood::Answers Flood::take_answers() {
  receive();
  return std::exchange(answers_, {});
}

} // namespace kith::bench
