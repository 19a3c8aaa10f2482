// SPDX-License-Identifier: GPL-3.0-or-later
// Local streams: a program of the owner at one end, a service at the other, their pipes crossed. No connection, no wire octet and no Gate; limits, deadlines,
// drains and the one closed are those of all streams. Users are called in turns of their own, never from inside each other.
#include "node/node_impl.hpp"

#include <algorithm>

namespace kith::node {
namespace {

std::string binding_name(const Identity& identity, const LocalRequest& request) {
  return identity.name + "'s " + request.protocol + "/" + request.alias;
}

/// How somebody else's command is called instead.
std::string call_instead(const Identity& identity, const LocalRequest& request) {
  std::string line = "kith call " + identity.name + " PEER " + request.protocol;
  if (request.alias != BindingSpec::default_alias_name) line += " --alias " + request.alias;
  if (!request.command.empty()) line += " --command " + request.command;
  return line;
}

} // namespace

OpenedStream NodeImpl::open_local(const LocalRequest& request, StreamUser& user) {
  auto [in, out] = make_pipes(slabs_);
  NodeStream& caller = streams_.add();
  ++counts_.opened;
  caller.phase = Phase::waiting;
  caller.kind = request.kind;
  caller.peer = request.identity;
  caller.user = &user;
  caller.in = in;
  caller.out = out;
  if (request.kind == StreamKind::call) caller.out->set_limit(settings_.max_call_bytes + small_slab_size); // a request is written whole
  caller.local = std::make_unique<LocalEnd>();
  caller.identity = find_identity(request.identity);
  if (caller.identity != nullptr) ++caller.identity->streams;
  defer([this, key = caller.key, request] {
    if (NodeStream* late = streams_.find(key); late != nullptr && late->phase == Phase::waiting) offer_local(*late, request);
  });
  return {caller.key, std::move(in), std::move(out)};
}

/// The binding that takes it, perhaps once it has been started; the error says why none does, and what to do.
Result<Binding*> NodeImpl::find_local(Identity* identity, const LocalRequest& request) {
  if (identity == nullptr) return no_identity(request.identity);
  if (stop_by_) return stopping_error();
  if (!identity->online)
    return Error{Code::offline,
                 identity->name + " is offline, and its protocols with it; bring it back with: kith identity-online " + identity->name};
  Binding* binding = find_binding(*identity, request.protocol, request.alias);
  if (binding == nullptr) {
    const bool known = std::any_of(identity->bindings.begin(), identity->bindings.end(),
                                   [&](const auto& each) { return each.first.first == request.protocol && !each.second->removing; });
    return Error{known ? Code::unknown_alias : Code::unknown_protocol,
                 identity->name + " has no binding " + request.protocol + "/" + request.alias + " (kith show-identity " + identity->name + ")"};
  }
  const std::string name = binding_name(*identity, request);
  if (!binding->spec.enabled)
    return Error{Code::offline,
                 name + " is disabled; enable it with: kith configure-protocol " + identity->name + " --protocol " + request.protocol + " --enable"};
  const BindingState state = binding->service != nullptr ? binding->service->state() : binding->state;
  if (state.phase == BindingState::failed) return Error{Code::plugin_failed, name + " has failed: " + state.error};
  if (binding->service == nullptr && binding->spec.provider) return Error{Code::offline, "no program serves " + name + " now"};
  if (binding->starting && !binding->stopping) return binding;
  if (binding->service == nullptr || binding->draining)
    return Error{Code::busy, name + " is not running now (" + std::string(phase_name(state.phase)) + ")"};
  Role least = Role::public_; // for peers; the owner may all
  const CommandScope scope = binding->service->command(request.command, least);
  if (is_for_owner(scope)) return binding;
  if (is_for_peers(scope))
    return Error{Code::unknown_command, (request.command.empty() ? "a stream without a command" : request.command) +
                                            " is for peers; call it at one: " + call_instead(*identity, request)};
  return Error{Code::unknown_command, request.protocol + " has no command " + request.command};
}

void NodeImpl::offer_local(NodeStream& caller, const LocalRequest& request) {
  const auto binding = find_local(caller.identity, request);
  if (!binding) return fail(caller, binding.error(), false);
  if ((*binding)->starting) { // as streams of peers are held
    if (!may_hold((*binding)->held_local, Phase::waiting, &std::pair<StreamKey, LocalRequest>::first))
      return fail(caller, {Code::busy, binding_name(*caller.identity, request) + " is still being started"}, false);
    set_deadline(caller, std::min(request.deadline, now_ + settings_.stream_open_timeout));
    (*binding)->held_local.emplace_back(caller.key, request);
    return;
  }
  if (streams_.size() >= settings_.max_streams || slabs_.bytes_in_use() > settings_.max_buffer_bytes) {
    return fail(caller, {Code::busy, streams_.size() >= settings_.max_streams ? "max_streams reached" : "max_buffer_bytes reached"}, false);
  }
  NodeStream& served = streams_.add();
  served.incoming = true;
  served.phase = Phase::offered;
  served.kind = caller.kind;
  served.identity = caller.identity;
  ++served.identity->streams;
  served.binding = *binding;
  ++served.binding->streams;
  served.user = &served.binding->service->user();
  served.in = caller.out;
  served.out = caller.in;
  served.peer = caller.peer;
  served.local = std::make_unique<LocalEnd>();
  served.local->twin = caller.key;
  caller.local->twin = served.key;
  caller.phase = Phase::sent;
  const TimePoint deadline = request.deadline == never && caller.kind == StreamKind::call ? now_ + settings_.call_timeout : request.deadline;
  set_deadline(caller, deadline);
  IncomingStream incoming;
  incoming.key = served.key;
  incoming.identity = served.identity->id;
  incoming.peer = served.peer;
  incoming.peer_name = served.identity->name;
  incoming.role = Role::owner;
  incoming.kind = served.kind;
  incoming.command = request.command;
  incoming.content_type = request.content_type;
  incoming.deadline = deadline;
  incoming.in = served.in;
  incoming.out = served.out;
  served.user->opened(std::move(incoming));
}

// --- StreamControl: notes for the other end

void NodeImpl::accept_local(NodeStream& served, std::string_view content_type) {
  NodeStream& caller = *streams_.find(served.local->twin);
  caller.phase = Phase::open;
  caller.local->content_type = content_type;
  signal_local(caller, LocalEnd::replied_due);
}

void NodeImpl::produced_local(NodeStream& end) {
  end.local->finished = end.out->finished();
  if (NodeStream* twin = streams_.find(end.local->twin)) signal_local(*twin, LocalEnd::readable_due);
}

void NodeImpl::consumed_local(NodeStream& end) {
  if (end.in->finished() && end.in->outstanding() == 0) signal_local(end, 0); // it may be over now
  NodeStream* twin = streams_.find(end.local->twin);
  if (twin == nullptr || !twin->wants_writable || twin->out->room() == 0) return;
  twin->wants_writable = false;
  signal_local(*twin, LocalEnd::writable_due);
}

// --- turns

void NodeImpl::signal_local(NodeStream& end, std::uint8_t due) {
  end.local->due |= due;
  NodeStream& caller = end.incoming ? *streams_.find(end.local->twin) : end;
  if (std::exchange(caller.local->posted, true)) return;
  defer([this, key = caller.key] { turn_local(key); });
}

void NodeImpl::turn_local(StreamKey key) {
  NodeStream* caller = streams_.find(key);
  if (caller == nullptr || caller->phase == Phase::over) return;
  caller->local->posted = false;
  NodeStream& served = *streams_.find(caller->local->twin);
  // Nothing ends inside of these: users only leave notes.
  deliver_local(served);
  deliver_local(*caller);
  if (caller->phase != Phase::open || !caller->local->finished || !served.local->finished || caller->local->due != 0 || served.local->due != 0)
    return;
  // What came is read first, as on other streams; whoever has answered a call need not have read.
  if (caller->in->outstanding() != 0 || (caller->kind == StreamKind::stream && caller->out->outstanding() != 0)) return;
  const std::uint64_t there = caller->out->committed();
  const std::uint64_t back = caller->in->committed();
  finish(served, {true, {}, false, back, there});
  finish(*caller, {true, {}, false, there, back});
}

void NodeImpl::deliver_local(NodeStream& end) {
  const std::uint8_t due = std::exchange(end.local->due, std::uint8_t{0});
  if ((due & LocalEnd::replied_due) != 0) end.user->replied(end.key, end.local->content_type);
  // The program hears of octets after the reply only, as of those that come over the wire.
  if ((due & LocalEnd::readable_due) != 0 && (end.incoming || end.phase == Phase::open)) end.user->readable(end.key);
  if ((due & LocalEnd::writable_due) != 0) end.user->writable(end.key);
}

/// Ends both: `end` with the error as its own (or, `remote`, the other's), the other one as told by it.
void NodeImpl::fail_local(NodeStream& end, const Error& error, bool remote) {
  const StreamKey other = end.local->twin;
  const auto conclude = [&](NodeStream& each, bool by_other) {
    const bool owes_reply = !each.incoming && each.phase != Phase::open;
    if (owes_reply) {
      each.user->replied(each.key, error);
    } else if ((each.local->due & LocalEnd::replied_due) != 0) {
      deliver_local(each);
    }
    finish(each, {false, error, by_other, each.out->committed(), each.in->committed()});
  };
  conclude(end, remote);
  if (NodeStream* twin = streams_.find(other); twin != nullptr && twin->phase != Phase::over) conclude(*twin, true);
}

} // namespace kith::node
