// SPDX-License-Identifier: Apache-2.0
#include "base/base32.hpp"

#include "base/name.hpp"

#include <algorithm>

namespace kith {
namespace {

std::size_t digit_of(char c, std::string_view alphabet, LetterCase letters) noexcept {
  if (letters == LetterCase::any && c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return alphabet.find(c);
}

} // namespace

bool all_in_alphabet(std::string_view text, std::string_view alphabet, LetterCase letters) noexcept {
  return std::all_of(text.begin(), text.end(), [&](char c) { return digit_of(c, alphabet, letters) != std::string_view::npos; });
}

std::string base32_encode(ByteView bytes, std::string_view alphabet) {
  std::string out;
  out.reserve((bytes.size() * 8 + 4) / 5);
  unsigned window = 0;
  unsigned held = 0;
  for (const std::uint8_t octet : bytes) {
    window = (window << 8) | octet;
    held += 8;
    while (held >= 5) {
      held -= 5;
      out.push_back(alphabet[(window >> held) & 31U]);
    }
    window &= (1U << held) - 1U;
  }
  if (held != 0) out.push_back(alphabet[(window << (5 - held)) & 31U]);
  return out;
}

Result<Bytes> base32_decode(std::string_view text, std::string_view alphabet, LetterCase letters, std::string_view what, std::size_t first) {
  Bytes out;
  out.reserve(text.size() * 5 / 8);
  unsigned window = 0;
  unsigned held = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::size_t digit = digit_of(text[i], alphabet, letters);
    if (digit == std::string_view::npos) {
      return bad_request("not " + std::string(what) + ": character " + std::to_string(first + i) + " (" + describe_char(text[i]) +
                         ") does not belong; copy it again");
    }
    window = (window << 5) | static_cast<unsigned>(digit);
    held += 5;
    if (held >= 8) {
      held -= 8;
      out.push_back(static_cast<std::uint8_t>(window >> held));
      window &= (1U << held) - 1U;
    }
  }
  if (held >= 5) return bad_request("not " + std::string(what) + ": it is cut short after character " + std::to_string(first + text.size() - 1));
  if (window != 0) {
    return bad_request("not " + std::string(what) + ": character " + std::to_string(first + text.size() - 1) + " (" + describe_char(text.back()) +
                       ") sets spare bits; copy it again");
  }
  return out;
}

} // namespace kith
