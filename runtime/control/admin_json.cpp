// SPDX-License-Identifier: GPL-3.0-or-later
// What answers say about identities, bindings and peers (docs/control-socket.md, sections 9 to 12).
#include "control/admin.hpp"

#include "protocol/scanner.hpp"

#include <algorithm>

namespace kith::control {
namespace {

const node::IdentityStatus* find(const node::Status& status, const PeerId& id) {
  const auto found = std::find_if(status.identities.begin(), status.identities.end(), [&](const auto& each) { return each.id == id; });
  return found == status.identities.end() ? nullptr : &*found;
}

/// Peers by the names that the identity has for them: who is let in or refused is what people look for.
std::string with_name(const KnownIdentity& identity, const std::string& entry) {
  constexpr std::string_view of_a_peer = "peer:";
  const auto id = entry.starts_with(of_a_peer) ? parse_peer_id(entry.substr(of_a_peer.size())) : Result<PeerId>(Error{});
  const auto row = id ? identity.peers.find(*id) : identity.peers.end();
  return row == identity.peers.end() ? entry : std::string(of_a_peer) + row->second.name;
}

std::vector<std::string> with_names(const KnownIdentity& identity, std::vector<std::string> entries) {
  for (std::string& entry : entries) entry = with_name(identity, entry);
  return entries;
}

std::string access_json(const KnownIdentity& identity, const std::vector<config::AccessWord>& words) {
  std::vector<std::string> items;
  for (const auto& word : words) {
    const std::string text = with_name(identity, word.text);
    std::string item;
    if (!word.as) {
      protocol::append_string(item, text);
    } else {
      const std::size_t colon = text.find(':');
      item = protocol::ObjectWriter().text(text.substr(0, colon), text.substr(colon + 1)).text("as", *word.as).finish();
    }
    items.push_back(std::move(item));
  }
  return json_list(items);
}

} // namespace

std::string json_list(const std::vector<std::string>& items) {
  std::string out = "[";
  for (const auto& item : items) {
    if (out.size() > 1) out += ',';
    out += item;
  }
  return out + "]";
}

std::vector<std::string> address_texts(const std::vector<Address>& addresses) {
  std::vector<std::string> texts;
  for (const auto& address : addresses) texts.push_back(address.text());
  return texts;
}

protocol::ObjectWriter Admin::identity_fields(const KnownIdentity& identity, const node::Status& status) const {
  protocol::ObjectWriter out;
  const node::IdentityStatus* live = identity.loaded ? find(status, identity.id) : nullptr;
  out.text("name", identity.name).text("id", identity.loaded ? identity.id.text() : "");
  out.flag("online", identity.loaded && identity.loaded->config.online);
  out.text("state", live == nullptr ? "failed" : live->online ? "online" : "offline");
  if (live != nullptr && !live->listen.empty()) out.texts("listen", address_texts(live->listen));
  if (const std::string problem = identity.problem_text(); !problem.empty()) out.text("error", problem);
  return out;
}

std::string Admin::identity_json(const KnownIdentity& identity, const node::Status& status) const {
  return identity_fields(identity, status).finish();
}

std::string Admin::binding_json(const KnownIdentity& identity, const config::BindingConfig& binding, const node::Status& status,
                                bool with_config) const {
  protocol::ObjectWriter out;
  out.text("identity", identity.name).text("protocol", binding.protocol).text("alias", binding.alias);
  out.flag("enabled", binding.enabled).flag("provider", binding.provider);
  std::string state = "offline";
  std::string error;
  const node::IdentityStatus* live = find(status, identity.id);
  const node::BindingStatus* row = nullptr;
  if (live != nullptr) {
    const auto found = std::find_if(live->bindings.begin(), live->bindings.end(),
                                    [&](const auto& each) { return each.protocol == binding.protocol && each.alias == binding.alias; });
    if (found != live->bindings.end()) row = &*found;
  }
  const auto problem = identity.binding_problems.find(binding_key(binding.protocol, binding.alias));
  const bool wrong = problem != identity.binding_problems.end();
  if (wrong) error = problem->second.front().text;
  // What the file says now is wrong, and what ran before goes on: that is what status tells, access in force and all, beside the error.
  const bool goes_on = wrong && row != nullptr && row->state.phase == node::BindingState::running && live->online;
  const auto phase = row != nullptr ? row->state.phase : node::BindingState::stopped;
  if (wrong && !goes_on) {
    state = "failed";
  } else if (phase == node::BindingState::failed || phase == node::BindingState::draining) {
    state = phase_name(phase);
    if (!row->state.error.empty()) error = row->state.error;
  } else if (!binding.enabled) {
    state = "disabled";
  } else if (row != nullptr && live->online) {
    state = phase_name(phase == node::BindingState::stopped ? node::BindingState::starting : phase);
  }
  out.text("state", state);
  if (!error.empty()) out.text("error", error);
  if (row != nullptr && row->overruns != 0) out.number("overruns", row->overruns);
  if (binding.access && !goes_on) {
    out.raw("access", access_json(identity, *binding.access));
  } else {
    out.texts("access", with_names(identity, row != nullptr ? row->access : std::vector<std::string>{}));
  }
  std::vector<std::string> deny;
  if (goes_on) {
    deny = row->deny;
  } else if (binding.deny) {
    for (const auto& word : *binding.deny) deny.push_back(word.text);
  }
  out.texts("deny", with_names(identity, std::move(deny)));
  if (with_config && binding.config.mark.line > 0) out.raw("config", binding.config_json);
  return out.finish();
}

std::string Admin::bindings_json(const KnownIdentity& identity, const node::Status& status, bool with_config) const {
  std::vector<std::string> items;
  if (identity.loaded) {
    for (const auto& binding : identity.loaded->config.bindings) items.push_back(binding_json(identity, binding, status, with_config));
  }
  return json_list(items);
}

protocol::ObjectWriter Admin::peer_fields(const KnownIdentity& identity, const store::PeerRow& row, const node::Status& status) const {
  protocol::ObjectWriter out;
  out.text("identity", identity.name).text("name", row.name).text("id", row.id.text()).text("role", role_name(row.role));
  std::vector<std::string> addresses;
  for (const auto& each : row.addresses) addresses.push_back(each.address.text());
  out.texts("addresses", addresses);
  const node::ConnectionStatus* connection = nullptr;
  if (const node::IdentityStatus* live = find(status, identity.id)) {
    for (const auto& each : live->connections) {
      if (each.confirmed && each.peer == row.id && (connection == nullptr || each.current)) connection = &each;
    }
  }
  out.flag("connected", connection != nullptr);
  if (connection != nullptr) {
    out.text("address", connection->remote.text());
    out.number("rtt_us", static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(connection->rtt).count()));
    out.number("streams", connection->streams);
  }
  return out;
}

std::vector<config::Problem> Admin::problems() const {
  std::vector<config::Problem> all = settings_problems_;
  for (const auto& [name, identity] : parts_.roster.identities()) {
    const std::string file = parts_.home.identity_path(name);
    for (const Error& error : identity->problems) all.push_back(config::problem_in(file, error));
    if (!identity->problems.empty()) continue; // they are of the file as it is now, the others of the one that is in force
    if (identity->socket_error) all.push_back(config::problem_in(file, *identity->socket_error));
    for (const auto& [binding, errors] : identity->binding_problems) {
      for (const Error& error : errors) all.push_back(config::problem_in(file, error));
    }
  }
  for (const auto& error : parts_.plugins.registry().problems()) all.push_back(config::problem_in("", error));
  return all;
}

std::string errors_json(const std::vector<config::Problem>& problems) {
  std::vector<std::string> items;
  for (const auto& problem : problems) {
    items.push_back(protocol::ObjectWriter()
                        .text("file", problem.file)
                        .number("line", static_cast<std::uint64_t>(std::max(problem.line, 0)))
                        .number("column", static_cast<std::uint64_t>(std::max(problem.column, 0)))
                        .text("text", problem.text)
                        .finish());
  }
  return json_list(items);
}

} // namespace kith::control
