// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/tree.hpp"

#include "config/scalar.hpp"

#include "base/utf8.hpp"

#include <charconv>
#include <utility>

namespace kith::config {

const Node* Node::find(std::string_view key) const noexcept {
  for (const Field& field : fields) {
    if (field.key == key) return &field.value;
  }
  return nullptr;
}

Node* Node::find(std::string_view key) noexcept { return const_cast<Node*>(std::as_const(*this).find(key)); }

Node make_text(std::string text) {
  Node node;
  node.kind = Node::Kind::scalar;
  node.quoted = true;
  node.text = std::move(text);
  return node;
}

Node make_plain(std::string text) {
  Node node = make_text(std::move(text));
  node.quoted = false;
  return node;
}

Node make_list(std::vector<Node> items, bool flow) {
  Node node;
  node.kind = Node::Kind::list;
  node.flow = flow;
  node.items = std::move(items);
  return node;
}

Node make_map(std::vector<Field> fields) {
  Node node;
  node.kind = Node::Kind::map;
  node.fields = std::move(fields);
  return node;
}

const Node* find(const Node& root, const Path& path) noexcept {
  const Node* at = &root;
  for (const PathStep& step : path) {
    if (const auto* key = std::get_if<std::string>(&step)) {
      at = at->find(*key);
    } else {
      const std::size_t index = std::get<std::size_t>(step);
      at = index < at->items.size() ? &at->items[index] : nullptr;
    }
    if (at == nullptr) return nullptr;
  }
  return at;
}

Node* find(Node& root, const Path& path) noexcept { return const_cast<Node*>(find(std::as_const(root), path)); }

std::string path_text(const Path& path) {
  std::string out;
  for (const PathStep& step : path) {
    if (const auto* key = std::get_if<std::string>(&step)) {
      if (!out.empty()) out += '.';
      out += shown(*key);
    } else {
      out += '[' + std::to_string(std::get<std::size_t>(step)) + ']';
    }
  }
  return out.empty() ? "the file" : out;
}

bool same(const Node& a, const Node& b) {
  const auto is_null = [](const Node& n) { return n.is(Node::Kind::empty) || (n.is(Node::Kind::scalar) && scalar_type(n) == ScalarType::null); };
  if (is_null(a) || is_null(b)) return is_null(a) && is_null(b);
  if (a.kind != b.kind || a.items.size() != b.items.size() || a.fields.size() != b.fields.size()) return false;
  if (a.is(Node::Kind::scalar)) return a.text == b.text && scalar_type(a) == scalar_type(b);
  for (std::size_t i = 0; i < a.items.size(); ++i) {
    if (!same(a.items[i], b.items[i])) return false;
  }
  for (std::size_t i = 0; i < a.fields.size(); ++i) {
    if (a.fields[i].key != b.fields[i].key || !same(a.fields[i].value, b.fields[i].value)) return false;
  }
  return true;
}

Error error_at(std::string_view file, const Mark& mark, std::string_view text) {
  std::string out(file);
  if (mark.line > 0) out += ':' + std::to_string(mark.line) + ':' + std::to_string(mark.column);
  return bad_request(out + ": " + std::string(text));
}

Problem problem_in(std::string_view file, const Error& error) {
  Problem out{std::string(file), 0, 0, error.text};
  std::string_view rest = error.text;
  if (!rest.starts_with(file)) return out;
  rest.remove_prefix(file.size());
  const auto number = [&rest](int& into) {
    if (!rest.starts_with(':')) return false;
    const auto [end, failed] = std::from_chars(rest.data() + 1, rest.data() + rest.size(), into);
    if (failed != std::errc{}) return false;
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    return true;
  };
  if (number(out.line)) number(out.column);
  if (rest.starts_with(": ")) out.text = rest.substr(2);
  return out;
}

} // namespace kith::config
