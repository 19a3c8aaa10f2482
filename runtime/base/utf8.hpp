// SPDX-License-Identifier: Apache-2.0
// UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF.
#pragma once

#include <string>
#include <string_view>

namespace kith {

bool is_utf8(std::string_view text) noexcept;

/// The longest beginning of `text` that has at most `limit` octets and is valid UTF-8 after every octet that is not has become '?'.
std::string clip_utf8(std::string_view text, std::size_t limit);

/// A line as it may be shown: control characters and octets that are not UTF-8 are escaped, so that no peer can forge a line or steer a terminal.
std::string escape_line(std::string_view text);

inline constexpr std::size_t max_shown_size =
    72; ///< Octets of a text that an error quotes: "group:" or "peer:" and the longest that may follow is whole.

/// What somebody wrote as an error shows it: escaped, and no more of it than max_shown_size.
std::string shown(std::string_view text);
/// The same between '.
std::string in_quotes(std::string_view text);

} // namespace kith
