// SPDX-License-Identifier: GPL-3.0-or-later
// A plugin's schema, looked at before any config is: that its words have the form that draft 7 gives them, and its patterns ready for use. Private to this module.
#pragma once

#include "base/error.hpp"

#include <boost/json/value.hpp>
#include <map>
#include <memory>
#include <re2/re2.h>
#include <set>
#include <span>
#include <string>
#include <string_view>

namespace kith::config {

inline constexpr int max_schema_depth = 256;              ///< Of schemas in schemas, and of a value's way through them.
inline constexpr std::int64_t max_pattern_size = 1 << 20; ///< Octets that RE2 may need for one pattern; one that needs more is refused.

/// A type of JSON, and how an error says it.
struct TypeWord {
  std::string_view type;
  std::string_view words;
};
std::span<const TypeWord> type_words() noexcept;

Error broken_schema(std::string_view why);

class SchemaRules {
public:
  /// Errors: plugin_failed, with the word that is wrong.
  static Result<SchemaRules> of(const boost::json::value& schema);

  /// RE2 needs time in proportion to the text, whatever the pattern is, and no stack: this is safe on the network thread.
  bool matches(std::string_view pattern, std::string_view text) const;

private:
  Result<void> look(const boost::json::value& schema, const boost::json::value& root, int depth);
  Result<void> look_at_word(std::string_view word, const boost::json::value& value, const boost::json::value& root, int depth);
  Result<void> compile(std::string_view pattern);

  std::map<std::string, std::unique_ptr<re2::RE2>, std::less<>> patterns_;
  std::set<const boost::json::object*> seen_; ///< References may go in circles.
};

/// What is behind local references ("#/definitions/x"), in a schema that was looked at; null: they go in a circle.
const boost::json::value* resolved(const boost::json::value& schema, const boost::json::value& root);

} // namespace kith::config
