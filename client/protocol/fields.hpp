// SPDX-License-Identifier: Apache-2.0
// Reading members into variables with one error for all of them: the first that goes wrong is kept. The control module reads its requests with it too.
#pragma once

#include "protocol/object.hpp"

namespace kith::protocol {

class FieldReader {
public:
  explicit FieldReader(const Object& object) : object_(object) {}

  /// Sets `into` when the member is there; else it keeps its default.
  FieldReader& text(std::string_view name, std::string& into) { return set(object_.text(name), into); }
  FieldReader& number(std::string_view name, std::uint64_t& into) { return set(object_.number(name), into); }
  FieldReader& flag(std::string_view name, bool& into) { return set(object_.flag(name), into); }
  FieldReader& texts(std::string_view name, std::vector<std::string>& into) { return set(object_.texts(name), into); }

  /// The same for members that must be there and not be empty.
  FieldReader& need_text(std::string_view name, std::string& into) {
    text(name, into);
    if (into.empty()) fail("\"" + std::string(name) + "\" is missing");
    return *this;
  }
  /// A number that must lie between two bounds.
  FieldReader& number_within(std::string_view name, std::uint64_t least, std::uint64_t most, std::uint64_t& into) {
    number(name, into);
    if (into < least || into > most) fail("\"" + std::string(name) + "\" must be " + std::to_string(least) + " to " + std::to_string(most));
    return *this;
  }
  /// No members but these.
  FieldReader& only(std::initializer_list<std::string_view> known) {
    if (const auto result = object_.only(known); !result) fail(result.error().text);
    return *this;
  }

  void fail(std::string text) {
    if (!error_) error_ = bad_request(std::move(text));
  }
  const std::optional<Error>& error() const noexcept { return error_; }

  template <class T> Result<T> done(T value) const {
    if (error_) return *error_;
    return value;
  }

private:
  template <class T> FieldReader& set(Result<std::optional<T>> value, T& into) {
    if (!value) {
      fail(value.error().text);
    } else if (*value) {
      into = std::move(**value);
    }
    return *this;
  }

  const Object& object_;
  std::optional<Error> error_;
};

} // namespace kith::protocol
