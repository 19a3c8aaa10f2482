// SPDX-License-Identifier: Apache-2.0
// The one place that decides what is JSON (RFC 8259) for the daemon, the client library and the command. Pure functions over borrowed text: nothing is
// allocated, nothing is turned into numbers or strings, so that what passes can be forwarded as the octets it came in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace kith::protocol {

inline constexpr std::size_t max_json_depth = 256; ///< Arrays and objects inside each other.

/// Where a scan ended. `fault` is null when the value is good; otherwise a text for people, and `end` is where it went wrong.
struct Scan {
  std::size_t end = 0; ///< Octets from the start of the text: just past the value, or at the fault.
  const char* fault = nullptr;
  bool ok() const noexcept { return fault == nullptr; }
};

/// Reads one value that starts exactly at `from` (no white space before it). `outside`: containers that it stands in.
Scan scan_value(std::string_view text, std::size_t from, std::size_t outside = 0) noexcept;

/// How many characters at the front of a text stand for themselves in a JSON string (and in UTF-8): ASCII without controls, quote and backslash.
std::size_t plain_run(std::string_view text) noexcept;

/// Past white space (space, tab, CR, LF) from `from` on.
std::size_t skip_space(std::string_view text, std::size_t from) noexcept;

/// Whether a text is exactly one complete JSON value in valid UTF-8, white space around it allowed.
Scan check_json(std::string_view text) noexcept;

/// Whether all of it is well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms, nothing above U+10FFFF).
bool is_utf8(std::string_view text) noexcept;

/// Length of the well-formed UTF-8 character at the front of a text; 0 when there is none.
std::size_t utf8_length(std::string_view text) noexcept;

/// Appends a text that check_json passed, CR and LF replaced by spaces. They occur only between tokens there, so the value stays the same, and it fits a line.
void append_flat(std::string& out, std::string_view json);

/// The same in place.
void flatten(char* json, std::size_t size) noexcept;

} // namespace kith::protocol
