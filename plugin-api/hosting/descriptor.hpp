// SPDX-License-Identifier: Apache-2.0
// What a plugin file says about itself, checked and copied into C++.
#pragma once

#include <kith/abi/config.h>
#include <kith/abi/draft/dial.h>
#include <kith/abi/draft/peer.h>
#include <kith/abi/entry.h>
#include <kith/abi/storage.h>
#include <kith/abi/stream.h>
#include <kith/abi/timer.h>

#include "base/error.hpp"
#include "base/role.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kith::hosting {

inline constexpr std::size_t max_protocols_in_file = 64;
inline constexpr std::size_t max_commands = 256;
inline constexpr std::size_t max_summary_size = 200;
inline constexpr std::size_t max_schema_size = 256 * 1024;

enum class Scope : std::uint8_t { local, remote, both };

struct Command {
  std::string name;
  std::string summary;
  Scope scope = Scope::local;
  Role least_role = Role::owner; ///< For remote streams.

  bool is_remote() const noexcept { return scope != Scope::local; }
};

/// The capabilities that a protocol offers; null where it does not.
struct Capabilities {
  const kith_plugin_stream* stream = nullptr;
  const kith_plugin_config* config = nullptr;
  const kith_plugin_timer* timer = nullptr;
  const kith_plugin_storage* storage = nullptr;
  const kith_plugin_peer* peer = nullptr;
  const kith_plugin_dial* dial = nullptr;
};

struct Protocol {
  std::string name;
  std::string version;
  std::string summary;
  std::string config_schema; ///< JSON text; empty: any object.
  std::string cli_noun;
  std::optional<Role> default_access; ///< Least role when the binding names no access; nothing: nobody. Never below member.
  std::vector<Command> commands;
  bool suggests_inline = false;
  bool shared_handover = false;
  std::uint32_t needs = 0;            ///< KITH_NEED_*
  const kith_protocol* abi = nullptr; ///< Static in the mapped library.
  Capabilities capabilities;

  const Command* find_command(std::string_view command) const noexcept;
  /// kith.config/1 check: what the schema can't say. Any thread, one at a time for a protocol. Errors: bad_request with the plugin's text.
  Result<void> check_config(const std::string& config) const;
};

struct Descriptor {
  std::string name;
  std::string version;
  std::uint16_t minor_needed = 0; ///< The least KITH_ABI_MINOR that it can live with.
  std::vector<Protocol> protocols;

  const Protocol* find(std::string_view protocol) const noexcept;
};

/// Reads and checks a descriptor. `file` is for the texts. Errors: unsupported_version (majors differ, or it needs a newer minor), bad_request (the field
/// that breaks a rule, and the rule).
Result<Descriptor> read_descriptor(const kith_plugin* plugin, std::string_view file);

} // namespace kith::hosting
