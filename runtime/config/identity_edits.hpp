// SPDX-License-Identifier: GPL-3.0-or-later
// What the command line does to identities/NAME.yaml: text in, text out; comments and every other byte stay (edit.hpp).
#pragma once

#include "config/identity_config.hpp"
#include "config/tree.hpp"

#include "base/peer_id.hpp"

#include <functional>
#include <map>
#include <optional>

namespace kith::config {

/// An access entry to write. Ids are what is stored; the peer's name goes behind it as a comment.
struct AccessEdit {
  std::string text;              ///< "member", "group:family", "peer:<id52>".
  std::optional<std::string> as; ///< A role word, for peers and groups.
  std::string comment;           ///< "bob"; empty: none.
};

struct NewBinding {
  std::string protocol;
  std::string alias; ///< Empty: the default one, not written.
  bool provider = false;
  std::optional<std::vector<AccessEdit>> access;
  std::optional<std::string> config_json; ///< A JSON object.
  std::vector<std::string> grants;
};

/// The file of a new identity, with a comment on what may be added.
std::string new_identity_text(const PeerId& id, bool online);

// Each takes the text of the file and gives the new one. Errors: bad_request, also when what was asked for is not there (unknown_protocol,
// unknown_alias).
Result<std::string> set_online(std::string text, const std::string& file, bool online);
Result<std::string> add_binding(std::string text, const std::string& file, const NewBinding& binding);
Result<std::string> remove_binding(std::string text, const std::string& file, std::string_view protocol, std::string_view alias);
Result<std::string> set_enabled(std::string text, const std::string& file, std::string_view protocol, std::string_view alias, bool enabled);
Result<std::string> replace_config(std::string text, const std::string& file, std::string_view protocol, std::string_view alias,
                                   std::string_view json);
Result<std::string> set_access(std::string text, const std::string& file, std::string_view protocol, std::string_view alias,
                               const std::vector<AccessEdit>& access);
Result<std::string> set_deny(std::string text, const std::string& file, std::string_view protocol, std::string_view alias,
                             const std::vector<AccessEdit>& deny);

/// The peers that an identity knows, by name.
using PeerIds = std::map<std::string, PeerId, std::less<>>;

/// Puts ids in the place of names in every `access:` and `deny:`: `peer:bob` becomes `peer:<id52>`, with `# bob` behind it where an item has its line to
/// itself. Names that `peers` does not have stay as they are.
Result<std::string> pin_peers(std::string text, const std::string& file, const PeerIds& peers);

/// Takes the peer's own entries out of every `access:`; what `deny:` says of it stays.
Result<std::string> remove_peer(std::string text, const std::string& file, const PeerId& peer);
/// Whether the binding's `access:` has an entry of this peer's own.
bool names_peer(const BindingConfig& binding, const PeerId& peer);

/// Whether any entry has a peer's name in the place of an id.
bool has_peer_names(const BindingConfig& binding);
bool has_peer_names(const IdentityConfig& config);

} // namespace kith::config
