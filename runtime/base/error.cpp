// SPDX-License-Identifier: Apache-2.0
#include "base/error.hpp"

#include <array>
#include <stdexcept>

namespace kith {
namespace {

constexpr std::array table{
    CodeInfo{Code::bad_request, "bad_request", Ran::no},
    CodeInfo{Code::unsupported_version, "unsupported_version", Ran::no},
    CodeInfo{Code::unknown_protocol, "unknown_protocol", Ran::no},
    CodeInfo{Code::unknown_alias, "unknown_alias", Ran::no},
    CodeInfo{Code::unknown_command, "unknown_command", Ran::no},
    CodeInfo{Code::unknown_peer, "unknown_peer", Ran::no},
    CodeInfo{Code::wrong_key, "wrong_key", Ran::no},
    CodeInfo{Code::unknown_identity, "unknown_identity", Ran::no},
    CodeInfo{Code::denied, "denied", Ran::no},
    CodeInfo{Code::offline, "offline", Ran::no},
    CodeInfo{Code::busy, "busy", Ran::no},
    CodeInfo{Code::going_away, "going_away", Ran::no},
    CodeInfo{Code::unreachable, "unreachable", Ran::no},
    CodeInfo{Code::too_large, "too_large", Ran::maybe},
    CodeInfo{Code::cancelled, "cancelled", Ran::maybe},
    CodeInfo{Code::plugin_failed, "plugin_failed", Ran::maybe},
    CodeInfo{Code::too_slow, "too_slow", Ran::maybe},
    CodeInfo{Code::connection_lost, "connection_lost", Ran::maybe},
    CodeInfo{Code::shutting_down, "shutting_down", Ran::maybe},
    CodeInfo{Code::internal, "internal", Ran::maybe},
    CodeInfo{Code::timeout, "timeout", Ran::maybe},
};

} // namespace

std::span<const CodeInfo> code_table() noexcept { return table; }

const CodeInfo* find_code(Code code) noexcept {
  const auto n = static_cast<std::uint64_t>(code);
  return n >= 1 && n <= table.size() ? &table[n - 1] : nullptr;
}

const CodeInfo* find_code(std::string_view name) noexcept {
  for (const CodeInfo& row : table) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

std::string code_name(Code code) {
  if (const CodeInfo* row = find_code(code)) return std::string(row->name);
  if (is_app_code(code)) return "app_error";
  return "code " + std::to_string(static_cast<std::uint64_t>(code));
}

int exit_code(Code code) noexcept {
  if (is_app_code(code)) return exit_app_error;
  const Code known = find_code(code) != nullptr ? code : Code::internal;
  return exit_code_base + static_cast<int>(known);
}

void throw_exception_from_error(const Error& error, const boost::source_location& /*where*/) {
  throw std::runtime_error(code_name(error.code) + ": " + error.text);
}

} // namespace kith
