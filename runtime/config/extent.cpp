// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/extent.hpp"

#include <algorithm>

namespace kith::config {
namespace {

using Offset = std::optional<std::size_t>;

bool is_blank(char c) noexcept { return c == ' ' || c == '\t'; }

bool is_space(char c) noexcept { return is_blank(c) || c == '\r' || c == '\n'; }

/// Behind a plain scalar on one line, which must read `said`.
Offset end_of_plain(std::string_view text, std::size_t at, std::string_view said, bool in_flow) {
  const std::size_t stop = line_end(text, at);
  std::size_t end = at;
  for (; end < stop; ++end) {
    const char c = text[end];
    const char next = end + 1 < stop ? text[end + 1] : '\n';
    if (c == '#' && end > at && is_blank(text[end - 1])) break;
    if (c == ':' && (is_space(next) || (in_flow && std::string_view(",[]{}").find(next) != std::string_view::npos))) break;
    if (in_flow && std::string_view(",[]{}").find(c) != std::string_view::npos) break;
  }
  while (end > at && is_blank(text[end - 1])) --end;
  if (text.substr(at, end - at) != said) return std::nullopt;
  return end;
}

/// Behind the last line of a block scalar: lines that are blank or indented deeper than `parent` columns belong to it.
std::size_t end_of_block_scalar(std::string_view text, std::size_t at, int parent) {
  std::size_t end = line_end(text, at);
  for (std::size_t line = next_line(text, at); line < text.size(); line = next_line(text, line)) {
    const std::size_t stop = line_end(text, line);
    const std::size_t first = std::min(text.find_first_not_of(' ', line), stop);
    if (first == stop) continue;
    if (static_cast<int>(first - line) <= parent) break;
    end = stop;
  }
  return end;
}

/// Behind the bracket that closes the one at `at`.
Offset end_of_flow(std::string_view text, std::size_t at) {
  int depth = 0;
  bool token_starts = true; // a quote opens a string only where a token starts
  for (std::size_t i = at; i < text.size(); ++i) {
    const char c = text[i];
    if ((c == '"' || c == '\'') && token_starts) {
      const Offset end = end_of_quoted(text, i);
      if (!end) return std::nullopt;
      i = *end - 1;
      token_starts = false;
    } else if (c == '[' || c == '{') {
      ++depth;
      token_starts = true;
    } else if (c == ']' || c == '}') {
      if (--depth == 0) return i + 1;
      token_starts = false;
    } else if (c == '#' && is_space(text[i - 1])) {
      i = line_end(text, i);
    } else if (c == ',' || c == ':') {
      token_starts = true;
    } else if (!is_space(c)) {
      token_starts = false;
    }
  }
  return std::nullopt;
}

int column_of(std::string_view text, std::size_t at) noexcept { return static_cast<int>(at - line_start(text, at)); }

/// Behind a value. `parent` is the column of the key or dash that it belongs to, -1 for the root.
Offset end_of(std::string_view text, const Node& node, bool in_flow, int parent) {
  const std::size_t at = node.mark.offset;
  if (at >= text.size()) return std::nullopt;
  switch (node.kind) {
    case Node::Kind::empty: return std::nullopt;
    case Node::Kind::scalar:
      if (text[at] == '"' || text[at] == '\'') return end_of_quoted(text, at);
      if (node.quoted) return text[at] == '|' || text[at] == '>' ? Offset(end_of_block_scalar(text, at, parent)) : std::nullopt;
      return end_of_plain(text, at, node.text, in_flow);
    case Node::Kind::list:
      if (node.flow) return end_of_flow(text, at);
      if (node.items.empty()) return std::nullopt;
      return end_of(text, node.items.back(), false, column_of(text, at));
    case Node::Kind::map: {
      if (node.flow) return end_of_flow(text, at);
      if (node.fields.empty()) return std::nullopt;
      const Field& last = node.fields.back();
      if (last.value.is(Node::Kind::empty)) return after_colon(text, last, false);
      return end_of(text, last.value, false, column_of(text, last.mark.offset));
    }
  }
  return std::nullopt;
}

} // namespace

std::optional<std::size_t> end_of_quoted(std::string_view text, std::size_t at) {
  const char quote = text[at];
  for (std::size_t i = at + 1; i < text.size(); ++i) {
    if (quote == '"' && text[i] == '\\') {
      ++i;
    } else if (text[i] == quote) {
      if (quote == '"' || i + 1 >= text.size() || text[i + 1] != '\'') return i + 1;
      ++i;
    }
  }
  return std::nullopt;
}

std::size_t line_start(std::string_view text, std::size_t at) noexcept { return at == 0 ? 0 : text.substr(0, at).find_last_of('\n') + 1; }

std::size_t line_end(std::string_view text, std::size_t at) noexcept {
  std::size_t end = std::min(text.find('\n', at), text.size());
  if (end > at && end < text.size() && text[end - 1] == '\r') --end;
  return end;
}

std::size_t next_line(std::string_view text, std::size_t at) noexcept {
  const std::size_t end = text.find('\n', at);
  return end == std::string_view::npos ? text.size() : end + 1;
}

bool only_comment_follows(std::string_view text, std::size_t at) noexcept {
  const std::size_t stop = line_end(text, at);
  std::size_t i = at;
  while (i < stop && is_blank(text[i])) ++i;
  return i == stop || (text[i] == '#' && (i > at || i == line_start(text, at)));
}

std::optional<std::size_t> after_colon(std::string_view text, const Field& field, bool in_flow) {
  std::size_t at = field.mark.offset;
  if (at >= text.size()) return std::nullopt;
  const Offset end = text[at] == '"' || text[at] == '\'' ? end_of_quoted(text, at) : end_of_plain(text, at, field.key, in_flow);
  if (!end) return std::nullopt;
  at = *end;
  while (at < text.size() && is_blank(text[at])) ++at;
  if (at >= text.size() || text[at] != ':') return std::nullopt;
  return at + 1;
}

bool inside_flow(const Node& root, const Path& path) {
  for (std::size_t i = 0; i < path.size(); ++i) {
    const Node* node = find(root, Path(path.begin(), path.begin() + static_cast<std::ptrdiff_t>(i)));
    if (node != nullptr && node->flow) return true;
  }
  return false;
}

std::optional<Extent> extent_of(std::string_view text, const Node& root, const Path& path) {
  const Node* node = find(root, path);
  if (node == nullptr || node->is(Node::Kind::empty)) return std::nullopt;
  int parent_column = -1;
  if (!path.empty()) {
    const Node& parent = *find(root, Path(path.begin(), path.end() - 1));
    std::size_t at = parent.mark.offset;
    for (const Field& field : parent.fields) {
      if (&field.value == node) at = field.mark.offset;
    }
    parent_column = column_of(text, at);
  }
  const auto end = end_of(text, *node, inside_flow(root, path), parent_column);
  if (!end) return std::nullopt;
  return Extent{node->mark.offset, *end};
}

} // namespace kith::config
