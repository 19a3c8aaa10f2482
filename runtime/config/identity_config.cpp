// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/identity_config.hpp"

#include "config/json.hpp"
#include "config/reader.hpp"
#include "config/yaml.hpp"

#include "base/name.hpp"
#include "base/role.hpp"
#include "base/utf8.hpp"

#include <algorithm>
#include <array>

namespace kith::config {
namespace {

constexpr std::array<std::string_view, 4> identity_keys{"id", "online", "listen", "bindings"};
constexpr std::array<std::string_view, 11> binding_keys{"protocol", "alias", "enabled", "inline", "provider", "access",
                                                        "deny",     "alpn",  "config",  "sha256", "grants"};
constexpr std::array<std::string_view, 3> access_keys{"peer", "group", "as"};
constexpr std::size_t sha256_digits = 64;

/// {peer: ID, as: ROLE} or {group: NAME, as: ROLE}.
std::optional<AccessWord> read_access_map(Reader& in, const Node& node) {
  in.map(node, "an access entry", access_keys);
  const Node* peer = node.find("peer");
  const Node* group = node.find("group");
  if ((peer == nullptr) == (group == nullptr)) {
    in.fail(node.mark, "an access entry in braces has either 'peer:' or 'group:', and may have 'as:'");
    return std::nullopt;
  }
  const auto who = in.text(peer != nullptr ? *peer : *group, peer != nullptr ? "peer" : "group");
  if (!who) return std::nullopt;
  AccessWord word{(peer != nullptr ? "peer:" : "group:") + *who, std::nullopt, node.mark};
  if (const Node* as = node.find("as")) {
    word.as = in.text(*as, "as");
    if (!word.as) return std::nullopt;
  }
  return word;
}

/// Words that can't mean anything are refused here, where the line is known; whether a name is a peer's is for the Gate's parser to find out.
void check_access_word(Reader& in, const AccessWord& word) {
  const auto& text = word.text;
  if (word.as && !parse_role(*word.as)) in.fail(word.mark, in_quotes(*word.as) + " is not a role (public, viewer, member, admin, owner)");
  if (parse_role(text)) return;
  Result<void> ok;
  if (text.starts_with("group:")) {
    ok = check_name(std::string_view(text).substr(6), "group name");
  } else if (text.starts_with("peer:")) {
    const auto who = std::string_view(text).substr(5);
    if (looks_like_id(who)) {
      if (const auto id = parse_peer_id(who); !id) ok = id.error();
    } else {
      ok = check_name(who, "peer name");
    }
  } else {
    ok = bad_request("the access entry " + in_quotes(text) + " is not known: use public, viewer, member, admin, owner, group:NAME or peer:ID");
  }
  if (!ok) in.fail(word.mark, ok.error().text);
}

std::vector<AccessWord> read_access(Reader& in, const Node& node, std::string_view what) {
  std::vector<AccessWord> out;
  in.list(node, what, [&](const Node& item) {
    std::optional<AccessWord> word;
    if (item.is(Node::Kind::map)) {
      word = read_access_map(in, item);
    } else if (const auto text = in.text(item, "an access entry")) {
      word = access_word(*text, item.mark);
    }
    if (!word) return;
    check_access_word(in, *word);
    out.push_back(*std::move(word));
  });
  if (out.size() > max_access_words) in.fail(node.mark, std::string(what) + " has more than " + std::to_string(max_access_words) + " entries");
  return out;
}

void read_config(Reader& in, const Node& node, BindingConfig& binding) {
  if (node.is(Node::Kind::empty)) return;
  if (!node.is(Node::Kind::map)) return in.fail(node.mark, "config must be a map (key: value)");
  auto json = to_json(node, in.file());
  if (!json) return in.fail_with(json.error());
  binding.config_json = *std::move(json);
  binding.config = node;
}

void read_alpn(Reader& in, const Node& node, BindingConfig& binding) {
  in.list(node, "alpn", [&](const Node& item) {
    auto alpn = in.text(item, "an ALPN");
    if (!alpn) return;
    if (alpn->empty() || alpn->size() > max_alpn_size) return in.fail(item.mark, "an ALPN has 1 to " + std::to_string(max_alpn_size) + " bytes");
    if (*alpn == own_alpn) return in.fail(item.mark, "the ALPN kith/1 is kith's own; no binding can claim it");
    binding.alpn.push_back(*std::move(alpn));
  });
}

void read_sha256(Reader& in, const Node& node, BindingConfig& binding) {
  auto sum = in.text(node, "sha256");
  if (!sum) return;
  if (sum->size() != sha256_digits || sum->find_first_not_of("0123456789abcdef") != std::string::npos) {
    return in.fail(node.mark, "sha256 must be 64 hex digits in lower case, as sha256sum prints them");
  }
  binding.sha256 = *std::move(sum);
}

BindingConfig read_binding(Reader& in, const Node& node) {
  BindingConfig binding;
  binding.mark = node.mark;
  if (!in.map(node, "a binding", binding_keys)) return binding;
  if (const Node* protocol = node.find("protocol")) {
    binding.protocol = in.name(*protocol, "protocol").value_or("");
    if (binding.protocol.starts_with(reserved_protocol_prefix)) in.fail(protocol->mark, "protocols called kith.* are reserved for kith itself");
  } else {
    in.fail(node.mark, "a binding needs 'protocol:'");
  }
  if (const Node* alias = node.find("alias")) binding.alias = in.name(*alias, "alias").value_or("");
  if (const Node* enabled = node.find("enabled")) binding.enabled = in.boolean(*enabled, "enabled").value_or(true);
  if (const Node* inline_node = node.find("inline")) binding.inline_ = in.boolean(*inline_node, "inline");
  if (const Node* provider = node.find("provider")) binding.provider = in.boolean(*provider, "provider").value_or(false);
  if (const Node* access = node.find("access")) binding.access = read_access(in, *access, "access");
  if (const Node* deny = node.find("deny")) binding.deny = read_access(in, *deny, "deny");
  if (const Node* alpn = node.find("alpn")) read_alpn(in, *alpn, binding);
  if (const Node* config = node.find("config")) read_config(in, *config, binding);
  if (const Node* sha256 = node.find("sha256")) read_sha256(in, *sha256, binding);
  if (const Node* grants = node.find("grants")) {
    in.list(*grants, "grants", [&](const Node& item) {
      if (auto grant = in.text(item, "a grant")) binding.grants.push_back(*std::move(grant));
    });
  }
  return binding;
}

/// No two bindings may have one protocol and alias, or one ALPN.
void check_claims(Reader& in, const std::vector<BindingConfig>& bindings) {
  for (std::size_t i = 0; i < bindings.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (bindings[i].protocol == bindings[j].protocol && bindings[i].alias == bindings[j].alias) {
        in.fail(bindings[i].mark, "the binding " + bindings[i].protocol + '/' + bindings[i].alias + " is there twice (first in line " +
                                      std::to_string(bindings[j].mark.line) + "); give one of them another alias");
      }
      for (const std::string& alpn : bindings[i].alpn) {
        if (std::ranges::find(bindings[j].alpn, alpn) == bindings[j].alpn.end()) continue;
        in.fail(bindings[i].mark, "the ALPN " + in_quotes(alpn) + " is claimed twice (first in line " + std::to_string(bindings[j].mark.line) + ")");
      }
    }
  }
}

IdentityConfig read_identity(Reader& in, const Node& root) {
  IdentityConfig out;
  if (root.is(Node::Kind::empty)) {
    in.fail({0, 1, 1}, "the file is empty; it needs at least 'id:'");
    return out;
  }
  if (!in.map(root, "an identity's file", identity_keys)) return out;
  if (const Node* id = root.find("id")) {
    out.id = in.id(*id, "id").value_or(PeerId{});
  } else {
    in.fail(root.mark, "'id:' is missing: it names the key that this file belongs to");
  }
  if (const Node* online = root.find("online")) out.online = in.boolean(*online, "online").value_or(false);
  if (const Node* listen = root.find("listen")) {
    out.listen = in.listen(*listen);
  }
  const Node* bindings = root.find("bindings");
  if (bindings == nullptr || bindings->is(Node::Kind::empty)) return out;
  in.list(*bindings, "bindings", [&](const Node& item) { out.bindings.push_back(read_binding(in, item)); });
  if (out.bindings.size() > max_bindings) {
    in.fail(bindings->mark, "there are more than " + std::to_string(max_bindings) + " bindings");
  } else {
    check_claims(in, out.bindings);
  }
  return out;
}

IdentityConfig read(std::string_view text, std::string_view file, std::vector<Error>& errors) {
  const auto root = parse_yaml(text, file);
  if (!root) {
    errors.push_back(root.error());
    return {};
  }
  Reader in(file, errors);
  return read_identity(in, *root);
}

} // namespace

const BindingConfig* IdentityConfig::find(std::string_view protocol, std::string_view alias) const noexcept {
  const auto it = std::ranges::find_if(bindings, [&](const BindingConfig& b) { return b.protocol == protocol && b.alias == alias; });
  return it == bindings.end() ? nullptr : &*it;
}

Result<IdentityConfig> parse_identity(std::string_view text, std::string_view file) {
  std::vector<Error> errors;
  auto config = read(text, file, errors);
  if (!errors.empty()) return errors.front();
  return config;
}

AccessWord access_word(std::string text, const Mark& mark) {
  AccessWord word{std::move(text), std::nullopt, mark};
  const auto equals = word.text.find('=');
  if (equals == std::string::npos || !(word.text.starts_with("peer:") || word.text.starts_with("group:"))) return word;
  word.as = word.text.substr(equals + 1);
  word.text.resize(equals);
  return word;
}

std::vector<PluginPin> pins_in(std::string_view text, std::string_view file) {
  std::vector<PluginPin> out;
  const auto root = parse_yaml(text, file);
  const Node* bindings = root ? root->find("bindings") : nullptr;
  if (bindings == nullptr) return out;
  for (const Node& item : bindings->items) {
    const Node* protocol = item.find("protocol");
    const Node* sha256 = item.find("sha256");
    const Node* provider = item.find("provider");
    if (protocol == nullptr || sha256 == nullptr || (provider != nullptr && provider->text == "true")) continue;
    out.push_back({protocol->text, sha256->text});
  }
  return out;
}

std::vector<Error> check_identity(std::string_view text, std::string_view file) {
  std::vector<Error> errors;
  read(text, file, errors);
  return errors;
}

} // namespace kith::config
