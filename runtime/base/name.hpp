// SPDX-License-Identifier: Apache-2.0
// What may be called what: one rule for the wire, the socket, YAML and the command line.
#pragma once

#include "base/error.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace kith {

inline constexpr std::size_t max_name_size = 64;
inline constexpr std::string_view default_alias = "default";
inline constexpr std::string_view reserved_protocol_prefix = "kith.";

/// Names of identities, protocols, aliases, peers and groups: [A-Za-z0-9_][A-Za-z0-9._-]{0,63}, not ending in '.', and nothing that has the form of an
/// id. `what` is the kind of name, for the text ("identity name"). Errors: bad_request, saying which rule was broken and where.
Result<void> check_name(std::string_view name, std::string_view what);

/// Whether `kith WORD …` is a command of kith's own, now or planned: no plugin's noun may be called so.
bool is_command_word(std::string_view word) noexcept;

/// A character for an error text: 'x' in quotes when printable, else its octet as 0x1b. Never lets a control character through.
std::string describe_char(char c);

/// The known name nearest to a mistyped one, or nothing when none is near enough (a third of its length in edits, rounded up). The
/// one that begins with the typed word, of at least 3 characters, is nearer than any other.
std::string_view nearest_name(std::string_view typed, std::span<const std::string_view> known);

} // namespace kith
