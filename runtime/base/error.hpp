// SPDX-License-Identifier: Apache-2.0
// The one table of result codes (docs/wire.md): the wire, RESET_STREAM, CONNECTION_CLOSE, socket names and CLI exit codes all use it.
#pragma once

#include <boost/system/result.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace kith {

/// 0 is never an error; 1 to 21 are kith's; 1000 and up belong to the protocol (an application error).
enum class Code : std::uint64_t {
  bad_request = 1,
  unsupported_version = 2,
  unknown_protocol = 3,
  unknown_alias = 4,
  unknown_command = 5,
  unknown_peer = 6,
  wrong_key = 7,
  unknown_identity = 8,
  denied = 9,
  offline = 10,
  busy = 11,
  going_away = 12,
  unreachable = 13,
  too_large = 14,
  cancelled = 15,
  plugin_failed = 16,
  too_slow = 17,
  connection_lost = 18,
  shutting_down = 19,
  internal = 20,
  timeout = 21,
};

/// Whether a request that failed with a code may have been executed.
enum class Ran : std::uint8_t { no, maybe };

struct CodeInfo {
  Code code;
  std::string_view name; ///< As the socket and the CLI print it.
  Ran ran;
};

inline constexpr std::uint64_t first_app_code = 1000;
inline constexpr int exit_app_error = 1;
inline constexpr int exit_usage = 2;
inline constexpr int exit_code_base = 100; ///< The exit code of a failed command is this plus its code.

/// Every row of the table, by rising code.
std::span<const CodeInfo> code_table() noexcept;

/// The row of a code; nothing for 0, for application codes and for those that this version does not know.
const CodeInfo* find_code(Code code) noexcept;
const CodeInfo* find_code(std::string_view name) noexcept;

/// "denied", "app_error" from 1000 on, "code 77" for one that this version does not know.
std::string code_name(Code code);

constexpr bool is_app_code(Code code) noexcept { return static_cast<std::uint64_t>(code) >= first_app_code; }

/// 1 for application errors, 100 + code for the rest of the table, 120 (internal) for unknown ones.
int exit_code(Code code) noexcept;

/// A failure: the code decides what programs do, the text is for people. It names the place and the way out.
struct Error {
  Code code = Code::internal;
  std::string text;
  friend bool operator==(const Error&, const Error&) = default;
};

[[noreturn]] void throw_exception_from_error(const Error& error, const boost::source_location& where);

/// Either a value or an Error. value(), error(), has_value(), operator* and operator-> are those of std::expected.
template <class T = void> using Result = boost::system::result<T, Error>;

inline Error bad_request(std::string text) { return {Code::bad_request, std::move(text)}; }

} // namespace kith
