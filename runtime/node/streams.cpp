// SPDX-License-Identifier: GPL-3.0-or-later
// What incoming and outgoing streams have in common: signals, limits, deadlines, and their one end.
#include "node/node_impl.hpp"

#include <algorithm>
#include <cassert>

namespace kith::node {

// --- StreamTable

NodeStream& StreamTable::add() {
  auto made = std::make_unique<NodeStream>();
  NodeStream& stream = *made;
  stream.key = static_cast<StreamKey>(table_.insert(std::move(made)));
  return stream;
}

NodeStream* StreamTable::find(StreamKey key) noexcept {
  const std::unique_ptr<NodeStream>* found = table_.find(static_cast<std::uint64_t>(key));
  return found != nullptr ? found->get() : nullptr;
}

// --- deadlines

static constexpr Duration unheard_margin = std::chrono::seconds(1); ///< For the answer to a keep-alive.

void NodeImpl::set_deadline(NodeStream& stream, TimePoint at) {
  if (stream.in_deadlines) deadlines_.erase(deadlines_.iterator_to(stream));
  stream.deadline = at;
  stream.in_deadlines = at != never;
  if (stream.in_deadlines) deadlines_.insert(deadlines_.end(), stream); // most are later than all others: the end is a good place to look first
}

void NodeImpl::on_stream_deadlines() {
  while (!deadlines_.empty() && deadlines_.begin()->deadline <= now_) {
    NodeStream& stream = *deadlines_.begin();
    set_deadline(stream, never);
    on_stream_deadline(stream);
  }
}

/// While it has a stream, a peer that is there is heard at every keep-alive, whatever its service does.
Error NodeImpl::deadline_error(const NodeStream& stream) const {
  Error error{Code::timeout, "the deadline passed"};
  if (stream.link == nullptr || !stream.outgoing) return error;
  const TimePoint heard = endpoint_.heard_at(stream.link->id);
  if (now_ - std::max(heard, stream.outgoing->sent) < settings_.quic.keep_alive + unheard_margin) return error;
  error.text += "; nothing has come from the peer for " + std::to_string(std::chrono::round<std::chrono::seconds>(now_ - heard).count()) + " s";
  return error;
}

void NodeImpl::on_stream_deadline(NodeStream& stream) {
  switch (stream.phase) {
    case Phase::header:
      --stream.link->headerless;
      stream.phase = Phase::over;
      stream.quic->reset(static_cast<std::uint64_t>(Code::bad_request));
      stream.quic->stop_sending(static_cast<std::uint64_t>(Code::bad_request));
      return;
    case Phase::held: refuse(stream, Code::busy, "this protocol is still being started here"); return;
    case Phase::waiting:
      fail(stream,
           stream.local ? Error{Code::busy, "this protocol is still being started"} : Error{Code::unreachable, "no answer before the deadline"},
           false);
      return;
    case Phase::offered:
    case Phase::sent:
    case Phase::open:
      // Whoever is there acknowledges at once. The next call need not wait on the same silence: there may be another way.
      if (stream.outgoing && stream.link != nullptr && endpoint_.heard_at(stream.link->id) <= stream.outgoing->sent)
        pool_.unanswered(static_cast<pool::ConnId>(stream.link->id), now_);
      fail(stream, deadline_error(stream), false);
      return;
    case Phase::unread:
      if (now_ >= stream.last_deadline) return fail(stream, {Code::timeout, "the deadline passed"}, false);
      if (stream.in->outstanding() < stream.unread) return look_at_unread(stream);
      fail(stream, {Code::too_slow, "it has ended, and the rest was not read"}, false);
      return;
    case Phase::over: return;
  }
}

// --- StreamControl: takes notes and tells QUIC; users are called from service() only

void NodeImpl::accept(StreamKey key, std::string_view content_type) {
  NodeStream* stream = streams_.find(key);
  if (stream == nullptr || stream->phase != Phase::offered) return;
  stream->phase = Phase::open;
  ++counts_.accepted;
  if (stream->local) return accept_local(*stream, content_type);
  Bytes prefix;
  if (!stream->raw) prefix = wire::encode(wire::Reply{std::nullopt, std::string(content_type)});
  stream->prefix_out = prefix.size();
  stream->quic->start_sending(prefix);
  want_service();
}

void NodeImpl::reject(StreamKey key, Code code, std::string_view text) {
  NodeStream* stream = streams_.find(key);
  if (stream == nullptr || stream->phase != Phase::offered) return;
  if (stream->local) return reset(key, code, text);
  StreamUser* user = stream->user;
  count_down(*stream);
  refuse(*stream, code, text);
  StreamEnd end{false, {code, std::string(text)}, false, 0, stream->quic->in()->committed() - stream->header_in};
  defer([user, key, end = std::move(end)] { user->closed(key, end); });
}

void NodeImpl::produced(StreamKey key) {
  NodeStream* stream = streams_.find(key);
  if (stream == nullptr || stream->phase == Phase::over) return;
  if (stream->kind == StreamKind::call && stream->out->committed() > settings_.max_call_bytes) {
    defer([this, key] {
      if (NodeStream* late = streams_.find(key); late != nullptr && late->phase != Phase::over) {
        fail(*late, {Code::too_large, "more than max_call_bytes (" + std::to_string(settings_.max_call_bytes) + ")"}, false);
      }
    });
    return;
  }
  if (stream->local) return produced_local(*stream);
  if (!stream->quic || stream->phase == Phase::offered) return; // it goes out with the header, or with the reply
  // A stream keeps its first octets until its reply; one that sent more than that can't be sent again.
  if (stream->phase == Phase::sent && stream->kind == StreamKind::stream && stream->outgoing->retryable &&
      stream->out->outstanding() >= settings_.max_resend_bytes) {
    stream->outgoing->retryable = false;
    stream->quic->retain(false);
  }
  stream->quic->produced();
  want_service();
}

void NodeImpl::consumed(StreamKey key) {
  NodeStream* stream = streams_.find(key);
  if (stream != nullptr && stream->local) return consumed_local(*stream);
  if (stream != nullptr && stream->phase == Phase::unread && stream->in->outstanding() == 0) {
    return defer([this, key] {
      if (NodeStream* late = streams_.find(key); late != nullptr && late->phase == Phase::unread) {
        finish(*late, {true, {}, false, late->sent, late->octets_received()});
      }
    });
  }
  if (stream == nullptr || !stream->quic) return;
  stream->quic->consumed();
  want_service();
}

void NodeImpl::want_writable(StreamKey key) {
  NodeStream* stream = streams_.find(key);
  if (stream == nullptr || stream->phase == Phase::over) return;
  produced(key); // the room that is missing may be held for a resend
  if (stream->quic) {
    stream->quic->want_writable();
  } else if (stream->out->room() != 0) {
    defer([this, key] {
      if (NodeStream* late = streams_.find(key); late != nullptr && late->user != nullptr && late->phase != Phase::over) late->user->writable(key);
    });
  } else {
    stream->wants_writable = true;
  }
  want_service();
}

void NodeImpl::set_urgency(StreamKey key, std::uint8_t urgency) {
  NodeStream* stream = streams_.find(key);
  if (stream != nullptr && stream->quic) stream->quic->set_urgency(urgency);
}

void NodeImpl::reset(StreamKey key, Code code, std::string_view text) {
  NodeStream* stream = streams_.find(key);
  if (stream == nullptr || stream->phase == Phase::over) return;
  defer([this, key, error = Error{code, std::string(text)}] {
    if (NodeStream* late = streams_.find(key); late != nullptr && late->phase != Phase::over) fail(*late, error, false);
  });
}

// --- signals of QUIC

void NodeImpl::on_stream_event(const quic::Event& event) {
  const quic::StreamPtr& quic = event.stream;
  Link* link = find_link(event.connection);
  if (!quic->bidirectional()) {
    if (link != nullptr && !quic->local()) on_uni_stream(*link, quic);
    return;
  }
  if (event.signals.opened && link != nullptr) on_incoming(*link, quic);
  NodeStream* stream = streams_.find(static_cast<StreamKey>(quic->user));
  if (stream == nullptr || stream->quic != quic) return;
  const StreamKey key = stream->key;
  if (event.signals.readable) on_readable(*stream);
  stream = streams_.find(key);
  if (stream == nullptr || stream->quic != quic) return;
  if (stream->phase == Phase::header && !stream->in_deadlines) set_deadline(*stream, now_ + settings_.header_timeout); // most come whole
  // A peer that reads no further has given up on its call or stream; to an opener it says only that its request need not be sent to the end.
  const bool abandoned = event.signals.stopped && stream->incoming && !quic->fin_sent();
  if ((event.signals.reset || abandoned) && stream->phase != Phase::over) {
    on_peer_gave_up(*stream, event.signals.reset ? quic->reset_code() : quic->stop_code());
    stream = streams_.find(key);
    if (stream == nullptr || stream->quic != quic) return;
  }
  if (event.signals.too_slow && stream->phase != Phase::over) {
    if (stream->phase == Phase::header) --stream->link->headerless;
    fail(*stream, {Code::too_slow, "its octets stood still, and others need the room (max_parked_bytes, max_buffer_bytes)"}, false);
    stream = streams_.find(key);
    if (stream == nullptr || stream->quic != quic) return;
  }
  if (event.signals.writable && stream->user != nullptr && stream->phase != Phase::over) stream->user->writable(key);
  stream = streams_.find(key);
  if (event.signals.closed && stream != nullptr && stream->quic == quic) on_quic_closed(*stream, event.signals.lost);
}

void NodeImpl::on_peer_gave_up(NodeStream& stream, std::uint64_t code) {
  Error error{code == 0 ? Code::cancelled : static_cast<Code>(code), ""};
  if (Link* link = stream.link) {
    if (link->control_in) on_control_data(*link); // its text may stand there, behind the reset
    const auto text = link->error_texts.find(static_cast<std::uint64_t>(stream.quic->id()));
    if (text != link->error_texts.end()) error.text = text->second.text;
    if (stream.phase == Phase::header) --link->headerless;
  }
  if (error.code != Code::going_away || !retry(stream)) fail(stream, std::move(error), true);
}

std::string NodeImpl::call_limit_text() const { return "more than max_call_bytes (" + std::to_string(settings_.max_call_bytes) + ")"; }

bool NodeImpl::within_call_limit(const NodeStream& stream) const {
  return stream.kind != StreamKind::call || stream.raw || stream.in->committed() <= settings_.max_call_bytes + stream.header_in;
}

void NodeImpl::on_readable(NodeStream& stream) {
  const StreamKey key = stream.key;
  const bool known = stream.phase == Phase::offered || stream.phase == Phase::open; // else its user learns of what came with opened or replied
  if (stream.phase == Phase::header) {
    on_header(stream);
  } else if (stream.phase == Phase::sent) {
    on_reply(stream);
  } else if (stream.phase == Phase::over) {
    stream.quic->in()->consume(stream.quic->in()->readable());
    stream.quic->consumed();
    return;
  }
  NodeStream* still = streams_.find(key);
  if (still != &stream || (stream.phase != Phase::offered && stream.phase != Phase::open)) return;
  if (!within_call_limit(stream)) {
    fail(stream, {Code::too_large, call_limit_text()}, false);
    return;
  }
  if (known && stream.user != nullptr) stream.user->readable(key);
}

void NodeImpl::on_quic_closed(NodeStream& stream, bool lost) {
  if (stream.phase == Phase::over) {
    free_stream(stream);
    return;
  }
  if (lost && (stream.phase == Phase::sent || stream.phase == Phase::waiting)) {
    // Nothing of it can have run: the peer was restarted and saw only this, or said that it would not take it.
    const bool unseen = stream.link != nullptr && stream.link->reason.stateless_reset && stream.quic->only_in_last_packet();
    const bool refused = stream.link != nullptr && stream.link->goaway_seen &&
                         (!stream.link->goaway_limit || static_cast<std::uint64_t>(stream.quic->id()) > *stream.link->goaway_limit);
    if ((unseen || refused) && retry(stream)) return;
  }
  if (stream.phase == Phase::header || stream.phase == Phase::held) {
    if (stream.phase == Phase::header) --stream.link->headerless;
    stream.phase = Phase::over;
    free_stream(stream);
    return;
  }
  const std::uint64_t received = stream.octets_received();
  const std::uint64_t sent = stream.octets_sent();
  // A call has its answer with the peer's FIN, whatever becomes of the connection then; a stream is over when both directions are.
  const bool whole =
      stream.kind == StreamKind::call && !stream.incoming ? stream.phase == Phase::open : !lost && stream.quic->fin_sent() && !stream.quic->stopped();
  if (stream.in->finished() && whole) {
    const bool answered = stream.kind == StreamKind::call && stream.incoming; // whoever has answered need not have read
    if (!answered && stream.in->outstanding() != 0) return keep_unread(stream, sent);
    finish(stream, {true, {}, false, sent, received});
  } else if (lost) {
    Error error{Code::connection_lost, "the connection was lost"};
    if (stream.link != nullptr && !stream.link->reason.error.text.empty()) error.text = stream.link->reason.error.text;
    if (stream.link != nullptr && stream.phase == Phase::sent) {
      // What an acceptor says of a key, before it looks at any stream; and nobody says `denied` of a stream that he has taken (docs/wire.md).
      const Code said = stream.link->reason.error.code;
      const bool refused = stream.link->refuses() && (said == Code::offline || said == Code::unsupported_version);
      if (refused || said == Code::denied) error.code = said;
    }
    fail(stream, std::move(error), true, true);
  } else {
    fail(stream, {static_cast<Code>(stream.quic->stop_code() != 0 ? stream.quic->stop_code() : static_cast<std::uint64_t>(Code::cancelled)), ""},
         true, true);
  }
}

// --- the end

void NodeImpl::fail(NodeStream& stream, Error error, bool remote, bool quiet) {
  if (stream.phase == Phase::over) return;
  ++counts_.failed;
  if (stream.local) return fail_local(stream, error, remote);
  if (stream.outgoing && stream.outgoing->has_waiter) {
    pool_.cancel(stream.outgoing->waiter);
    waiters_.erase(stream.outgoing->waiter);
    stream.outgoing->has_waiter = false;
  }
  StreamUser* user = stream.user;
  const StreamKey key = stream.key;
  const bool owes_reply = !stream.incoming && (stream.phase == Phase::waiting || stream.phase == Phase::sent);
  StreamEnd end{false, error, remote, 0, 0};
  if (stream.quic && !owes_reply) {
    end.sent = stream.octets_sent();
    end.received = stream.octets_received();
  } else if (stream.phase == Phase::unread) {
    end.sent = stream.sent;
    end.received = stream.octets_received();
  }
  if (stream.quic && !quiet && !stream.quic->gone()) {
    if (stream.phase == Phase::offered) {
      // Not answered yet: it can still be told with an error reply.
      count_down(stream);
      refuse(stream, error.code, error.text);
      if (user != nullptr) user->closed(key, end);
      return;
    }
    if (!error.text.empty() && stream.link != nullptr && !remote) send_error_text(*stream.link, static_cast<std::uint64_t>(stream.quic->id()), error);
    const auto code = static_cast<std::uint64_t>(remote ? Code::cancelled : error.code);
    stream.quic->reset(code);
    stream.quic->stop_sending(code);
  }
  if (owes_reply && user != nullptr) user->replied(key, error);
  finish(stream, end);
}

void NodeImpl::finish(NodeStream& stream, const StreamEnd& end) {
  const StreamKey key = stream.key;
  StreamUser* user = std::exchange(stream.user, nullptr);
  set_deadline(stream, never);
  if (stream.incoming && stream.phase != Phase::over) count_down(stream);
  if (stream.phase == Phase::unread) leave_unread(stream);
  stream.phase = Phase::over;
  if (stream.quic) stream.quic->retain(false);
  const bool quic_done = !stream.quic || stream.quic->gone();
  if (user != nullptr) user->closed(key, end);
  if (quic_done) {
    if (NodeStream* still = streams_.find(key)) free_stream(*still);
  }
}

// A receiver is at its end when the octets are read, not when they have come (RFC 9000 §3.2): what a slow reader has not read yet outlives QUIC's stream, and
// its connection. All of these together may hold what one connection may. No peer can count on it: one that leaves streams behind pays with its own first, and
// a service that has forgotten one must not keep it.
void NodeImpl::keep_unread(NodeStream& stream, std::uint64_t sent) {
  detach_quic(stream);
  stream.phase = Phase::unread;
  stream.sent = sent;
  stream.last_deadline = stream.deadline;
  unread_[stream.peer].streams.push_back(stream);
  look_at_unread(stream);
  while (unread_held_ > settings_.quic.max_parked_bytes) drop_unread();
}

void NodeImpl::look_at_unread(NodeStream& stream) {
  stream.unread = stream.in->outstanding();
  const std::uint64_t held = unread_cost + stream.in->slab_bytes() + stream.out->slab_bytes();
  const std::uint64_t before = std::exchange(stream.held, held);
  unread_held_ += held - before;
  unread_[stream.peer].held += held - before;
  if (stream.incoming) set_deadline(stream, std::min(stream.last_deadline, now_ + settings_.unread_timeout));
  else set_deadline(stream, stream.last_deadline); // what the owner's program asked for may wait for it
}

void NodeImpl::leave_unread(NodeStream& stream) {
  const auto of_peer = unread_.find(stream.peer);
  unread_held_ -= stream.held;
  of_peer->second.held -= stream.held;
  of_peer->second.streams.erase(of_peer->second.streams.iterator_to(stream));
  if (of_peer->second.streams.empty()) unread_.erase(of_peer);
}

void NodeImpl::drop_unread() {
  const auto most = std::ranges::max_element(unread_, {}, [](const auto& entry) { return entry.second.held; });
  fail(most->second.streams.front(), {Code::too_slow, "it was not read in time, and others need the room (max_parked_bytes)"}, false);
}

// An incoming stream leaves its binding.
void NodeImpl::count_down(NodeStream& stream) {
  Binding* binding = std::exchange(stream.binding, nullptr);
  if (binding == nullptr) return;
  if (--binding->streams == 0 && binding->draining) defer([this] { check_drains(); });
}

void NodeImpl::detach_quic(NodeStream& stream) {
  if (stream.link != nullptr) {
    if (stream.quic) stream.link->error_texts.erase(static_cast<std::uint64_t>(stream.quic->id()));
    if (stream.counted_in_pool) pool_.stream_ended(static_cast<pool::ConnId>(stream.link->id), now_);
    if (stream.traffic_row && stream.quic) {
      Traffic& row = stream.link->traffic[*stream.traffic_row];
      row.sent += stream.octets_sent();
      row.received += stream.octets_received();
    }
  }
  stream.traffic_row.reset();
  stream.counted_in_pool = false;
  stream.link = nullptr;
  stream.quic.reset();
}

void NodeImpl::free_stream(NodeStream& stream) {
  set_deadline(stream, never);
  detach_quic(stream);
  if (Identity* identity = std::exchange(stream.identity, nullptr)) {
    if (--identity->streams == 0 && identity->draining) defer([this] { check_drains(); });
  }
  streams_.erase(stream.key);
}

} // namespace kith::node
