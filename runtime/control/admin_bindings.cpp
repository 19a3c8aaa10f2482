// SPDX-License-Identifier: GPL-3.0-or-later
// binding.*: everything is checked before the file is touched; the file is written, then the change runs; what fails to run is taken back.
#include "control/admin.hpp"

#include "config/json.hpp"
#include "config/yaml.hpp"

#include <algorithm>

namespace kith::control {

/// A binding as a request names it, and what it says about it.
struct Admin::BindingAsk {
  PeerId identity;
  std::string protocol;
  std::string alias{default_alias};
  bool provider = false;
  std::optional<std::string> config_json;
  config::Node config; ///< With its marks, for the schema's errors.
  std::string config_file;
  std::optional<std::vector<config::AccessEdit>> access;
};

namespace {

bool owes(const config::IdentityConfig& config, const std::string& protocol, const std::string& alias) {
  return config.find(protocol, alias) != nullptr;
}

Error no_binding(const KnownIdentity& identity, const std::string& protocol, const std::string& alias) {
  return {Code::unknown_protocol, identity.name + " has no binding " + protocol + "/" + alias};
}

/// "peer:bob", "peer:bob=admin" and {"peer":"bob","as":"admin"} with the id in the place of the name, the name as a comment.
Result<config::AccessEdit> read_entry(std::string_view raw, const Roster& roster, const KnownIdentity& identity) {
  config::AccessEdit entry;
  if (auto text = protocol::decode_string(raw)) {
    config::AccessWord word = config::access_word(std::move(*text));
    entry.text = std::move(word.text);
    entry.as = std::move(word.as);
  } else {
    const auto object = protocol::Object::parse(raw);
    if (!object) return bad_request("an access entry is a text or {\"peer\":…,\"as\":…}");
    std::string peer;
    std::string group;
    std::string as;
    Fields read(*object);
    read.only({"peer", "group", "as"}).text("peer", peer).text("group", group).need_text("as", as);
    if (peer.empty() == group.empty()) read.fail("an access entry with \"as\" names a \"peer\" or a \"group\"");
    if (read.error()) return *read.error();
    entry.text = peer.empty() ? "group:" + group : "peer:" + peer;
    entry.as = as;
  }
  constexpr std::string_view prefix = "peer:";
  if (entry.text.starts_with(prefix)) {
    const std::string name = entry.text.substr(prefix.size());
    const auto id = roster.find_peer(identity, name);
    if (!id) return id.error();
    entry.text = std::string(prefix) + id->text();
    if (const auto row = identity.peers.find(*id); row != identity.peers.end()) entry.comment = row->second.name;
  }
  if (const auto parsed = access::parse_entry(entry.text, entry.as ? std::optional<std::string_view>(*entry.as) : std::nullopt); !parsed) {
    return parsed.error();
  }
  return entry;
}

} // namespace

Result<void> Admin::read_config(const protocol::Object& fields, BindingAsk& wanted) {
  const auto json = fields.raw("config");
  const auto yaml = fields.text("config_yaml");
  const auto name = fields.text("config_name");
  if (!yaml) return yaml.error();
  if (!name) return name.error();
  if (json && *yaml) return bad_request("\"config\" and \"config_yaml\" exclude each other");
  if (std::max(json ? json->size() : 0, *yaml ? (*yaml)->size() : 0) > protocol::max_config) {
    return Error{Code::too_large, "a config is at most 64 KiB"};
  }
  if (json) {
    wanted.config_file = "--config";
    auto node = config::parse_json(*json, wanted.config_file);
    if (!node) return node.error();
    wanted.config = std::move(*node);
  } else if (*yaml) {
    wanted.config_file = name->value_or("config");
    auto node = config::parse_yaml(**yaml, wanted.config_file);
    if (!node) return node.error();
    wanted.config = std::move(*node);
    if (wanted.config.is(config::Node::Kind::empty)) wanted.config = config::make_map({});
  } else {
    wanted.config = config::make_map({});
    wanted.config_file = "config";
    return {};
  }
  auto compact = config::to_json(wanted.config, wanted.config_file);
  if (!compact) return compact.error();
  wanted.config_json = std::move(*compact);
  return {};
}

Result<void> Admin::read_access(const protocol::Object& fields, const KnownIdentity& identity, BindingAsk& wanted) {
  const auto items = fields.items("access");
  if (!items) return items.error();
  if (!*items) return {};
  if ((*items)->size() > config::max_access_words) return bad_request("more than " + std::to_string(config::max_access_words) + " access entries");
  wanted.access.emplace();
  for (const std::string_view raw : **items) {
    auto entry = read_entry(raw, parts_.roster, identity);
    if (!entry) return entry.error();
    const bool again = std::ranges::any_of(*wanted.access, [&](const auto& other) { return other.text == entry->text && other.as == entry->as; });
    if (!again) wanted.access->push_back(std::move(*entry));
  }
  return {};
}

Result<Admin::BindingAsk> Admin::read_binding(Ask& ask, std::initializer_list<std::string_view> more) {
  BindingAsk wanted;
  Fields read(ask.fields);
  std::vector<std::string_view> known{"id", "type", "identity", "protocol", "alias"};
  known.insert(known.end(), more.begin(), more.end());
  for (const auto& member : ask.fields.members()) {
    if (std::find(known.begin(), known.end(), member.name) == known.end()) {
      read.fail("\"" + member.name.substr(0, max_name_size) + "\" is no member of " + ask.type);
    }
  }
  read.need_text("protocol", wanted.protocol).text("alias", wanted.alias);
  if (read.error()) return *read.error();
  if (wanted.alias.empty()) wanted.alias = default_alias;
  const auto identity = good_identity_of(ask.fields);
  if (!identity) return identity.error();
  wanted.identity = (*identity)->id;
  return wanted;
}

// --- add

void Admin::binding_add(Ask& ask, const Tell& tell) {
  auto read = read_binding(ask, {"config", "config_yaml", "config_name", "access", "provider"});
  if (!read) return tell(read.error());
  auto wanted = std::make_shared<BindingAsk>(std::move(*read));
  const auto provider = ask.fields.flag("provider");
  if (!provider) return tell(provider.error());
  wanted->provider = provider->value_or(false);
  for (const auto& [name, what] : {std::pair(wanted->protocol, "protocol name"), std::pair(wanted->alias, "alias")}) {
    if (const auto good = check_name(name, what); !good) return tell(good.error());
  }
  if (wanted->protocol.starts_with(reserved_protocol_prefix)) return tell(bad_request("protocols called kith.* are reserved"));
  const auto identity = still_there(wanted->identity);
  if (const auto good = read_config(ask.fields, *wanted); !good) return tell(good.error());
  if (const auto good = read_access(ask.fields, **identity, *wanted); !good) return tell(good.error());
  in_lane(wanted->identity.text(), tell, [this, wanted](const Tell& done) {
    if (wanted->provider) return add_binding_now(wanted, done);
    ask_plugin(wanted, done, [this, wanted, done] { add_binding_now(wanted, done); });
  });
}

/// The schema and the plugin look at a config before the file is touched. In the identity's lane: no other change comes between this and the edit.
void Admin::ask_plugin(const std::shared_ptr<BindingAsk>& wanted, const Tell& tell, std::function<void()> then) {
  const std::string json = wanted->config_json.value_or("{}");
  if (const auto errors = parts_.plugins.check_schema(wanted->protocol, json, wanted->config, wanted->config_file); !errors.empty()) {
    std::string text;
    for (const Error& error : errors) text += (text.empty() ? "" : "\n") + error.text;
    return tell(Error{errors.front().code, text});
  }
  parts_.plugins.ask_plugin(wanted->protocol, json, [wanted, tell, then = std::move(then)](const Result<void>& fits) {
    if (fits) return then();
    tell(Error{fits.error().code, config::error_at(wanted->config_file, wanted->config.mark, fits.error().text).text});
  });
}

void Admin::add_binding_now(const std::shared_ptr<BindingAsk>& wanted, const Tell& tell) {
  const auto identity = still_there(wanted->identity);
  if (!identity) return tell(identity.error());
  if (owes((*identity)->loaded->config, wanted->protocol, wanted->alias)) {
    return tell(bad_request((*identity)->name + " has a binding " + wanted->protocol + "/" + wanted->alias +
                            " already; change it with: kith configure-protocol"));
  }
  config::NewBinding binding;
  binding.protocol = wanted->protocol;
  if (wanted->alias != default_alias) binding.alias = wanted->alias;
  binding.provider = wanted->provider;
  binding.access = wanted->access;
  binding.config_json = wanted->config_json;
  edit_binding(
      wanted, [binding](std::string text, const std::string& file) { return config::add_binding(std::move(text), file, binding); }, true,
      [tell](const Told& told) {
        if (!told) return tell(told.error());
        tell(told->substr(0, told->size() - 1) + R"(,"grants":[]})"); // in-process plugins hold the user's rights: there is nothing to grant
      });
}

// --- change

void Admin::binding_configure(Ask& ask, const Tell& tell) {
  auto read = read_binding(ask, {"config", "config_yaml", "config_name", "access"});
  if (!read) return tell(read.error());
  auto wanted = std::make_shared<BindingAsk>(std::move(*read));
  const auto identity = still_there(wanted->identity);
  if (const auto good = read_config(ask.fields, *wanted); !good) return tell(good.error());
  if (const auto good = read_access(ask.fields, **identity, *wanted); !good) return tell(good.error());
  if (!wanted->config_json && !wanted->access) return tell(bad_request("binding.configure needs \"config\", \"config_yaml\" or \"access\""));
  const config::BindingConfig* now = (*identity)->loaded->config.find(wanted->protocol, wanted->alias);
  if (now == nullptr) return tell(no_binding(**identity, wanted->protocol, wanted->alias));
  in_lane(wanted->identity.text(), tell, [this, wanted, asks = wanted->config_json && !now->provider](const Tell& done) {
    const auto change = [this, wanted, done] {
      edit_binding(
          wanted,
          [wanted](std::string text, const std::string& file) -> Result<std::string> {
            if (wanted->config_json) {
              auto changed = config::replace_config(std::move(text), file, wanted->protocol, wanted->alias, *wanted->config_json);
              if (!changed) return changed;
              text = std::move(*changed);
            }
            if (wanted->access) return config::set_access(std::move(text), file, wanted->protocol, wanted->alias, *wanted->access);
            return text;
          },
          true, done);
    };
    asks ? ask_plugin(wanted, done, change) : change();
  });
}

void Admin::binding_enable(Ask& ask, const Tell& tell) { switch_binding(ask, true, tell); }
void Admin::binding_disable(Ask& ask, const Tell& tell) { switch_binding(ask, false, tell); }

void Admin::switch_binding(Ask& ask, bool enabled, const Tell& tell) {
  auto read = read_binding(ask, {});
  if (!read) return tell(read.error());
  auto wanted = std::make_shared<BindingAsk>(std::move(*read));
  in_lane(wanted->identity.text(), tell, [this, wanted, enabled](const Tell& done) {
    edit_binding(
        wanted,
        [wanted, enabled](std::string text, const std::string& file) {
          return config::set_enabled(std::move(text), file, wanted->protocol, wanted->alias, enabled);
        },
        false, done);
  });
}

/// Edits the file, then makes it so. `undo_on_failure`: when the binding can't run so, the file goes back to what it was and the error is answered.
void Admin::edit_binding(const std::shared_ptr<BindingAsk>& wanted, BindingEdit edit, bool undo_on_failure, const Tell& tell) {
  const auto found = still_there(wanted->identity);
  if (!found) return tell(found.error());
  const std::string old_text = (*found)->loaded->text;
  on_disk<home::LoadedIdentity>(
      [this, loaded = (*found)->loaded, file = parts_.home.identity_path((*found)->name), edit = std::move(edit)] {
        return parts_.home.edit(*loaded, [&](std::string text) { return edit(std::move(text), file); });
      },
      [this, wanted, old_text, undo_on_failure, tell](Result<home::LoadedIdentity> loaded) {
        if (!loaded) return tell(loaded.error());
        const auto same = still_there(wanted->identity);
        if (!same) return tell(same.error());
        KnownIdentity& identity = **same;
        identity.loaded = std::make_shared<const home::LoadedIdentity>(std::move(*loaded));
        const config::BindingConfig* binding = identity.loaded->config.find(wanted->protocol, wanted->alias);
        if (binding == nullptr) return tell(no_binding(identity, wanted->protocol, wanted->alias));
        const auto spec = spec_of(identity, *binding);
        const std::string key = binding_key(wanted->protocol, wanted->alias);
        identity.binding_problems.erase(key);
        if (!spec) {
          identity.binding_problems[key] = {spec.error()};
          if (undo_on_failure) return undo_edit(wanted, old_text, spec.error(), tell);
          return tell(spec.error());
        }
        parts_.node.put_binding(identity.id, *spec, [this, wanted, old_text, undo_on_failure, tell](const Result<void>& running) {
          const auto still = still_there(wanted->identity);
          if (!still) return tell(still.error());
          if (!running && undo_on_failure) return undo_edit(wanted, old_text, running.error(), tell);
          if (!running) return tell(running.error());
          if (parts_.online) parts_.online((*still)->id);
          const config::BindingConfig* now = (*still)->loaded->config.find(wanted->protocol, wanted->alias);
          if (now == nullptr) return tell(no_binding(**still, wanted->protocol, wanted->alias));
          tell(binding_json(**still, *now, parts_.node.status(), true));
        });
      });
}

void Admin::undo_edit(const std::shared_ptr<BindingAsk>& wanted, const std::string& old_text, Error error, const Tell& tell) {
  const auto found = still_there(wanted->identity);
  if (!found) return tell(found.error());
  on_disk<home::LoadedIdentity>(
      [this, loaded = (*found)->loaded, old_text] { return parts_.home.edit(*loaded, [&](const std::string&) { return old_text; }); },
      [this, wanted, error = std::move(error), tell](Result<home::LoadedIdentity> loaded) {
        const auto same = still_there(wanted->identity);
        if (!same) return tell(same.error());
        if (!loaded) return tell(Error{error.code, error.text + "; the file keeps the change: " + loaded.error().text});
        KnownIdentity& identity = **same;
        identity.loaded = std::make_shared<const home::LoadedIdentity>(std::move(*loaded));
        identity.binding_problems.erase(binding_key(wanted->protocol, wanted->alias));
        const config::BindingConfig* before = identity.loaded->config.find(wanted->protocol, wanted->alias);
        if (before == nullptr) {
          parts_.node.remove_binding(identity.id, wanted->protocol, wanted->alias, parts_.world.now(), [] {});
        } else if (const auto spec = spec_of(identity, *before)) {
          parts_.node.put_binding(identity.id, *spec, [](const Result<void>&) {});
        }
        tell(error);
      });
}

// --- remove

void Admin::binding_remove(Ask& ask, const Tell& tell) {
  auto read = read_binding(ask, {"purge"});
  if (!read) return tell(read.error());
  auto wanted = std::make_shared<BindingAsk>(std::move(*read));
  const auto purge = ask.fields.flag("purge");
  if (!purge) return tell(purge.error());
  in_lane(wanted->identity.text(), tell, [this, wanted, purge = purge->value_or(false)](const Tell& done) {
    const auto found = still_there(wanted->identity);
    if (!found) return done(found.error());
    const PeerId id = wanted->identity;
    const auto answer = [wanted, purge, done, name = (*found)->name] {
      done(protocol::ObjectWriter()
               .text("identity", name)
               .text("protocol", wanted->protocol)
               .text("alias", wanted->alias)
               .flag("purged", purge)
               .finish());
    };
    const auto removed = [this, wanted, id, purge, answer, done] {
      if (!purge) return answer();
      on_disk<void>([this, wanted, id] { return parts_.home.purge_data(id, wanted->protocol, wanted->alias); },
                    [answer, done](const Result<void>& gone) { gone ? answer() : done(gone.error()); });
    };
    on_disk<home::LoadedIdentity>(
        [this, wanted, loaded = (*found)->loaded, file = parts_.home.identity_path((*found)->name)] {
          return parts_.home.edit(*loaded,
                                  [&](std::string text) { return config::remove_binding(std::move(text), file, wanted->protocol, wanted->alias); });
        },
        [this, wanted, id, removed, done](Result<home::LoadedIdentity> loaded) {
          if (!loaded) return done(loaded.error());
          if (const auto same = still_there(wanted->identity)) {
            (*same)->loaded = std::make_shared<const home::LoadedIdentity>(std::move(*loaded));
            (*same)->binding_problems.erase(binding_key(wanted->protocol, wanted->alias));
          }
          parts_.node.remove_binding(id, wanted->protocol, wanted->alias, parts_.world.now(), removed);
        });
  });
}

// --- what there is to bind

namespace {

std::string_view scope_name(hosting::Scope scope) {
  switch (scope) {
    case hosting::Scope::local: return "local";
    case hosting::Scope::remote: return "remote";
    case hosting::Scope::both: break;
  }
  return "both";
}

std::string commands_json(const hosting::Protocol& protocol) {
  std::vector<std::string> commands;
  for (const auto& command : protocol.commands) {
    protocol::ObjectWriter one;
    one.text("name", command.name).text("scope", scope_name(command.scope)).text("summary", command.summary);
    if (command.is_remote()) one.text("least_role", role_name(command.least_role));
    commands.push_back(one.finish());
  }
  return json_list(commands);
}

} // namespace

void Admin::protocol_list(Ask& ask, const Tell& tell) {
  if (const auto good = ask.fields.only({"id", "type"}); !good) return tell(good.error());
  std::vector<std::string> protocols;
  for (const auto& entry : parts_.plugins.registry().all()) {
    protocols.push_back(protocol::ObjectWriter()
                            .text("protocol", entry.protocol->name)
                            .text("version", entry.protocol->version)
                            .text("summary", entry.protocol->summary)
                            .text("file", entry.library->file.string())
                            .text("noun", entry.protocol->cli_noun)
                            .raw("commands", commands_json(*entry.protocol))
                            .finish());
  }
  tell(protocol::ObjectWriter().raw("protocols", json_list(protocols)).finish());
}

} // namespace kith::control
