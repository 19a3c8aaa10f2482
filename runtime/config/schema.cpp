// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/schema.hpp"

#include "config/schema_rules.hpp"
#include "config/schema_walk.hpp"

#include <boost/json.hpp>

namespace kith::config {

namespace json = boost::json;

namespace {

json::value parse(std::string_view text, int depth, json::error_code& failed) {
  json::parse_options options;
  options.max_depth = static_cast<std::size_t>(depth); // else 32
  return json::parse({text.data(), text.size()}, failed, {}, options);
}

} // namespace

std::vector<Error> validate(std::string_view config_json, std::string_view schema_json, const Node& config, std::string_view file) {
  json::error_code failed;
  const json::value document = parse(config_json, max_config_depth, failed);
  if (failed) return {error_at(file, config.mark, "config is not JSON: " + failed.message())};
  const json::value schema = parse(schema_json, max_schema_depth, failed);
  if (failed) return {broken_schema("it is not JSON: " + failed.message())};
  const auto rules = SchemaRules::of(schema);
  if (!rules) return {rules.error()};
  return walk(document, schema, *rules, config, file, max_schema_errors);
}

} // namespace kith::config
