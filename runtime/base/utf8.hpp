// SPDX-License-Identifier: Apache-2.0
// UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF.
#pragma once

#include <string>
#include <string_view>

namespace kith {

bool is_utf8(std::string_view text) noexcept;

/// The longest beginning of `text` that has at most `limit` octets and is valid UTF-8 after every octet that is not has become '?'.
std::string clip_utf8(std::string_view text, std::size_t limit);

} // namespace kith
