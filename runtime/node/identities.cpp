// SPDX-License-Identifier: GPL-3.0-or-later
// Identities: who is here, online and offline, and the drain of them and of their bindings.
#include "node/node_impl.hpp"

#include <algorithm>

namespace kith::node {

Error stopping_error() { return {Code::shutting_down, "the daemon is stopping"}; }

Error no_identity(const PeerId& id) { return {Code::unknown_identity, "no such identity here: " + id.text()}; }

Identity* NodeImpl::find_identity(const PeerId& id) noexcept {
  const auto at = identities_.find(id);
  return at == identities_.end() ? nullptr : at->second.get();
}

const Identity* NodeImpl::find_identity(const PeerId& id) const noexcept {
  const auto at = identities_.find(id);
  return at == identities_.end() ? nullptr : at->second.get();
}

Result<void> NodeImpl::add_identity(const IdentitySpec& spec) {
  if (identities_.contains(spec.id)) return bad_request("the identity is here already: " + spec.id.text());
  if (auto added = endpoint_.add_key({spec.id, spec.seed}); !added) return added.error();
  auto identity = std::make_unique<Identity>();
  identity->id = spec.id;
  identity->name = spec.name;
  identity->listen = spec.listen;
  for (const PeerSpec& peer : spec.peers) identity->peers[peer.id] = peer;
  Identity& added = *identities_.emplace(spec.id, std::move(identity)).first->second;
  for (const BindingSpec& binding : spec.bindings) put_binding(added.id, binding, [](const Result<void>&) {});
  return {};
}

void NodeImpl::serve(Identity& identity) {
  std::vector<std::string> alpns{std::string(wire::alpn)};
  for (const auto& [key, binding] : identity.bindings) {
    if (binding->spec.enabled && !binding->removing) alpns.insert(alpns.end(), binding->spec.alpn.begin(), binding->spec.alpn.end());
  }
  static_cast<void>(endpoint_.serve(identity.id, std::move(alpns))); // its key was taken by add_identity
}

Result<void> NodeImpl::set_online(const PeerId& id) {
  Identity* identity = find_identity(id);
  if (identity == nullptr || identity->removing) return no_identity(id);
  if (stop_by_) return stopping_error();
  if (identity->online) return {};
  std::vector<SocketId> opened;
  for (std::size_t i = identity->sockets.size(); i < identity->listen.size(); ++i) {
    auto socket = world_.udp().open(identity->listen[i], *this);
    if (!socket) {
      for (const SocketId other : opened) world_.udp().close(other);
      return socket.error();
    }
    opened.push_back(*socket);
  }
  identity->sockets.insert(identity->sockets.end(), opened.begin(), opened.end());
  identity->online = true;
  identity->draining = false;
  identity->finishing = false;
  for (auto& drained : std::exchange(identity->drained, {})) defer(std::move(drained));
  serve(*identity);
  for (const auto& [key, binding] : identity->bindings) {
    if (binding->spec.enabled && !binding->removing && !binding->owned && (!binding->starting || binding->stopping)) {
      start_when_stopped(*binding, [](const Result<void>&) {});
    }
  }
  want_service();
  return {};
}

Result<void> NodeImpl::set_offline(const PeerId& id, TimePoint drain_until, std::function<void()> drained) {
  Identity* identity = find_identity(id);
  if (identity == nullptr) return no_identity(id);
  now_ = world_.now();
  if (!identity->online && !identity->draining) {
    if (drained) defer(std::move(drained));
    return {};
  }
  identity->online = false;
  identity->draining = true;
  identity->drain_until = stop_by_ ? std::min(*stop_by_, drain_until) : drain_until;
  if (drained) identity->drained.push_back(std::move(drained));
  endpoint_.stop_serving(id);
  close_unproven(id, nullptr, Code::offline);
  const Error why = stop_by_ ? stopping_error() : Error{Code::offline, "the identity went offline"};
  pool_.identity_offline(id, why, drain_until, now_);
  streams_.for_each([&](NodeStream& stream) {
    if (stream.identity != identity || stream.phase != Phase::waiting) return;
    defer([this, key = stream.key, why] {
      if (NodeStream* late = streams_.find(key); late != nullptr && late->phase == Phase::waiting) fail(*late, why, false);
    });
  });
  defer([this] { check_drains(); });
  return {};
}

void NodeImpl::check_drains() {
  std::vector<Identity*> ready;
  next_drain_ = never;
  for (const auto& [id, identity] : identities_) {
    if (identity->draining && !identity->finishing) {
      if (identity->streams == 0) {
        ready.push_back(identity.get());
      } else if (now_ >= identity->drain_until) {
        identity->drain_until = never;
        end_streams(*identity, nullptr, stop_by_ ? stopping_error() : Error{Code::shutting_down, "the identity went offline"});
      }
    }
    for (const auto& [key, binding] : identity->bindings) {
      if (!binding->draining) continue;
      if (binding->streams != 0 && now_ >= binding->drain_until) {
        binding->drain_until = never;
        end_streams(*identity, binding.get(), {Code::shutting_down, "the binding was stopped"});
      }
      if (binding->streams == 0) stop_binding(*binding, {});
    }
  }
  for (Identity* identity : ready) finish_offline(*identity);
  for (const auto& [id, identity] : identities_) {
    if (identity->draining && !identity->finishing) next_drain_ = std::min(next_drain_, identity->drain_until);
    for (const auto& [key, binding] : identity->bindings) {
      if (binding->draining) next_drain_ = std::min(next_drain_, binding->drain_until);
    }
  }
}

// The last stream is gone: what served it stops, and then whoever waited for that is told.
void NodeImpl::finish_offline(Identity& identity) {
  identity.finishing = true;
  auto left = std::make_shared<std::size_t>(1);
  const auto one_less = [this, left, id = identity.id, round = ++identity.finishes] {
    if (--*left != 0) return;
    Identity* still = find_identity(id);
    if (still == nullptr || !still->finishing || still->finishes != round) return; // it came back meanwhile
    still->draining = false;
    still->finishing = false;
    if (!still->sockets.empty()) {
      // With its sockets its connections end; the sockets close after that was said.
      leave_all(id);
      world_.network().post([this, id, alive = std::weak_ptr<bool>(alive_)] {
        if (alive.expired()) return;
        Identity* offline = find_identity(id);
        if (offline == nullptr || offline->online) return;
        for (const SocketId socket : std::exchange(offline->sockets, {})) close_socket(socket);
      });
    }
    for (auto& drained : std::exchange(still->drained, {})) defer(std::move(drained));
  };
  for (const auto& [key, binding] : identity.bindings) {
    if (!binding->owned && !binding->starting && !binding->stopping) continue;
    ++*left;
    stop_binding(*binding, one_less);
  }
  defer(one_less);
}

void NodeImpl::leave_all(const std::optional<PeerId>& id) {
  for (const auto& [connection, link] : links_) {
    if ((!id || link->identity == *id) && !link->closing) endpoint_.leave(connection, Code::offline, "", now_);
  }
}

void NodeImpl::remove_identity(const PeerId& id, std::function<void()> removed) {
  Identity* identity = find_identity(id);
  if (identity == nullptr) {
    if (removed) defer(std::move(removed));
    return;
  }
  identity->removing = true;
  static_cast<void>(set_offline(id, world_.now(), [this, id, removed = std::move(removed)] { erase_identity(id, removed); }));
}

// Connections of it may linger and streams with them, which know it: it goes when the last of these has.
void NodeImpl::erase_identity(const PeerId& id, std::function<void()> removed) {
  const auto at = identities_.find(id);
  if (at == identities_.end()) {
    if (removed) removed();
    return;
  }
  Identity& identity = *at->second;
  leave_all(id);
  if (identity.streams != 0) {
    identity.draining = true;
    identity.drain_until = now_;
    identity.drained.push_back([this, id, removed = std::move(removed)] { erase_identity(id, removed); });
    defer([this] { check_drains(); });
    return;
  }
  for (const SocketId socket : identity.sockets) close_socket(socket);
  identities_.erase(at);
  endpoint_.remove_key(id);
  if (removed) removed();
}

std::optional<PeerId> NodeImpl::answering(SocketId socket, const std::optional<PeerId>& named) const {
  if (!named) return nameless_for(socket);
  const Identity* identity = find_identity(*named);
  if (identity == nullptr) return std::nullopt;
  const std::vector<SocketId>& sockets = identity->sockets.empty() ? shared_sockets_ : identity->sockets;
  return std::ranges::find(sockets, socket) != sockets.end() ? named : std::nullopt;
}

std::optional<PeerId> NodeImpl::nameless_for(SocketId socket) const {
  std::optional<PeerId> only;
  std::size_t online = 0;
  for (const auto& [id, identity] : identities_) {
    if (!identity->online) continue;
    if (std::find(identity->sockets.begin(), identity->sockets.end(), socket) != identity->sockets.end()) return id;
    ++online;
    only = id;
  }
  if (std::find(shared_sockets_.begin(), shared_sockets_.end(), socket) == shared_sockets_.end()) return std::nullopt;
  return online == 1 ? only : nameless_;
}

void NodeImpl::end_streams(const Identity& identity, const Binding* binding, const Error& error) {
  std::vector<StreamKey> keys;
  streams_.for_each([&](NodeStream& stream) {
    if (stream.identity == &identity && stream.phase != Phase::over && (binding == nullptr || stream.binding == binding)) keys.push_back(stream.key);
  });
  for (const StreamKey key : keys) {
    NodeStream* stream = streams_.find(key);
    if (stream == nullptr || stream->phase == Phase::over) continue;
    if (stream->phase == Phase::header || stream->phase == Phase::held) {
      if (stream->phase == Phase::header) --stream->link->headerless;
      refuse(*stream, error.code, error.text);
    } else if (stream->phase == Phase::waiting) {
      fail(*stream, {stop_by_ ? error.code : Code::offline, error.text}, false); // it never left
    } else {
      fail(*stream, error, false);
    }
  }
}

} // namespace kith::node
