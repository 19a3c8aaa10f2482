// SPDX-License-Identifier: GPL-3.0-or-later
// Bindings of an identity: what serves them starts, changes, drains, stops.
#include "node/node_impl.hpp"

#include <algorithm>

namespace kith::node {
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

Binding* NodeImpl::find_binding(Identity& identity, std::string_view protocol, std::string_view alias) noexcept {
  const auto at = identity.bindings.find(BindingKey(protocol, alias));
  return at == identity.bindings.end() || at->second->removing ? nullptr : at->second.get();
}

Binding* NodeImpl::find_binding(const PeerId& identity, const BindingKey& key) noexcept {
  Identity* own = find_identity(identity);
  return own != nullptr ? find_binding(*own, key.first, key.second) : nullptr;
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

// --- change, start, stop

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
