// SPDX-License-Identifier: GPL-3.0-or-later
// UDP sockets in batches: recvmmsg with UDP_GRO, sendmsg with UDP_SEGMENT, ECN bits and local addresses both ways. What a kernel refuses is
// dropped at run time with one log line; everything still works without it, only slower.
#pragma once

#include "base/world.hpp"
#include "io/reactor.hpp"

#include <memory>
#include <unordered_map>

namespace kith::io {

inline constexpr std::size_t receive_batch = 16;              ///< Buffers of 64 KiB; then others have a turn.
inline constexpr std::size_t receive_buffer_size = 64 * 1024; ///< The most that one GRO train can be.
inline constexpr std::size_t max_train_datagrams = 64;        ///< The kernel's UDP_MAX_SEGMENTS (128 since 6.9).
inline constexpr std::size_t max_train_bytes = 65507;         ///< The payload of the largest IPv4 packet.

/// Whether a socket could be bound there now. Errors: those of UdpSockets::open.
Result<void> check_listen(const Address& listen);

struct UdpSettings {
  int receive_buffer = 16 << 20; ///< Octets asked for with SO_RCVBUFFORCE, then SO_RCVBUF. The kernel may give less (net.core.rmem_max).
  int send_buffer = 8 << 20;     ///< The same for SO_SNDBUF.
  bool gso = true;               ///< false: never try. For drivers that break it, and for tests.
  bool gro = true;
};

/// The sockets of one network thread. A train larger than the kernel takes is cut up; a later part that meets a full buffer is lost.
class UdpSockets final : public Udp {
public:
  UdpSockets(Reactor& reactor, Log& log, UdpSettings settings = {});
  UdpSockets(const UdpSockets&) = delete;
  UdpSockets& operator=(const UdpSockets&) = delete;
  ~UdpSockets() override;

  /// An IPv6 socket takes IPv6 alone (IPV6_V6ONLY): addresses of the form ::ffff:a.b.c.d never appear.
  Result<SocketId> open(const Address& listen, UdpReceiver& receiver) override;
  void close(SocketId socket) override;
  Address bound(SocketId socket) const override; ///< Family none for a socket that is closed.
  std::optional<Address> source(SocketId socket, const Address& remote, const Address& asked) const override;
  SendResult send(const Datagram& datagram) override;
  std::size_t max_train(SocketId socket) const override;
  std::size_t max_payload(const Address& remote) const override; ///< Asks the kernel's routes: some microseconds.

private:
  struct Socket;
  struct Batch;

  void changed(Socket& socket, Readiness ready);
  void receive(Socket& socket);
  int send_plainer(Socket& socket, const Datagram& datagram, ByteView first, int refusal, bool was_train);

  Reactor& reactor_;
  Log& log_;
  UdpSettings settings_;
  std::unique_ptr<Batch> batch_; // one for all sockets: a batch is handed on before the next is read
  std::unordered_map<SocketId, std::shared_ptr<Socket>> sockets_;
  std::uint32_t last_id_ = 0;
};

} // namespace kith::io
