// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/yaml_writer.hpp"

#include "config/json.hpp"
#include "config/scalar.hpp"

#include <algorithm>
#include <array>

namespace kith::config {
namespace {

/// Words that readers of YAML 1.1 take for something else than strings.
constexpr std::array<std::string_view, 6> old_booleans{"yes", "no", "on", "off", "y", "n"};

bool is_word(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

bool is_safe_plain(std::string_view text) {
  if (text.empty() || plain_type(text) != ScalarType::string) return false;
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  if (std::ranges::find(old_booleans, lower) != old_booleans.end()) return false;
  if (!(is_word(text.front()) || text.front() == '/') || !is_word(text.back())) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (is_word(c) || std::string_view("./-+=@").find(c) != std::string_view::npos) continue;
    if ((c == ':' || c == ' ') && is_word(text[i + 1])) continue; // the last character is a word's
    return false;
  }
  return true;
}

std::string with_comment(std::string text, const Node& node) {
  if (node.comment.empty()) return text;
  std::string comment = node.comment;
  std::ranges::replace_if(
      comment, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, ' ');
  return std::move(text) + "  # " + comment;
}

bool has_comment(const Node& node) {
  return !node.comment.empty() || std::ranges::any_of(node.items, has_comment) ||
         std::ranges::any_of(node.fields, [](const Field& field) { return has_comment(field.value); });
}

void append_nested(std::vector<std::string>& out, const std::string& first, const std::string& others, const std::vector<std::string>& lines) {
  for (std::size_t i = 0; i < lines.size(); ++i) out.push_back((i == 0 ? first : others) + lines[i]);
}

} // namespace

std::string scalar_text(const Node& scalar) {
  if (scalar.is(Node::Kind::empty)) return "null";
  if (!scalar.quoted) return scalar.text.empty() ? "null" : scalar.text;
  return is_safe_plain(scalar.text) ? scalar.text : json_quoted(scalar.text);
}

std::string flow_text(const Node& node) {
  std::string out;
  if (node.is(Node::Kind::list)) {
    for (const Node& item : node.items) out += (out.empty() ? "" : ", ") + flow_text(item);
    return '[' + out + ']';
  }
  if (node.is(Node::Kind::map)) {
    for (const Field& field : node.fields) out += (out.empty() ? "" : ", ") + scalar_text(make_text(field.key)) + ": " + flow_text(field.value);
    return '{' + out + '}';
  }
  return scalar_text(node);
}

bool fits_inline(const Node& node) {
  switch (node.kind) {
    case Node::Kind::empty:
    case Node::Kind::scalar: return true;
    case Node::Kind::list:
      return node.items.empty() || (node.flow && !has_comment(node) && std::ranges::all_of(node.items, [](const Node& item) {
                                      return item.is(Node::Kind::scalar) || item.is(Node::Kind::empty);
                                    }));
    case Node::Kind::map: return node.fields.empty();
  }
  return false;
}

std::vector<std::string> block_lines(const Node& node) {
  std::vector<std::string> out;
  if (fits_inline(node)) {
    out.push_back(with_comment(flow_text(node), node));
  } else if (node.is(Node::Kind::list)) {
    for (const Node& item : node.items) append_nested(out, "- ", "  ", block_lines(item));
  } else {
    for (const Field& field : node.fields) {
      const std::string key = scalar_text(make_text(field.key)) + ':';
      if (fits_inline(field.value)) {
        out.push_back(with_comment(key + ' ' + flow_text(field.value), field.value));
      } else {
        out.push_back(key);
        append_nested(out, "  ", "  ", block_lines(field.value));
      }
    }
  }
  return out;
}

} // namespace kith::config
