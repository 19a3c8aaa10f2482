// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/schema_explain.hpp"

#include "base/name.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cmath>
#include <regex>

namespace kith::config {
namespace {

namespace json = boost::json;

constexpr std::size_t max_shown = 60; ///< Octets of a value that an error quotes.

struct TypeWord {
  std::string_view type;
  std::string_view words;
};

constexpr std::array type_words{TypeWord{"string", "a text"},
                                TypeWord{"integer", "a whole number"},
                                TypeWord{"number", "a number"},
                                TypeWord{"boolean", "true or false"},
                                TypeWord{"object", "a map (key: value)"},
                                TypeWord{"array", "a list"},
                                TypeWord{"null", "null"}};

bool has_type(const json::value& value, std::string_view type) {
  if (type == "string") return value.is_string();
  if (type == "integer") return value.is_int64() || value.is_uint64();
  if (type == "number") return value.is_number();
  if (type == "boolean") return value.is_bool();
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  return type == "null" && value.is_null();
}

std::string list_of(const json::array& values) {
  std::string out;
  for (const auto& value : values) out += (out.empty() ? "" : ", ") + shown(value);
  return out;
}

std::string plural(std::uint64_t count, std::string_view thing) { return std::to_string(count) + ' ' + std::string(thing) + (count == 1 ? "" : "s"); }

std::uint64_t characters(std::string_view text) {
  return static_cast<std::uint64_t>(std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

std::optional<std::uint64_t> limit(const json::object& schema, std::string_view key) {
  const auto* found = schema.if_contains({key.data(), key.size()});
  if (found == nullptr || !found->is_number()) return std::nullopt;
  json::error_code failed;
  const auto value = found->to_number<std::uint64_t>(failed);
  return failed ? std::nullopt : std::optional(value);
}

std::string place_in(const Path& path) {
  Path whole{std::string("config")};
  whole.insert(whole.end(), path.begin(), path.end());
  return path_text(whole) + ": ";
}

/// Goes down document and schema side by side.
class Explainer {
public:
  Explainer(const json::value& schema, const Node& config, std::string_view file) : root_(schema), config_(config), file_(file) {}

  void look(const json::value& value, const json::value& schema_value, int depth = 0) {
    const json::object* schema = resolved(schema_value);
    if (schema == nullptr || depth > max_depth) return;
    if (!check_type(value, *schema)) return; // all the rest would only follow from it
    check_words(value, *schema);
    if (value.is_number()) check_number(value, *schema);
    if (const auto* text = value.if_string()) check_text({text->data(), text->size()}, *schema);
    if (const auto* list = value.if_array()) check_list(*list, *schema, depth);
    if (const auto* map = value.if_object()) check_map(*map, *schema, depth);
    if (const auto* all = schema->if_contains("allOf"); all != nullptr && all->is_array()) {
      for (const auto& each : all->get_array()) look(value, each, depth + 1);
    }
  }

  std::vector<Error> take(std::size_t most) {
    std::ranges::stable_sort(found_, {}, &Found::offset);
    std::vector<Error> out;
    for (Found& one : found_) {
      if (out.size() < most && (out.empty() || out.back().text != one.error.text)) out.push_back(std::move(one.error));
    }
    return out;
  }

private:
  struct Found {
    std::size_t offset;
    Error error;
  };

  void say(std::string_view text) {
    const Node* node = find(config_, path_);
    found_.push_back({node != nullptr ? node->mark.offset : 0, error_in(file_, config_, path_, text)});
  }

  /// A schema's object, behind the local references of draft 7.
  const json::object* resolved(const json::value& schema) const {
    const json::value* at = &schema;
    for (int hops = 0; hops < max_depth; ++hops) {
      const auto* object = at->if_object();
      const auto* reference = object != nullptr ? object->if_contains("$ref") : nullptr;
      if (reference == nullptr) return object;
      if (!reference->is_string() || !reference->get_string().starts_with('#')) return nullptr;
      json::error_code failed;
      at = root_.find_pointer(json::string_view(reference->get_string()).substr(1), failed);
      if (at == nullptr) return nullptr;
    }
    return nullptr;
  }

  bool check_type(const json::value& value, const json::object& schema) {
    const auto* type = schema.if_contains("type");
    if (type == nullptr) return true;
    std::string words;
    const auto allows = [&](const json::value& one) {
      if (!one.is_string()) return false;
      const std::string_view name(one.get_string().data(), one.get_string().size());
      const auto known = std::ranges::find(type_words, name, &TypeWord::type);
      words += (words.empty() ? "" : " or ") + std::string(known != type_words.end() ? known->words : name);
      return has_type(value, name);
    };
    const auto* several = type->if_array();
    if (several != nullptr ? std::any_of(several->begin(), several->end(), allows) : allows(*type)) return true;
    say("must be " + words + " (is " + shown(value) + ")");
    return false;
  }

  void check_words(const json::value& value, const json::object& schema) {
    const auto* words = schema.if_contains("enum");
    if (words != nullptr && words->is_array() && std::ranges::find(words->get_array(), value) == words->get_array().end())
      say("must be one of " + list_of(words->get_array()) + " (is " + shown(value) + ")");
    const auto* only = schema.if_contains("const");
    if (only != nullptr && *only != value) say("must be " + shown(*only) + " (is " + shown(value) + ")");
  }

  void check_number(const json::value& value, const json::object& schema) {
    const auto number = value.to_number<double>();
    const auto compare = [&](const char* key, auto good, const std::string& words) {
      const auto* bound = schema.if_contains(key);
      if (bound != nullptr && bound->is_number() && !good(number, bound->to_number<double>()))
        say(words + shown(*bound) + " (is " + shown(value) + ")");
    };
    compare("minimum", std::greater_equal<>(), "must be at least ");
    compare("maximum", std::less_equal<>(), "must be at most ");
    compare("exclusiveMinimum", std::greater<>(), "must be more than ");
    compare("exclusiveMaximum", std::less<>(), "must be less than ");
    compare(
        "multipleOf", [](double a, double b) { return b == 0 || std::fmod(a, b) == 0; }, "must be a multiple of ");
  }

  void check_text(std::string_view text, const json::object& schema) {
    const std::uint64_t size = characters(text);
    if (const auto least = limit(schema, "minLength"); least && size < *least)
      say("must have at least " + plural(*least, "character") + " (has " + std::to_string(size) + ")");
    if (const auto most = limit(schema, "maxLength"); most && size > *most)
      say("must have at most " + plural(*most, "character") + " (has " + std::to_string(size) + ")");
    const auto* pattern = schema.if_contains("pattern");
    if (pattern == nullptr || !pattern->is_string()) return;
    const std::string expression(pattern->get_string().data(), pattern->get_string().size());
    if (!std::regex_search(text.begin(), text.end(), std::regex(expression)))
      say("must match " + expression + " (is " + shown(json::value(json::string_view(text.data(), text.size()))) + ")");
  }

  void check_list(const json::array& list, const json::object& schema, int depth) {
    if (const auto least = limit(schema, "minItems"); least && list.size() < *least)
      say("must have at least " + plural(*least, "item") + " (has " + std::to_string(list.size()) + ")");
    if (const auto most = limit(schema, "maxItems"); most && list.size() > *most)
      say("must have at most " + plural(*most, "item") + " (has " + std::to_string(list.size()) + ")");
    const auto* unique = schema.if_contains("uniqueItems");
    const auto* items = schema.if_contains("items");
    for (std::size_t i = 0; i < list.size(); ++i) {
      path_.emplace_back(i);
      const auto before = list.begin() + static_cast<std::ptrdiff_t>(i);
      if (unique != nullptr && unique->is_bool() && unique->get_bool() && std::find(list.begin(), before, list[i]) != before)
        say("is there twice: " + shown(list[i]));
      const json::value* one = items;
      if (items != nullptr && items->is_array()) one = i < items->get_array().size() ? &items->get_array()[i] : schema.if_contains("additionalItems");
      if (one != nullptr) look(list[i], *one, depth + 1);
      path_.pop_back();
    }
  }

  void check_map(const json::object& map, const json::object& schema, int depth) {
    if (const auto* required = schema.if_contains("required"); required != nullptr && required->is_array()) {
      for (const auto& key : required->get_array()) {
        if (key.is_string() && !map.contains(key.get_string())) say("the key '" + std::string(key.get_string().c_str()) + "' is missing");
      }
    }
    const auto* named = schema.if_contains("properties");
    const auto* patterns = schema.if_contains("patternProperties");
    const auto* others = schema.if_contains("additionalProperties");
    for (const auto& [key, value] : map) {
      const json::value* one = named != nullptr && named->is_object() ? named->get_object().if_contains(key) : nullptr;
      if (one == nullptr && patterns == nullptr) one = others;
      if (one == nullptr) continue;
      if (one == others && others->is_bool()) {
        if (!others->get_bool()) unknown_key(std::string(key), named);
        continue;
      }
      path_.emplace_back(std::string(key));
      look(value, *one, depth + 1);
      path_.pop_back();
    }
  }

  void unknown_key(const std::string& key, const json::value* named) {
    std::vector<std::string_view> known;
    if (named != nullptr && named->is_object()) {
      for (const auto& property : named->get_object()) known.emplace_back(property.key().data(), property.key().size());
    }
    std::string text = "the key '" + key + "' is not known";
    if (const auto near = nearest_name(key, known); !near.empty()) text += "; did you mean '" + std::string(near) + "'?";
    text += known.empty() ? "; there is none" : "; known are: ";
    for (std::size_t i = 0; i < known.size(); ++i) text += (i > 0 ? ", " : "") + std::string(known[i]);
    const Node* map = find(config_, path_);
    const auto field = map == nullptr ? config_.fields.end() : std::ranges::find(map->fields, key, &Field::key);
    if (map == nullptr || field == map->fields.end()) return say(text);
    found_.push_back({field->mark.offset, error_at(file_, field->mark, place_in(path_) + text)});
  }

  const json::value& root_;
  const Node& config_;
  std::string_view file_;
  Path path_;
  std::vector<Found> found_;
};

} // namespace

std::string shown(const json::value& value) {
  std::string out = json::serialize(value);
  if (out.size() <= max_shown) return out;
  std::size_t end = max_shown;
  while (end > 0 && (static_cast<unsigned char>(out[end]) & 0xC0U) == 0x80U) --end;
  return out.substr(0, end) + "…";
}

Error error_in(std::string_view file, const Node& config, const Path& path, std::string_view text) {
  const Node* node = find(config, path);
  return error_at(file, node != nullptr ? node->mark : config.mark, place_in(path) + std::string(text));
}

std::vector<Error> explain(const json::value& document, const json::value& schema, const Node& config, std::string_view file, std::size_t most) {
  Explainer explainer(schema, config, file);
  explainer.look(document, schema);
  return explainer.take(most);
}

} // namespace kith::config
