// SPDX-License-Identifier: GPL-3.0-or-later
#include "support/sim_network.hpp"

#include <algorithm>

namespace kith::testing {

namespace {

constexpr std::uint8_t ecn_ce = 3; // RFC 3168 §5

bool same_ip(const Address& a, const Address& b) { return a.family == b.family && a.ip == b.ip; }

} // namespace

SimUdp::SimUdp(SimNetwork& network, std::string host, std::vector<Address> addresses)
    : network_(network), host_(std::move(host)), addresses_(std::move(addresses)) {
  network_.hosts_.push_back(this);
}

SimUdp::~SimUdp() { std::erase(network_.hosts_, this); }

bool SimUdp::owns_ip(const Address& address) const {
  return std::ranges::any_of(addresses_, [&](const Address& own) { return same_ip(own, address); });
}

Result<SocketId> SimUdp::open(const Address& listen, UdpReceiver& receiver) {
  Address address = listen;
  if (!address.is_unspecified() && !owns_ip(address))
    return Error{Code::internal, "can't listen on " + address.text() + ": no such address on " + host_};
  if (address.port == 0) address.port = network_.next_port_++;
  for (const auto& [id, socket] : sockets_) {
    const bool overlap =
        socket.listen.family == address.family && (same_ip(socket.listen, address) || socket.listen.is_unspecified() || address.is_unspecified());
    if (overlap && socket.listen.port == address.port) return Error{Code::internal, "can't listen on " + address.text() + ": address in use"};
  }
  const SocketId id{network_.next_socket_++};
  sockets_.emplace(id, Socket{address, &receiver});
  return id;
}

void SimUdp::close(SocketId socket) { sockets_.erase(socket); }

Address SimUdp::bound(SocketId socket) const {
  const auto it = sockets_.find(socket);
  return it == sockets_.end() ? Address{} : it->second.listen;
}

std::optional<Address> SimUdp::source(SocketId socket, const Address& remote, const Address& asked) const {
  return askable_ ? std::optional(way(socket, remote, asked)) : std::nullopt;
}

Address SimUdp::way(SocketId socket, const Address& remote, const Address& asked) const {
  Address from = bound(socket);
  if (from.family != remote.family) return {};
  if (asked.family == from.family && owns_ip(asked)) from.ip = asked.ip;
  if (!from.is_unspecified()) return owns_ip(from) ? from : Address{};
  const auto own = std::ranges::find(addresses_, remote.family, &Address::family);
  if (own == addresses_.end()) return {};
  from.ip = own->ip;
  return from;
}

void SimUdp::block(std::uint16_t port, bool blocked) {
  if (blocked) {
    blocked_.insert(port);
    return;
  }
  blocked_.erase(port);
  const auto sockets = sockets_;
  for (const auto& [id, socket] : sockets) {
    if (socket.listen.port == port) socket.receiver->sendable(id);
  }
}

SendResult SimUdp::send(const Datagram& datagram) {
  const auto it = sockets_.find(datagram.socket);
  if (it != sockets_.end() && blocked_.contains(it->second.listen.port)) return SendResult::blocked;
  if (it == sockets_.end() || datagram.remote.family != it->second.listen.family) return SendResult::dropped;
  Address from = datagram.local.family == Address::Family::none ? way(datagram.socket, datagram.remote, {}) : datagram.local;
  if (!owns_ip(from)) return SendResult::dropped;
  from.port = it->second.listen.port;

  const std::size_t segment = datagram.segment == 0 ? datagram.bytes.size() : datagram.segment;
  if (segment == 0 || (datagram.bytes.size() + segment - 1) / segment > max_train_) return SendResult::dropped;
  for (std::size_t at = 0; at < datagram.bytes.size(); at += segment) {
    const ByteView piece = datagram.bytes.subspan(at, std::min(segment, datagram.bytes.size() - at));
    network_.transmit(host_, {from, datagram.remote, Bytes(piece.begin(), piece.end()), datagram.ecn});
  }
  return SendResult::sent;
}

SimNetwork::Path& SimNetwork::path(const std::string& from, const std::string& to) {
  return paths_.try_emplace({from, to}, Path{.rules = defaults, .counters = {}}).first->second;
}

void SimNetwork::set_both(const std::string& a, const std::string& b, const LinkRules& rules) {
  link(a, b) = rules;
  link(b, a) = rules;
}

void SimNetwork::partition(const std::string& a, const std::string& b, bool down) {
  link(a, b).down = down;
  link(b, a).down = down;
}

void SimNetwork::rewrite(const Address& inside, const Address& outside) { outside_[inside] = outside; }

SimUdp* SimNetwork::find_host(const Address& address) const {
  const auto host = std::ranges::find_if(hosts_, [&](const SimUdp* h) { return h->owns_ip(address); });
  return host == hosts_.end() ? nullptr : *host;
}

void SimNetwork::transmit(const std::string& from, Packet packet) {
  if (tap && tap(packet.from, packet.to, packet.bytes)) return;
  if (const auto nat = outside_.find(packet.from); nat != outside_.end()) packet.from = nat->second;
  const auto nat = std::ranges::find(outside_, packet.to, [](const auto& pair) { return pair.second; });
  if (nat != outside_.end()) packet.to = nat->first;
  const SimUdp* host = find_host(packet.to);
  sim_.note("send " + packet.from.text() + " " + packet.to.text(), packet.bytes);
  if (host == nullptr) return; // nobody has that address

  Path& p = path(from, host->host());
  const LinkRules& rules = p.rules;
  SimRandom& random = sim_.random();
  ++p.counters.sent;
  p.in_burst = p.in_burst ? !random.chance(rules.burst_leave) : random.chance(rules.burst_enter);
  if (rules.down || p.in_burst || random.chance(rules.loss)) {
    ++p.counters.lost;
    return;
  }
  const std::size_t headers = packet.to.is_v6() ? 48 : 28;
  if (packet.bytes.size() + headers > rules.mtu) {
    ++p.counters.too_big;
    return;
  }

  TimePoint sent = sim_.now();
  if (rules.bytes_per_second != 0) {
    const Duration waiting = std::max(p.busy_until, sent) - sent;
    const double queued = std::chrono::duration<double>(waiting).count() * static_cast<double>(rules.bytes_per_second);
    if (queued > static_cast<double>(rules.queue_bytes)) {
      ++p.counters.overflowed;
      return;
    }
    if (rules.mark_bytes != 0 && queued > static_cast<double>(rules.mark_bytes) && packet.ecn != 0) {
      packet.ecn = ecn_ce;
      ++p.counters.marked;
    }
    const auto size = packet.bytes.size() + headers;
    p.busy_until = std::max(p.busy_until, sent) + Duration(static_cast<std::int64_t>(size * 1'000'000'000 / rules.bytes_per_second));
    sent = p.busy_until;
  }
  const auto jitter = Duration(static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(rules.jitter.count()) + 1)));
  TimePoint arrival = sent + rules.delay + jitter;
  if (random.chance(rules.reorder)) {
    arrival += rules.reorder_delay;
  } else {
    arrival = p.last_arrival = std::max(arrival, p.last_arrival);
  }
  const auto shared = std::make_shared<const Packet>(std::move(packet));
  deliver_at(arrival, p, shared);
  if (random.chance(rules.duplicate)) deliver_at(arrival, p, shared);
}

void SimNetwork::deliver_at(TimePoint time, Path& path, std::shared_ptr<const Packet> packet) {
  sim_.at(time, [this, &path, packet = std::move(packet)] { deliver(path, packet); });
}

const std::pair<const SocketId, SimUdp::Socket>* SimUdp::find_socket(const Address& to) const {
  const auto socket = std::ranges::find_if(sockets_, [&](const auto& entry) {
    const Address& listen = entry.second.listen;
    return listen.port == to.port && listen.family == to.family && (listen.is_unspecified() || same_ip(listen, to));
  });
  return socket == sockets_.end() ? nullptr : &*socket;
}

/// Whoever has the address and the port by now gets it.
void SimNetwork::deliver(Path& path, const std::shared_ptr<const Packet>& shared) {
  const Packet& packet = *shared;
  SimUdp* host = find_host(packet.to);
  if (host == nullptr) return;
  if (host->deaf_until_ > sim_.now()) {
    if (!host->kept_) return;
    auto& kept = kept_[host->host()];
    if (kept.empty()) sim_.at(host->deaf_until_, [this, name = host->host()] { deliver_kept(name); });
    kept.emplace_back(&path, shared);
    return;
  }
  const auto* socket = host->find_socket(packet.to);
  if (socket == nullptr) return;
  const Datagram datagram = arrive(path, packet, socket->first);
  socket->second.receiver->received({&datagram, 1});
}

/// What waited in the kernel's buffers comes as one batch for each socket, as recvmmsg gives it.
void SimNetwork::deliver_kept(const std::string& name) {
  const auto packets = std::exchange(kept_[name], {});
  std::map<SocketId, std::vector<Datagram>> batches;
  for (const auto& [path, packet] : packets) {
    SimUdp* host = find_host(packet->to);
    if (host == nullptr) continue;
    if (host->deaf_until_ > sim_.now()) { // deaf again
      deliver(*path, packet);
      continue;
    }
    if (const auto* socket = host->find_socket(packet->to)) batches[socket->first].push_back(arrive(*path, *packet, socket->first));
  }
  for (const auto& entry : batches) {
    const auto host = std::ranges::find_if(hosts_, [&](const SimUdp* each) { return each->sockets_.contains(entry.first); });
    if (host != hosts_.end()) (*host)->sockets_.at(entry.first).receiver->received(entry.second);
  }
}

Datagram SimNetwork::arrive(Path& path, const Packet& packet, SocketId socket) {
  ++path.counters.delivered;
  path.counters.bytes_delivered += packet.bytes.size();
  sim_.note("receive " + packet.from.text() + " " + packet.to.text(), packet.bytes);
  return {.socket = socket, .local = packet.to, .remote = packet.from, .bytes = packet.bytes, .segment = 0, .ecn = packet.ecn};
}

} // namespace kith::testing
