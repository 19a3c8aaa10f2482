// SPDX-License-Identifier: GPL-3.0-or-later
// JSON Schema (draft 7) for the `config:` of bindings. valijson and Boost.JSON stay in schema.cpp.
#pragma once

#include "config/tree.hpp"

namespace kith::config {

/// Checks a config against a plugin's schema. `config` is the node that `config_json` was made from: its marks name line and column in `file`; a
/// default node has none, then the path alone names the place ("--config: max_length: …"). Errors: bad_request, with the offending value's place,
/// what is wrong and what the schema expects; plugin_failed when the schema itself is broken.
Result<void> validate(std::string_view config_json, std::string_view schema_json, const Node& config, std::string_view file);

} // namespace kith::config
