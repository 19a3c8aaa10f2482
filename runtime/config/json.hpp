// SPDX-License-Identifier: GPL-3.0-or-later
// JSON to tree and back, digits kept: no number passes through a double on its way.
#pragma once

#include "config/tree.hpp"

namespace kith::config {

/// Reads one JSON value (RFC 8259). Numbers, true, false and null become plain scalars with the text as written. `source` is for the text of errors
/// ("--config"). Errors: bad_request with line and column; duplicate keys, max_text_size and max_config_depth included.
Result<Node> parse_json(std::string_view text, std::string_view source);

/// Compact JSON on one line; keys in their order, scalars typed by the YAML 1.2 core schema, an empty node as null.
/// Errors: bad_request with file, line and column for what JSON has not (.nan, .inf, a hexadecimal number above 2^64-1).
Result<std::string> to_json(const Node& node, std::string_view file);

/// A JSON string, quotes included.
std::string json_quoted(std::string_view text);

} // namespace kith::config
