// SPDX-License-Identifier: Apache-2.0
#include "base/peer_id.hpp"

#include "base/name.hpp"

#include <algorithm>

namespace kith {
namespace {

constexpr std::string_view id52_alphabet = "0123456789abcdefghijklmnopqrstuv";
constexpr std::string_view rfc4648_alphabet = "abcdefghijklmnopqrstuvwxyz234567";
constexpr std::string_view z_alphabet = "ybndrfg8ejkmcpqxot1uwisza345h769";
constexpr std::string_view hex_alphabet = "0123456789abcdef";
constexpr std::size_t hex_size = 64;
constexpr std::string_view server_name_suffix = ".iroh.invalid";

constexpr char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

/// The digits of `text`, most significant first; of the last digit only the bits that 32 octets still need.
Result<PeerId> decode(std::string_view text, std::string_view alphabet, unsigned bits, bool any_case, std::string_view form) {
  PeerId id;
  std::size_t at = 0;
  unsigned held = 0;
  unsigned window = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::size_t digit = alphabet.find(any_case ? lower(text[i]) : text[i]);
    if (digit == std::string_view::npos) {
      return bad_request("not an id: character " + std::to_string(i + 1) + " (" + describe_char(text[i]) + ") does not belong in " +
                         std::string(form) + "; copy the id again");
    }
    window = (window << bits) | static_cast<unsigned>(digit);
    held += bits;
    if (held >= 8) {
      held -= 8;
      id.bytes[at++] = static_cast<std::uint8_t>(window >> held);
      window &= (1U << held) - 1U;
    }
  }
  return id;
}

bool all_in(std::string_view text, std::string_view alphabet, bool any_case) noexcept {
  return std::all_of(text.begin(), text.end(), [&](char c) { return alphabet.find(any_case ? lower(c) : c) != std::string_view::npos; });
}

} // namespace

std::string PeerId::text() const {
  std::string out;
  out.reserve(id52_size);
  unsigned window = 0;
  unsigned held = 0;
  for (const std::uint8_t octet : bytes) {
    window = (window << 8) | octet;
    held += 8;
    while (held >= 5) {
      held -= 5;
      out.push_back(id52_alphabet[(window >> held) & 31U]);
    }
    window &= (1U << held) - 1U;
  }
  out.push_back(id52_alphabet[(window << (5 - held)) & 31U]); // one bit and four spare ones
  return out;
}

Result<PeerId> parse_peer_id(std::string_view text) {
  if (text.size() == hex_size) return decode(text, hex_alphabet, 4, true, "64 hex digits");
  if (text.size() != id52_size) {
    return bad_request("not an id: it has " + std::to_string(text.size()) + " characters, an id has 52 (or 64 hex digits); copy the id again");
  }
  switch (text.back()) {
  case '0':
  case 'g': return decode(text, id52_alphabet, 5, false, "an id (0-9, a-v)");
  case 'a':
  case 'q':
  case 'A':
  case 'Q': return decode(text, rfc4648_alphabet, 5, true, "an RFC 4648 base32 id (a-z, 2-7)");
  case 'y':
  case 'o': return decode(text, z_alphabet, 5, false, "a z-base-32 id");
  default: break;
  }
  return bad_request(
      "not an id: character 52 (" + describe_char(text.back()) +
      ") sets spare bits or does not belong; an id ends in 0 or g (a or q in RFC 4648 base32, y or o in z-base-32); copy the id again");
}

bool looks_like_id(std::string_view text) noexcept {
  if (text.size() == hex_size) return all_in(text, hex_alphabet, true);
  return text.size() == id52_size && (all_in(text, id52_alphabet, false) || all_in(text, rfc4648_alphabet, true) || all_in(text, z_alphabet, false));
}

std::string server_name(const PeerId& id) { return id.text().append(server_name_suffix); }

std::optional<PeerId> parse_server_name(std::string_view name) {
  if (name.size() != id52_size + server_name_suffix.size() || !name.ends_with(server_name_suffix)) return std::nullopt;
  const std::string_view text = name.substr(0, id52_size);
  if (text.back() != '0' && text.back() != 'g') return std::nullopt;
  const auto id = decode(text, id52_alphabet, 5, false, "a server name");
  if (!id) return std::nullopt;
  return *id;
}

} // namespace kith
