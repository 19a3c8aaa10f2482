// SPDX-License-Identifier: GPL-3.0-or-later
// identities/NAME.yaml as a struct (DESIGN section 3).
#pragma once

#include "config/tree.hpp"

#include "base/address.hpp"
#include "base/peer_id.hpp"

#include <optional>

namespace kith::config {

inline constexpr std::size_t max_bindings = 256;     ///< Of one identity.
inline constexpr std::size_t max_access_words = 256; ///< In one `access:` or `deny:` list.
inline constexpr std::size_t max_alpn_size = 255;    ///< Octets of one ALPN (RFC 7301 §3.1).
inline constexpr std::string_view own_alpn = "kith/1";

/// One entry of an `access:` or `deny:` list, as words; `access::parse_entry` says what they mean.
struct AccessWord {
  std::string text;              ///< "member", "group:family", "peer:<id52>".
  std::optional<std::string> as; ///< The role word of {peer: …, as: …} and of "peer:…=…".
  Mark mark;
  friend bool operator==(const AccessWord& a, const AccessWord& b) { return a.text == b.text && a.as == b.as; }
};

/// An entry that is one text: "peer:bob=admin" and "group:family=viewer" have their role behind the '=', as the command line has it.
AccessWord access_word(std::string text, const Mark& mark = {});

struct BindingConfig {
  std::string protocol;
  std::string alias{"default"};
  bool enabled = true;
  std::optional<bool> inline_;                   ///< Left out: what the plugin's descriptor suggests.
  bool provider = false;                         ///< Served by a program over the socket instead of a plugin.
  std::optional<std::vector<AccessWord>> access; ///< Left out: the plugin's declared default. Empty: nobody.
  std::optional<std::vector<AccessWord>> deny;
  std::vector<std::string> alpn;     ///< ALPNs of the binding's own.
  std::string config_json = "{}";    ///< The `config:` node as compact JSON, numbers and key order as written.
  Node config;                       ///< The same node, with marks, for schema errors.
  std::optional<std::string> sha256; ///< Of the plugin's file, 64 hex digits in lower case.
  std::vector<std::string> grants;   ///< What was confirmed for the plugin ("exec", "fs:/music").
  Mark mark;
};

struct IdentityConfig {
  PeerId id;
  bool online = false;
  std::vector<Address> listen; ///< Sockets of its own; empty: the shared ones.
  std::vector<BindingConfig> bindings;

  const BindingConfig* find(std::string_view protocol, std::string_view alias) const noexcept;
};

/// Reads one identity's file. Errors: bad_request, the first of check_identity's.
Result<IdentityConfig> parse_identity(std::string_view text, std::string_view file);

/// A binding's `sha256:`.
struct PluginPin {
  std::string protocol;
  std::string sha256;
  friend bool operator==(const PluginPin&, const PluginPin&) = default;
};

/// What the bindings of a file pin, whatever else is wrong with it; nothing when it is no YAML.
std::vector<PluginPin> pins_in(std::string_view text, std::string_view file);

/// Everything that is wrong with the file, in its order; what only the plugins' schemas know is not seen here.
std::vector<Error> check_identity(std::string_view text, std::string_view file);

} // namespace kith::config
