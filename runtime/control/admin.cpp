// SPDX-License-Identifier: GPL-3.0-or-later
#include "control/admin.hpp"

#include <algorithm>

namespace kith::control {

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
      {"peer.remove", &Admin::peer_remove},
      {"status", &Admin::status},
      {"reload", &Admin::reload_request},
      {"config.check", &Admin::config_check},
      {"stop", &Admin::stop},
      {"pool.list", &Admin::pool_list},
      {"pool.close", &Admin::pool_close},
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
  for (const auto& [type, handler] : handlers()) {
    if (type == ask->type) return (this->*handler)(*ask, std::move(tell));
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
  if (identity && !(*identity)->loaded) return bad_request((*identity)->name + " can't be used: " + (*identity)->problem.value_or(Error{}).text);
  return identity;
}

Result<KnownIdentity*> Admin::good_identity_of(const protocol::Object& fields) {
  const auto name = fields.text("identity");
  if (!name) return name.error();
  return good_identity(name->value_or(""));
}

void Admin::in_lane(const std::string& name, const Tell& tell, std::function<void(Tell)> work) {
  Lane& lane = lanes_[name];
  if (lane.waiting.size() >= max_waiting_mutations) {
    return tell(Error{Code::busy, std::to_string(max_waiting_mutations) + " changes wait already; try again later"});
  }
  lane.waiting.emplace_back([this, name, tell, work = std::move(work)] {
    work([this, name, tell](const Told& told) {
      tell(told);
      parts_.world.network().post([this, name] { next_in(name); });
    });
  });
  if (!lane.busy) next_in(name);
}

void Admin::next_in(const std::string& name) {
  const auto found = lanes_.find(name);
  if (found == lanes_.end()) return;
  Lane& lane = found->second;
  lane.busy = !lane.waiting.empty();
  if (!lane.busy) {
    lanes_.erase(found);
    return;
  }
  const auto work = std::move(lane.waiting.front());
  lane.waiting.pop_front();
  work();
}

void Admin::announce(const KnownIdentity& identity, std::string_view state) {
  parts_.topics.publish("identities",
                        protocol::ObjectWriter().text("identity", identity.name).text("id", identity.id.text()).text("state", state).finish());
}

/// What a binding's file says, as node takes it: understood, and accepted by the plugin. Errors have the file's line and column.
Result<node::BindingSpec> Admin::usable_spec(const KnownIdentity& identity, const config::BindingConfig& binding) const {
  const std::string file = parts_.home.identity_path(identity.name);
  auto spec = binding_spec(identity, binding, file);
  if (!spec || binding.provider) return spec;
  const auto fits = parts_.plugins.check_config(binding.protocol, binding.config_json, binding.config, file);
  if (!fits && fits.error().code == Code::unknown_protocol) return config::error_at(file, binding.mark, fits.error().text);
  if (!fits) return fits.error();
  return spec;
}

Result<void> Admin::adopt(KnownIdentity& identity) {
  const home::LoadedIdentity& loaded = *identity.loaded;
  node::IdentitySpec spec;
  spec.id = identity.id;
  spec.name = identity.name;
  std::copy(loaded.key.seed().begin(), loaded.key.seed().end(), spec.seed.octets.begin());
  spec.listen = loaded.config.listen;
  for (const auto& [id, row] : identity.peers) spec.peers.push_back(peer_spec(row));
  identity.binding_problems.clear();
  for (const auto& binding : loaded.config.bindings) {
    auto one = usable_spec(identity, binding);
    if (one) {
      spec.bindings.push_back(std::move(*one));
    } else {
      identity.binding_problems[binding_key(binding.protocol, binding.alias)] = one.error().text;
    }
  }
  const auto added = parts_.node.add_identity(spec);
  if (!added || !loaded.config.online) return added;
  auto online = parts_.node.set_online(identity.id);
  if (online && parts_.online) parts_.online(identity.id);
  return online;
}

} // namespace kith::control
