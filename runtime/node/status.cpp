// SPDX-License-Identifier: GPL-3.0-or-later
// A snapshot for `kith status` and `kith pool`.
#include "node/node_impl.hpp"

#include <array>
#include <unordered_map>

namespace kith::node {

std::uint32_t Link::traffic_row(std::string_view protocol, std::string_view alias, bool ours) {
  const auto is = [&](const Traffic& row) { return row.ours == ours && row.protocol == protocol && row.alias == alias; };
  auto at = std::find_if(traffic.begin(), traffic.end(), is);
  if (at == traffic.end() && traffic.size() < max_traffic_rows) {
    const bool sum = traffic.size() + 1 == max_traffic_rows;
    at = traffic.insert(at, sum ? Traffic{} : Traffic{std::string(protocol), std::string(alias), ours});
  }
  if (at == traffic.end()) at = std::prev(at);
  ++at->opened;
  return static_cast<std::uint32_t>(at - traffic.begin());
}

namespace {

Duration since(TimePoint then, TimePoint now) noexcept { return std::max(now - then, Duration(0)); }

} // namespace

std::size_t NodeImpl::max_train() const {
  if (!shared_sockets_.empty()) return world_.udp().max_train(shared_sockets_.front());
  std::size_t count = 1;
  for (const auto& [id, identity] : identities_) {
    if (!identity->sockets.empty()) count = world_.udp().max_train(identity->sockets.front());
  }
  return count;
}

Status NodeImpl::status() const {
  Status out;
  for (const SocketId socket : shared_sockets_) out.listen.push_back(world_.udp().bound(socket));
  out.max_train = max_train();
  out.pool = pool_.counters();
  out.streams = counts_;
  out.buffer_bytes = slabs_.bytes_in_use();
  const TimePoint now = world_.now();
  std::unordered_map<quic::ConnectionId, std::vector<Traffic>> traffic;
  streams_.for_each([&](const NodeStream& stream) {
    if (!stream.traffic_row || stream.link == nullptr || !stream.quic) return;
    std::vector<Traffic>& rows = traffic.try_emplace(stream.link->id, stream.link->traffic).first->second;
    rows[*stream.traffic_row].sent += stream.octets_sent();
    rows[*stream.traffic_row].received += stream.octets_received();
  });
  std::map<PeerId, std::vector<ConnectionStatus>> connections;
  for (const pool::Row& row : pool_.list()) {
    ConnectionStatus connection;
    connection.peer = row.key.peer;
    connection.alpn = row.key.alpn;
    connection.remote = row.remote;
    connection.dialer = row.dialer;
    connection.current = row.current;
    connection.draining = row.draining;
    connection.streams = row.streams;
    connection.opened = row.opened;
    connection.age = since(row.since, now);
    if (row.streams == 0) connection.idle = since(row.idle_since, now);
    const auto id = static_cast<quic::ConnectionId>(row.connection);
    if (const auto link = links_.find(id); link != links_.end()) {
      connection.confirmed = link->second->confirmed;
      const auto live = traffic.find(id);
      connection.traffic = live != traffic.end() ? std::move(live->second) : link->second->traffic;
    }
    if (const auto info = endpoint_.info(id)) {
      connection.local = info->local;
      connection.mtu = info->mtu;
      connection.in_flight = info->in_flight;
      connection.rtt = info->smoothed_rtt;
      connection.congestion_window = info->congestion_window;
      connection.bytes_sent = info->bytes_sent;
      connection.bytes_received = info->bytes_received;
      connection.packets_sent = info->packets_sent;
      connection.packets_lost = info->packets_lost;
    }
    connections[row.key.identity].push_back(std::move(connection));
  }
  for (const auto& [id, identity] : identities_) {
    IdentityStatus status;
    status.id = id;
    status.name = identity->name;
    status.online = identity->online;
    status.draining = identity->draining;
    for (const SocketId socket : identity->sockets) status.listen.push_back(world_.udp().bound(socket));
    for (const auto& [key, binding] : identity->bindings) {
      if (binding->removing) continue;
      BindingStatus row{key.first, key.second, binding->spec.enabled, binding->spec.provider, binding->state, {}, {}, binding->streams, 0};
      if (binding->service != nullptr) {
        row.state = binding->service->state();
        row.overruns = binding->service->overruns();
      }
      for (const access::Entry& entry : binding->policy.allow) row.access.push_back(entry.text());
      for (const access::Entry& entry : binding->policy.deny) row.deny.push_back(entry.text());
      status.bindings.push_back(std::move(row));
    }
    status.connections = std::move(connections[id]);
    for (ConnectionStatus& connection : status.connections) {
      if (const auto peer = identity->peers.find(connection.peer); peer != identity->peers.end()) connection.peer_name = peer->second.name;
    }
    out.identities.push_back(std::move(status));
  }
  return out;
}

std::string_view phase_name(BindingState::Phase phase) noexcept {
  static constexpr std::array<std::string_view, 6> names{"stopped", "starting", "running", "draining", "failed", "waiting"};
  return names[static_cast<std::size_t>(phase)];
}

} // namespace kith::node
