// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/json.hpp"

#include "config/scalar.hpp"
#include "config/yaml.hpp"

#include <charconv>
#include <optional>
#include <set>

namespace kith::config {
namespace {

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

void append_utf8(std::string& out, std::uint32_t point) {
  const auto add = [&](std::uint32_t octet) { out += static_cast<char>(octet); };
  if (point < 0x80) {
    add(point);
  } else if (point < 0x800) {
    add(0xC0U | point >> 6U), add(0x80U | (point & 0x3FU));
  } else if (point < 0x10000) {
    add(0xE0U | point >> 12U), add(0x80U | (point >> 6U & 0x3FU)), add(0x80U | (point & 0x3FU));
  } else {
    add(0xF0U | point >> 18U), add(0x80U | (point >> 12U & 0x3FU)), add(0x80U | (point >> 6U & 0x3FU)), add(0x80U | (point & 0x3FU));
  }
}

/// Recursive descent; problem_ is set at the first mistake and everything unwinds.
class Parser {
public:
  Parser(std::string_view text, std::string_view source) : text_(text), marks_(text), source_(source) {}

  Result<Node> run() {
    Node node = value(0);
    skip_space();
    if (!problem_ && at_ < text_.size()) fail("more follows after the end of the JSON value");
    if (problem_) return *problem_;
    return node;
  }

private:
  void fail(std::string_view what) {
    if (!problem_) problem_ = error_at(source_, mark_at(text_, at_), "not JSON: " + std::string(what));
  }

  void skip_space() noexcept {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) ++at_;
  }

  bool take(char c) noexcept {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  Node value(int depth) {
    skip_space();
    Node node;
    const Mark start = marks_.at(at_);
    if (at_ >= text_.size()) {
      fail("a value is missing");
    } else if (at_char("{[") && depth == max_config_depth) {
      fail("nested too deeply, at most " + std::to_string(max_config_depth) + " lists and maps inside each other");
    } else if (text_[at_] == '{') {
      node = object(depth);
    } else if (text_[at_] == '[') {
      node = array(depth);
    } else if (text_[at_] == '"') {
      node = make_text(string());
    } else {
      node = make_plain(word());
    }
    node.mark = start;
    return node;
  }

  Node object(int depth) {
    ++at_;
    Node node = make_map({});
    if (take('}')) return node;
    std::set<std::string> keys;
    do {
      skip_space();
      Field field;
      field.mark = marks_.at(at_);
      if (at_ >= text_.size() || text_[at_] != '"') {
        fail("a key in double quotes is missing");
        return node;
      }
      field.key = string();
      if (!keys.insert(field.key).second) fail("the key " + json_quoted(field.key) + " is there twice");
      if (!take(':')) fail("':' is missing after a key");
      if (problem_) return node;
      field.value = value(depth + 1);
      node.fields.push_back(std::move(field));
      if (problem_) return node;
    } while (take(','));
    if (!take('}')) fail("',' or '}' is missing");
    return node;
  }

  Node array(int depth) {
    ++at_;
    Node node = make_list({});
    if (take(']')) return node;
    do {
      node.items.push_back(value(depth + 1));
      if (problem_) return node;
    } while (take(','));
    if (!take(']')) fail("',' or ']' is missing");
    return node;
  }

  std::string string() {
    ++at_;
    std::string out;
    while (at_ < text_.size() && text_[at_] != '"') {
      if (static_cast<unsigned char>(text_[at_]) < 0x20) {
        fail("a control character inside a string must be escaped");
        return out;
      }
      if (text_[at_] == '\\') {
        escape(out);
        if (problem_) return out;
      } else {
        out += text_[at_++];
      }
    }
    if (at_ >= text_.size()) fail("the closing '\"' of a string is missing");
    ++at_;
    return out;
  }

  void escape(std::string& out) {
    constexpr std::string_view letters = "\"\\/bfnrt";
    constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
    const char c = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
    if (const auto i = letters.find(c); c != '\0' && i != std::string_view::npos) {
      out += meanings[i];
      at_ += 2;
      return;
    }
    auto unit = code_unit();
    if (!unit) return fail("this escape is not known");
    if (*unit >= 0xD800 && *unit <= 0xDFFF) {
      const auto low = *unit <= 0xDBFF ? code_unit() : std::nullopt;
      if (!low || *low < 0xDC00 || *low > 0xDFFF) return fail("half of a surrogate pair");
      unit = 0x10000 + ((*unit - 0xD800) << 10U) + (*low - 0xDC00);
    }
    append_utf8(out, *unit);
  }

  /// \uXXXX at the front.
  std::optional<std::uint32_t> code_unit() noexcept {
    const std::string_view rest = text_.substr(std::min(at_, text_.size()));
    if (!rest.starts_with("\\u") || rest.size() < 6) return std::nullopt;
    std::uint32_t unit = 0;
    const auto [end, error] = std::from_chars(rest.data() + 2, rest.data() + 6, unit, 16);
    if (error != std::errc{} || end != rest.data() + 6) return std::nullopt;
    at_ += 6;
    return unit;
  }

  /// true, false, null or a number, as written.
  std::string word() {
    const std::string_view rest = text_.substr(at_);
    for (const std::string_view known : {"true", "false", "null"}) {
      if (!rest.starts_with(known)) continue;
      at_ += known.size();
      return std::string(known);
    }
    const std::size_t start = at_;
    number();
    return std::string(text_.substr(start, at_ - start));
  }

  bool digits() noexcept {
    const std::size_t start = at_;
    while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
    return at_ > start;
  }

  bool at_char(std::string_view any) const noexcept { return at_ < text_.size() && any.find(text_[at_]) != std::string_view::npos; }

  void number() {
    if (at_char("-")) ++at_;
    const bool zero = at_char("0");
    const std::size_t start = at_;
    if (!digits()) return fail("this is no value");
    if (zero && at_ > start + 1) return fail("a number may not start with 0");
    if (at_char(".")) {
      ++at_;
      if (!digits()) return fail("a digit is missing after '.'");
    }
    if (at_char("eE")) {
      ++at_;
      if (at_char("+-")) ++at_;
      if (!digits()) return fail("a digit is missing in the exponent");
    }
  }

  std::string_view text_;
  Marks marks_;
  std::string_view source_;
  std::size_t at_ = 0;
  std::optional<Error> problem_;
};

Result<std::string> scalar_as_json(const Node& node, std::string_view file) {
  switch (scalar_type(node)) {
    case ScalarType::null: return std::string("null");
    case ScalarType::boolean: return std::string(node.text.front() == 't' || node.text.front() == 'T' ? "true" : "false");
    case ScalarType::integer:
    case ScalarType::real: {
      if (has_leading_zero(node.text))
        return error_at(file, node.mark,
                        node.text + " begins with 0, which is octal to some and decimal to others: write the number without it, or \"" + node.text +
                            "\" for a text");
      auto number = number_as_json(node.text);
      if (!number) return error_at(file, node.mark, "the number " + node.text + " is too large");
      return *std::move(number);
    }
    case ScalarType::not_finite: return error_at(file, node.mark, node.text + " is not a number that JSON has; write it in quotes if it is a text");
    case ScalarType::string: break;
  }
  return json_quoted(node.text);
}

Result<void> append_json(std::string& out, const Node& node, std::string_view file) {
  switch (node.kind) {
    case Node::Kind::empty: out += "null"; break;
    case Node::Kind::scalar: {
      auto text = scalar_as_json(node, file);
      if (!text) return text.error();
      out += *text;
      break;
    }
    case Node::Kind::list:
      out += '[';
      for (std::size_t i = 0; i < node.items.size(); ++i) {
        if (i > 0) out += ',';
        if (auto r = append_json(out, node.items[i], file); !r) return r;
      }
      out += ']';
      break;
    case Node::Kind::map:
      out += '{';
      for (std::size_t i = 0; i < node.fields.size(); ++i) {
        if (i > 0) out += ',';
        out += json_quoted(node.fields[i].key) + ':';
        if (auto r = append_json(out, node.fields[i].value, file); !r) return r;
      }
      out += '}';
      break;
  }
  return {};
}

} // namespace

Result<Node> parse_json(std::string_view text, std::string_view source) {
  if (text.size() > max_text_size) return error_at(source, {}, "longer than " + std::to_string(max_text_size) + " bytes");
  if (const auto bad = find_bad_utf8(text); bad < text.size()) return error_at(source, mark_at(text, bad), "this is not UTF-8");
  return Parser(text, source).run();
}

std::string json_quoted(std::string_view text) {
  constexpr std::string_view hex = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (octet < 0x20 || octet == 0x7F) {
      out += {'\\', 'u', '0', '0', hex[octet >> 4U], hex[octet & 15U]};
    } else {
      out += c;
    }
  }
  return out + '"';
}

Result<std::string> to_json(const Node& node, std::string_view file) {
  std::string out;
  if (auto r = append_json(out, node, file); !r) return r.error();
  return out;
}

} // namespace kith::config
