// SPDX-License-Identifier: Apache-2.0
#include "base/name.hpp"

#include "base/peer_id.hpp"
#include "base/utf8.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace kith {
namespace {

constexpr std::size_t max_typed_size = 256; // what is longer is no mistyped name

// A table: names are checked for every stream.
constexpr std::array<bool, 256> words = [] {
  std::array<bool, 256> table{};
  for (const char c : std::string_view("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"))
    table[static_cast<unsigned char>(c)] = true;
  return table;
}();

bool is_word(char c) noexcept { return words[static_cast<unsigned char>(c)]; }

/// Insertions, deletions, replacements and swaps of neighbours between two texts.
std::size_t edits(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0U : 1U)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

} // namespace

bool is_command_word(std::string_view word) noexcept {
  using namespace std::string_view_literals;
  static constexpr std::array words{"add-protocol"sv,
                                    "call"sv,
                                    "config"sv,
                                    "configure-protocol"sv,
                                    "create-identity"sv,
                                    "daemon"sv,
                                    "delete-identity"sv,
                                    "doctor"sv,
                                    "exec"sv,
                                    "export-identity"sv,
                                    "group"sv,
                                    "help"sv,
                                    "identity-offline"sv,
                                    "identity-online"sv,
                                    "import-identity"sv,
                                    "invite"sv,
                                    "knock"sv,
                                    "list-identities"sv,
                                    "list-protocols"sv,
                                    "logs"sv,
                                    "peer"sv,
                                    "ping"sv,
                                    "pool"sv,
                                    "reload"sv,
                                    "remove-protocol"sv,
                                    "rename-identity"sv,
                                    "show-identity"sv,
                                    "status"sv,
                                    "stop"sv,
                                    "stream"sv,
                                    "ticket"sv,
                                    "trace"sv,
                                    "version"sv};
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string describe_char(char c) {
  constexpr std::string_view digits = "0123456789abcdef";
  if (c > ' ' && c <= '~') return {'\'', c, '\''};
  if (c == ' ') return "a space";
  const auto octet = static_cast<unsigned char>(c);
  return {'0', 'x', digits[octet >> 4U], digits[octet & 15U]};
}

namespace {

/// As describe_char, of a whole character where it is one.
std::string describe_first(std::string_view text) {
  for (const std::size_t length : {2U, 3U, 4U}) {
    if (length <= text.size() && static_cast<unsigned char>(text[0]) >= 0x80 && is_utf8(text.substr(0, length))) {
      return "'" + std::string(text.substr(0, length)) + "'";
    }
  }
  return describe_char(text[0]);
}

} // namespace

Result<void> check_name(std::string_view name, std::string_view what) {
  const auto the = [what] { return "the " + std::string(what); };
  if (name.empty()) return bad_request(the() + " is empty");
  if (name.size() > max_name_size) {
    return bad_request(the() + " has " + std::to_string(name.size()) + " characters; at most " + std::to_string(max_name_size) + " are allowed");
  }
  for (std::size_t i = 0; i < name.size(); ++i) {
    const bool allowed = is_word(name[i]) || (i != 0 && (name[i] == '.' || name[i] == '-'));
    if (!allowed) {
      return bad_request(the() + " may not have " + describe_first(name.substr(i)) + " at position " + std::to_string(i + 1) +
                         "; a to z, A to Z, digits and _ are allowed, and . and - after the first");
    }
  }
  if (name.back() == '.') return bad_request(the() + " may not end in '.'");
  if (looks_like_id(name)) return bad_request(the() + " has the form of an id; choose one that can't be taken for an id");
  return {};
}

std::string_view nearest_name(std::string_view typed, std::span<const std::string_view> known) {
  if (typed.size() > max_typed_size) return {};
  std::size_t least = (typed.size() + 2) / 3 + 1;
  std::string_view best;
  for (const std::string_view name : known) {
    if (name.size() > max_typed_size) continue;
    if (typed.size() >= 3 && name.starts_with(typed)) return name;
    if (const std::size_t distance = edits(typed, name); distance < least) {
      least = distance;
      best = name;
    }
  }
  return best;
}

} // namespace kith
