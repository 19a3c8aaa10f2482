// SPDX-License-Identifier: GPL-3.0-or-later
// Outgoing streams: a connection from the pool, the header, the reply; sent once more, unseen, when it certainly never ran.
#include "node/node_impl.hpp"

#include <algorithm>

namespace kith::node {

OpenedStream NodeImpl::open(const OpenRequest& request, StreamUser& user) {
  auto [in, out] = make_pipes(slabs_);
  OpenedStream opened{StreamKey::none, std::move(in), std::move(out)};
  opened.key = open(OpenRequest(request), user, opened.in, opened.out);
  return opened;
}

StreamKey NodeImpl::open(const PeerId& identity, StreamRequest&& request, PipePtr in, PipePtr out, StreamUser& user) {
  return open(OpenRequest{std::move(request), identity, {}}, user, std::move(in), std::move(out));
}

StreamKey NodeImpl::open(OpenRequest&& request, StreamUser& user, PipePtr in, PipePtr out) {
  NodeStream& stream = streams_.add();
  ++counts_.opened;
  stream.phase = Phase::waiting;
  stream.kind = request.kind;
  stream.peer = request.peer;
  stream.user = &user;
  stream.in = std::move(in);
  stream.out = std::move(out);
  // A call is kept whole until its reply, to be sent once more if it never ran.
  if (request.kind == StreamKind::call) stream.out->set_limit(settings_.max_call_bytes + small_slab_size);
  stream.outgoing = std::make_unique<Outgoing>();
  stream.identity = find_identity(request.identity);
  stream.outgoing->request = std::move(request);
  if (stream.identity != nullptr) ++stream.identity->streams;
  find_connection_later(stream.key);
  return stream.key;
}

void NodeImpl::find_connection_later(StreamKey key) {
  defer([this, key] {
    if (NodeStream* stream = streams_.find(key); stream != nullptr && stream->phase == Phase::waiting) find_connection(*stream);
  });
}

void NodeImpl::find_connection(NodeStream& stream) {
  const OpenRequest& request = stream.outgoing->request;
  if (stream.identity == nullptr) return fail(stream, no_identity(request.identity), false);
  const Identity& identity = *stream.identity;
  if (const auto ok = may_reach(identity, request.peer); !ok) return fail(stream, ok.error(), false);
  if (streams_.size() > settings_.max_streams || slabs_.bytes_in_use() > settings_.max_buffer_bytes) {
    fail(stream, {Code::busy, streams_.size() > settings_.max_streams ? "max_streams reached" : "max_buffer_bytes reached"}, false);
    return;
  }
  const pool::Key key{request.identity, request.peer, std::string(wire::alpn)};
  if (const auto connection = pool_.reuse(key, now_)) {
    if (Link* link = find_link(static_cast<quic::ConnectionId>(*connection)); link != nullptr && !link->closing) {
      send_header(stream, *link);
      return;
    }
  }
  stream.outgoing->waiter = pool_.want(key, candidates(identity, request.peer, request.addresses), now_, request.deadline);
  stream.outgoing->has_waiter = true;
  waiters_[stream.outgoing->waiter] = stream.key;
}

void NodeImpl::granted(pool::WaiterId waiter, pool::ConnId connection) {
  const auto at = waiters_.find(waiter);
  if (at == waiters_.end()) return;
  NodeStream* stream = streams_.find(at->second);
  waiters_.erase(at);
  if (stream == nullptr || stream->phase != Phase::waiting) return;
  stream->outgoing->has_waiter = false;
  Link* link = find_link(static_cast<quic::ConnectionId>(connection));
  if (link == nullptr || link->closing) { // it went between the grant and this; nothing has left
    find_connection(*stream);
    return;
  }
  send_header(*stream, *link);
}

void NodeImpl::send_header(NodeStream& stream, Link& link) {
  if (link.goaway_seen) { // it came between the grant and this: another connection, once, as for a stream that was refused
    set_deadline(stream, never);
    if (std::exchange(stream.outgoing->retried, true)) {
      fail(stream, {Code::going_away, "the peer takes no more streams on this connection"}, true);
      return;
    }
    find_connection_later(stream.key);
    return;
  }
  const OpenRequest& request = stream.outgoing->request;
  auto opened = endpoint_.open_stream(link.id, stream.in, stream.out);
  if (!opened) {
    if (link.waiting.size() >= max_stream_waiters) {
      std::erase_if(link.waiting, [this](StreamKey key) {
        const NodeStream* waiter = streams_.find(key);
        return waiter == nullptr || waiter->phase != Phase::waiting;
      });
    }
    if (opened.error().code != Code::busy || link.waiting.size() >= max_stream_waiters) {
      fail(stream, opened.error(), false);
      return;
    }
    link.waiting.push_back(stream.key);
    if (stream.credit_by == never) stream.credit_by = now_ + settings_.stream_open_timeout;
    set_deadline(stream, std::min(request.deadline, stream.credit_by));
    return;
  }
  stream.credit_by = never;
  stream.quic = *opened;
  stream.quic->user = static_cast<std::uint64_t>(stream.key);
  stream.link = &link;
  stream.counted_in_pool = true;
  pool_.stream_opened(static_cast<pool::ConnId>(link.id));
  stream.traffic_row = link.traffic_row(request.protocol, request.alias, false);
  stream.phase = Phase::sent;
  stream.outgoing->sent = now_;
  TimePoint deadline = request.deadline;
  if (deadline == never && request.kind == StreamKind::call) deadline = now_ + settings_.call_timeout;
  set_deadline(stream, deadline);
  wire::OpenView open;
  open.kind = request.kind;
  open.protocol = request.protocol;
  open.alias = request.alias;
  open.command = request.command;
  open.content_type = request.content_type;
  if (deadline != never) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - now_).count();
    open.deadline_ms = static_cast<std::uint64_t>(std::max<std::int64_t>(left, 1));
  }
  const Bytes prefix = wire::encode(open);
  stream.prefix_out = prefix.size();
  if (stream.outgoing->retryable) stream.quic->retain(true);
  stream.quic->start_sending(prefix);
  if (std::exchange(stream.wants_writable, false)) stream.quic->want_writable();
}

// The peer gives streams again: those that wait go in their order, as far as that reaches.
void NodeImpl::send_waiting(Link& link) {
  while (!link.waiting.empty()) {
    const StreamKey key = link.waiting.front();
    link.waiting.pop_front();
    NodeStream* stream = streams_.find(key);
    if (stream == nullptr || stream->phase != Phase::waiting) continue;
    send_header(*stream, link);
    if (!link.waiting.empty() && link.waiting.back() == key) { // no more now: it keeps its place
      link.waiting.pop_back();
      link.waiting.push_front(key);
      return;
    }
  }
}

void NodeImpl::on_reply(NodeStream& stream) {
  Bytes scratch;
  const auto decoded = wire::decode_reply(peek_header(*stream.in, scratch));
  if (!decoded) {
    fail(stream, {Code::internal, "the peer's reply is broken: " + decoded.error().text}, false);
    return;
  }
  if (!decoded->has_value()) {
    if (stream.in->finished()) fail(stream, {Code::internal, "the peer ended the stream without a reply"}, true);
    return;
  }
  const wire::Reply& reply = (*decoded)->value;
  if (reply.error) {
    if (reply.error->code == Code::going_away && retry(stream)) return;
    fail(stream, *reply.error, true);
    return;
  }
  stream.header_in += (*decoded)->used;
  stream.in->consume((*decoded)->used);
  stream.quic->consumed();
  stream.phase = Phase::open;
  stream.quic->retain(false);
  stream.user->replied(stream.key, reply.content_type);
}

bool NodeImpl::retry(NodeStream& stream) {
  if (stream.incoming || stream.phase != Phase::sent || stream.outgoing->retried || !stream.outgoing->retryable) return false;
  stream.outgoing->retried = true;
  // The old stream says nothing more, neither way, before its pipes are used again.
  stream.quic->user = 0;
  const quic::StreamPtr old = stream.quic;
  detach_quic(stream);
  old->release_pipes();
  stream.in->consume(stream.in->readable());
  stream.in->reopen();
  stream.header_in = stream.in->committed(); // what the first answer took of the pipe
  stream.out->rewind();
  stream.phase = Phase::waiting;
  set_deadline(stream, never);
  find_connection_later(stream.key);
  return true;
}

} // namespace kith::node
