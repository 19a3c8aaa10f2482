// SPDX-License-Identifier: GPL-3.0-or-later
// Two QUIC endpoints joined by a queue of datagrams, in virtual time.
#pragma once

#include "identity/keys.hpp"
#include "quic/endpoint.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <deque>
#include <functional>
#include <random>
#include <string>
#include <vector>

namespace kith::quic::testing {

using std::chrono::milliseconds;
using std::chrono::seconds;

class SeededRandom : public Random {
public:
  explicit SeededRandom(std::uint64_t seed) : engine_(seed) {}
  void fill(ByteSpan out) override {
    for (auto& octet : out) octet = static_cast<std::uint8_t>(engine_());
  }

private:
  std::mt19937_64 engine_;
};

inline Credentials make_credentials(std::uint8_t n) {
  std::array<std::uint8_t, 32> seed{};
  seed.fill(n);
  const auto key = identity::SecretKey::from_seed(seed);
  Credentials out;
  out.id = key.id();
  out.seed = seed;
  return out;
}

/// One end: an endpoint on an address, and what happened to it.
struct Host {
  Host(std::uint8_t n, const Settings& settings) : random(n), credentials(make_credentials(n)), address(make_v4({127, 0, 0, n}, 4433)) {
    Secrets secrets;
    secrets.reset.fill(n);
    secrets.retry.fill(n);
    endpoint = std::make_unique<Endpoint>(settings, secrets, random, slabs);
  }

  SeededRandom random;
  SlabPool slabs;
  Credentials credentials;
  Address address;
  std::vector<Address> others; ///< Its own as well: packets that go there still come.
  std::unique_ptr<Endpoint> endpoint;
  std::vector<Event> events;

  const Event* find(Event::Kind kind) const {
    for (const Event& event : events) {
      if (event.kind == kind) return &event;
    }
    return nullptr;
  }
  StreamPtr opened() const {
    for (const Event& event : events) {
      if (event.stream && event.signals.opened) return event.stream;
    }
    return nullptr;
  }
};

class Pair {
public:
  explicit Pair(const Settings& settings = {}) : alice(1, settings), bob(2, settings) {
    for (Host* host : {&alice, &bob}) {
      if (!(host->endpoint->add_key(host->credentials) && host->endpoint->serve(host->credentials.id, {"kith/1"}))) std::abort();
    }
  }

  Result<ConnectionId> dial(Host& from, const Host& to) {
    Dial dial;
    dial.identity = from.credentials.id;
    dial.peer = to.credentials.id;
    dial.alpn = "kith/1";
    dial.remote = to.address;
    return from.endpoint->connect(dial, now);
  }

  /// Carries datagrams and lets time pass until nothing moves before `limit` from now, or `stop` says so.
  void run(Duration limit = seconds(1), const std::function<bool()>& stop = {}) {
    const TimePoint end = now + limit;
    while (now <= end) {
      pump(alice);
      pump(bob);
      if (stop && stop()) return;
      if (!wire_.empty()) {
        now = std::max(now, wire_.front().at);
        deliver();
        continue;
      }
      const TimePoint next = std::min(alice.endpoint->next_deadline(), bob.endpoint->next_deadline());
      if (next > end) break;
      now = std::max(now, next);
      alice.endpoint->on_deadline(now);
      bob.endpoint->on_deadline(now);
    }
    now = std::max(now, end);
  }

  ConnectionId connect() {
    const auto id = dial(alice, bob);
    if (!id) return ConnectionId::none;
    run();
    return *id;
  }

  /// Moves both ends' events and packets once, without letting time pass.
  void pump(Host& host) {
    std::array<std::uint8_t, 65536> buffer{};
    while (auto datagram = host.endpoint->transmit(
               buffer, [](SocketId) { return std::size_t{16}; }, now)) {
      if (datagram->local.family != Address::Family::none && datagram->local != host.address)
        continue; // a kernel sends from no address that it has not
      if (drop && drop(host, *datagram)) continue;
      wire_.push_back({now + delay, host.address, datagram->remote, Bytes(datagram->bytes.begin(), datagram->bytes.end()), datagram->segment});
    }
    Event event;
    while (host.endpoint->next_event(event)) host.events.push_back(event);
  }

  TimePoint now{std::chrono::hours(1)};
  Duration delay = milliseconds(5);
  Host alice;
  Host bob;
  std::function<bool(const Host&, const Datagram&)> drop;

private:
  struct Flying {
    TimePoint at;
    Address from;
    Address to;
    Bytes bytes;
    std::uint16_t segment;
  };

  void deliver() {
    const Flying flying = std::move(wire_.front());
    wire_.pop_front();
    for (Host* host : {&alice, &bob}) {
      if (host->address != flying.to && std::ranges::find(host->others, flying.to) == host->others.end()) continue;
      Datagram datagram;
      datagram.local = flying.to;
      datagram.remote = flying.from;
      datagram.bytes = flying.bytes;
      datagram.segment = flying.segment;
      host->endpoint->receive(datagram, now);
    }
  }

  std::deque<Flying> wire_;
};

} // namespace kith::quic::testing
