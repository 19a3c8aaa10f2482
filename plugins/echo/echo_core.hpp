// SPDX-License-Identifier: Apache-2.0
// What Echo answers. Pure: text in, text or an application error out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace echo {

inline constexpr std::size_t default_max_length = 1000;

/// Application errors; peers' programs rely on the numbers.
enum class ErrorCode : std::uint64_t {
  not_json = 1000,   ///< The request is not one JSON value.
  wrong_type = 1001, ///< Not an object with a text called "message".
  empty = 1002,
  too_long = 1003,
};

struct Failure {
  ErrorCode code;
  std::string text;
};

struct Config {
  std::size_t max_length = default_max_length; ///< In code points.
};

/// Reads a config that the schema has accepted. Throws std::runtime_error, naming the field.
Config parse_config(std::string_view json);

/// {"message": s} gives {"echoed": s}. Other fields are ignored; the message's characters come back as they came, escapes resolved.
std::variant<std::string, Failure> answer(std::string_view request, const Config& config);

} // namespace echo
