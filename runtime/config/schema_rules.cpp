// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/schema_rules.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>

namespace kith::config {
namespace {

namespace json = boost::json;

constexpr std::array known_types{TypeWord{"string", "a text"},
                                 TypeWord{"integer", "a whole number"},
                                 TypeWord{"number", "a number"},
                                 TypeWord{"boolean", "true or false"},
                                 TypeWord{"object", "a map (key: value)"},
                                 TypeWord{"array", "a list"},
                                 TypeWord{"null", "null"}};

/// What stands behind a word of draft 7; words that are not here say nothing about a value.
enum class Form { schema, schemas, schema_or_schemas, map, patterns, dependencies, types, names, list, number, count, boolean, pattern, reference };

struct Word {
  std::string_view word;
  Form form;
};

constexpr std::array words{Word{"$ref", Form::reference},
                           Word{"additionalItems", Form::schema},
                           Word{"additionalProperties", Form::schema},
                           Word{"allOf", Form::schemas},
                           Word{"anyOf", Form::schemas},
                           Word{"contains", Form::schema},
                           Word{"definitions", Form::map},
                           Word{"dependencies", Form::dependencies},
                           Word{"else", Form::schema},
                           Word{"enum", Form::list},
                           Word{"exclusiveMaximum", Form::number},
                           Word{"exclusiveMinimum", Form::number},
                           Word{"if", Form::schema},
                           Word{"items", Form::schema_or_schemas},
                           Word{"maxItems", Form::count},
                           Word{"maxLength", Form::count},
                           Word{"maxProperties", Form::count},
                           Word{"maximum", Form::number},
                           Word{"minItems", Form::count},
                           Word{"minLength", Form::count},
                           Word{"minProperties", Form::count},
                           Word{"minimum", Form::number},
                           Word{"multipleOf", Form::number},
                           Word{"not", Form::schema},
                           Word{"oneOf", Form::schemas},
                           Word{"pattern", Form::pattern},
                           Word{"patternProperties", Form::patterns},
                           Word{"properties", Form::map},
                           Word{"propertyNames", Form::schema},
                           Word{"required", Form::names},
                           Word{"then", Form::schema},
                           Word{"type", Form::types},
                           Word{"uniqueItems", Form::boolean}};

/// Null: it leads nowhere, or out of this schema.
const json::value* referred(const json::string& reference, const json::value& root) {
  if (!reference.starts_with('#')) return nullptr;
  json::error_code failed;
  return root.find_pointer(json::string_view(reference).substr(1), failed);
}

bool is_type(const json::value& value) {
  if (!value.is_string()) return false;
  const auto& name = value.get_string();
  return std::ranges::find(known_types, std::string_view(name.data(), name.size()), &TypeWord::type) != known_types.end();
}

bool is_list_of(const json::value& value, bool (*good)(const json::value&)) {
  return value.is_array() && std::all_of(value.get_array().begin(), value.get_array().end(), good);
}

bool is_text(const json::value& value) { return value.is_string(); }
bool is_count(const json::value& value) { return value.is_uint64() || (value.is_int64() && value.get_int64() >= 0); }

} // namespace

std::span<const TypeWord> type_words() noexcept { return known_types; }

Error broken_schema(std::string_view why) { return {Code::plugin_failed, "the plugin's config schema can't be used: " + std::string(why)}; }

const json::value* resolved(const json::value& schema, const json::value& root) {
  const json::value* at = &schema;
  for (int hops = 0; hops < max_schema_depth; ++hops) {
    const auto* object = at->if_object();
    const auto* reference = object != nullptr ? object->if_contains("$ref") : nullptr;
    if (reference == nullptr) return at;
    at = referred(reference->get_string(), root);
  }
  return nullptr;
}

Result<SchemaRules> SchemaRules::of(const json::value& schema) {
  SchemaRules rules;
  if (const auto looked = rules.look(schema, schema, 0); !looked) return looked.error();
  rules.seen_.clear();
  return rules;
}

bool SchemaRules::matches(std::string_view pattern, std::string_view text) const {
  const auto found = patterns_.find(pattern);
  return found != patterns_.end() && re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *found->second);
}

Result<void> SchemaRules::compile(std::string_view pattern) {
  if (patterns_.contains(pattern)) return {};
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(max_pattern_size);
  auto made = std::make_unique<re2::RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
  if (!made->ok()) return broken_schema("the pattern " + std::string(pattern) + " is none of RE2's: " + made->error());
  patterns_.emplace(pattern, std::move(made));
  return {};
}

Result<void> SchemaRules::look(const json::value& schema, const json::value& root, int depth) {
  if (depth > max_schema_depth) return broken_schema("it is nested too deep");
  if (schema.is_bool()) return {};
  const auto* object = schema.if_object();
  if (object == nullptr) return broken_schema("a schema must be an object, true or false, not " + json::serialize(schema));
  if (!seen_.insert(object).second) return {};
  for (const auto& [word, value] : *object) {
    if (auto good = look_at_word({word.data(), word.size()}, value, root, depth + 1); !good) return good;
  }
  return {};
}

Result<void> SchemaRules::look_at_word(std::string_view word, const json::value& value, const json::value& root, int depth) {
  const auto known = std::ranges::find(words, word, &Word::word);
  if (known == words.end()) return {};
  const auto wrong = [&](std::string_view expected) { return broken_schema(std::string(word) + " must be " + std::string(expected)); };
  const auto all = [&](const json::array& schemas) -> Result<void> {
    for (const auto& each : schemas) {
      if (auto good = look(each, root, depth); !good) return good;
    }
    return {};
  };
  switch (known->form) {
    case Form::schema: return look(value, root, depth);
    case Form::schemas:
      if (!value.is_array() || value.get_array().empty()) return wrong("a list of schemas");
      return all(value.get_array());
    case Form::schema_or_schemas: return value.is_array() ? all(value.get_array()) : look(value, root, depth);
    case Form::map:
    case Form::patterns:
    case Form::dependencies:
      if (!value.is_object()) return wrong("a map of schemas");
      for (const auto& [key, each] : value.get_object()) {
        if (known->form == Form::dependencies && is_list_of(each, is_text)) continue;
        if (known->form == Form::patterns) {
          if (auto good = compile({key.data(), key.size()}); !good) return good;
        }
        if (auto good = look(each, root, depth); !good) return good;
      }
      return {};
    case Form::types: return is_type(value) || is_list_of(value, is_type) ? Result<void>{} : wrong("types of JSON");
    case Form::names: return is_list_of(value, is_text) ? Result<void>{} : wrong("a list of keys");
    case Form::list: return value.is_array() ? Result<void>{} : wrong("a list");
    case Form::number: return value.is_number() ? Result<void>{} : wrong("a number");
    case Form::count: return is_count(value) ? Result<void>{} : wrong("a number from 0 on");
    case Form::boolean: return value.is_bool() ? Result<void>{} : wrong("true or false");
    case Form::pattern: return value.is_string() ? compile({value.get_string().data(), value.get_string().size()}) : wrong("a text");
    case Form::reference: {
      const auto* target = value.is_string() ? referred(value.get_string(), root) : nullptr;
      return target != nullptr ? look(*target, root, depth) : wrong("a reference into this schema (\"#/…\")");
    }
  }
  return {};
}

} // namespace kith::config
