// SPDX-License-Identifier: Apache-2.0
#include "protocol/scanner.hpp"

#include <algorithm>
#include <array>
#include <bitset>

namespace kith::protocol {
namespace {

constexpr const char* unexpected = "unexpected character";
constexpr const char* cut_short = "the text ends too early";

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr bool is_hex(char c) noexcept { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
/// Characters that stand in a string for themselves: ASCII without controls, quote and backslash.
constexpr std::array<bool, 256> plain = [] {
  std::array<bool, 256> table{};
  for (std::size_t c = 0x20; c < 0x80; ++c) table[c] = c != '"' && c != '\\';
  return table;
}();
constexpr bool is_space(char c) noexcept { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

/// Walks over one value; the members are the state that a recursive scanner would keep on the stack.
class Scanner {
public:
  Scanner(std::string_view text, std::size_t from, std::size_t outside) noexcept : text_(text), at_(from), most_(max_json_depth - outside) {}

  Scan run() noexcept {
    const char* fault = value();
    while (fault == nullptr && depth_ > 0) fault = next_in_container();
    return {at_, fault};
  }

private:
  const char* here() const noexcept { return at_ >= text_.size() ? cut_short : unexpected; }
  bool at(char c) const noexcept { return at_ < text_.size() && text_[at_] == c; }
  void space() noexcept { at_ = skip_space(text_, at_); }

  /// A scalar, or the opening of a container.
  const char* value() noexcept {
    if (at_ >= text_.size()) return cut_short;
    switch (text_[at_]) {
      case '{': return open(true);
      case '[': return open(false);
      case '"': return string();
      case 't': return word("true");
      case 'f': return word("false");
      case 'n': return word("null");
      default: return number();
    }
  }

  const char* open(bool object) noexcept {
    if (depth_ == most_) return "nested too deeply";
    objects_[depth_++] = object;
    ++at_;
    fresh_ = true;
    return nullptr;
  }

  /// What follows inside the innermost container: its end, or one more element.
  const char* next_in_container() noexcept {
    const bool object = objects_[depth_ - 1];
    space();
    if (at(object ? '}' : ']')) {
      ++at_;
      --depth_;
      fresh_ = false;
      return nullptr;
    }
    if (!fresh_) {
      if (!at(',')) return here();
      ++at_;
      space();
    }
    fresh_ = false;
    if (object) {
      if (const char* fault = key()) return fault;
    }
    return value();
  }

  const char* key() noexcept {
    if (!at('"')) return here();
    if (const char* fault = string()) return fault;
    space();
    if (!at(':')) return here();
    ++at_;
    space();
    return nullptr;
  }

  const char* string() noexcept {
    for (++at_;;) {
      while (at_ < text_.size() && plain[static_cast<unsigned char>(text_[at_])]) ++at_;
      if (at_ == text_.size()) return cut_short;
      const char c = text_[at_];
      if (c == '"') {
        ++at_;
        return nullptr;
      }
      if (c == '\\') {
        if (const char* fault = escape()) return fault;
      } else if (static_cast<unsigned char>(c) < 0x20) {
        return "control character in a string";
      } else {
        const std::size_t length = utf8_length(text_.substr(at_));
        if (length == 0) return "not UTF-8";
        at_ += length;
      }
    }
  }

  const char* escape() noexcept {
    ++at_;
    if (at_ >= text_.size()) return cut_short;
    const char c = text_[at_];
    if (c == 'u') {
      unsigned unit = 0;
      if (const char* fault = code_unit(unit)) return fault;
      if (unit < 0xD800 || unit > 0xDFFF) return nullptr;
      const bool more = unit < 0xDC00 && text_.substr(at_).starts_with("\\u");
      unsigned low = 0;
      if (more) {
        ++at_;
        if (const char* fault = code_unit(low)) return fault;
      }
      return low >= 0xDC00 && low <= 0xDFFF ? nullptr : "half of a surrogate pair";
    }
    if (std::string_view("\"\\/bfnrt").find(c) == std::string_view::npos) {
      return unexpected;
    }
    ++at_;
    return nullptr;
  }

  /// The four digits after a `u`.
  const char* code_unit(unsigned& value) noexcept {
    for (int i = 0; i < 4; ++i) {
      ++at_;
      if (at_ >= text_.size() || !is_hex(text_[at_])) return here();
      const char c = text_[at_];
      value = value * 16 + static_cast<unsigned>(is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    ++at_;
    return nullptr;
  }

  const char* word(std::string_view expected) noexcept {
    for (const char c : expected) {
      if (!at(c)) return here();
      ++at_;
    }
    return nullptr;
  }

  const char* digits() noexcept {
    if (at_ >= text_.size() || !is_digit(text_[at_])) return here();
    while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
    return nullptr;
  }

  const char* number() noexcept {
    if (at('-')) ++at_;
    if (at('0')) {
      ++at_;
    } else if (const char* fault = digits()) {
      return fault;
    }
    if (at('.')) {
      ++at_;
      if (const char* fault = digits()) return fault;
    }
    if (at('e') || at('E')) {
      ++at_;
      if (at('+') || at('-')) ++at_;
      if (const char* fault = digits()) return fault;
    }
    return nullptr;
  }

  std::string_view text_;
  std::size_t at_;
  std::size_t most_; ///< Containers inside each other.
  std::size_t depth_ = 0;
  bool fresh_ = false; ///< The innermost container was just opened.
  std::bitset<max_json_depth> objects_;
};

} // namespace

std::size_t utf8_length(std::string_view text) noexcept {
  const auto octet = [&](std::size_t i) -> unsigned { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto between = [](unsigned value, unsigned low, unsigned high) { return value >= low && value <= high; };
  const unsigned lead = octet(0);
  if (text.empty()) return 0;
  if (lead < 0x80) return 1;
  if (between(lead, 0xC2, 0xDF)) return between(octet(1), 0x80, 0xBF) ? 2 : 0;
  if (between(lead, 0xE0, 0xEF)) {
    const unsigned low = lead == 0xE0 ? 0xA0 : 0x80;
    const unsigned high = lead == 0xED ? 0x9F : 0xBF;
    return between(octet(1), low, high) && between(octet(2), 0x80, 0xBF) ? 3 : 0;
  }
  if (between(lead, 0xF0, 0xF4)) {
    const unsigned low = lead == 0xF0 ? 0x90 : 0x80;
    const unsigned high = lead == 0xF4 ? 0x8F : 0xBF;
    return between(octet(1), low, high) && between(octet(2), 0x80, 0xBF) && between(octet(3), 0x80, 0xBF) ? 4 : 0;
  }
  return 0;
}

bool is_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::size_t plain_run(std::string_view text) noexcept {
  std::size_t at = 0;
  while (at < text.size() && plain[static_cast<unsigned char>(text[at])]) ++at;
  return at;
}

std::size_t skip_space(std::string_view text, std::size_t from) noexcept {
  while (from < text.size() && is_space(text[from])) ++from;
  return from;
}

Scan scan_value(std::string_view text, std::size_t from, std::size_t outside) noexcept { return Scanner(text, from, outside).run(); }

Scan check_json(std::string_view text) noexcept {
  const Scan scan = scan_value(text, skip_space(text, 0));
  if (!scan.ok()) return scan;
  const std::size_t end = skip_space(text, scan.end);
  return end == text.size() ? Scan{end, nullptr} : Scan{end, "more text after the value"};
}

void append_flat(std::string& out, std::string_view json) {
  const std::size_t from = out.size();
  out.append(json);
  flatten(out.data() + from, json.size());
}

void flatten(char* json, std::size_t size) noexcept {
  std::replace_if(
      json, json + size, [](char c) { return c == '\r' || c == '\n'; }, ' ');
}

} // namespace kith::protocol
