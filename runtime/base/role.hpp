// SPDX-License-Identifier: Apache-2.0
// Roles, and the words by which YAML, the socket and the command line name them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace kith {

/// Ordered: a higher role may all that a lower one may.
enum class Role : std::uint8_t { public_ = 0, viewer = 1, member = 2, admin = 3, owner = 4 };

inline constexpr std::array<std::string_view, 5> role_names{"public", "viewer", "member", "admin", "owner"};

constexpr std::string_view role_name(Role role) noexcept { return role_names[static_cast<std::size_t>(role)]; }

constexpr std::optional<Role> parse_role(std::string_view text) noexcept {
  for (std::size_t i = 0; i < role_names.size(); ++i) {
    if (role_names[i] == text) return static_cast<Role>(i);
  }
  return std::nullopt;
}

} // namespace kith
