// SPDX-License-Identifier: Apache-2.0
#include "base/peer_id.hpp"

#include "base/base32.hpp"
#include "base/name.hpp"

#include <algorithm>

namespace kith {
namespace {

constexpr std::string_view hex_alphabet = "0123456789abcdef";
constexpr std::size_t hex_size = 64;
constexpr std::string_view server_name_suffix = ".iroh.invalid";

Result<PeerId> from_hex(std::string_view text) {
  PeerId id;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i] >= 'A' && text[i] <= 'F' ? static_cast<char>(text[i] - 'A' + 'a') : text[i];
    const std::size_t digit = hex_alphabet.find(c);
    if (digit == std::string_view::npos) {
      return bad_request("not an id: character " + std::to_string(i + 1) + " (" + describe_char(text[i]) +
                         ") is not one of 64 hex digits; copy it again");
    }
    id.bytes[i / 2] = static_cast<std::uint8_t>(id.bytes[i / 2] * 16U + digit);
  }
  return id;
}

/// `text` has 52 characters, so 32 octets and four spare bits come out.
Result<PeerId> from_base32(std::string_view text, std::string_view alphabet, LetterCase letters, std::string_view form) {
  const auto bytes = base32_decode(text, alphabet, letters, form);
  if (!bytes) return bytes.error();
  PeerId id;
  std::copy(bytes->begin(), bytes->end(), id.bytes.begin());
  return id;
}

} // namespace

std::string PeerId::text() const { return base32_encode(bytes, id52_alphabet); }

Result<PeerId> parse_peer_id(std::string_view text) {
  if (text.size() == hex_size) return from_hex(text);
  if (text.size() != id52_size) {
    return bad_request("not an id: it has " + std::to_string(text.size()) + " characters, an id has 52 (or 64 hex digits); copy it again");
  }
  switch (text.back()) {
    case '0':
    case 'g': return from_base32(text, id52_alphabet, LetterCase::lower, "an id");
    case 'a':
    case 'q':
    case 'A':
    case 'Q': return from_base32(text, rfc4648_alphabet, LetterCase::any, "an id in RFC 4648 base32");
    case 'y':
    case 'o': return from_base32(text, z_alphabet, LetterCase::lower, "an id in z-base-32");
    default: break;
  }
  return bad_request("not an id: character 52 (" + describe_char(text.back()) +
                     ") sets spare bits or does not belong; an id ends in 0 or g (a or q in RFC 4648 base32, y or o in z-base-32); copy it again");
}

bool looks_like_id(std::string_view text) noexcept {
  if (text.size() == hex_size) return all_in_alphabet(text, hex_alphabet, LetterCase::any);
  return text.size() == id52_size &&
         (all_in_alphabet(text, id52_alphabet, LetterCase::lower) || all_in_alphabet(text, rfc4648_alphabet, LetterCase::any) ||
          all_in_alphabet(text, z_alphabet, LetterCase::lower));
}

std::string server_name(const PeerId& id) { return id.text().append(server_name_suffix); }

std::optional<PeerId> parse_server_name(std::string_view name) {
  if (name.size() != id52_size + server_name_suffix.size() || !name.ends_with(server_name_suffix)) return std::nullopt;
  const auto id = from_base32(name.substr(0, id52_size), id52_alphabet, LetterCase::lower, "a server name");
  if (!id) return std::nullopt;
  return *id;
}

} // namespace kith
