// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/schema_walk.hpp"

#include "base/name.hpp"
#include "base/utf8.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cmath>
#include <unordered_set>
#include <utility>

namespace kith::config {
namespace {

namespace json = boost::json;

constexpr std::size_t max_found = 256; ///< Mistakes that are kept; the walk ends there.

bool has_type(const json::value& value, std::string_view type) {
  if (type == "string") return value.is_string();
  if (type == "integer") return value.is_int64() || value.is_uint64();
  if (type == "number") return value.is_number();
  if (type == "boolean") return value.is_bool();
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  return type == "null" && value.is_null();
}

/// A JSON value as an error quotes it: short.
std::string shown(const json::value& value) { return kith::shown(json::serialize(value)); }

std::string list_of(const json::array& values) {
  std::string out;
  for (const auto& value : values) out += (out.empty() ? "" : ", ") + shown(value);
  return out;
}

/// One text for equal values, whatever the order of their keys. (Boost.JSON's own hash has few values.)
std::string canonical(const json::value& value) {
  std::vector<std::string> parts;
  if (const auto* map = value.if_object()) {
    for (const auto& [key, member] : *map) parts.push_back(json::serialize(json::value(key)) + ':' + canonical(member));
    std::ranges::sort(parts);
  } else if (const auto* list = value.if_array()) {
    for (const auto& item : *list) parts.push_back(canonical(item));
  } else {
    return json::serialize(value);
  }
  std::string out(1, value.is_object() ? '{' : '[');
  for (const auto& part : parts) out += part + ',';
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
class Walk {
public:
  Walk(const json::value& schema, const SchemaRules& rules, const Node& config, std::string_view file)
      : root_(schema), rules_(rules), config_(config), file_(file) {}

  void look(const json::value& value, const json::value& schema_value, int depth = 0) {
    const json::value* real = resolved(schema_value, root_);
    if (real == nullptr || depth > max_schema_depth || ++steps_ > max_schema_steps) stuck_ = true;
    if (stuck_ || unfit_ || found_.size() >= max_found) return;
    if (real->is_bool()) {
      if (!real->get_bool()) say("is not allowed here (is " + shown(value) + ")");
      return;
    }
    const json::object& schema = real->get_object();
    if (!check_type(value, schema)) return; // all the rest would only follow from it
    check_words(value, schema);
    if (value.is_number()) check_number(value, schema);
    if (const auto* text = value.if_string()) check_text({text->data(), text->size()}, schema);
    if (const auto* list = value.if_array()) check_list(*list, schema, depth);
    if (const auto* map = value.if_object()) check_map(*map, schema, depth);
    check_forms(value, schema, depth);
  }

  std::vector<Error> take(std::size_t most) {
    if (stuck_) return {broken_schema("looking at this config with it has no end; does it refer to itself?")};
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
    unfit_ = unfit_ || quiet_;
    if (quiet_ || found_.size() >= max_found) return;
    const Node* node = find(config_, path_);
    const Mark& mark = node != nullptr ? node->mark : config_.mark;
    found_.push_back({mark.offset, error_at(file_, mark, place_in(path_) + std::string(text))});
  }

  /// Says nothing, and ends at the first mistake.
  bool fits(const json::value& value, const json::value& schema, int depth) {
    const bool outer_quiet = std::exchange(quiet_, true);
    const bool outer_unfit = std::exchange(unfit_, false);
    look(value, schema, depth + 1);
    quiet_ = outer_quiet;
    return !std::exchange(unfit_, outer_unfit);
  }

  void check_forms(const json::value& value, const json::object& schema, int depth) {
    const auto count = [&](const json::array& forms) {
      return std::ranges::count_if(forms, [&](const auto& form) { return fits(value, form, depth); });
    };
    const auto* one = schema.if_contains("oneOf");
    const auto fitting = one != nullptr ? count(one->get_array()) : 1;
    const auto* any = schema.if_contains("anyOf");
    if (fitting == 0 || (any != nullptr && count(any->get_array()) == 0))
      say("none of the forms that the plugin's schema allows fits this; see the protocol's README");
    if (fitting > 1) say("fits more than one of the forms that the plugin's schema tells apart; see the protocol's README");
    if (const auto* no = schema.if_contains("not"); no != nullptr && fits(value, *no, depth))
      say("has a form that the plugin's schema forbids; see the protocol's README");
    if (const auto* condition = schema.if_contains("if")) {
      const auto* then = schema.if_contains(fits(value, *condition, depth) ? "then" : "else");
      if (then != nullptr) look(value, *then, depth + 1);
    }
    if (const auto* all = schema.if_contains("allOf")) {
      for (const auto& each : all->get_array()) look(value, each, depth + 1);
    }
  }

  bool check_type(const json::value& value, const json::object& schema) {
    const auto* type = schema.if_contains("type");
    if (type == nullptr) return true;
    std::string words;
    const auto allows = [&](const json::value& one) {
      if (!one.is_string()) return false;
      const std::string_view name(one.get_string().data(), one.get_string().size());
      const auto known = std::ranges::find(type_words(), name, &TypeWord::type);
      words += (words.empty() ? "" : " or ") + std::string(known != type_words().end() ? known->words : name);
      return has_type(value, name);
    };
    const auto* several = type->if_array();
    if (several != nullptr ? std::any_of(several->begin(), several->end(), allows) : allows(*type)) return true;
    say("must be " + words + " (is " + shown(value) + ")");
    return false;
  }

  void check_words(const json::value& value, const json::object& schema) {
    const auto* words = schema.if_contains("enum");
    if (words != nullptr && std::ranges::find(words->get_array(), value) == words->get_array().end())
      say("must be one of " + list_of(words->get_array()) + " (is " + shown(value) + ")");
    const auto* only = schema.if_contains("const");
    if (only != nullptr && *only != value) say("must be " + shown(*only) + " (is " + shown(value) + ")");
  }

  void check_number(const json::value& value, const json::object& schema) {
    const auto number = value.to_number<double>();
    const auto compare = [&](const char* key, auto good, const std::string& words) {
      const auto* bound = schema.if_contains(key);
      if (bound != nullptr && !good(number, bound->to_number<double>())) say(words + shown(*bound) + " (is " + shown(value) + ")");
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
    if (pattern == nullptr) return;
    const std::string expression(pattern->get_string().data(), pattern->get_string().size());
    if (!rules_.matches(expression, text))
      say("must match " + expression + " (is " + shown(json::value(json::string_view(text.data(), text.size()))) + ")");
  }

  void check_list(const json::array& list, const json::object& schema, int depth) {
    if (const auto least = limit(schema, "minItems"); least && list.size() < *least)
      say("must have at least " + plural(*least, "item") + " (has " + std::to_string(list.size()) + ")");
    if (const auto most = limit(schema, "maxItems"); most && list.size() > *most)
      say("must have at most " + plural(*most, "item") + " (has " + std::to_string(list.size()) + ")");
    const auto* unique = schema.if_contains("uniqueItems");
    const bool once = unique != nullptr && unique->get_bool();
    std::unordered_set<std::string> seen;
    const auto* items = schema.if_contains("items");
    const auto* contains = schema.if_contains("contains");
    bool contained = contains == nullptr;
    for (std::size_t i = 0; i < list.size(); ++i) {
      path_.emplace_back(i);
      if (once && !seen.insert(canonical(list[i])).second) say("is there twice: " + shown(list[i]));
      const json::value* one = items;
      if (items != nullptr && items->is_array()) one = i < items->get_array().size() ? &items->get_array()[i] : schema.if_contains("additionalItems");
      if (one != nullptr) look(list[i], *one, depth + 1);
      contained = contained || fits(list[i], *contains, depth);
      path_.pop_back();
    }
    if (!contained) say("has no item of the form that the plugin's schema wants at least one of; see the protocol's README");
  }

  void check_map(const json::object& map, const json::object& schema, int depth) {
    if (const auto* required = schema.if_contains("required")) {
      for (const auto& key : required->get_array()) need_key(map, key.get_string(), "");
    }
    if (const auto least = limit(schema, "minProperties"); least && map.size() < *least)
      say("must have at least " + plural(*least, "key") + " (has " + std::to_string(map.size()) + ")");
    if (const auto most = limit(schema, "maxProperties"); most && map.size() > *most)
      say("must have at most " + plural(*most, "key") + " (has " + std::to_string(map.size()) + ")");
    if (const auto* dependencies = schema.if_contains("dependencies")) check_dependencies(map, dependencies->get_object(), depth);
    const auto* names = schema.if_contains("propertyNames");
    for (const auto& [key, value] : map) {
      if (names != nullptr && !fits(json::value(key), *names, depth))
        say("the key " + in_quotes(key) + " has a form that the plugin's schema forbids");
      check_member(key, value, schema, depth);
    }
  }

  void need_key(const json::object& map, const json::string& key, const std::string& why) {
    if (!map.contains(key)) say("the key " + in_quotes(key) + " is missing" + why);
  }

  void check_dependencies(const json::object& map, const json::object& dependencies, int depth) {
    for (const auto& [key, needs] : dependencies) {
      if (!map.contains(key)) continue;
      if (!needs.is_array()) {
        look(map, needs, depth + 1);
        continue;
      }
      for (const auto& need : needs.get_array()) need_key(map, need.get_string(), ", which " + in_quotes(key) + " needs");
    }
  }

  void check_member(json::string_view key, const json::value& value, const json::object& schema, int depth) {
    const auto* named = schema.if_contains("properties");
    const auto* patterns = schema.if_contains("patternProperties");
    const auto* others = schema.if_contains("additionalProperties");
    std::vector<const json::value*> held_to;
    if (const auto* one = named != nullptr ? named->get_object().if_contains(key) : nullptr) held_to.push_back(one);
    if (patterns != nullptr) {
      for (const auto& [pattern, one] : patterns->get_object()) {
        if (rules_.matches({pattern.data(), pattern.size()}, {key.data(), key.size()})) held_to.push_back(&one);
      }
    }
    if (held_to.empty() && others != nullptr) {
      if (others->is_bool() && !others->get_bool()) return unknown_key(std::string(key), named);
      held_to.push_back(others);
    }
    path_.emplace_back(std::string(key));
    for (const json::value* one : held_to) look(value, *one, depth + 1);
    path_.pop_back();
  }

  void unknown_key(const std::string& key, const json::value* named) {
    std::vector<std::string_view> known;
    if (named != nullptr) {
      for (const auto& property : named->get_object()) known.emplace_back(property.key().data(), property.key().size());
    }
    if (quiet_ || found_.size() >= max_found) return say({});
    std::string text = "the key " + in_quotes(key) + " is not known";
    if (const auto near = nearest_name(key, known); !near.empty()) text += "; did you mean '" + std::string(near) + "'?";
    text += known.empty() ? "; there is none" : "; known are: ";
    for (std::size_t i = 0; i < known.size(); ++i) text += (i > 0 ? ", " : "") + std::string(known[i]);
    const Node* map = find(config_, path_);
    const auto field = map == nullptr ? config_.fields.end() : std::ranges::find(map->fields, key, &Field::key);
    if (map == nullptr || field == map->fields.end()) return say(text);
    found_.push_back({field->mark.offset, error_at(file_, field->mark, place_in(path_) + text)});
  }

  const json::value& root_;
  const SchemaRules& rules_;
  const Node& config_;
  std::string_view file_;
  Path path_;
  std::vector<Found> found_;
  int steps_ = 0;
  bool quiet_ = false; ///< Only whether it fits is wanted.
  bool unfit_ = false; ///< It does not.
  bool stuck_ = false;
};

} // namespace

std::vector<Error> walk(const json::value& document, const json::value& schema, const SchemaRules& rules, const Node& config, std::string_view file,
                        std::size_t most) {
  Walk one(schema, rules, config, file);
  one.look(document, schema);
  return one.take(most);
}

} // namespace kith::config
