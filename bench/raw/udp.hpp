// SPDX-License-Identifier: GPL-3.0-or-later
// The baseline's UDP socket: trains with GSO, batches with GRO.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

namespace kith::bench {

/// One datagram, or several of `segment` octets each.
struct Received {
  const std::uint8_t* bytes = nullptr;
  std::size_t size = 0;
  std::size_t segment = 0;
  sockaddr_in from{};
};

class Udp {
public:
  static constexpr std::size_t batch = 16;
  static constexpr std::size_t max_train = 64;        ///< Datagrams (UDP_MAX_SEGMENTS of old kernels).
  static constexpr std::size_t train_bytes = 65'507U; ///< The largest UDP payload over IPv4.

  /// Bound to 127.0.0.1:`port` (0: any), or connected to it.
  Udp(bool server, std::uint16_t port);
  ~Udp();
  Udp(const Udp&) = delete;
  Udp& operator=(const Udp&) = delete;

  std::uint16_t port() const { return port_; }
  /// Waits for datagrams for at most `nanoseconds` (negative: for ever).
  void wait(std::int64_t nanoseconds);
  /// Gives what is there, up to one batch; how many there were.
  std::size_t receive(const std::function<void(const Received&)>& each);
  void send(const sockaddr_in& to, const std::uint8_t* bytes, std::size_t size, std::size_t segment);

private:
  struct Buffers;
  int fd_;
  bool connected_;
  std::uint16_t port_ = 0;
  std::unique_ptr<Buffers> buffers_;
};

} // namespace kith::bench
