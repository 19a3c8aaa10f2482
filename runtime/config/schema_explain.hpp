// SPDX-License-Identifier: GPL-3.0-or-later
// What is wrong with a config that does not fit its schema, in words for whoever wrote it. Private to this module.
#pragma once

#include "config/tree.hpp"

#include <boost/json/value.hpp>

namespace kith::config {

/// Every mistake that can be told simply (types, ranges, lengths, words, missing and unknown keys), in the order of the text; the combining words of
/// JSON Schema (anyOf, not, if …) are not looked into. `most`: of them at most so many.
std::vector<Error> explain(const boost::json::value& document, const boost::json::value& schema, const Node& config, std::string_view file,
                           std::size_t most);

/// Where the value at a path was written, and which it is: "FILE:LINE:COLUMN: config.rules[1].name: text".
Error error_in(std::string_view file, const Node& config, const Path& path, std::string_view text);

/// A JSON value as an error quotes it: short.
std::string shown(const boost::json::value& value);

} // namespace kith::config
