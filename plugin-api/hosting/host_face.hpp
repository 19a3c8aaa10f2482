// SPDX-License-Identifier: Apache-2.0
// The host side of the ABI's function tables. Private to hosting.
#pragma once

#include "hosting/instance.hpp"
#include "hosting/text.hpp"

namespace kith::hosting {

inline std::uint64_t to_nanoseconds(TimePoint at) noexcept {
  return at == never ? KITH_NEVER : static_cast<std::uint64_t>(at.time_since_epoch().count());
}

inline TimePoint from_nanoseconds(std::uint64_t at) noexcept {
  return at > static_cast<std::uint64_t>(never.time_since_epoch().count()) ? never : TimePoint(Duration(static_cast<Duration::rep>(at)));
}

inline std::uint32_t to_abi(Role role) noexcept { return static_cast<std::uint32_t>(role) + KITH_ROLE_PUBLIC; }

/// What the plugin's `const kith_host*` points to.
struct HostFace {
  kith_host host;
  Instance* instance;

  explicit HostFace(Instance& owner) noexcept;
  static Instance& of(const kith_host* host) noexcept { return *reinterpret_cast<const HostFace*>(host)->instance; }
};

/// The table behind a capability id; null: none.
const void* find_host_capability(std::string_view id, std::uint32_t needs) noexcept;
const kith_host_stream& stream_table() noexcept;
const kith_host_dial& dial_table() noexcept;

} // namespace kith::hosting
