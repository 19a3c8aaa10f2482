// SPDX-License-Identifier: Apache-2.0
// Base32 without padding, over the three alphabets that ids and tickets use: five bits a character, first bits first, the spare bits of the last one zero.
#pragma once

#include "base/bytes.hpp"
#include "base/error.hpp"

#include <string>
#include <string_view>

namespace kith {

inline constexpr std::string_view id52_alphabet = "0123456789abcdefghijklmnopqrstuv";    ///< RFC 4648 §7 (base32hex) in lower case.
inline constexpr std::string_view rfc4648_alphabet = "abcdefghijklmnopqrstuvwxyz234567"; ///< RFC 4648 §6 in lower case.
inline constexpr std::string_view z_alphabet = "ybndrfg8ejkmcpqxot1uwisza345h769";       ///< z-base-32.

enum class LetterCase : std::uint8_t { lower, any };

/// Whether every character belongs to the alphabet.
bool all_in_alphabet(std::string_view text, std::string_view alphabet, LetterCase letters) noexcept;

std::string base32_encode(ByteView bytes, std::string_view alphabet);

/// Errors: bad_request with the position of the first character that does not belong (`text` starts at position `first`), of a text that is cut short, or
/// of spare bits that are set. `what` names the thing being read ("an id").
Result<Bytes> base32_decode(std::string_view text, std::string_view alphabet, LetterCase letters, std::string_view what, std::size_t first = 1);

} // namespace kith
