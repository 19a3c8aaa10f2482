// SPDX-License-Identifier: GPL-3.0-or-later
// JSON Schema (draft 7) for the `config:` of bindings. Boost.JSON and RE2 stay behind it.
#pragma once

#include "config/tree.hpp"

namespace kith::config {

inline constexpr std::size_t max_schema_errors = 8; ///< Of one config; further ones show when these are mended.

/// What is wrong with a config by a plugin's schema, in the order of the text; nothing: it fits. `config` is the node that `config_json` was made from:
/// its marks name line and column in `file`; a default node has none, then the path alone names the place ("--config: config.max_length: …"). Errors:
/// bad_request with the value's place and what it must be; one plugin_failed when the schema itself is broken.
std::vector<Error> validate(std::string_view config_json, std::string_view schema_json, const Node& config, std::string_view file);

} // namespace kith::config
