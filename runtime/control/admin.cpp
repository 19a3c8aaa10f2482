// SPDX-License-Identifier: GPL-3.0-or-later
#include "control/admin.hpp"

#include "home/files.hpp"

#include <algorithm>
#include <array>

namespace kith::control {

Error not_saved(const Error& why) {
  return {Code::internal, "not saved: " + why.text + "; what was asked for is done all the same, and this is in force until restart"};
}

Admin::Admin(AdminParts parts) : parts_(std::move(parts)), started_unix_(parts_.world.unix_now()), started_(parts_.world.now()) {}

const std::vector<std::pair<std::string_view, Admin::Handler>>& Admin::handlers() {
  static const std::vector<std::pair<std::string_view, Handler>> table{
      {"identity.create", &Admin::identity_create},
      {"identity.list", &Admin::identity_list},
      {"identity.show", &Admin::identity_show},
      {"identity.rename", &Admin::identity_rename},
      {"identity.delete", &Admin::identity_delete},
      {"identity.online", &Admin::identity_online},
      {"identity.offline", &Admin::identity_offline},
      {"identity.export", &Admin::identity_export},
      {"identity.import", &Admin::identity_import},
      {"binding.add", &Admin::binding_add},
      {"binding.configure", &Admin::binding_configure},
      {"binding.enable", &Admin::binding_enable},
      {"binding.disable", &Admin::binding_disable},
      {"binding.remove", &Admin::binding_remove},
      {"protocol.list", &Admin::protocol_list},
      {"ticket", &Admin::ticket},
      {"peer.add", &Admin::peer_add},
      {"peer.list", &Admin::peer_list},
      {"peer.show", &Admin::peer_show},
      {"peer.role", &Admin::peer_role},
      {"peer.rename", &Admin::peer_rename},
      {"peer.addresses", &Admin::peer_addresses},
      {"peer.remove", &Admin::peer_remove},
      {"status", &Admin::status},
      {"reload", &Admin::reload_request},
      {"config.check", &Admin::config_check},
      {"stop", &Admin::stop},
      {"pool.list", &Admin::pool_list},
      {"pool.close", &Admin::pool_close},
      {"ping", &Admin::ping},
      {"health", &Admin::health},
  };
  return table;
}

bool Admin::knows(std::string_view type) const {
  return std::any_of(handlers().begin(), handlers().end(), [&](const auto& row) { return row.first == type; });
}

void Admin::handle(std::unique_ptr<Ask> ask, Tell tell) {
  const bool takes_fd = ask->type == "identity.export" || ask->type == "identity.import";
  if (takes_fd && ask->fds.size() != 1) return tell(bad_request(ask->type + " needs one descriptor (\"fds\":1)"));
  if (!takes_fd && !ask->fds.empty()) return tell(bad_request(ask->type + " takes no descriptors"));
  static constexpr std::array<std::string_view, 4> sets_online{"identity.create", "identity.import", "identity.online", "reload"};
  if (stopping_ && std::ranges::find(sets_online, ask->type) != sets_online.end()) return tell(node::stopping_error());
  for (const auto& [type, handler] : handlers()) {
    if (type == ask->type) return (this->*handler)(*ask, tell);
  }
}

// --- plumbing

Result<KnownIdentity*> Admin::identity_of(const protocol::Object& fields) {
  const auto name = fields.text("identity");
  if (!name) return name.error();
  return parts_.roster.find_identity(name->value_or(""));
}

Result<KnownIdentity*> Admin::good_identity(std::string_view name) {
  auto identity = parts_.roster.find_identity(name);
  if (identity && !(*identity)->loaded) return bad_request((*identity)->name + " can't be used: " + (*identity)->problem_text());
  return identity;
}

Result<KnownIdentity*> Admin::good_identity_of(const protocol::Object& fields) {
  const auto name = fields.text("identity");
  if (!name) return name.error();
  return good_identity(name->value_or(""));
}

Result<KnownIdentity*> Admin::still_there(const PeerId& id) {
  KnownIdentity* identity = parts_.roster.by_id(id);
  if (identity == nullptr) return Error{Code::unknown_identity, "the identity is gone"};
  return identity;
}

std::string Admin::lane_of(const KnownIdentity& identity) { return identity.loaded ? identity.id.text() : identity.name; }

std::string Admin::lane_to_make(const std::string& name) const {
  const auto found = parts_.roster.identities().find(name);
  return found == parts_.roster.identities().end() ? name : lane_of(*found->second);
}

void Admin::in_lane(const std::string& name, const Tell& tell, std::function<void(Tell)> work) {
  Lane& lane = lanes_[name];
  if (lane.waiting.size() >= max_waiting_mutations) {
    return tell(Error{Code::busy, std::to_string(max_waiting_mutations) + " changes wait already; try again later"});
  }
  lane.waiting.emplace_back([this, name, tell, work = std::move(work)] {
    work([this, name, tell](const Told& told) {
      tell(told);
      parts_.world.network().post([this, name] {
        const auto found = lanes_.find(name);
        found->second.busy = false;
        if (found->second.waiting.empty()) lanes_.erase(found);
        --busy_lanes_;
        run_waiting();
      });
    });
  });
  run_waiting();
}

void Admin::alone(const Tell& tell, std::function<void(Tell)> work) {
  if (alone_.waiting.size() >= max_waiting_mutations) {
    return tell(Error{Code::busy, std::to_string(max_waiting_mutations) + " reloads wait already; try again later"});
  }
  alone_.waiting.emplace_back([this, tell, work = std::move(work)] {
    work([this, tell](const Told& told) {
      tell(told);
      parts_.world.network().post([this] {
        alone_.busy = false;
        run_waiting();
      });
    });
  });
  run_waiting();
}

/// What waits to be alone goes before what comes to the lanes later, so that it is not put off for ever.
void Admin::run_waiting() {
  if (alone_.busy) return;
  std::vector<std::function<void()>> ready;
  if (!alone_.waiting.empty()) {
    if (busy_lanes_ > 0) return;
    alone_.busy = true;
    ready.push_back(std::move(alone_.waiting.front()));
    alone_.waiting.pop_front();
  } else {
    for (auto& [name, lane] : lanes_) {
      if (lane.busy || lane.waiting.empty()) continue;
      lane.busy = true;
      ++busy_lanes_;
      ready.push_back(std::move(lane.waiting.front()));
      lane.waiting.pop_front();
    }
  }
  for (const auto& run : ready) run();
}

void Admin::announce(const KnownIdentity& identity, std::string_view state) {
  parts_.topics.publish("identities",
                        protocol::ObjectWriter().text("identity", identity.name).text("id", identity.id.text()).text("state", state).finish());
}

/// A binding whose access names nobody but by ids, or peers that are known.
Result<node::BindingSpec> Admin::spec_of(const KnownIdentity& identity, const config::BindingConfig& binding) const {
  std::vector<Error> errors;
  auto spec = binding_spec(binding, parts_.home.identity_path(identity.name), identity.peer_ids, errors);
  if (!errors.empty()) return errors.front();
  return spec;
}

/// With what can be said of its bindings at once.
InspectedIdentity Admin::judged(const KnownIdentity& identity) const {
  InspectedIdentity out;
  out.read.name = identity.name;
  out.read.file = parts_.home.identity_path(identity.name);
  out.read.config = identity.loaded->config;
  out.peers = identity.peer_ids;
  judge(out, parts_.plugins);
  return out;
}

void Admin::adopt_all() {
  for (const auto& [name, identity] : parts_.roster.identities()) {
    if (!identity->loaded) continue;
    std::optional<Error> not_pinned;
    if (config::has_peer_names(identity->loaded->config)) {
      auto pinned = parts_.home.pin(*identity->loaded, identity->peer_ids);
      if (pinned) identity->loaded = std::make_shared<const home::LoadedIdentity>(std::move(*pinned));
      else not_pinned = pinned.error();
    }
    InspectedIdentity file = judged(*identity);
    if (not_pinned) refuse_names(file, *not_pinned);
    static_cast<void>(adopt(*identity, std::move(file.bindings)));
  }
  if (!parts_.settings.nameless.empty()) {
    const auto found = good_identity(parts_.settings.nameless);
    if (!found) {
      const std::string file = parts_.home.settings_path();
      const auto text = home::read_file(file, config::max_text_size);
      settings_problems_.push_back(config::problem_in(file, nameless_error(text ? *text : "", file, found.error().text)));
    }
  }
  set_nameless();
  log_problems();
}

/// Gives it to node, and sets it online when it is to be. Errors are kept with the identity as well.
Result<void> Admin::adopt(KnownIdentity& identity, std::vector<InspectedIdentity::Binding> judged) {
  const home::LoadedIdentity& loaded = *identity.loaded;
  node::IdentitySpec spec;
  spec.id = identity.id;
  spec.name = identity.name;
  std::copy(loaded.key.seed().begin(), loaded.key.seed().end(), spec.seed.octets.begin());
  spec.listen = loaded.config.listen;
  for (const auto& [id, row] : identity.peers) spec.peers.push_back(peer_spec(row));
  identity.binding_problems.clear();
  for (std::size_t i = 0; i < judged.size(); ++i) {
    const config::BindingConfig& binding = loaded.config.bindings[i];
    if (judged[i].spec) spec.bindings.push_back(std::move(*judged[i].spec));
    else identity.binding_problems[binding_key(binding.protocol, binding.alias)] = std::move(judged[i].errors);
  }
  auto added = parts_.node.add_identity(spec);
  identity.adopted = added.has_value();
  if (!added) identity.problems.push_back(added.error());
  if (!added || !loaded.config.online) return added;
  return go_online(identity);
}

} // namespace kith::control
