// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/scalar.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace kith::config {
namespace {

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

std::size_t count_digits(std::string_view text) noexcept {
  std::size_t n = 0;
  while (n < text.size() && is_digit(text[n])) ++n;
  return n;
}

bool all_of_base(std::string_view digits, std::string_view base) noexcept {
  return !digits.empty() && digits.find_first_not_of(base) == std::string_view::npos;
}

std::string_view without_sign(std::string_view text) noexcept {
  if (text.starts_with('+') || text.starts_with('-')) text.remove_prefix(1);
  return text;
}

/// [0-9]+ or [0-9]*(.[0-9]*)?([eE][-+]?[0-9]+)? with a digit before the exponent.
ScalarType number_type(std::string_view text) noexcept {
  text = without_sign(text);
  const std::size_t whole = count_digits(text);
  text.remove_prefix(whole);
  if (whole > 0 && text.empty()) return ScalarType::integer;
  std::size_t fraction = 0;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    fraction = count_digits(text);
    text.remove_prefix(fraction);
  }
  if (whole + fraction == 0) return ScalarType::string;
  if (text.starts_with('e') || text.starts_with('E')) {
    text = without_sign(text.substr(1));
    if (count_digits(text) == 0) return ScalarType::string;
    text.remove_prefix(count_digits(text));
  }
  return text.empty() ? ScalarType::real : ScalarType::string;
}

constexpr std::array<std::string_view, 5> nulls{"", "~", "null", "Null", "NULL"};
constexpr std::array<std::string_view, 6> booleans{"true", "True", "TRUE", "false", "False", "FALSE"};
constexpr std::array<std::string_view, 12> not_finite{".inf",  ".Inf",  ".INF",  "+.inf", "+.Inf", "+.INF",
                                                      "-.inf", "-.Inf", "-.INF", ".nan",  ".NaN",  ".NAN"};

} // namespace

ScalarType plain_type(std::string_view text) noexcept {
  if (std::ranges::find(nulls, text) != nulls.end()) return ScalarType::null;
  if (std::ranges::find(booleans, text) != booleans.end()) return ScalarType::boolean;
  if (std::ranges::find(not_finite, text) != not_finite.end()) return ScalarType::not_finite;
  if (text.starts_with("0x") && all_of_base(text.substr(2), "0123456789abcdefABCDEF")) return ScalarType::integer;
  if (text.starts_with("0o") && all_of_base(text.substr(2), "01234567")) return ScalarType::integer;
  return number_type(text);
}

ScalarType scalar_type(const Node& scalar) noexcept { return scalar.quoted ? ScalarType::string : plain_type(scalar.text); }

bool has_leading_zero(std::string_view number) noexcept {
  number = without_sign(number);
  return number.starts_with('0') && count_digits(number) > 1;
}

std::optional<std::string> number_as_json(std::string_view text) {
  if (text.starts_with("0x") || text.starts_with("0o")) {
    std::uint64_t value = 0;
    const auto digits = text.substr(2);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, text[1] == 'x' ? 16 : 8);
    if (error != std::errc{}) return std::nullopt;
    return std::to_string(value);
  }
  std::string out = text.starts_with('-') ? "-" : "";
  text = without_sign(text);
  std::string_view whole = text.substr(0, count_digits(text));
  text.remove_prefix(whole.size());
  out += whole.empty() ? "0" : whole;
  if (text.starts_with('.')) {
    const std::size_t fraction = count_digits(text.substr(1));
    out += text.substr(0, fraction + 1);
    if (fraction == 0) out += '0';
    text.remove_prefix(fraction + 1);
  }
  out += text;
  return out;
}

} // namespace kith::config
