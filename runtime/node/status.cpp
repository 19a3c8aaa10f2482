// SPDX-License-Identifier: GPL-3.0-or-later
// A snapshot for `kith status` and `kith pool`.
#include "node/node_impl.hpp"

#include <unordered_map>

namespace kith::node {

Status NodeImpl::status() const {
  Status out;
  for (const SocketId socket : shared_sockets_) out.listen.push_back(world_.udp().bound(socket));
  out.pool = pool_.counters();
  out.streams = counts_;
  out.buffer_bytes = slabs_.bytes_in_use();
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
    if (const auto info = endpoint_.info(static_cast<quic::ConnectionId>(row.connection))) {
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
      BindingStatus row{key.first, key.second, binding->spec.enabled, binding->spec.provider, binding->state, {}, binding->streams};
      if (binding->service != nullptr) row.state = binding->service->state();
      for (const access::Entry& entry : binding->policy.allow) row.access.push_back(entry.text());
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

} // namespace kith::node
