// SPDX-License-Identifier: GPL-3.0-or-later
// Our endpoint (bob, 127.0.0.2) against raw peers, in virtual time.
#pragma once

#include "pair.hpp"
#include "raw_peer.hpp"

#include <algorithm>
#include <memory>
#include <vector>

namespace kith::quic::testing {

class Duel {
public:
  explicit Duel(const Settings& settings = {}) : bob(2, settings) {
    if (!(bob.endpoint->add_key(bob.credentials) && bob.endpoint->serve(bob.credentials.id, {"kith/1"}))) std::abort();
  }

  RawPeer& add(const Manners& manners) {
    peers.push_back(std::make_unique<RawPeer>(manners, make_v4({127, 0, 0, static_cast<std::uint8_t>(100 + peers.size())}, 4433)));
    return *peers.back();
  }

  /// A raw client that dials bob.
  RawPeer& attack(const Manners& manners) {
    RawPeer& peer = add(manners);
    peer.dial(bob.address, server_name(bob.credentials.id), now);
    return peer;
  }

  /// Bob dials a raw server, and expects make_credentials(key) there.
  ConnectionId dial(const RawPeer& peer, std::uint8_t key) {
    Dial dial;
    dial.identity = bob.credentials.id;
    dial.peer = make_credentials(key).id;
    dial.alpn = "kith/1";
    dial.remote = peer.address();
    return bob.endpoint->connect(dial, now).value();
  }

  void run(Duration limit = seconds(1), const std::function<bool()>& stop = {}) {
    const TimePoint end = now + limit;
    while (now <= end) {
      pump();
      if (stop && stop()) return;
      if (!wire_.empty()) {
        now = std::max(now, wire_.front().at);
        deliver();
        continue;
      }
      TimePoint next = bob.endpoint->next_deadline();
      for (const auto& peer : peers) next = std::min(next, peer->deadline());
      if (next > end) break;
      now = std::max(now, next);
      bob.endpoint->on_deadline(now);
      for (const auto& peer : peers) peer->on_deadline(now);
    }
    now = std::max(now, end);
  }

  /// How bob's first connection ended; null while it has not.
  const CloseReason* ending() const {
    const Event* closed = bob.find(Event::Kind::closed);
    return closed != nullptr ? &closed->reason : nullptr;
  }

  /// Whether bob has forgotten all of it, a while later.
  bool all_freed() {
    run(seconds(15));
    return bob.endpoint->list().empty() && bob.endpoint->half_open() == 0;
  }

  /// Whether somebody who behaves is still served.
  bool still_serves() {
    RawPeer& honest = attack({.key = 9});
    run(seconds(1), [&] { return honest.confirmed(); });
    return honest.confirmed();
  }

  TimePoint now{std::chrono::hours(1)};
  Host bob;
  std::vector<std::unique_ptr<RawPeer>> peers;
  std::function<bool(const Bytes&)> drop; ///< Of what raw peers send.
  const RawPeer* mute = nullptr;          ///< All that this one sends is lost.

private:
  struct Flying {
    TimePoint at;
    Address from;
    Address to;
    Bytes bytes;
  };

  void pump() {
    std::array<std::uint8_t, 65536> buffer{};
    bob.endpoint->relieve(now);
    while (const auto datagram = bob.endpoint->transmit(
               buffer, [](SocketId) { return std::size_t{16}; }, now)) {
      const std::size_t segment = datagram->segment == 0 ? datagram->bytes.size() : datagram->segment;
      for (ByteView rest = datagram->bytes; !rest.empty(); rest = rest.subspan(std::min(segment, rest.size()))) {
        const ByteView packet = rest.first(std::min(segment, rest.size()));
        wire_.push_back({now + delay_, bob.address, datagram->remote, Bytes(packet.begin(), packet.end())});
      }
    }
    for (const auto& peer : peers) {
      for (Bytes& packet : peer->transmit(now)) {
        if (peer.get() != mute && (!drop || !drop(packet))) wire_.push_back({now + delay_, peer->address(), peer->remote(), std::move(packet)});
      }
    }
    Event event;
    while (bob.endpoint->next_event(event)) bob.events.push_back(event);
  }

  void deliver() {
    const Flying flying = std::move(wire_.front());
    wire_.pop_front();
    if (flying.to == bob.address) {
      Datagram datagram;
      datagram.local = bob.address;
      datagram.remote = flying.from;
      datagram.bytes = flying.bytes;
      bob.endpoint->receive(datagram, now);
      return;
    }
    for (const auto& peer : peers) {
      if (peer->address() == flying.to) peer->receive(flying.bytes, flying.from, now);
    }
  }

  std::deque<Flying> wire_;
  Duration delay_ = milliseconds(5);
};

} // namespace kith::quic::testing
