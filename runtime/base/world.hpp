// SPDX-License-Identifier: Apache-2.0
// The interfaces through which `node` and `plugin_host` see the world. `io` is one implementation, the simulator in tests/support the other.
#pragma once

#include "base/address.hpp"
#include "base/bytes.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "base/time.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

namespace kith {

/// Names a UDP socket of this process; never reused while the process runs.
enum class SocketId : std::uint32_t {};

/// One datagram, or a train of datagrams of `segment` octets each (the last may be shorter), as GSO and GRO carry them.
struct Datagram {
  SocketId socket{};
  Address local; ///< Where it arrived, or the source to send from; family none: let the kernel choose.
  Address remote;
  ByteView bytes;            ///< Valid during the call.
  std::uint16_t segment = 0; ///< 0: one datagram.
  std::uint8_t ecn = 0;      ///< The two ECN bits (RFC 3168).
};

/// Hears what arrives. Network thread.
class UdpReceiver {
public:
  virtual ~UdpReceiver() = default;
  virtual void received(std::span<const Datagram> datagrams) = 0;
  virtual void sendable(SocketId socket) = 0; ///< After send() said no: try again.
};

enum class SendResult : std::uint8_t { sent, blocked, dropped }; ///< dropped: the kernel refused this one for good (unreachable, too big).

/// UDP sockets. Network thread.
class Udp {
public:
  virtual ~Udp() = default;
  /// Binds one socket; port 0 picks one. Errors: internal, with the address and the kernel's reason. The receiver must outlive the socket.
  virtual Result<SocketId> open(const Address& listen, UdpReceiver& receiver) = 0;
  virtual void close(SocketId socket) = 0;
  virtual Address bound(SocketId socket) const = 0; ///< With the real port.
  /// Where a datagram to `remote` would leave from now: from `asked` while that is ours, else from where the kernel chooses; with the socket's port. Family none:
  /// it knows no way there. Nothing: it could not be asked (out of descriptors), and may know one.
  virtual std::optional<Address> source(SocketId socket, const Address& remote, const Address& asked) const = 0;
  virtual SendResult send(const Datagram& datagram) = 0;
  virtual std::size_t max_train(SocketId socket) const = 0; ///< Datagrams a send may carry; 1 where GSO does not work.
  /// The largest UDP payload, in octets, that this machine's own link takes towards an address. What the rest of the way takes, nobody knows but by trying.
  virtual std::size_t max_payload(const Address& remote) const = 0;
};

/// Runs functions one after another, in the order of post(), never inside post() itself and never two at once. post() is callable from any thread.
class Executor {
public:
  virtual ~Executor() = default;
  virtual void post(std::function<void()> work) = 0;
};

/// One deadline with one callback, on the network thread. Destroying it cancels it.
class Timer {
public:
  virtual ~Timer() = default;
  virtual void arm(TimePoint at) = 0; ///< Replaces the earlier deadline; `never` cancels.
};

class World {
public:
  virtual ~World() = default;
  virtual TimePoint now() const = 0;        ///< Any thread.
  virtual UnixSeconds unix_now() const = 0; ///< Any thread.
  virtual Duration slept() const = 0;       ///< How long the machine has slept (been suspended), of which now() knows nothing. Any thread.
  virtual Random& random() = 0;             ///< Network thread.
  virtual Log& log() = 0;                   ///< Any thread.
  virtual Udp& udp() = 0;                   ///< Network thread.
  virtual Executor& network() = 0;          ///< The network thread itself.
  virtual Executor& disk() = 0;             ///< Files and SQLite, one after another.
  virtual std::unique_ptr<Timer> make_timer(std::function<void()> expired) = 0; ///< Network thread.
  /// A new strand on the plugin workers: what is posted to one never overlaps. Network thread.
  virtual std::shared_ptr<Executor> make_strand() = 0;
};

} // namespace kith
