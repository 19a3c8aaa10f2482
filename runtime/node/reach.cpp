// SPDX-License-Identifier: GPL-3.0-or-later
// Looking at connections from outside: `kith ping` and `kith trace`. Both want a connection as streams do, and open none.
#include "node/node_impl.hpp"

#include <algorithm>

namespace kith::node {

Result<void> NodeImpl::may_reach(const Identity& identity, const PeerId& peer) const {
  if (stop_by_) return stopping_error();
  if (!identity.online) {
    return Error{Code::offline, identity.name + " is offline here; bring it back with: kith identity-online " + identity.name};
  }
  const auto known = identity.peers.find(peer);
  if (known != identity.peers.end() && known->second.blocked) return Error{Code::denied, known->second.name + " is blocked"};
  return {};
}

Result<const Identity*> NodeImpl::may_reach(const PeerId& id, const PeerId& peer) const {
  const Identity* identity = find_identity(id);
  if (identity == nullptr) return no_identity(id);
  if (const auto ok = may_reach(*identity, peer); !ok) return ok.error();
  return identity;
}

std::vector<pool::Candidate> NodeImpl::candidates(const Identity& identity, const PeerId& peer, std::span<const Address> more) const {
  std::vector<pool::Candidate> out;
  const auto add = [&](const Address& address) {
    if (std::none_of(out.begin(), out.end(), [&](const auto& c) { return c.address == address; })) out.push_back({address, false});
  };
  for (const Address& address : more) add(address);
  if (const auto known = identity.peers.find(peer); known != identity.peers.end()) {
    for (const Address& address : known->second.addresses) add(address);
    if (const auto last = identity.dialed_from.find(peer); last != identity.dialed_from.end()) add(last->second.address);
  }
  if (const Identity* own = find_identity(peer)) {
    // One of our own: it is where we listen.
    for (const SocketId socket : own->sockets.empty() ? shared_sockets_ : own->sockets) {
      Address at = world_.udp().bound(socket);
      if (at.is_unspecified())
        at = at.is_v4() ? make_v4({127, 0, 0, 1}, at.port) : make_v6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, at.port);
      add(at);
    }
  }
  return out;
}

// --- a connection without a stream

void NodeImpl::reach(const PeerId& identity, const PeerId& peer, bool anew, std::function<void(Result<Reached>)> then) {
  now_ = world_.now();
  const auto own = may_reach(identity, peer);
  if (!own) return then(own.error());
  std::size_t asking = reaching_.size();
  for (const auto& [id, link] : links_) asking += link->reaching.size();
  if (asking >= max_reaching) return then(Error{Code::busy, std::to_string(max_reaching) + " pings and traces wait for connections already"});
  note_sleep();
  const pool::Key key{identity, peer, std::string(wire::alpn)};
  const bool fresh = anew || !pool_.current(key);
  const auto where = candidates(**own, peer, {});
  reaching_[anew ? pool_.want_new(key, where, now_) : pool_.want(key, where, now_)] = {now_, fresh, std::move(then)};
  want_service();
}

bool NodeImpl::reached(pool::WaiterId waiter, const Result<quic::ConnectionId>& connection) {
  const auto at = reaching_.find(waiter);
  if (at == reaching_.end()) return false;
  const Reaching asked = std::move(at->second);
  reaching_.erase(at);
  if (!connection) {
    asked.then(connection.error());
    return true;
  }
  Link* link = find_link(*connection);
  if (link == nullptr || link->closing) {
    asked.then(Error{Code::connection_lost, "the connection went as soon as it was there"});
  } else if (!link->confirmed) {
    link->reaching.push_back(asked);
  } else {
    tell_reached(*link, asked);
  }
  return true;
}

void NodeImpl::tell_reached(const Link& link, const Reaching& asked) {
  const auto info = endpoint_.info(link.id); // it is there: a link is closing before its connection goes
  asked.then(Reached{link.id, {info->local, info->remote, info->dialer, asked.fresh, now_ - asked.since, info->mtu}});
}

// --- ping

void NodeImpl::ping(const PeerId& identity, const PeerId& peer, Duration patience, std::function<void(Result<PingReport>)> done) {
  reach(identity, peer, false, [this, patience, done = std::move(done)](const Result<Reached>& reached) {
    if (!reached) return done(reached.error());
    if (pings_.size() >= max_reaching) return done(Error{Code::busy, "too many pings are under way"});
    const auto id = static_cast<quic::PingId>(++last_ping_);
    pings_[id] = {reached->connection, now_ + patience, {reached->path, std::nullopt}, done};
    endpoint_.ping(reached->connection, id);
  });
}

void NodeImpl::answer_ping(quic::PingId id, std::optional<Duration> rtt) {
  const auto at = pings_.find(id);
  if (at == pings_.end()) return; // too late
  PendingPing ping = std::move(at->second);
  pings_.erase(at);
  ping.report.rtt = rtt;
  ping.done(ping.report);
}

void NodeImpl::on_ping_deadlines() {
  std::vector<quic::PingId> over;
  for (const auto& [id, ping] : pings_) {
    if (ping.deadline <= now_) over.push_back(id);
  }
  for (const quic::PingId id : over) answer_ping(id, std::nullopt);
}

void NodeImpl::end_pings(quic::ConnectionId connection, const Error& error) {
  std::vector<quic::PingId> over;
  for (const auto& [id, ping] : pings_) {
    if (ping.connection == connection) over.push_back(id);
  }
  for (const quic::PingId id : over) {
    const auto at = pings_.find(id);
    const auto done = std::move(at->second.done);
    pings_.erase(at);
    done(Error{Code::connection_lost, error.text.empty() ? "the connection was lost" : error.text});
  }
}

TimePoint NodeImpl::next_ping_deadline() const {
  TimePoint at = never;
  for (const auto& [id, ping] : pings_) at = std::min(at, ping.deadline);
  return at;
}

// --- trace

Result<void> NodeImpl::start_trace(const PeerId& identity, const PeerId& peer, std::shared_ptr<quic::TraceSink> sink,
                                   std::function<void(Result<Path>)> connected) {
  std::shared_ptr<quic::TraceSink>& traced = traces_[{identity, peer}];
  if (traced) return Error{Code::busy, "this pair is being traced already"};
  traced = std::move(sink);
  reach(identity, peer, true, [connected = std::move(connected)](const Result<Reached>& reached) {
    connected(reached ? Result<Path>(reached->path) : Result<Path>(reached.error()));
  });
  return {};
}

} // namespace kith::node
