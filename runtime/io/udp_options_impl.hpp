// SPDX-License-Identifier: GPL-3.0-or-later
// How a UDP socket is set up, and the ancillary data that goes with each datagram.
#pragma once

#include "base/world.hpp"
#include "io/udp.hpp"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

namespace kith::io {

/// What this kernel does for this socket.
struct UdpFeatures {
  bool gso = false;
  bool ecn = false;
};

/// Everything between socket() and bind(). What is refused and can be done without is logged.
inline UdpFeatures set_udp_options(int fd, bool v6, const UdpSettings& settings, Log& log) {
  const auto set = [fd](int level, int option, int value) { return ::setsockopt(fd, level, option, &value, sizeof value) == 0; };
  const auto need = [&](bool ok, const char* consequence) {
    if (!ok) log.warn("io", consequence);
    return ok;
  };
  if (!set(SOL_SOCKET, SO_RCVBUFFORCE, settings.receive_buffer)) set(SOL_SOCKET, SO_RCVBUF, settings.receive_buffer);
  if (!set(SOL_SOCKET, SO_SNDBUFFORCE, settings.send_buffer)) set(SOL_SOCKET, SO_SNDBUF, settings.send_buffer);

  UdpFeatures features;
  if (v6) {
    set(IPPROTO_IPV6, IPV6_V6ONLY, 1);
    need(set(IPPROTO_IPV6, IPV6_RECVPKTINFO, 1), "IPV6_RECVPKTINFO refused: answers may leave from another address than was asked");
    features.ecn = need(set(IPPROTO_IPV6, IPV6_RECVTCLASS, 1), "IPV6_RECVTCLASS refused: no ECN over IPv6");
    need(set(IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE), "IPV6_MTU_DISCOVER refused: packets may be fragmented");
  } else {
    need(set(IPPROTO_IP, IP_PKTINFO, 1), "IP_PKTINFO refused: answers may leave from another address than was asked");
    features.ecn = need(set(IPPROTO_IP, IP_RECVTOS, 1), "IP_RECVTOS refused: no ECN over IPv4");
    need(set(IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE), "IP_MTU_DISCOVER refused: packets may be fragmented");
  }
  if (settings.gro) need(set(IPPROTO_UDP, UDP_GRO, 1), "UDP_GRO refused: receiving datagram by datagram");
  // 0 is the default, so this only asks whether the option exists (Linux 4.18).
  if (settings.gso) features.gso = need(set(IPPROTO_UDP, UDP_SEGMENT, 0), "UDP_SEGMENT refused: sending datagram by datagram");
  return features;
}

/// Room for a source address, the ECN bits and a segment size, in either direction.
inline constexpr std::size_t control_size = CMSG_SPACE(sizeof(in6_pktinfo)) + 3 * CMSG_SPACE(sizeof(int));

class ControlWriter {
public:
  template <class T> void add(int level, int type, const T& value) noexcept {
    cmsghdr* header = reinterpret_cast<cmsghdr*>(bytes_.data() + size_);
    header->cmsg_len = CMSG_LEN(sizeof value);
    header->cmsg_level = level;
    header->cmsg_type = type;
    std::memcpy(CMSG_DATA(header), &value, sizeof value);
    size_ += CMSG_SPACE(sizeof value);
  }

  /// The source address (RFC 3542 §6.2 for IPv6; the interface only where the address means nothing without it).
  void add_source(const Address& local) noexcept {
    if (local.is_v4()) {
      in_pktinfo info{};
      std::memcpy(&info.ipi_spec_dst, local.ip.data(), sizeof info.ipi_spec_dst);
      add(IPPROTO_IP, IP_PKTINFO, info);
    } else if (local.is_v6()) {
      in6_pktinfo info{};
      std::memcpy(&info.ipi6_addr, local.ip.data(), sizeof info.ipi6_addr);
      info.ipi6_ifindex = local.scope;
      add(IPPROTO_IPV6, IPV6_PKTINFO, info);
    }
  }

  void add_ecn(bool v6, std::uint8_t ecn) noexcept { add(v6 ? int{IPPROTO_IPV6} : int{IPPROTO_IP}, v6 ? IPV6_TCLASS : IP_TOS, int{ecn}); }
  void add_segment(std::uint16_t segment) noexcept { add(IPPROTO_UDP, UDP_SEGMENT, segment); }

  void attach(msghdr& message) noexcept {
    message.msg_control = size_ == 0 ? nullptr : bytes_.data();
    message.msg_controllen = size_;
  }

private:
  alignas(cmsghdr) std::array<std::uint8_t, control_size> bytes_{};
  std::size_t size_ = 0;
};

/// Reads what came with a datagram into `datagram` (local without its port, ECN, segment).
inline void read_control(msghdr& message, Datagram& datagram) noexcept {
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    const int level = header->cmsg_level;
    const int type = header->cmsg_type;
    const unsigned char* data = CMSG_DATA(header);
    if (level == IPPROTO_IP && type == IP_PKTINFO) {
      in_pktinfo info{};
      std::memcpy(&info, data, sizeof info);
      datagram.local.family = Address::Family::v4;
      std::memcpy(datagram.local.ip.data(), &info.ipi_addr, sizeof info.ipi_addr);
    } else if (level == IPPROTO_IPV6 && type == IPV6_PKTINFO) {
      in6_pktinfo info{};
      std::memcpy(&info, data, sizeof info);
      datagram.local.family = Address::Family::v6;
      std::memcpy(datagram.local.ip.data(), &info.ipi6_addr, sizeof info.ipi6_addr);
      if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr)) datagram.local.scope = info.ipi6_ifindex;
    } else if ((level == IPPROTO_IP && type == IP_TOS) || (level == IPPROTO_IPV6 && type == IPV6_TCLASS)) {
      // One octet for IPv4, an int in host order for IPv6.
      int value = data[0];
      if (level == IPPROTO_IPV6) std::memcpy(&value, data, sizeof value);
      datagram.ecn = static_cast<std::uint8_t>(value & 3);
    } else if (level == IPPROTO_UDP && type == UDP_GRO) {
      int segment = 0;
      std::memcpy(&segment, data, sizeof segment);
      datagram.segment = static_cast<std::uint16_t>(segment);
    }
  }
}

} // namespace kith::io
