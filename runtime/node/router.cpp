// SPDX-License-Identifier: GPL-3.0-or-later
// Incoming streams: header, Gate, binding, user. Nothing of a plugin runs before the Gate has said yes.
#include "node/node_impl.hpp"

#include <algorithm>

namespace kith::node {
namespace {

// A header may lie across two slabs; it is small.
ByteView contiguous(Pipe& pipe, Bytes& scratch, std::size_t most) {
  std::array<ByteView, 4> pieces;
  const std::size_t count = pipe.peek(pieces);
  if (count == 0) return {};
  if (count == 1 || pieces[0].size() >= most) return pieces[0];
  scratch.clear();
  for (std::size_t i = 0; i < count && scratch.size() < most; ++i) scratch.insert(scratch.end(), pieces[i].begin(), pieces[i].end());
  return scratch;
}

constexpr std::size_t header_window = wire::max_header_size + 8; // and its length

} // namespace

ByteView peek_header(Pipe& pipe, Bytes& scratch) { return contiguous(pipe, scratch, header_window); }

void NodeImpl::on_incoming(Link& link, const quic::StreamPtr& quic) {
  Identity* identity = find_identity(link.identity);
  // Refused without a trace of ours: nobody's count, nobody's memory but QUIC's.
  const bool raw = link.alpn != wire::alpn;
  if (identity == nullptr || !identity->online || link.goaway_sent || link.closing) {
    refuse_unseen(quic, raw, Code::going_away, "");
    return;
  }
  if (!link.announced) announce(link);         // its first stream shows that the dialer uses the connection
  if (!link.announced || link.refused) return; // nothing may run on a connection that is closed for what it is
  if (link.headerless >= settings_.max_headerless_streams || streams_.size() >= settings_.max_streams ||
      slabs_.bytes_in_use() > settings_.max_buffer_bytes) {
    refuse_unseen(quic, raw, Code::busy, "");
    return;
  }
  NodeStream& stream = streams_.add();
  ++counts_.opened;
  quic->user = static_cast<std::uint64_t>(stream.key);
  stream.incoming = true;
  stream.raw = raw;
  stream.kind = StreamKind::stream;
  stream.identity = identity;
  ++identity->streams;
  stream.link = &link;
  stream.peer = link.peer;
  stream.quic = quic;
  stream.in = quic->in();
  stream.out = quic->out();
  stream.counted_in_pool = true;
  pool_.stream_opened(static_cast<pool::ConnId>(link.id));
  link.last_accepted = std::max(link.last_accepted.value_or(0), static_cast<std::uint64_t>(quic->id()));
  if (stream.raw) {
    route(stream, {});
    return;
  }
  ++link.headerless;
}

void NodeImpl::on_header(NodeStream& stream) {
  Bytes scratch;
  const auto decoded = wire::decode_open(peek_header(*stream.in, scratch));
  if (decoded && !decoded->has_value()) {
    if (!stream.in->finished()) return;
    --stream.link->headerless;
    refuse(stream, Code::bad_request, "the stream ended in its header");
    return;
  }
  --stream.link->headerless;
  set_deadline(stream, never);
  if (!decoded) {
    if (decoded.error().code == Code::unsupported_version) {
      const wire::Reply reply = wire::unsupported_version_reply();
      refuse(stream, reply.error->code, reply.error->text);
    } else {
      refuse(stream, decoded.error().code, decoded.error().text);
    }
    return;
  }
  stream.header_in = (*decoded)->used;
  stream.in->consume(stream.header_in); // a slab goes back with the next octets that are read: the header stays until its user reads
  stream.quic->consumed();
  stream.kind = (*decoded)->value.kind;
  route(stream, (*decoded)->value);
}

access::Subject NodeImpl::subject(const Identity& identity, const PeerId& peer) const {
  access::Subject out;
  out.peer = peer;
  const auto at = identity.peers.find(peer);
  if (at == identity.peers.end()) return out;
  out.known = true;
  out.role = at->second.role;
  out.blocked = at->second.blocked;
  out.groups = at->second.groups;
  return out;
}

void NodeImpl::route(NodeStream& stream, const wire::OpenView& open) {
  Identity& identity = *stream.identity;
  const access::Subject who = subject(identity, stream.peer);
  Binding* binding = nullptr;
  bool protocol_known = false;
  for (const auto& [key, candidate] : identity.bindings) {
    if (!candidate->spec.enabled || candidate->removing) continue;
    if (stream.raw) {
      const auto& alpns = candidate->spec.alpn;
      if (std::find(alpns.begin(), alpns.end(), stream.link->alpn) != alpns.end()) binding = candidate.get();
      continue;
    }
    if (key.first != open.protocol) continue;
    protocol_known = true;
    if (key.second == open.alias) binding = candidate.get();
  }
  // To somebody without a role, all of these are one answer; the owner's log has the detail.
  const auto no = [&](Code code, std::string_view text, std::string_view reason) {
    ++counts_.refused;
    const std::string name = identity.name + "/" + std::string(open.protocol) + "/" + std::string(open.alias);
    observer_.refused(identity.id, stream.peer, name, reason);
    if (!who.known || who.blocked) {
      refuse(stream, Code::denied, "");
    } else {
      refuse(stream, code, text);
    }
  };
  if (binding == nullptr) {
    if (protocol_known) {
      no(Code::unknown_alias, "no binding of " + std::string(open.protocol) + " is called " + std::string(open.alias), "unknown alias");
    } else {
      no(Code::unknown_protocol, "no such protocol here: " + std::string(open.protocol), "unknown protocol");
    }
    return;
  }
  Role least = Role::public_;
  const CommandScope scope = binding->service != nullptr ? binding->service->command(open.command, least) : CommandScope::remote;
  const access::Decision decision = access::decide(binding->policy, who, least);
  if (!decision.allow) {
    no(Code::denied, "", decision.reason);
    return;
  }
  if (!is_for_peers(scope)) {
    no(Code::unknown_command, std::string(open.protocol) + " has no such command for peers: " + std::string(open.command),
       "unknown or local command");
    return;
  }
  if (binding->starting) {
    if (!may_hold(binding->held, Phase::held, &Binding::Held::key)) return refuse(stream, Code::busy, "this protocol is still being started here");
    stream.phase = Phase::held;
    set_deadline(stream, now_ + settings_.stream_open_timeout);
    binding->held.push_back({stream.key, wire::copy(open), now_});
    return;
  }
  if (binding->service == nullptr || binding->draining) {
    // Not running: it failed, or its program is not there now. Nothing ran.
    refuse(stream, binding->spec.provider ? Code::offline : Code::busy,
           binding->spec.provider ? "no program serves this now" : "this protocol is not running here now");
    return;
  }
  stream.least = least;
  offer(stream, *binding, decision, open);
}

/// A start was answered: what came meanwhile (a peer that calls the moment we are back) goes where it would have gone.
void NodeImpl::release_held(const PeerId& id, const BindingKey& key) {
  Identity* identity = find_identity(id);
  if (identity == nullptr) return;
  const auto at = identity->bindings.find(key);
  if (at == identity->bindings.end()) return;
  for (auto& [held, open, since] : std::exchange(at->second->held, {})) {
    NodeStream* stream = streams_.find(held);
    if (stream == nullptr || stream->phase != Phase::held) continue;
    set_deadline(*stream, never);
    if (open.deadline_ms) { // it has been running all the time
      const auto waited = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now_ - since).count());
      *open.deadline_ms -= std::min(*open.deadline_ms, waited);
    }
    route(*stream, open);
  }
  for (const auto& [held, request] : std::exchange(at->second->held_local, {})) {
    NodeStream* stream = streams_.find(held);
    if (stream == nullptr || stream->phase != Phase::waiting) continue;
    set_deadline(*stream, never);
    offer_local(*stream, request);
  }
}

void NodeImpl::offer(NodeStream& stream, Binding& binding, const access::Decision& decision, const wire::OpenView& open) {
  if (!within_call_limit(stream)) return refuse(stream, Code::too_large, call_limit_text()); // it came whole with its header
  stream.binding = &binding;
  ++binding.streams;
  stream.phase = Phase::offered;
  stream.user = &binding.service->user();
  stream.quic->set_binding(binding.number);
  stream.traffic_row = stream.link->traffic_row(binding.key.first, binding.key.second, true);
  IncomingStream incoming;
  incoming.key = stream.key;
  incoming.identity = stream.identity->id;
  incoming.peer = stream.peer;
  if (const auto known = stream.identity->peers.find(stream.peer); known != stream.identity->peers.end()) incoming.peer_name = known->second.name;
  incoming.role = decision.role;
  incoming.kind = stream.kind;
  incoming.command = open.command;
  incoming.content_type = open.content_type;
  if (open.deadline_ms) {
    constexpr std::uint64_t longest_ms = 30ULL * 24 * 3600 * 1000; // a month: past it a deadline says nothing
    incoming.deadline = now_ + std::chrono::milliseconds(std::min(*open.deadline_ms, longest_ms));
    set_deadline(stream, incoming.deadline);
  }
  incoming.in = stream.in;
  incoming.out = stream.out;
  stream.user->opened(std::move(incoming));
}

void NodeImpl::refuse(NodeStream& stream, Code code, std::string_view text) {
  set_deadline(stream, never);
  stream.user = nullptr;
  stream.phase = Phase::over;
  refuse_unseen(stream.quic, stream.raw, code, text);
}

void NodeImpl::refuse_unseen(const quic::StreamPtr& quic, bool raw, Code code, std::string_view text) {
  const auto number = static_cast<std::uint64_t>(code);
  if (raw) {
    quic->reset(number);
  } else {
    quic->out()->finish();
    quic->start_sending(wire::encode(wire::Reply{Error{code, std::string(text)}, {}}));
  }
  quic->stop_sending(number);
  want_service();
}

// Whether anything here could ever let this peer in: a stranger whom nothing admits costs no more than its handshake.
bool NodeImpl::admissible(const Identity& identity, const PeerId& peer) const {
  const access::Subject who = subject(identity, peer);
  if (who.blocked) return false;
  if (who.known) return true;
  return std::any_of(identity.bindings.begin(), identity.bindings.end(), [&](const auto& entry) {
    const Binding& binding = *entry.second;
    return binding.spec.enabled && access::decide(binding.policy, who, Role::public_).allow;
  });
}

// After any change of policy, role or YAML: streams that would be refused now end now.
void NodeImpl::re_evaluate(Identity& identity) {
  std::vector<StreamKey> denied;
  streams_.for_each([&](NodeStream& stream) {
    if (stream.identity != &identity || !stream.incoming || stream.binding == nullptr || stream.local) return;
    if (!access::decide(stream.binding->policy, subject(identity, stream.peer), stream.least).allow) denied.push_back(stream.key);
  });
  for (const StreamKey key : denied) {
    defer([this, key] { // not `denied`, which says that nothing ran: a service is at it
      if (NodeStream* stream = streams_.find(key); stream != nullptr && stream->phase != Phase::over)
        fail(*stream, {Code::cancelled, "not allowed any more"}, false);
    });
  }
}

} // namespace kith::node
