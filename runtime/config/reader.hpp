// SPDX-License-Identifier: GPL-3.0-or-later
// Reads the values of a tree as what they should be, and collects what is wrong with them. Private to this module.
#pragma once

#include "config/tree.hpp"

#include "base/address.hpp"
#include "base/peer_id.hpp"

#include <functional>
#include <optional>
#include <span>

namespace kith::config {

inline constexpr std::size_t max_listen = 16; ///< Addresses in one `listen:` list.

class Reader {
public:
  Reader(std::string_view file, std::vector<Error>& errors) : file_(file), errors_(errors) {}

  void fail(const Mark& mark, std::string_view text) { errors_.push_back(error_at(file_, mark, text)); }

  void fail_with(Error error) { errors_.push_back(std::move(error)); }

  /// False, with an error, when the node is no map. Keys outside of `known` are errors, with the nearest known one.
  bool map(const Node& node, std::string_view what, std::span<const std::string_view> known);
  /// Calls `each` for the items of a list; anything else is an error.
  void list(const Node& node, std::string_view what, const std::function<void(const Node&)>& each);

  /// A scalar's text, never typed; nothing, with an error, for a list, a map or no value.
  std::optional<std::string> text(const Node& node, std::string_view what);
  std::optional<std::string> name(const Node& node, std::string_view what);
  std::optional<bool> boolean(const Node& node, std::string_view what);
  std::optional<PeerId> id(const Node& node, std::string_view what);
  std::optional<Address> address(const Node& node, std::string_view what);

  /// A list of addresses to listen on, none of them twice.
  std::vector<Address> listen(const Node& node);

  std::string_view file() const noexcept { return file_; }

private:
  std::string_view file_;
  std::vector<Error>& errors_;
};

} // namespace kith::config
