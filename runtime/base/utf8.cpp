// SPDX-License-Identifier: Apache-2.0
#include "base/utf8.hpp"

#include <cstdint>

namespace kith {
namespace {

/// Octets of the character at the front of a text that is not empty; 0 when there is none that is valid.
std::size_t character_size(std::string_view text) noexcept {
  const auto at = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t first = at(0);
  if (first < 0x80) return 1;
  const std::size_t size = first >= 0xC2 && first <= 0xDF ? 2U : (first & 0xF0U) == 0xE0 ? 3U : first >= 0xF0 && first <= 0xF4 ? 4U : 0U;
  if (size == 0 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((at(i) & 0xC0U) != 0x80) return 0;
  }
  const bool overlong = (first == 0xE0 && at(1) < 0xA0) || (first == 0xF0 && at(1) < 0x90);
  const bool surrogate = first == 0xED && at(1) >= 0xA0;
  const bool too_high = first == 0xF4 && at(1) >= 0x90;
  return overlong || surrogate || too_high ? 0 : size;
}

} // namespace

bool is_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    const std::size_t size = character_size(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

std::string clip_utf8(std::string_view text, std::size_t limit) {
  std::string out;
  while (!text.empty()) {
    const std::size_t size = character_size(text);
    if (out.size() + (size == 0 ? 1 : size) > limit) break;
    if (size == 0) {
      out.push_back('?');
    } else {
      out.append(text.substr(0, size));
    }
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return out;
}

std::string escape_line(std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t size = character_size(text);
    const auto first = static_cast<unsigned char>(text.front());
    const bool control = first < 0x20 || first == 0x7F || (size == 2 && first == 0xC2 && static_cast<unsigned char>(text[1]) < 0xA0); // C1 controls
    const std::size_t take = size == 0 ? 1 : size;
    if (size == 0 || control) {
      for (const char c : text.substr(0, take)) {
        const auto octet = static_cast<unsigned char>(c);
        out += {'\\', 'x', digits[octet >> 4U], digits[octet & 15U]};
      }
    } else {
      out += text.substr(0, take);
    }
    text.remove_prefix(take);
  }
  return out;
}

std::string shown(std::string_view text) {
  const std::string begin = escape_line(clip_utf8(text, max_shown_size));
  return text.size() <= max_shown_size ? begin : begin + "…";
}

std::string in_quotes(std::string_view text) { return "'" + shown(text) + "'"; }

} // namespace kith
