// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/schema.hpp"

#include "config/schema_explain.hpp"

#define VALIJSON_USE_EXCEPTIONS 1 // it would end the process otherwise
#include <boost/json.hpp>
#include <valijson/adapters/boost_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include <charconv>
#include <exception>

namespace kith::config {
namespace {

namespace json = boost::json;

/// valijson's context: "<root>", then "[key]" or "[index]" for each step down.
Path path_of(const std::vector<std::string>& context, const json::value& document) {
  Path path;
  const json::value* at = &document;
  for (std::size_t i = 1; i < context.size(); ++i) {
    const std::string& step = context[i];
    std::string key = step.size() >= 2 && step.front() == '[' ? step.substr(1, step.size() - 2) : step;
    std::size_t index = 0;
    const auto* array = at == nullptr ? nullptr : at->if_array();
    if (array != nullptr && std::from_chars(key.data(), key.data() + key.size(), index).ec == std::errc{}) {
      path.emplace_back(index);
      at = index < array->size() ? &(*array)[index] : nullptr;
      continue;
    }
    const auto* object = at == nullptr ? nullptr : at->if_object();
    at = object == nullptr ? nullptr : object->if_contains(key);
    path.emplace_back(std::move(key));
  }
  return path;
}

/// What only the combining words of a schema refuse: the innermost place that valijson names, without its words.
Error deepest(valijson::ValidationResults& results, const json::value& document, const Node& config, std::string_view file) {
  Path path;
  for (valijson::ValidationResults::Error error; results.popError(error);) {
    if (Path other = path_of(error.context, document); other.size() > path.size()) path = std::move(other);
  }
  return error_in(file, config, path, "none of the forms that the plugin's schema allows fits this; see the protocol's README");
}

Error broken_schema(std::string_view why) { return {Code::plugin_failed, "the plugin's config schema can't be used: " + std::string(why)}; }

} // namespace

std::vector<Error> validate(std::string_view config_json, std::string_view schema_json, const Node& config, std::string_view file) {
  json::error_code failed;
  const json::value document = json::parse({config_json.data(), config_json.size()}, failed);
  if (failed) return {error_at(file, config.mark, "config is not JSON: " + failed.message())};
  const json::value schema_document = json::parse({schema_json.data(), schema_json.size()}, failed);
  if (failed) return {broken_schema("it is not JSON: " + failed.message())};
  try {
    valijson::Schema schema;
    valijson::SchemaParser(valijson::SchemaParser::kDraft7).populateSchema(valijson::adapters::BoostJsonAdapter(schema_document), schema);
    valijson::ValidationResults results;
    if (valijson::Validator().validate(schema, valijson::adapters::BoostJsonAdapter(document), &results)) return {};
    auto errors = explain(document, schema_document, config, file, max_schema_errors);
    if (errors.empty()) errors.push_back(deepest(results, document, config, file));
    return errors;
  } catch (const std::exception& e) { // a regular expression that std::regex refuses, say
    return {broken_schema(e.what())};
  }
}

} // namespace kith::config
