// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/identity_edits.hpp"

#include "config/edit.hpp"
#include "config/identity_config.hpp"
#include "config/json.hpp"

#include "base/name.hpp"
#include "base/utf8.hpp"

#include <algorithm>

namespace kith::config {
namespace {

const std::string bindings_key = "bindings";

/// The edited text must be an identity's file as well as the tree that was meant.
Result<std::string> finished(const Editor& editor, const std::string& file) {
  if (const auto config = parse_identity(editor.text(), file); !config) return config.error();
  return editor.text();
}

using Change = std::function<Result<void>(Editor&)>;

Result<std::string> edit(std::string text, const std::string& file, const Change& change) {
  auto editor = Editor::open(std::move(text), file);
  if (!editor) return editor.error();
  if (auto r = change(*editor); !r) return r.error();
  return finished(*editor, file);
}

Result<std::size_t> binding_index(const Editor& editor, const std::string& file, std::string_view protocol, std::string_view alias) {
  const auto config = parse_identity(editor.text(), file);
  if (!config) return config.error();
  bool protocol_is_there = false;
  for (std::size_t i = 0; i < config->bindings.size(); ++i) {
    if (config->bindings[i].protocol != protocol) continue;
    protocol_is_there = true;
    if (config->bindings[i].alias == alias) return i;
  }
  if (protocol_is_there)
    return Error{Code::unknown_alias, file + ": " + std::string(protocol) + " has no binding with the alias " + std::string(alias)};
  return Error{Code::unknown_protocol, file + ": there is no binding of " + std::string(protocol)};
}

Result<std::string> edit_binding(std::string text, const std::string& file, std::string_view protocol, std::string_view alias,
                                 const std::function<Result<void>(Editor&, const Path&)>& change) {
  return edit(std::move(text), file, [&](Editor& editor) -> Result<void> {
    const auto index = binding_index(editor, file, protocol, alias);
    if (!index) return index.error();
    return change(editor, {bindings_key, *index});
  });
}

Path below(Path path, std::string key) {
  path.emplace_back(std::move(key));
  return path;
}

Node access_node(const std::vector<AccessEdit>& access) {
  Node list = make_list({}, true);
  for (const AccessEdit& entry : access) {
    Node item = make_text(entry.text);
    if (entry.as) {
      const auto colon = entry.text.find(':');
      if (colon != std::string::npos) {
        item = make_map({Field{entry.text.substr(0, colon), {}, make_text(entry.text.substr(colon + 1))}, Field{"as", {}, make_text(*entry.as)}});
        item.fields.front().value.comment = entry.comment;
      }
    } else {
      item.comment = entry.comment;
    }
    list.items.push_back(std::move(item));
  }
  return list;
}

Result<Node> config_node(std::string_view json) {
  auto node = parse_json(json, "config");
  if (node && !node->is(Node::Kind::map)) return bad_request("config must be a JSON object, such as {\"max_length\": 1000}");
  return node;
}

Result<void> check_as(const std::vector<AccessEdit>& access) {
  for (const AccessEdit& entry : access) {
    if (entry.as && entry.text.find(':') == std::string::npos)
      return bad_request("'as' goes with a peer or a group, not with " + in_quotes(entry.text));
  }
  return {};
}

Result<std::string> set_words(std::string text, const std::string& file, std::string_view protocol, std::string_view alias, const std::string& key,
                              const std::vector<AccessEdit>& words) {
  if (const auto ok = check_as(words); !ok) return ok.error();
  return edit_binding(std::move(text), file, protocol, alias,
                      [&](Editor& editor, const Path& binding) { return editor.set(below(binding, key), access_node(words)); });
}

} // namespace

std::string new_identity_text(const PeerId& id, bool online) {
  return "# What this identity serves, and to whom. Edit it and run 'kith reload', or use 'kith add-protocol' and its like, which keep your "
         "comments.\n"
         "id: " +
         id.text() + "\nonline: " + (online ? "true" : "false") + "\nbindings: []\n";
}

Result<std::string> set_online(std::string text, const std::string& file, bool online) {
  return edit(std::move(text), file, [&](Editor& editor) { return editor.set({std::string("online")}, make_plain(online ? "true" : "false")); });
}

Result<std::string> add_binding(std::string text, const std::string& file, const NewBinding& binding) {
  const std::string alias = binding.alias.empty() ? std::string(default_alias) : binding.alias;
  if (const auto ok = check_name(binding.protocol, "protocol"); !ok) return ok.error();
  if (const auto ok = check_name(alias, "alias"); !ok) return ok.error();
  Node node = make_map({Field{"protocol", {}, make_text(binding.protocol)}});
  if (!binding.alias.empty()) node.fields.push_back({"alias", {}, make_text(alias)});
  if (binding.provider) node.fields.push_back({"provider", {}, make_plain("true")});
  if (binding.access) {
    if (const auto ok = check_as(*binding.access); !ok) return ok.error();
    node.fields.push_back({"access", {}, access_node(*binding.access)});
  }
  if (binding.config_json) {
    auto config = config_node(*binding.config_json);
    if (!config) return config.error();
    node.fields.push_back({"config", {}, *std::move(config)});
  }
  if (!binding.grants.empty()) {
    Node grants = make_list({}, true);
    for (const std::string& grant : binding.grants) grants.items.push_back(make_text(grant));
    node.fields.push_back({"grants", {}, std::move(grants)});
  }
  return edit(std::move(text), file, [&](Editor& editor) -> Result<void> {
    if (binding_index(editor, file, binding.protocol, alias)) {
      return bad_request(file + ": " + binding.protocol + '/' + alias +
                         " is there already; choose another --alias, or use 'kith configure-protocol'");
    }
    return editor.append_item({bindings_key}, node);
  });
}

Result<std::string> remove_binding(std::string text, const std::string& file, std::string_view protocol, std::string_view alias) {
  return edit(std::move(text), file, [&](Editor& editor) -> Result<void> {
    const auto index = binding_index(editor, file, protocol, alias);
    if (!index) return index.error();
    return editor.remove_item({bindings_key}, *index);
  });
}

Result<std::string> set_enabled(std::string text, const std::string& file, std::string_view protocol, std::string_view alias, bool enabled) {
  return edit_binding(std::move(text), file, protocol, alias, [&](Editor& editor, const Path& binding) {
    return editor.set(below(binding, "enabled"), make_plain(enabled ? "true" : "false"));
  });
}

Result<std::string> replace_config(std::string text, const std::string& file, std::string_view protocol, std::string_view alias,
                                   std::string_view json) {
  const auto config = config_node(json);
  if (!config) return config.error();
  return edit_binding(std::move(text), file, protocol, alias,
                      [&](Editor& editor, const Path& binding) { return editor.set(below(binding, "config"), *config); });
}

Result<std::string> set_access(std::string text, const std::string& file, std::string_view protocol, std::string_view alias,
                               const std::vector<AccessEdit>& access) {
  return set_words(std::move(text), file, protocol, alias, "access", access);
}

Result<std::string> set_deny(std::string text, const std::string& file, std::string_view protocol, std::string_view alias,
                             const std::vector<AccessEdit>& deny) {
  return set_words(std::move(text), file, protocol, alias, "deny", deny);
}

namespace {

constexpr std::string_view peer_prefix = "peer:";

/// The name of an entry that names a peer without its id.
std::optional<std::string_view> peer_name(std::string_view word) {
  if (!word.starts_with(peer_prefix) || looks_like_id(word.substr(peer_prefix.size()))) return std::nullopt;
  return word.substr(peer_prefix.size());
}

bool is_of(const AccessWord& word, const PeerId& peer) {
  if (!word.text.starts_with(peer_prefix)) return false;
  const auto id = parse_peer_id(std::string_view(word.text).substr(peer_prefix.size()));
  return id && *id == peer;
}

bool has_peer_names(const std::optional<std::vector<AccessWord>>& words) {
  return words && std::ranges::any_of(*words, [](const AccessWord& word) { return peer_name(word.text).has_value(); });
}

Result<void> pin_words(Editor& editor, const Path& list, const std::optional<std::vector<AccessWord>>& words, const PeerIds& peers) {
  std::vector<std::pair<std::size_t, PeerIds::const_iterator>> pins;
  std::string names;
  for (std::size_t i = 0; words && i < words->size(); ++i) {
    const auto name = peer_name((*words)[i].text);
    const auto peer = name ? peers.find(*name) : peers.end();
    if (peer == peers.end()) continue;
    pins.emplace_back(i, peer);
    names += (names.empty() ? "" : ", ") + peer->first;
  }
  const bool one_line = !pins.empty() && find(editor.root(), list)->flow; // what is in brackets shares a comment
  for (const auto& [i, peer] : pins) {
    Path item = list;
    item.emplace_back(i);
    const bool in_map = find(editor.root(), item)->is(Node::Kind::map);
    const auto& as = (*words)[i].as;
    Node value = make_text(in_map ? peer->second.text() : std::string(peer_prefix) + peer->second.text() + (as ? "=" + *as : ""));
    if (!one_line) value.comment = peer->first;
    else if (i == pins.back().first) value.comment = names;
    if (in_map) item.emplace_back(std::string("peer"));
    if (auto ok = editor.set(item, value); !ok) return ok;
  }
  return {};
}

} // namespace

bool names_peer(const BindingConfig& binding, const PeerId& peer) {
  return binding.access && std::ranges::any_of(*binding.access, [&](const AccessWord& word) { return is_of(word, peer); });
}

Result<std::string> remove_peer(std::string text, const std::string& file, const PeerId& peer) {
  const auto config = parse_identity(text, file);
  if (!config) return config.error();
  return edit(std::move(text), file, [&](Editor& editor) -> Result<void> {
    for (std::size_t i = 0; i < config->bindings.size(); ++i) {
      const auto& access = config->bindings[i].access;
      for (std::size_t n = access ? access->size() : 0; n-- > 0;) {
        if (!is_of((*access)[n], peer)) continue;
        if (auto ok = editor.remove_item({bindings_key, i, std::string("access")}, n); !ok) return ok;
      }
    }
    return {};
  });
}

bool has_peer_names(const BindingConfig& binding) { return has_peer_names(binding.access) || has_peer_names(binding.deny); }

bool has_peer_names(const IdentityConfig& config) {
  return std::ranges::any_of(config.bindings, [](const BindingConfig& binding) { return has_peer_names(binding); });
}

Result<std::string> pin_peers(std::string text, const std::string& file, const PeerIds& peers) {
  const auto config = parse_identity(text, file);
  if (!config) return config.error();
  if (!has_peer_names(*config)) return text;
  return edit(std::move(text), file, [&](Editor& editor) -> Result<void> {
    for (std::size_t i = 0; i < config->bindings.size(); ++i) {
      const BindingConfig& binding = config->bindings[i];
      const Path path{bindings_key, i};
      if (auto ok = pin_words(editor, below(path, "access"), binding.access, peers); !ok) return ok;
      if (auto ok = pin_words(editor, below(path, "deny"), binding.deny, peers); !ok) return ok;
    }
    return {};
  });
}

} // namespace kith::config
