// SPDX-License-Identifier: Apache-2.0
#include "hosting/text.hpp"

namespace kith::hosting {

namespace {

bool is_tail(unsigned char octet) noexcept { return (octet & 0xC0U) == 0x80U; }

// Octets of the character at the front, 0 when it is not one.
std::size_t character_size(std::string_view text) noexcept {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = at(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return text.size() >= 2 && is_tail(at(1)) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    if (text.size() < 3 || !is_tail(at(1)) || !is_tail(at(2))) return 0;
    if (first == 0xE0 && at(1) < 0xA0) return 0;
    if (first == 0xED && at(1) > 0x9F) return 0;
    return 3;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    if (text.size() < 4 || !is_tail(at(1)) || !is_tail(at(2)) || !is_tail(at(3))) return 0;
    if (first == 0xF0 && at(1) < 0x90) return 0;
    if (first == 0xF4 && at(1) > 0x8F) return 0;
    return 4;
  }
  return 0;
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

std::string_view cut_utf8(std::string_view text, std::size_t limit) noexcept {
  if (text.size() <= limit) return text;
  while (limit > 0 && is_tail(static_cast<unsigned char>(text[limit]))) --limit;
  return text.substr(0, limit);
}

} // namespace kith::hosting
