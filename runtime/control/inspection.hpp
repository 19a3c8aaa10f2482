// SPDX-License-Identifier: GPL-3.0-or-later
// What the files of this home mean: read on the disk thread, judged on the network thread. `reload` and `config check` both go by this, so that they
// say the same of the same files.
#pragma once

#include "config/identity_edits.hpp"
#include "home/home.hpp"
#include "node/node.hpp"
#include "node/plugin_services.hpp"
#include "store/store.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace kith::control {

/// An identity's file with all that can be said of it.
struct InspectedIdentity {
  home::IdentityFile read;
  config::PeerIds peers; ///< Of the identity with this file's id.

  struct Binding {
    std::vector<Error> errors;             ///< Each with its place.
    std::optional<node::BindingSpec> spec; ///< Without errors: as node takes it.
  };
  std::vector<Binding> bindings; ///< In the order of the file.

  bool applies = false; ///< For a reload: this is what is to run.

  /// Whatever is wrong, in the order of the file; the file as a whole first.
  std::vector<Error> errors() const;
};

/// What is wrong with the key `nameless` of kith.yaml, which has this text, with its place.
Error nameless_error(const std::string& text, const std::string& file, std::string_view why);

struct InspectedFiles {
  std::vector<std::string> files; ///< That were looked at.
  std::vector<InspectedIdentity> identities;
  std::vector<store::PeerRow> peers;            ///< Of all identities.
  std::optional<config::DaemonConfig> settings; ///< When kith.yaml is good.
  std::vector<Error> settings_errors;
  std::shared_ptr<const plugin_host::Registry> registry; ///< Scanned again, when that was asked for.
};

/// Reads everything, or `only` one file: kith.yaml or an identity's, told apart by the name. With `plugins`, looks for new plugins as well. Disk thread.
/// Errors: bad_request when `only` is not there.
Result<InspectedFiles> read_files(const home::Home& home, store::Store& store, const std::string& only,
                                  const std::optional<plugin_host::RegistryOptions>& plugins,
                                  const std::shared_ptr<const plugin_host::Registry>& before);

/// The binding's config node, or where one would be: errors need a place.
config::Node config_of(const config::BindingConfig& binding);

/// What can be said at once of an identity's bindings: access words, protocols, schemas. Network thread.
void judge(InspectedIdentity& identity, const node::PluginServices& plugins);

/// The same for all, and then what the plugins themselves say; `done` is called once on the network thread, when the last has answered.
void inspect(const std::shared_ptr<InspectedFiles>& files, node::PluginServices& plugins, std::function<void()> done);

/// What names peers can't run: their names could not be replaced by ids.
void refuse_names(InspectedIdentity& identity, const Error& why);

/// A binding as node takes it, without looking at its config. What is wrong goes to `errors`, with file, line and column.
node::BindingSpec binding_spec(const config::BindingConfig& binding, const std::string& file, const config::PeerIds& peers,
                               std::vector<Error>& errors);

} // namespace kith::control
