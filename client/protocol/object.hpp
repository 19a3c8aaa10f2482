// SPDX-License-Identifier: Apache-2.0
// One JSON object of a line (an envelope) as its members: names, and values as the raw octets they came in. And the way back: a writer.
#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kith::protocol {

inline constexpr std::size_t max_members = 64; ///< Of one envelope.

/// The members of one object. Values borrow from the text that was parsed, which must stay as long as this does.
/// The typed readers answer nothing when the member is missing, and bad_request, naming the member, when it is of another type.
class Object {
public:
  struct Member {
    std::string name;
    std::string_view raw; ///< The value, without white space around it.
  };

  Object() = default;

  /// Exactly one object, white space around it allowed; names occur once. Errors: bad_request, with the octet (from 1).
  static Result<Object> parse(std::string_view text);

  const std::vector<Member>& members() const noexcept { return members_; }
  std::optional<std::string_view> raw(std::string_view name) const noexcept;
  Result<std::optional<std::string>> text(std::string_view name) const;
  Result<std::optional<std::uint64_t>> number(std::string_view name) const; ///< Whole, 0 to 2^63 - 1, in plain digits.
  Result<std::optional<bool>> flag(std::string_view name) const;
  Result<std::optional<std::vector<std::string>>> texts(std::string_view name) const;      ///< A list of strings.
  Result<std::optional<std::vector<std::string_view>>> items(std::string_view name) const; ///< A list of anything, each item raw.

  /// Refuses members other than these (bad_request, naming the first and the nearest known name).
  Result<void> only(std::initializer_list<std::string_view> known) const;

private:
  bool read(std::string_view text);
  std::vector<Member> members_;
};

/// The text of a raw JSON string (quotes included): escapes resolved, lone surrogates as U+FFFD. Nothing when it is not a string.
std::optional<std::string> decode_string(std::string_view raw);

/// Appends a text as a JSON string. Control characters are escaped; octets that are not UTF-8 become U+FFFD.
void append_string(std::string& out, std::string_view text);

/// Writes one object on one line, members in the order of the calls. Names are those of the API and need no escaping.
class ObjectWriter {
public:
  ObjectWriter& text(std::string_view name, std::string_view value);
  ObjectWriter& number(std::string_view name, std::uint64_t value);
  ObjectWriter& flag(std::string_view name, bool value);
  ObjectWriter& texts(std::string_view name, const std::vector<std::string>& values);
  /// A value that check_json passed; CR and LF become spaces.
  ObjectWriter& raw(std::string_view name, std::string_view json);
  /// All members of another writer.
  ObjectWriter& all(const ObjectWriter& other);
  /// The object, without a line feed. The writer is empty afterwards.
  std::string finish();
  bool empty() const noexcept { return out_.empty(); }

private:
  void name(std::string_view name);
  std::string out_; ///< The object without its closing brace; empty without members.
};

} // namespace kith::protocol
