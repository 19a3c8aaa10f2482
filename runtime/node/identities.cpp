// SPDX-License-Identifier: GPL-3.0-or-later
// Identities and their bindings: online and offline, start, change, drain, stop.
#include "node/node_impl.hpp"

#include <algorithm>

namespace kith::node {

Error stopping_error() { return {Code::shutting_down, "the daemon is stopping"}; }

Error no_identity(const PeerId& id) { return {Code::unknown_identity, "no such identity here: " + id.text()}; }

namespace {

/// Keeps a service until its stop is done, then lets it go: outside its own call stack.
void stop_and_forget(std::unique_ptr<Service> service, const std::function<void(std::function<void()>)>& defer, std::function<void()> done) {
  auto kept = std::make_shared<std::unique_ptr<Service>>(std::move(service));
  (*kept)->stop([kept, defer, done = std::move(done)] {
    defer([kept, done] {
      kept->reset();
      if (done) done();
    });
  });
}

} // namespace

Identity* NodeImpl::find_identity(const PeerId& id) noexcept {
  const auto at = identities_.find(id);
  return at == identities_.end() ? nullptr : at->second.get();
}

const Identity* NodeImpl::find_identity(const PeerId& id) const noexcept {
  const auto at = identities_.find(id);
  return at == identities_.end() ? nullptr : at->second.get();
}

Binding* NodeImpl::find_binding(Identity& identity, std::string_view protocol, std::string_view alias) noexcept {
  const auto at = identity.bindings.find(BindingKey(protocol, alias));
  return at == identity.bindings.end() || at->second->removing ? nullptr : at->second.get();
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

// --- what services know of peers

static std::shared_ptr<const hosting::PeerTable> peer_table(const Identity& identity) {
  auto table = std::make_shared<hosting::PeerTable>();
  table->reserve(identity.peers.size());
  for (const auto& [id, peer] : identity.peers) table->push_back({id, peer.name, peer.role, identity.connected.contains(id)});
  std::ranges::sort(*table, {}, &hosting::PeerEntry::peer);
  return table;
}

void NodeImpl::peers_changed(Identity& identity) {
  if (!identity.peers_told) return;
  identity.peers_told = false;
  defer([this, id = identity.id] {
    Identity* same = find_identity(id);
    if (same == nullptr) return;
    same->peers_told = true;
    const auto table = peer_table(*same);
    for (const auto& [key, binding] : same->bindings) {
      if (binding->owned) binding->owned->peers_changed(table);
    }
  });
}

// --- online, offline

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

// --- bindings

Result<void> NodeImpl::set_policy(Binding& binding) {
  access::Policy policy;
  policy.deny = binding.spec.deny;
  if (binding.spec.access) {
    policy.allow = *binding.spec.access;
  } else if (binding.spec.provider) {
    policy.allow = {access::Entry{access::Entry::Kind::role, Role::member, {}, {}}};
  } else {
    const auto info = services_.describe(binding.spec.protocol);
    if (!info) return info.error();
    std::string_view rest = info->default_access;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find(' '), rest.size());
      if (end != 0) {
        auto entry = access::parse_entry(rest.substr(0, end));
        if (!entry) return entry.error();
        policy.allow.push_back(std::move(*entry));
      }
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  binding.policy = std::move(policy);
  return {};
}

void NodeImpl::put_binding(const PeerId& id, const BindingSpec& spec, std::function<void(Result<void>)> done) {
  Identity* identity = find_identity(id);
  if (identity == nullptr) {
    done(no_identity(id));
    return;
  }
  now_ = world_.now();
  const BindingKey key(spec.protocol, spec.alias);
  auto& slot = identity->bindings[key];
  const bool fresh = slot == nullptr;
  if (fresh) {
    slot = std::make_unique<Binding>();
    slot->identity = id;
    slot->key = key;
    slot->number = next_binding_++;
  }
  Binding& binding = *slot;
  binding.removing = false;
  const BindingSpec before = std::exchange(binding.spec, spec);
  const Result<void> policy = set_policy(binding);
  if (!policy) {
    binding.policy = {};
    set_state(binding, {BindingState::failed, policy.error().text});
  }
  if (identity->online) serve(*identity);
  re_evaluate(*identity);
  want_service();
  const bool wanted = spec.enabled && identity->online && policy;
  const bool failed = binding.owned && binding.owned->state().phase == BindingState::failed;
  const bool remade = !fresh && (before.provider != spec.provider || before.inline_ != spec.inline_ || before.sha256 != spec.sha256);
  if (wanted && spec.provider && !remade && !fresh && !binding.draining && !binding.stopping) {
    done({}); // its program goes on; policy and ALPNs are in force already
  } else if (!wanted) {
    drain_binding(binding, now_ + settings_.drain_deadline, {});
    done(policy);
  } else if (binding.owned && !failed && !remade && !binding.draining) {
    if (before.config_json == spec.config_json) {
      done({});
      return;
    }
    binding.service->reconfigure(spec.config_json, [this, id, key, old = before.config_json, done = std::move(done)](Result<void> applied) {
      Binding* same = find_binding(id, key);
      if (same == nullptr || applied) return done(std::move(applied));
      if (applied.error().code == Code::unsupported_version) return start_when_stopped(*same, done); // it takes a new config only when it starts
      same->spec.config_json = old;
      done(std::move(applied));
    });
  } else {
    start_when_stopped(binding, std::move(done));
  }
}

Binding* NodeImpl::find_binding(const PeerId& identity, const BindingKey& key) noexcept {
  Identity* own = find_identity(identity);
  return own != nullptr ? find_binding(*own, key.first, key.second) : nullptr;
}

// An old instance, when there is one, ends first: two of them would share a data folder.
void NodeImpl::start_when_stopped(Binding& binding, std::function<void(Result<void>)> done) {
  drain_binding(binding, now_, [this, id = binding.identity, key = binding.key, done = std::move(done)] {
    Identity* identity = find_identity(id);
    Binding* same = find_binding(id, key);
    if (same == nullptr || !same->spec.enabled || !identity->online || same->owned) return done({});
    start_binding(*identity, *same, done);
  });
}

void NodeImpl::start_binding(Identity& identity, Binding& binding, std::function<void(Result<void>)> done) {
  if (binding.spec.provider) {
    set_state(binding, {binding.service != nullptr ? BindingState::running : BindingState::waiting});
    done({});
    return;
  }
  if (binding.starting) { // with the spec of now: a change would have stopped it first
    binding.starting->push_back(std::move(done));
    return;
  }
  binding.starting = std::make_shared<Binding::Started>(1, std::move(done));
  ServiceSpec spec;
  spec.identity = identity.id;
  spec.identity_name = identity.name;
  spec.protocol = binding.spec.protocol;
  spec.alias = binding.spec.alias;
  spec.config_json = binding.spec.config_json;
  spec.inline_ = binding.spec.inline_;
  spec.sha256 = binding.spec.sha256;
  spec.peers = peer_table(identity);
  const std::uint64_t generation = ++binding.generation;
  set_state(binding, {BindingState::starting});
  const auto tell = [asked = binding.starting](const Result<void>& result) {
    for (const auto& hear : *asked) hear(result);
  };
  spec.changed = [this, id = identity.id, key = binding.key, generation] {
    Binding* same = find_binding(id, key);
    if (same != nullptr && same->generation == generation && same->service != nullptr) set_state(*same, same->service->state());
  };
  services_.start(spec, *this, [this, id = identity.id, key = BindingKey(spec.protocol, spec.alias), generation, tell](auto started) {
    Identity* now = find_identity(id);
    const auto at = now != nullptr ? now->bindings.find(key) : std::map<BindingKey, std::unique_ptr<Binding>>::iterator{};
    Binding* same = now != nullptr && at != now->bindings.end() ? at->second.get() : nullptr;
    if (same != nullptr) {
      same->starting = nullptr;
      defer([this, id, key] { release_held(id, key); });
    }
    if (same == nullptr || same->generation != generation) { // stopped again meanwhile
      const auto stopped = [this, id, key] { stop_done(id, key); };
      if (started) {
        stop_and_forget(
            std::move(*started), [this](std::function<void()> work) { defer(std::move(work)); }, stopped);
      } else {
        defer(stopped);
      }
      tell({});
      return;
    }
    if (!started) {
      set_state(*same, {BindingState::failed, started.error().text});
      tell(started.error());
      return;
    }
    same->owned = std::move(*started);
    same->service = same->owned.get();
    same->owned->peers_changed(peer_table(*now)); // it may have missed some while it started
    set_state(*same, {BindingState::running});
    tell({});
  });
}

void NodeImpl::stop_binding(Binding& binding, std::function<void()> done) {
  if (done) binding.stopped.push_back(std::move(done));
  if (binding.stopping) return;
  ++binding.generation;
  binding.draining = false;
  if (!binding.spec.provider) binding.service = nullptr; // a provider stays attached until its program goes
  set_state(binding, {BindingState::stopped});
  if (binding.starting) { // the answer to its start comes, and ends it
    binding.stopping = true;
    return;
  }
  if (!binding.owned) {
    run_stopped(binding);
    return;
  }
  binding.stopping = true;
  stop_and_forget(
      std::move(binding.owned), [this](std::function<void()> work) { defer(std::move(work)); },
      [this, id = binding.identity, key = binding.key] { stop_done(id, key); });
}

void NodeImpl::stop_done(const PeerId& id, const BindingKey& key) {
  const Identity* identity = find_identity(id);
  if (identity == nullptr) return;
  const auto at = identity->bindings.find(key);
  if (at == identity->bindings.end()) return;
  at->second->stopping = false;
  run_stopped(*at->second);
}

void NodeImpl::set_state(Binding& binding, BindingState state) {
  if (binding.state == state) return;
  binding.state = std::move(state);
  observer_.binding_changed(binding.identity, binding.key.first, binding.key.second, binding.state);
}

void NodeImpl::run_stopped(Binding& binding) {
  for (auto& done : std::exchange(binding.stopped, {})) defer(std::move(done));
}

// Takes no new streams; what runs may go on until `until`. Then the service stops, and `done` (may be empty) is called.
void NodeImpl::drain_binding(Binding& binding, TimePoint until, std::function<void()> done) {
  if (done) binding.stopped.push_back(std::move(done));
  if (binding.stopping) return;
  if (binding.owned && binding.service != nullptr) {
    binding.service->drain(until);
    binding.service = nullptr;
    set_state(binding, {BindingState::draining});
  }
  binding.drain_until = binding.draining ? std::min(binding.drain_until, until) : until;
  binding.draining = true;
  defer([this] { check_drains(); });
}

void NodeImpl::remove_binding(const PeerId& id, std::string_view protocol, std::string_view alias, TimePoint drain_until,
                              std::function<void()> done) {
  Identity* identity = find_identity(id);
  Binding* binding = identity != nullptr ? find_binding(*identity, protocol, alias) : nullptr;
  if (binding == nullptr) {
    defer(std::move(done));
    return;
  }
  now_ = world_.now();
  binding->removing = true;
  if (identity->online) serve(*identity);
  drain_binding(*binding, drain_until, [this, id, key = binding->key, done = std::move(done)] {
    if (Identity* now = find_identity(id)) {
      const auto at = now->bindings.find(key);
      if (at != now->bindings.end() && at->second->removing) now->bindings.erase(at);
    }
    if (done) done();
  });
}

} // namespace kith::node
