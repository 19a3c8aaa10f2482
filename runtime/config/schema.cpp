// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/schema.hpp"

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

constexpr std::size_t max_expected_size = 300; ///< Characters of the schema that an error quotes.

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

/// The part of the schema that is about the value at a path, as far as `properties` and `items` lead to it.
const json::object* schema_at(const json::value& schema, const Path& path) {
  const json::value* at = &schema;
  for (const PathStep& step : path) {
    const auto* object = at->if_object();
    if (object == nullptr) return nullptr;
    const auto* key = std::get_if<std::string>(&step);
    const json::value* next = object->if_contains(key != nullptr ? "properties" : "items");
    if (next != nullptr && key != nullptr) next = next->is_object() ? next->get_object().if_contains(*key) : nullptr;
    if (next == nullptr) return nullptr;
    at = next;
  }
  return at->if_object();
}

std::string key_list(const json::object& properties) {
  std::string out;
  for (const auto& property : properties) out += (out.empty() ? "" : ", ") + std::string(property.key());
  return out.empty() ? "none" : out;
}

std::string expectation(const json::object& schema) {
  json::object shown = schema;
  for (const char* key : {"title", "description", "default", "examples", "$schema", "$id", "properties"}) shown.erase(key);
  std::string out = json::serialize(shown);
  return out.size() > max_expected_size ? out.substr(0, max_expected_size) + "…" : out;
}

/// The first key of an object that its schema does not have, where it allows no others.
const json::key_value_pair* unknown_key(const json::object& schema, const json::value* value) {
  const auto* more = schema.if_contains("additionalProperties");
  const auto* properties = schema.if_contains("properties");
  if (more == nullptr || !more->is_bool() || more->get_bool() || schema.contains("patternProperties")) return nullptr;
  if (properties == nullptr || !properties->is_object() || value == nullptr || !value->is_object()) return nullptr;
  for (const auto& pair : value->get_object()) {
    if (!properties->get_object().contains(pair.key())) return &pair;
  }
  return nullptr;
}

const json::value* value_at(const json::value& document, const Path& path) {
  const json::value* at = &document;
  for (const PathStep& step : path) {
    if (const auto* key = std::get_if<std::string>(&step)) {
      at = at->is_object() ? at->get_object().if_contains(*key) : nullptr;
    } else {
      at = at->is_array() ? at->get_array().if_contains(std::get<std::size_t>(step)) : nullptr;
    }
    if (at == nullptr) return nullptr;
  }
  return at;
}

Mark key_mark(const Node& config, const Path& parent, std::string_view key) {
  if (const Node* map = find(config, parent)) {
    for (const Field& field : map->fields) {
      if (field.key == key) return field.mark;
    }
  }
  return config.mark;
}

Error describe(const valijson::ValidationResults::Error& error, const json::value& document, const json::value& schema, const Node& config,
               std::string_view file) {
  const Path path = path_of(error.context, document);
  const json::object* part = schema_at(schema, path);
  const std::string where = path.empty() ? "config" : path_text(path);
  if (part != nullptr) {
    if (const auto* pair = unknown_key(*part, value_at(document, path))) {
      const std::string key(pair->key());
      return error_at(file, key_mark(config, path, key),
                      where + ": the key '" + key + "' is not known; known are: " + key_list(part->at("properties").get_object()));
    }
  }
  const Node* node = find(config, path);
  std::string text = where + ": " + error.description;
  if (part != nullptr) text += " Expected: " + expectation(*part);
  return error_at(file, node != nullptr ? node->mark : config.mark, text);
}

Error broken_schema(std::string_view why) { return {Code::plugin_failed, "the plugin's config schema can't be used: " + std::string(why)}; }

} // namespace

Result<void> validate(std::string_view config_json, std::string_view schema_json, const Node& config, std::string_view file) {
  json::error_code failed;
  const json::value document = json::parse({config_json.data(), config_json.size()}, failed);
  if (failed) return error_at(file, config.mark, "config is not JSON: " + failed.message());
  const json::value schema_document = json::parse({schema_json.data(), schema_json.size()}, failed);
  if (failed) return broken_schema("it is not JSON: " + failed.message());
  valijson::Schema schema;
  try {
    valijson::SchemaParser(valijson::SchemaParser::kDraft7).populateSchema(valijson::adapters::BoostJsonAdapter(schema_document), schema);
  } catch (const std::exception& e) {
    return broken_schema(e.what());
  }
  try {
    valijson::ValidationResults results;
    if (valijson::Validator().validate(schema, valijson::adapters::BoostJsonAdapter(document), &results)) return {};
    valijson::ValidationResults::Error error;
    if (!results.popError(error)) return error_at(file, config.mark, "config does not fit the plugin's schema");
    return describe(error, document, schema_document, config, file);
  } catch (const std::exception& e) { // a regular expression that std::regex refuses, say
    return broken_schema(e.what());
  }
}

} // namespace kith::config
