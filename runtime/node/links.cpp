// SPDX-License-Identifier: GPL-3.0-or-later
// Connections: what QUIC tells of them goes to the pool, what the pool wants goes to QUIC; and each one's control stream.
#include "node/node_impl.hpp"

#include "base/varint.hpp"

#include <algorithm>
#include <variant>

namespace kith::node {

namespace {
pool::ConnId to_pool(quic::ConnectionId id) noexcept { return static_cast<pool::ConnId>(id); }
} // namespace

Link* NodeImpl::find_link(quic::ConnectionId id) noexcept {
  const auto at = links_.find(id);
  return at == links_.end() ? nullptr : at->second.get();
}

// --- QUIC → pool

void NodeImpl::on_quic_event(quic::Event& event) {
  using Kind = quic::Event::Kind;
  switch (event.kind) {
    case Kind::stream: on_stream_event(event); return;
    case Kind::ready: on_ready(event.connection); return;
    case Kind::confirmed: on_confirmed(event.connection); return;
    case Kind::closed: on_closed(event); return;
    case Kind::address_changed: on_address_changed(event.connection); return;
    case Kind::heard: pool_.heard(to_pool(event.connection), endpoint_.pto(event.connection), endpoint_.heard_at(event.connection)); return;
    case Kind::pinged: answer_ping(event.ping.id, event.ping.lost ? std::nullopt : std::optional(event.ping.rtt)); return;
    case Kind::streams:
      if (Link* link = find_link(event.connection)) {
        send_waiting(*link);
      }
      return;
  }
}

void NodeImpl::on_ready(quic::ConnectionId id) {
  const auto info = endpoint_.info(id);
  if (!info || !info->ready) return; // its close came in the same batch, and has been heard
  Identity* identity = find_identity(info->identity);
  if (identity == nullptr || (!info->dialer && !admissible(*identity, info->peer))) {
    if (identity != nullptr) observer_.refused(identity->id, info->peer, identity->name, "a stranger whom nothing admits");
    endpoint_.close(id, Code::denied, "", now_);
    return;
  }
  auto owned = std::make_unique<Link>();
  Link& link = *owned;
  link.id = id;
  link.identity = info->identity;
  link.peer = info->peer;
  link.alpn = info->alpn;
  link.dialer = info->dialer;
  link.source = info->local;
  links_.emplace(id, std::move(owned));
  if (!link.dialer) {
    on_confirmed(id);
    // Until the dialer's HELLO or first stream it may yet abandon this connection for another; on ALPNs of bindings there is no HELLO.
    if (link.alpn != wire::alpn) {
      announce(link);
      return;
    }
    link.unproven = true;
    ++unproven_count_;
    unproven_.emplace_back(now_ + settings_.unproven_timeout, id);
    while (unproven_count_ > settings_.max_unproven) end_oldest_unproven(); // it makes room
    return;
  }
  link.announced = true;
  const auto attempt = attempts_.find(id);
  if (attempt == attempts_.end()) {
    endpoint_.close(id, Code::cancelled, "", now_);
    return;
  }
  const pool::AttemptId attempt_id = attempt->second;
  attempts_.erase(attempt);
  dials_.erase(attempt_id);
  observer_.address_worked(identity->id, link.peer, info->remote);
  if (const auto known = identity->peers.find(link.peer); known != identity->peers.end()) { // the next dial begins with it
    auto& addresses = known->second.addresses;
    if (const auto worked = std::ranges::find(addresses, info->remote); worked != addresses.end()) std::rotate(addresses.begin(), worked, worked + 1);
  }
  pool_.attempt_ready(attempt_id, to_pool(id), now_);
  pool_.heard(to_pool(id), info->pto, now_);
  send_hello(link);
}

// Both ends have taken each other: only now is the peer said to be there.
void NodeImpl::on_confirmed(quic::ConnectionId id) {
  Link* link = find_link(id);
  Identity* identity = link != nullptr && !link->closing ? find_identity(link->identity) : nullptr;
  if (identity == nullptr) return;
  link->confirmed = true;
  for (const Reaching& asked : std::exchange(link->reaching, {})) tell_reached(*link, asked);
  if (++identity->connected[link->peer] != 1) return;
  observer_.peer_changed(identity->id, link->peer, true);
  if (identity->peers.contains(link->peer)) peers_changed(*identity); // strangers are nobody's peers
}

void NodeImpl::on_unproven_deadlines() {
  while (!unproven_.empty() && unproven_.front().first <= now_) end_oldest_unproven();
}

void NodeImpl::end_oldest_unproven() {
  Link* link = find_link(unproven_.front().second);
  unproven_.pop_front();
  if (link == nullptr || !link->unproven) return;
  no_longer_unproven(*link);
  endpoint_.close(link->id, Code::timeout, "neither HELLO nor a stream", now_);
}

void NodeImpl::close_unproven(const PeerId& identity, const PeerId* peer, Code code) {
  for (const auto& [id, link] : links_) {
    if (!link->announced && !link->closing && link->identity == identity && (peer == nullptr || link->peer == *peer)) {
      endpoint_.close(id, code, "", now_);
    }
  }
}

void NodeImpl::end_connections(const PeerId& identity, const PeerId& peer, const Error& why) {
  for (const auto& [id, link] : links_) {
    if (link->identity == identity && link->peer == peer && link->ended.empty()) link->ended = why.text;
  }
  close_unproven(identity, &peer, why.code);
  pool_.close_peer(identity, peer, why, now_);
}

void NodeImpl::on_address_changed(quic::ConnectionId id) {
  const auto info = endpoint_.info(id);
  if (!info) return;
  pool_.moved(to_pool(id), info->remote);
  const Link* link = find_link(id);
  Identity* identity = link != nullptr ? find_identity(link->identity) : nullptr;
  if (identity == nullptr) return;
  const auto dialed = identity->dialed_from.find(link->peer);
  if (dialed != identity->dialed_from.end() && dialed->second.connection == id) dialed->second.address = info->remote;
}

void NodeImpl::announce(Link& link) {
  Identity* identity = find_identity(link.identity);
  const auto info = endpoint_.info(link.id);
  if (identity == nullptr || !info || link.closing) return;
  if (!identity->online || !admissible(*identity, link.peer)) {
    endpoint_.close(link.id, identity->online ? Code::denied : Code::offline, "", now_);
    return;
  }
  link.announced = true;
  no_longer_unproven(link);
  // It may have moved since it gave us its addresses. Its key is proven and its way here too; whether it listens there, a dial shows.
  if (identity->peers.contains(link.peer)) identity->dialed_from[link.peer] = {info->remote, link.id};
  link.refused = !pool_.accepted({link.identity, link.peer, link.alpn}, to_pool(link.id), info->remote, !identity->peers.contains(link.peer), now_);
  if (link.refused) return; // its close is on the way
  pool_.heard(to_pool(link.id), info->pto, now_);
  if (link.alpn == wire::alpn) send_hello(link);
}

void NodeImpl::on_closed(quic::Event& event) {
  if (const auto attempt = attempts_.find(event.connection); attempt != attempts_.end()) {
    const pool::AttemptId id = attempt->second;
    attempts_.erase(attempt);
    dials_.erase(id);
    pool_.attempt_failed(id, event.reason.error, now_);
  }
  Link* link = find_link(event.connection);
  if (link != nullptr && !event.reason.by_peer && !link->ended.empty()) event.reason.error.text = link->ended;
  end_pings(event.connection, event.reason.error);
  if (link == nullptr) return;
  link->closing = true;
  no_longer_unproven(*link);
  link->reason = event.reason;
  const bool refused = link->refuses();
  if (refused) { // as a dial that failed
    const auto info = endpoint_.info(link->id);
    Error& error = link->reason.error;
    error.text = "no connection to " + link->peer.text() + ": " + (info ? info->remote.text() + ": " : std::string()) + error.text;
  }
  const Error& why = link->reason.error;
  for (const Reaching& asked : std::exchange(link->reaching, {})) {
    asked.then(refused ? why : Error{Code::connection_lost, why.text.empty() ? "the connection was lost" : why.text});
  }
  refused ? pool_.refused(to_pool(link->id), now_) : pool_.closed(to_pool(link->id), now_);
  for (const StreamKey key : link->waiting) {
    if (!refused) {
      find_connection_later(key);
      continue;
    }
    defer([this, key, why] {
      if (NodeStream* stream = streams_.find(key); stream != nullptr && stream->phase == Phase::waiting) fail(*stream, why, true);
    });
  }
  link->waiting.clear();
  if (Identity* identity = find_identity(link->identity); identity != nullptr && link->confirmed) {
    const auto connected = identity->connected.find(link->peer);
    if (connected != identity->connected.end() && --connected->second == 0) {
      identity->connected.erase(connected);
      observer_.peer_changed(identity->id, link->peer, false);
      if (identity->peers.contains(link->peer)) peers_changed(*identity);
    }
  }
  // Its streams' own ends stand behind this event in the queue; deferred work comes after all of them.
  defer([this, id = link->id] { links_.erase(id); });
}

// --- pool → QUIC

void NodeImpl::do_action(const pool::Action& action) {
  if (const auto* start = std::get_if<pool::StartAttempt>(&action)) {
    start_attempt(*start);
  } else if (const auto* abandon = std::get_if<pool::AbandonAttempt>(&action)) {
    const auto dial = dials_.find(abandon->attempt);
    if (dial == dials_.end()) return;
    const quic::ConnectionId id = dial->second;
    dials_.erase(dial);
    attempts_.erase(id);
    endpoint_.close(id, Code::cancelled, "", now_);
  } else if (const auto* grant = std::get_if<pool::Grant>(&action)) {
    if (!reached(grant->waiter, static_cast<quic::ConnectionId>(grant->connection))) granted(grant->waiter, grant->connection);
  } else if (const auto* failed = std::get_if<pool::Fail>(&action)) {
    if (reached(failed->waiter, failed->error)) return;
    const auto waiter = waiters_.find(failed->waiter);
    if (waiter == waiters_.end()) return;
    NodeStream* stream = streams_.find(waiter->second);
    waiters_.erase(waiter);
    if (stream == nullptr || stream->phase != Phase::waiting) return;
    stream->outgoing->has_waiter = false;
    fail(*stream, failed->error, false);
  } else if (const auto* goaway = std::get_if<pool::Goaway>(&action)) {
    if (Link* link = find_link(static_cast<quic::ConnectionId>(goaway->connection))) send_goaway(*link);
  } else if (const auto* close = std::get_if<pool::Close>(&action)) {
    endpoint_.close(static_cast<quic::ConnectionId>(close->connection), close->code, close->text, now_);
  } else if (const auto* ping = std::get_if<pool::Ping>(&action)) {
    endpoint_.ping(static_cast<quic::ConnectionId>(ping->connection));
  }
}

std::optional<SocketId> NodeImpl::socket_for(const Identity& identity, const Address& remote) const {
  for (const std::vector<SocketId>* sockets : {&identity.sockets, &shared_sockets_}) {
    for (const SocketId socket : *sockets) {
      const Address bound = world_.udp().bound(socket);
      if (bound.family != remote.family) continue;
      // A socket bound to loopback reaches loopback only, and one bound to another address does not reach loopback.
      if (!bound.is_unspecified() && bound.is_loopback() != remote.is_loopback()) continue;
      return socket;
    }
  }
  return std::nullopt;
}

void NodeImpl::start_attempt(const pool::StartAttempt& action) {
  const Identity* identity = find_identity(action.key.identity);
  const auto socket = identity != nullptr ? socket_for(*identity, action.address) : std::nullopt;
  if (!socket) {
    pool_.attempt_failed(action.attempt, {Code::unreachable, "no socket of ours reaches it"}, now_);
    return;
  }
  quic::Dial dial;
  dial.identity = action.key.identity;
  dial.peer = action.key.peer;
  dial.alpn = action.key.alpn;
  dial.socket = *socket;
  dial.remote = action.address;
  dial.initials = action.hinted ? settings_.max_hinted_initials : 0;
  if (const auto trace = traces_.find({action.key.identity, action.key.peer}); trace != traces_.end()) dial.trace = trace->second.get();
  const auto id = endpoint_.connect(dial, now_);
  if (!id) {
    pool_.attempt_failed(action.attempt, id.error(), now_);
    return;
  }
  dials_[action.attempt] = *id;
  attempts_[*id] = action.attempt;
}

// --- the control stream (docs/wire.md)

void NodeImpl::write_control(Link& link, const Bytes& bytes) {
  if (link.closing || link.alpn != wire::alpn) return;
  if (!link.control_stream) {
    link.control_out = std::make_shared<Pipe>(slabs_);
    auto stream = endpoint_.open_uni_stream(link.id, link.control_out);
    if (!stream) return; // a peer that lets us open none does without
    link.control_stream = *stream;
    link.control_stream->set_urgency(0);
    link.control_out->write(wire::encode_control_stream_type());
    link.control_out->write(bytes);
    link.control_stream->start_sending({});
    return;
  }
  if (link.control_out->room() < bytes.size()) return; // a peer that acknowledges none of it
  link.control_out->write(bytes);
  link.control_stream->produced();
}

void NodeImpl::send_hello(Link& link) { write_control(link, wire::encode(wire::Hello{boot_id_, wire::version})); }

void NodeImpl::send_goaway(Link& link) {
  link.goaway_sent = true;
  write_control(link, wire::encode(wire::Goaway{link.last_accepted}));
}

void NodeImpl::send_error_text(Link& link, std::uint64_t stream, const Error& error) {
  write_control(link, wire::encode(wire::StreamError{stream, error}));
}

// The first unidirectional stream of the peer's whose type says so is its control stream; all others are stopped.
void NodeImpl::on_uni_stream(Link& link, const quic::StreamPtr& quic) {
  if (quic != link.control_in) {
    Bytes scratch;
    ByteView front = peek_header(*quic->in(), scratch);
    const auto type = take_varint(front);
    if (!type) return; // not here yet
    if (*type != wire::control_stream_type || link.control_in || link.alpn != wire::alpn) {
      quic->stop_sending(static_cast<std::uint64_t>(Code::unsupported_version));
      return;
    }
    link.control_in = quic;
  }
  on_control_data(link);
}

void NodeImpl::on_control_data(Link& link) {
  Pipe& in = *link.control_in->in();
  for (ByteView piece = in.peek(); !piece.empty(); piece = in.peek()) {
    link.decoder.push(piece);
    in.consume(piece.size());
    for (;;) {
      const auto frame = link.decoder.next();
      if (!frame) {
        endpoint_.close(link.id, Code::bad_request, frame.error().text, now_);
        return;
      }
      if (!frame->has_value()) break;
      on_control_frame(link, **frame);
    }
  }
  link.control_in->consumed();
}

void NodeImpl::on_control_frame(Link& link, const wire::ControlFrame& frame) {
  if (std::holds_alternative<wire::Hello>(frame)) {
    if (!link.announced) announce(link);
  } else if (const auto* goaway = std::get_if<wire::Goaway>(&frame)) {
    if (++link.goaways > settings_.max_goaways) {
      endpoint_.close(link.id, Code::bad_request, "GOAWAY without end", now_);
      return;
    }
    link.goaway_seen = true;
    link.goaway_limit = goaway->last_accepted;
    pool_.goaway(to_pool(link.id), now_);
    send_waiting(link);
    // What it will not take was never handed to anybody: it goes elsewhere at once.
    std::vector<StreamKey> unseen;
    streams_.for_each([&](NodeStream& stream) {
      if (stream.link != &link || stream.incoming || stream.phase != Phase::sent) return;
      if (!link.goaway_limit || static_cast<std::uint64_t>(stream.quic->id()) > *link.goaway_limit) unseen.push_back(stream.key);
    });
    for (const StreamKey key : unseen) {
      NodeStream* stream = streams_.find(key);
      if (stream != nullptr && !retry(*stream)) fail(*stream, {Code::going_away, "the peer takes no more streams on this connection"}, true);
    }
  } else if (const auto* error = std::get_if<wire::StreamError>(&frame)) {
    if (link.error_texts.size() >= max_error_texts) link.error_texts.erase(link.error_texts.begin()); // the oldest stream's
    link.error_texts[error->stream_id] = error->error;
  }
}

} // namespace kith::node
