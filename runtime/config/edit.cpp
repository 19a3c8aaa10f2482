// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/edit.hpp"

#include "config/extent.hpp"
#include "config/yaml.hpp"
#include "config/yaml_writer.hpp"

#include <algorithm>

namespace kith::config {
namespace {

using Spliced = std::optional<std::string>;

Path parent_of(const Path& path) { return {path.begin(), path.end() - 1}; }

/// One text under one edit: finds the bytes to change.
class Splicer {
public:
  Splicer(std::string_view text, const Node& root) : text_(text), root_(root), newline_(first_newline(text)) {}

  Spliced replace(const Path& path, const Node& value) const {
    const Node& old = *find(root_, path);
    if (path.empty()) return old.is(Node::Kind::empty) ? Spliced(append_to_end(value)) : std::nullopt;
    const bool in_flow = inside_flow(root_, path);
    const auto where = extent_of(text_, root_, path);
    if (!where && !old.is(Node::Kind::empty)) return std::nullopt;
    const auto* key = std::get_if<std::string>(&path.back());
    if (key == nullptr) return where ? replace_item(*where, value, in_flow) : std::nullopt;
    const Node& map = *find(root_, parent_of(path));
    const auto field = std::ranges::find(map.fields, *key, &Field::key);
    const auto colon = after_colon(text_, *field, in_flow);
    if (!colon) return std::nullopt;
    const Extent old_extent = where.value_or(Extent{*colon, *colon});
    if (in_flow || fits_inline(value)) return replace_with_inline(old_extent, *colon, value);
    return replace_with_block(old_extent, *colon, field->mark.offset, value);
  }

  Spliced append_key(const Path& map_path, const std::string& key, const Node& value) const {
    const Node& map = *find(root_, map_path);
    const Node addition = make_map({Field{key, {}, value}});
    if (map.is(Node::Kind::empty)) return map_path.empty() ? Spliced(append_to_end(addition)) : replace(map_path, addition);
    const auto where = extent_of(text_, root_, map_path);
    if (!where) return std::nullopt;
    if (map.flow) {
      std::string pair = flow_text(addition);
      return insert_before_bracket(*where, pair.substr(1, pair.size() - 2), map.fields.empty());
    }
    return insert_lines_after(where->end, column(map.mark.offset), block_lines(addition));
  }

  Spliced append_item(const Path& list_path, const Node& item) const {
    const Node& list = *find(root_, list_path);
    if (list.items.empty() && !inside_flow(root_, list_path)) return replace(list_path, make_list({item}));
    const auto where = extent_of(text_, root_, list_path);
    if (!where) return std::nullopt;
    if (list.flow) return insert_before_bracket(*where, flow_text(item), list.items.empty());
    return insert_lines_after(where->end, column(list.mark.offset), block_lines(make_list({item})));
  }

  Spliced remove_item(const Path& list_path, std::size_t index) const {
    const Node& list = *find(root_, list_path);
    if (list.items.size() == 1) return replace(list_path, make_list({}));
    Path path = list_path;
    path.emplace_back(index);
    const auto where = extent_of(text_, root_, path);
    if (!where) return std::nullopt;
    if (list.flow) return remove_from_flow(list_path, index, *where);
    const std::size_t start = line_start(text_, where->begin);
    const std::string_view lead = text_.substr(start, where->begin - start);
    if (lead.find_first_not_of(" -") != std::string_view::npos || std::ranges::count(lead, '-') != 1) return std::nullopt;
    if (!only_comment_follows(text_, where->end)) return std::nullopt;
    return spliced(start, next_line(text_, where->end), "");
  }

private:
  static std::string first_newline(std::string_view text) {
    const std::size_t at = text.find('\n');
    return at != std::string_view::npos && at > 0 && text[at - 1] == '\r' ? "\r\n" : "\n";
  }

  std::size_t column(std::size_t at) const noexcept { return at - line_start(text_, at); }

  std::string spliced(std::size_t begin, std::size_t end, std::string_view with) const {
    std::string out(text_.substr(0, begin));
    out += with;
    out += text_.substr(end);
    return out;
  }

  /// Lines joined, all but the first indented.
  std::string joined(const std::vector<std::string>& lines, std::size_t indent) const {
    std::string out;
    for (std::size_t i = 0; i < lines.size(); ++i) out += (i == 0 ? "" : newline_ + std::string(indent, ' ')) + lines[i];
    return out;
  }

  std::string append_to_end(const Node& value) const {
    std::string out(text_);
    if (!out.empty() && out.back() != '\n') out += newline_;
    return out + joined(block_lines(value), 0) + newline_;
  }

  Spliced insert_lines_after(std::size_t end, std::size_t indent, const std::vector<std::string>& lines) const {
    if (!only_comment_follows(text_, end)) return std::nullopt;
    const std::size_t at = line_end(text_, end);
    return spliced(at, at, newline_ + std::string(indent, ' ') + joined(lines, indent));
  }

  Spliced insert_before_bracket(const Extent& where, const std::string& addition, bool first) const {
    std::size_t at = where.end - 1;
    while (text_[at - 1] == ' ' || text_[at - 1] == '\t') --at;
    return spliced(at, first ? where.end - 1 : at, (first ? "" : ", ") + addition);
  }

  Spliced remove_from_flow(const Path& list_path, std::size_t index, const Extent& where) const {
    Path neighbour = list_path;
    neighbour.emplace_back(index == 0 ? std::size_t{1} : index - 1);
    const auto other = extent_of(text_, root_, neighbour);
    if (!other) return std::nullopt;
    return index == 0 ? spliced(where.begin, other->begin, "") : spliced(other->end, where.end, "");
  }

  Spliced replace_item(const Extent& old, const Node& value, bool in_flow) const {
    if (in_flow || fits_inline(value)) return replaced_inline(old, value);
    if (text_.substr(old.end, line_end(text_, old.end) - old.end).find_first_not_of(" \t") != std::string_view::npos) return std::nullopt;
    return spliced(old.begin, old.end, joined(block_lines(value), column(old.begin)));
  }

  /// A scalar's comment goes to the end of its line, where there is none yet.
  std::string replaced_inline(const Extent& old, const Node& value) const {
    std::string with = flow_text(value);
    const std::size_t stop = line_end(text_, old.end);
    const std::string_view rest = text_.substr(old.end, stop - old.end);
    if (value.comment.empty() || rest.find('#') != std::string_view::npos) return spliced(old.begin, old.end, with);
    with += rest.substr(0, rest.find_last_not_of(" \t") + 1);
    return spliced(old.begin, stop, with + "  # " + value.comment);
  }

  bool on_line_of(std::size_t a, std::size_t b) const noexcept { return line_start(text_, a) == line_start(text_, b); }

  Spliced replace_with_inline(const Extent& old, std::size_t colon, const Node& value) const {
    const std::string inline_text = flow_text(value);
    if (old.begin == colon) return spliced(colon, colon, ' ' + inline_text);
    if (on_line_of(colon, old.begin)) return replaced_inline(old, value);
    // The old value has lines of its own: those go, and what stands between the colon and them (comments) stays.
    const std::string kept = ' ' + inline_text + std::string(text_.substr(colon, line_start(text_, old.begin) - colon));
    return spliced(colon, next_line(text_, old.end), kept);
  }

  Spliced replace_with_block(const Extent& old, std::size_t colon, std::size_t key, const Node& value) const {
    if (old.begin != colon && !on_line_of(colon, old.begin)) {
      const bool sequence_under_key = value.is(Node::Kind::list) || column(old.begin) > column(key);
      const std::size_t indent = sequence_under_key ? column(old.begin) : column(key) + 2;
      const std::size_t start = line_start(text_, old.begin);
      return spliced(start, old.end, std::string(indent, ' ') + joined(block_lines(value), indent));
    }
    if (!only_comment_follows(text_, old.end)) return std::nullopt;
    const std::size_t indent = column(key) + 2;
    const std::size_t stop = line_end(text_, old.end);
    std::string comment(text_.substr(old.end, stop - old.end));
    if (comment.find('#') == std::string::npos) comment.clear();
    return spliced(colon, stop, comment + newline_ + std::string(indent, ' ') + joined(block_lines(value), indent));
  }

  std::string_view text_;
  const Node& root_;
  std::string newline_;
};

constexpr std::size_t most_keys = 1024; // each is looked for among all: larger maps are written anew

bool keeps_all_keys(const Node& old, const Node& value) {
  return old.is(Node::Kind::map) && value.is(Node::Kind::map) && !old.fields.empty() && old.fields.size() <= most_keys &&
         value.fields.size() <= most_keys && std::ranges::all_of(old.fields, [&](const Field& field) { return value.find(field.key) != nullptr; });
}

/// Edits that it takes to set a value with the old keys kept.
std::size_t edits(const Node& old, const Node& value) {
  if (same(old, value)) return 0;
  if (!keeps_all_keys(old, value)) return 1;
  std::size_t count = 0;
  for (const Field& field : value.fields) {
    const Node* before = old.find(field.key);
    count += before == nullptr ? 1 : edits(*before, field.value);
  }
  return count;
}

} // namespace

Result<Editor> Editor::open(std::string text, std::string file) {
  auto root = parse_yaml(text, file);
  if (!root) return root.error();
  return Editor(std::move(text), std::move(file), *std::move(root));
}

Result<void> Editor::commit(std::optional<std::string> text, const Node& meant, const Path& path, const Node& value) {
  if (text) {
    auto root = parse_yaml(*text, file_);
    if (root && same(*root, meant)) {
      text_ = *std::move(text);
      root_ = *std::move(root);
      return {};
    }
  }
  std::string lines;
  for (const std::string& line : block_lines(value)) lines += '\n' + line;
  return bad_request(file_ + ": the way this file is written, " + path_text(path) +
                     " can't be changed without touching other lines; nothing was changed. Edit it by hand, so that it says:" + lines);
}

Result<void> Editor::set(const Path& path, const Node& value) {
  const Node* old = find(std::as_const(root_), path);
  if (old == nullptr) {
    const auto* key = path.empty() ? nullptr : std::get_if<std::string>(&path.back());
    const Node* map = key == nullptr ? nullptr : find(std::as_const(root_), parent_of(path));
    if (map == nullptr || !(map->is(Node::Kind::map) || map->is(Node::Kind::empty))) return bad_request(file_ + ": there is no " + path_text(path));
    Node meant = root_;
    Node& meant_map = *find(meant, parent_of(path));
    meant_map.kind = Node::Kind::map;
    meant_map.fields.push_back({*key, {}, value});
    return commit(Splicer(text_, root_).append_key(parent_of(path), *key, value), meant, path, value);
  }
  if (same(*old, value)) return {};
  if (keeps_all_keys(*old, value) && edits(*old, value) <= max_edits) {
    Editor work = *this;
    for (const Field& field : value.fields) {
      Path below = path;
      below.emplace_back(field.key);
      if (auto r = work.set(below, field.value); !r) return r;
    }
    *this = std::move(work);
    return {};
  }
  Node meant = root_;
  *find(meant, path) = value;
  return commit(Splicer(text_, root_).replace(path, value), meant, path, value);
}

Result<void> Editor::append_item(const Path& list_path, const Node& item) {
  const Node* list = find(std::as_const(root_), list_path);
  if (list == nullptr) return set(list_path, make_list({item}));
  if (!list->is(Node::Kind::list) && !list->is(Node::Kind::empty)) return error_at(file_, list->mark, path_text(list_path) + " is not a list");
  Node meant = root_;
  Node& meant_list = *find(meant, list_path);
  meant_list.kind = Node::Kind::list;
  meant_list.items.push_back(item);
  return commit(Splicer(text_, root_).append_item(list_path, item), meant, list_path, make_list({item}));
}

Result<void> Editor::remove_item(const Path& list_path, std::size_t index) {
  const Node* list = find(std::as_const(root_), list_path);
  if (list == nullptr || index >= list->items.size()) {
    return bad_request(file_ + ": there is no " + path_text(list_path) + '[' + std::to_string(index) + ']');
  }
  Node meant = root_;
  Node& meant_list = *find(meant, list_path);
  meant_list.items.erase(meant_list.items.begin() + static_cast<std::ptrdiff_t>(index));
  return commit(Splicer(text_, root_).remove_item(list_path, index), meant, list_path, meant_list);
}

} // namespace kith::config
