// SPDX-License-Identifier: GPL-3.0-or-later
// Whether a config fits its schema, and if not why, in words for whoever wrote it. Private to this module.
#pragma once

#include "config/schema_rules.hpp"
#include "config/tree.hpp"

namespace kith::config {

inline constexpr int max_schema_steps = 1'000'000; ///< Values that one walk looks at, each as often as the schema asks; more is an error.

/// Every mistake, in the order of the text; at most `most`. `rules` were made of this schema.
std::vector<Error> walk(const boost::json::value& document, const boost::json::value& schema, const SchemaRules& rules, const Node& config,
                        std::string_view file, std::size_t most);

} // namespace kith::config
