// SPDX-License-Identifier: GPL-3.0-or-later
// A network of hosts with UDP sockets, and links that delay, queue, lose, reorder, duplicate and rewrite.
#pragma once

#include "base/world.hpp"
#include "support/sim.hpp"

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace kith::testing {

/// One direction between two hosts. May be changed while it runs.
struct LinkRules {
  Duration delay = std::chrono::milliseconds(1);
  Duration jitter{};                    ///< Up to this on top; order is kept.
  std::uint64_t bytes_per_second = 0;   ///< 0: no limit.
  std::size_t queue_bytes = 256 * 1024; ///< More than this waiting for the rate is dropped.
  std::size_t mark_bytes = 0;           ///< ECN-capable datagrams that find so much waiting are marked CE; 0: never.
  double loss = 0;                      ///< Of single datagrams, 0 to 1.
  double burst_enter = 0;               ///< A datagram starts a burst with this probability,
  double burst_leave = 0.25;            ///< ends it with this one; inside, all are lost.
  double duplicate = 0;
  double reorder = 0; ///< Held back by reorder_delay while later ones pass.
  Duration reorder_delay = std::chrono::milliseconds(3);
  std::size_t mtu = 1500; ///< UDP payloads above mtu - 28 (IPv4) or - 48 (IPv6) vanish.
  bool down = false;      ///< A partition.
};

struct LinkCounters {
  std::uint64_t sent = 0, delivered = 0, lost = 0, overflowed = 0, too_big = 0, marked = 0;
  std::uint64_t bytes_delivered = 0;
};

class SimNetwork;

/// The UDP sockets of one host. Destroying it (a crash) closes them; what is under way to it is lost.
class SimUdp : public Udp {
public:
  SimUdp(SimNetwork& network, std::string host, std::vector<Address> addresses);
  ~SimUdp() override;
  SimUdp(const SimUdp&) = delete;
  SimUdp& operator=(const SimUdp&) = delete;

  Result<SocketId> open(const Address& listen, UdpReceiver& receiver) override;
  void close(SocketId socket) override;
  Address bound(SocketId socket) const override;
  std::optional<Address> source(SocketId socket, const Address& remote, const Address& asked) const override;
  SendResult send(const Datagram& datagram) override;
  std::size_t max_train(SocketId) const override { return max_train_; }
  std::size_t max_payload(const Address& remote) const override { return link_mtu_ - (remote.is_v6() ? 48U : 28U); }

  void set_max_train(std::size_t count) noexcept { max_train_ = count; }
  /// What the host thinks its own link takes, headers included; what the way takes says LinkRules::mtu.
  void set_link_mtu(std::size_t octets) noexcept { link_mtu_ = octets; }
  /// Sends of the sockets on this port say `blocked`, until they are told sendable().
  void block(std::uint16_t port, bool blocked);
  /// The host's addresses from now on (a laptop that changes networks), the preferred one first. Sockets keep their ports.
  void set_addresses(std::vector<Address> addresses) { addresses_ = std::move(addresses); }
  /// Whether the host can be asked where it would send from: not when it is out of descriptors.
  void set_askable(bool askable) noexcept { askable_ = askable; }
  /// Until then nothing arrives: it waits in the kernel's buffer (`kept`) and comes in one batch, or the host hears nothing of it.
  void deaf_until(TimePoint time, bool kept) {
    deaf_until_ = time;
    kept_ = kept;
  }
  const std::string& host() const noexcept { return host_; }

private:
  friend class SimNetwork;
  struct Socket {
    Address listen;
    UdpReceiver* receiver;
  };
  bool owns_ip(const Address& address) const;
  Address way(SocketId socket, const Address& remote, const Address& asked) const;
  const std::pair<const SocketId, Socket>* find_socket(const Address& to) const;

  SimNetwork& network_;
  std::string host_;
  std::vector<Address> addresses_; // ports mean nothing
  std::map<SocketId, Socket> sockets_;
  bool askable_ = true;
  TimePoint deaf_until_{};
  bool kept_ = false;
  std::size_t max_train_ = 10;
  std::size_t link_mtu_ = 1500;
  std::set<std::uint16_t> blocked_; ///< Ports.
};

class SimNetwork {
public:
  explicit SimNetwork(Sim& sim) : sim_(sim) {}
  SimNetwork(const SimNetwork&) = delete;
  SimNetwork& operator=(const SimNetwork&) = delete;

  /// What a link starts with when nobody set it.
  LinkRules defaults;
  /// One direction.
  LinkRules& link(const std::string& from, const std::string& to) { return path(from, to).rules; }
  const LinkCounters& counters(const std::string& from, const std::string& to) { return path(from, to).counters; }
  void set_both(const std::string& a, const std::string& b, const LinkRules& rules);
  void partition(const std::string& a, const std::string& b, bool down);
  /// NAT: datagrams from `inside` seem to come from `outside`, and what is sent to `outside` arrives at `inside`. Calling it again rebinds.
  void rewrite(const Address& inside, const Address& outside);
  /// Sees every datagram as it is sent, before any NAT; whether it is lost.
  std::function<bool(const Address& from, const Address& to, ByteView bytes)> tap;

private:
  friend class SimUdp;
  struct Path {
    LinkRules rules;
    LinkCounters counters;
    TimePoint busy_until{};
    TimePoint last_arrival{};
    bool in_burst = false;
  };
  struct Packet {
    Address from, to;
    Bytes bytes;
    std::uint8_t ecn;
  };

  Path& path(const std::string& from, const std::string& to);
  SimUdp* find_host(const Address& address) const;
  void transmit(const std::string& from, Packet packet);
  void deliver_at(TimePoint time, Path& path, std::shared_ptr<const Packet> packet);
  void deliver(Path& path, const std::shared_ptr<const Packet>& shared);
  void deliver_kept(const std::string& host);
  Datagram arrive(Path& path, const Packet& packet, SocketId socket);

  Sim& sim_;
  std::vector<SimUdp*> hosts_;
  std::map<std::pair<std::string, std::string>, Path> paths_;
  std::map<Address, Address> outside_;                                                       // by inside
  std::map<std::string, std::vector<std::pair<Path*, std::shared_ptr<const Packet>>>> kept_; ///< By host, for as long as it is deaf.
  std::uint32_t next_socket_ = 1;
  std::uint16_t next_port_ = 40000;
};

} // namespace kith::testing
