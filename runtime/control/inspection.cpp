// SPDX-License-Identifier: GPL-3.0-or-later
#include "control/inspection.hpp"

#include "access/entry.hpp"
#include "config/yaml.hpp"
#include "home/files.hpp"

#include <algorithm>
#include <filesystem>

namespace kith::control {
namespace {

std::vector<access::Entry> read_entries(const std::vector<config::AccessWord>& words, const std::string& file, const config::PeerIds& peers,
                                        std::vector<Error>& errors) {
  const access::PeerLookup lookup = [&](std::string_view name) -> std::optional<PeerId> {
    const auto found = peers.find(name);
    return found == peers.end() ? std::nullopt : std::optional(found->second);
  };
  std::vector<access::Entry> entries;
  for (const auto& word : words) {
    auto entry = access::parse_entry(word.text, word.as ? std::optional<std::string_view>(*word.as) : std::nullopt, lookup);
    if (entry) entries.push_back(std::move(*entry));
    else errors.push_back(config::error_at(file, word.mark, entry.error().text));
  }
  return entries;
}

void read_settings(InspectedFiles& out, const std::string& file, const std::vector<std::string>& identities) {
  const auto text = home::read_file(file, config::max_text_size);
  if (!text) {
    out.settings_errors.push_back(text.error());
    return;
  }
  out.settings_errors = config::check_daemon(*text, file);
  if (!out.settings_errors.empty()) return;
  out.settings = *config::parse_daemon(*text, file);
  const std::string& nameless = out.settings->nameless;
  if (nameless.empty() || std::ranges::find(identities, nameless) != identities.end()) return;
  out.settings_errors.push_back(nameless_error(*text, file, "there is no identity '" + nameless + "'"));
}

} // namespace

Error nameless_error(const std::string& text, const std::string& file, std::string_view why) {
  const auto root = config::parse_yaml(text, file);
  const config::Node* node = root ? root->find("nameless") : nullptr;
  return config::error_at(file, node != nullptr ? node->mark : config::Mark(), "nameless: " + std::string(why));
}

config::Node config_of(const config::BindingConfig& binding) {
  config::Node node = binding.config;
  if (node.mark.line == 0) node.mark = binding.mark;
  return node;
}

std::vector<Error> InspectedIdentity::errors() const {
  std::vector<Error> out = read.errors;
  for (const Binding& binding : bindings) out.insert(out.end(), binding.errors.begin(), binding.errors.end());
  return out;
}

Result<InspectedFiles> read_files(const home::Home& home, store::Store& store, const std::string& only,
                                  const std::optional<plugin_host::RegistryOptions>& plugins,
                                  const std::shared_ptr<const plugin_host::Registry>& before) {
  InspectedFiles out;
  const auto add = [&](home::IdentityFile read) {
    if (!read.gone) out.files.push_back(read.file);
    out.identities.emplace_back().read = std::move(read);
  };
  if (std::error_code none; std::filesystem::is_directory(only, none)) {
    return bad_request(only + " is a folder: name one file, or leave it out to check all files of the home");
  }
  const bool settings_only = !only.empty() && home::base_name(only) == home::base_name(home.settings_path());
  if (only.empty() || settings_only) {
    const std::string file = only.empty() ? home.settings_path() : only;
    if (settings_only && !home::exists(file)) return bad_request("there is no file " + file);
    const auto names = home.names();
    if (!names) return names.error();
    out.files.push_back(file);
    read_settings(out, file, *names);
  }
  if (only.empty()) {
    auto all = home.load_all();
    if (!all) return all.error();
    for (auto& each : *all) add(std::move(each));
  } else if (!settings_only) {
    auto one = home.read_identity(only);
    if (!one) return one.error();
    add(std::move(*one));
  }
  auto rows = store.list_peers();
  if (!rows) return rows.error();
  out.peers = std::move(*rows);
  for (InspectedIdentity& identity : out.identities) {
    for (const store::PeerRow& row : out.peers) {
      if (identity.read.config && row.identity == identity.read.config->id) identity.peers[row.name] = row.id;
    }
  }
  if (plugins) {
    plugin_host::RegistryOptions options = *plugins;
    for (const InspectedIdentity& identity : out.identities) {
      for (const config::PluginPin& pin : identity.read.pins) options.pins[pin.protocol].insert(pin.sha256);
    }
    out.registry = plugin_host::Registry::scan(options, before.get());
  }
  return out;
}

node::BindingSpec binding_spec(const config::BindingConfig& binding, const std::string& file, const config::PeerIds& peers,
                               std::vector<Error>& errors) {
  node::BindingSpec spec;
  spec.protocol = binding.protocol;
  spec.alias = binding.alias;
  spec.enabled = binding.enabled;
  spec.provider = binding.provider;
  spec.inline_ = binding.inline_;
  spec.alpn = binding.alpn;
  spec.config_json = binding.config_json;
  spec.sha256 = binding.sha256;
  if (binding.access) spec.access = read_entries(*binding.access, file, peers, errors);
  if (binding.deny) spec.deny = read_entries(*binding.deny, file, peers, errors);
  return spec;
}

void judge(InspectedIdentity& identity, const node::PluginServices& plugins) {
  identity.bindings.clear();
  if (!identity.read.config) return;
  const std::string& file = identity.read.file;
  for (const config::BindingConfig& binding : identity.read.config->bindings) {
    InspectedIdentity::Binding& out = identity.bindings.emplace_back();
    auto spec = binding_spec(binding, file, identity.peers, out.errors);
    if (!binding.provider) {
      for (Error& error : plugins.check_schema(binding.protocol, binding.config_json, config_of(binding), file)) {
        out.errors.push_back(error.code == Code::unknown_protocol ? config::error_at(file, binding.mark, error.text) : std::move(error));
      }
    }
    if (!binding.provider && out.errors.empty()) {
      if (const auto pinned = plugins.check_pin(binding.protocol, binding.sha256); !pinned)
        out.errors.push_back(config::error_at(file, binding.mark, pinned.error().text));
    }
    if (out.errors.empty()) out.spec = std::move(spec);
  }
}

void inspect(const std::shared_ptr<InspectedFiles>& files, node::PluginServices& plugins, std::function<void()> done) {
  auto left = std::make_shared<std::size_t>(1); // one for each question, and this one
  const auto one_less = [left, done = std::move(done)] {
    if (--*left == 0) done();
  };
  for (InspectedIdentity& identity : files->identities) {
    judge(identity, plugins);
    for (std::size_t i = 0; i < identity.bindings.size(); ++i) {
      const config::BindingConfig& binding = identity.read.config->bindings[i];
      if (!identity.bindings[i].spec || binding.provider) continue;
      ++*left;
      plugins.ask_plugin(binding.protocol, binding.config_json, [files, &identity, i, one_less](const Result<void>& fits) {
        if (fits) return one_less();
        const config::BindingConfig& asked = identity.read.config->bindings[i];
        InspectedIdentity::Binding& one = identity.bindings[i];
        one.errors.push_back(config::error_at(identity.read.file, config_of(asked).mark, fits.error().text));
        one.spec.reset();
        one_less();
      });
    }
  }
  one_less();
}

void refuse_names(InspectedIdentity& identity, const Error& why) {
  for (std::size_t i = 0; i < identity.bindings.size(); ++i) {
    const config::BindingConfig& binding = identity.read.config->bindings[i];
    if (!config::has_peer_names(binding)) continue;
    identity.bindings[i].errors.push_back(
        config::error_at(identity.read.file, binding.mark, "the ids of the peers that access names can't be written in their place: " + why.text));
    identity.bindings[i].spec.reset();
  }
}

} // namespace kith::control
