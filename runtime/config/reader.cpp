// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/reader.hpp"

#include "base/name.hpp"
#include "base/utf8.hpp"
#include "config/scalar.hpp"

#include <algorithm>

namespace kith::config {

static constexpr std::size_t most_unknown_keys = 4; ///< Of one map that have an error each: a file with more is something else altogether.

bool Reader::map(const Node& node, std::string_view what, std::span<const std::string_view> known) {
  if (!node.is(Node::Kind::map)) {
    fail(node.mark, std::string(what) + " must be a map (key: value)");
    return false;
  }
  std::vector<const Field*> unknown;
  for (const Field& field : node.fields) {
    if (std::ranges::find(known, field.key) == known.end()) unknown.push_back(&field);
  }
  for (std::size_t i = 0; i < unknown.size(); ++i) {
    const Field& field = *unknown[i];
    if (i == most_unknown_keys && unknown.size() > i + 1) {
      fail(field.mark, "and " + std::to_string(unknown.size() - i) + " more keys from here on are not known in " + std::string(what));
      break;
    }
    std::string text = "the key " + in_quotes(field.key) + " is not known in " + std::string(what);
    if (const auto near = nearest_name(field.key, known); !near.empty()) text += "; did you mean '" + std::string(near) + "'?";
    fail(field.mark, text);
  }
  return true;
}

void Reader::list(const Node& node, std::string_view what, const std::function<void(const Node&)>& each) {
  if (!node.is(Node::Kind::list)) return fail(node.mark, std::string(what) + " must be a list ([a, b], or lines with '- ')");
  for (const Node& item : node.items) each(item);
}

std::optional<std::string> Reader::text(const Node& node, std::string_view what) {
  if (node.is(Node::Kind::scalar)) return node.text;
  fail(node.mark, std::string(what) + (node.is(Node::Kind::empty) ? " has no value" : " must be a single value, not a list or map"));
  return std::nullopt;
}

std::optional<std::string> Reader::name(const Node& node, std::string_view what) {
  auto word = text(node, what);
  if (!word) return std::nullopt;
  if (const auto ok = check_name(*word, what); !ok) {
    fail(node.mark, ok.error().text);
    return std::nullopt;
  }
  return word;
}

std::optional<bool> Reader::boolean(const Node& node, std::string_view what) {
  if (node.is(Node::Kind::scalar) && scalar_type(node) == ScalarType::boolean) return node.text.front() == 't' || node.text.front() == 'T';
  fail(node.mark, std::string(what) + " must be true or false");
  return std::nullopt;
}

std::optional<PeerId> Reader::id(const Node& node, std::string_view what) {
  const auto word = text(node, what);
  if (!word) return std::nullopt;
  const auto id = parse_peer_id(*word);
  if (id) return *id;
  fail(node.mark, std::string(what) + ": " + id.error().text);
  return std::nullopt;
}

std::optional<Address> Reader::address(const Node& node, std::string_view what) {
  const auto word = text(node, what);
  if (!word) return std::nullopt;
  const auto address = parse_address(*word);
  if (address) return *address;
  fail(node.mark, std::string(what) + ": " + address.error().text);
  return std::nullopt;
}

std::vector<Address> Reader::listen(const Node& node) {
  std::vector<Address> out;
  list(node, "listen", [&](const Node& item) {
    const auto one = address(item, "a listen address");
    if (!one) return;
    if (one->port != 0 && std::ranges::find(out, *one) != out.end()) fail(item.mark, one->text() + " is there twice");
    out.push_back(*one);
  });
  if (out.size() > max_listen) fail(node.mark, "listen has more than " + std::to_string(max_listen) + " addresses");
  return out;
}

} // namespace kith::config
