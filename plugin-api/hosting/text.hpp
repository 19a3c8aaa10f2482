// SPDX-License-Identifier: Apache-2.0
// Texts as they cross the ABI.
#pragma once

#include <kith/abi/entry.h>

#include "base/bytes.hpp"
#include "base/utf8.hpp"

#include <string_view>

namespace kith::hosting {

inline std::string_view view(kith_text text) noexcept { return text.size == 0 ? std::string_view{} : std::string_view{text.data, text.size}; }
inline ByteView view(kith_bytes bytes) noexcept { return bytes.size == 0 ? ByteView{} : ByteView{bytes.data, bytes.size}; }
inline kith_text to_abi(std::string_view text) noexcept { return {text.data(), text.size()}; }

/// Whether it may be looked at: a pointer, or nothing.
inline bool is_sound(kith_text text) noexcept { return text.data != nullptr || text.size == 0; }
inline bool is_sound(kith_bytes bytes) noexcept { return bytes.data != nullptr || bytes.size == 0; }

} // namespace kith::hosting
