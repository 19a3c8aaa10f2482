// SPDX-License-Identifier: GPL-3.0-or-later
#include "raw/udp.hpp"

#include "rows.hpp"

#include <arpa/inet.h>
#include <netinet/udp.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

namespace kith::bench {

struct Udp::Buffers {
  static constexpr std::size_t size = 65'536;
  struct Control {
    alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(int))> bytes;
  };
  std::unique_ptr<std::uint8_t[]> bytes = std::make_unique_for_overwrite<std::uint8_t[]>(batch * size);
  std::array<mmsghdr, batch> headers{};
  std::array<iovec, batch> vectors{};
  std::array<sockaddr_in, batch> names{};
  std::array<Control, batch> controls{};
};

Udp::Udp(bool server, std::uint16_t port)
    : fd_(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)), connected_(!server), buffers_(std::make_unique<Buffers>()) {
  const auto set = [this](int level, int option, int value) { return ::setsockopt(fd_, level, option, &value, sizeof value) == 0; };
  constexpr int buffer = 16 << 20;
  if (!set(SOL_SOCKET, SO_RCVBUFFORCE, buffer)) set(SOL_SOCKET, SO_RCVBUF, buffer);
  if (!set(SOL_SOCKET, SO_SNDBUFFORCE, buffer)) set(SOL_SOCKET, SO_SNDBUF, buffer);
  set(IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
  if (!set(IPPROTO_UDP, UDP_GRO, 1) || !set(IPPROTO_UDP, UDP_SEGMENT, 0)) die("the kernel has no GSO or GRO for UDP");
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const auto* generic = reinterpret_cast<const sockaddr*>(&name);
  if ((server ? ::bind(fd_, generic, sizeof name) : ::connect(fd_, generic, sizeof name)) != 0) die("no UDP socket on 127.0.0.1");
  socklen_t length = sizeof name;
  if (::getsockname(fd_, reinterpret_cast<sockaddr*>(&name), &length) != 0) die("getsockname");
  port_ = ntohs(name.sin_port);
  Buffers& b = *buffers_;
  for (std::size_t i = 0; i < batch; ++i) b.vectors[i] = {b.bytes.get() + i * Buffers::size, Buffers::size};
}

Udp::~Udp() { ::close(fd_); }

void Udp::wait(std::int64_t nanoseconds) {
  constexpr std::int64_t second = 1'000'000'000;
  pollfd waiting{fd_, POLLIN, 0};
  const timespec time{nanoseconds / second, nanoseconds % second};
  ::ppoll(&waiting, 1, nanoseconds < 0 ? nullptr : &time, nullptr); // pacing asks for microseconds
}

std::size_t Udp::receive(const std::function<void(const Received&)>& each) {
  Buffers& b = *buffers_;
  for (std::size_t i = 0; i < batch; ++i) {
    msghdr& header = b.headers[i].msg_hdr;
    header = {};
    header.msg_name = &b.names[i];
    header.msg_namelen = sizeof b.names[i];
    header.msg_iov = &b.vectors[i];
    header.msg_iovlen = 1;
    header.msg_control = b.controls[i].bytes.data();
    header.msg_controllen = b.controls[i].bytes.size();
  }
  const int got = ::recvmmsg(fd_, b.headers.data(), batch, MSG_DONTWAIT, nullptr);
  if (got <= 0) return 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(got); ++i) {
    msghdr& header = b.headers[i].msg_hdr;
    Received packet{static_cast<const std::uint8_t*>(b.vectors[i].iov_base), b.headers[i].msg_len, b.headers[i].msg_len, b.names[i]};
    for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
      if (c->cmsg_level != IPPROTO_UDP || c->cmsg_type != UDP_GRO) continue;
      int segment = 0;
      std::memcpy(&segment, CMSG_DATA(c), sizeof segment);
      packet.segment = static_cast<std::size_t>(segment);
    }
    if (packet.size != 0) each(packet);
  }
  return static_cast<std::size_t>(got);
}

void Udp::send(const sockaddr_in& to, const std::uint8_t* bytes, std::size_t size, std::size_t segment) {
  iovec vector{const_cast<std::uint8_t*>(bytes), size};
  msghdr message{};
  if (!connected_) {
    message.msg_name = const_cast<sockaddr_in*>(&to);
    message.msg_namelen = sizeof to;
  }
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(std::uint16_t))> control{};
  if (segment < size) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = IPPROTO_UDP;
    c->cmsg_type = UDP_SEGMENT;
    c->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
    const auto value = static_cast<std::uint16_t>(segment);
    std::memcpy(CMSG_DATA(c), &value, sizeof value);
  }
  while (::sendmsg(fd_, &message, MSG_NOSIGNAL) < 0) {
    if (errno == EAGAIN) {
      pollfd full{fd_, POLLOUT, 0};
      ::poll(&full, 1, -1);
    } else if (errno != EINTR) {
      return; // QUIC sends it again
    }
  }
}

} // namespace kith::bench
