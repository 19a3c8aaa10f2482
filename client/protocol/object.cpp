// SPDX-License-Identifier: Apache-2.0
#include "protocol/object.hpp"

#include "base/name.hpp"
#include "protocol/scanner.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace kith::protocol {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD"; // U+FFFD

void append_utf8(std::string& out, std::uint32_t c) {
  const auto put = [&](std::uint32_t octet) { out.push_back(static_cast<char>(octet)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | (c >> 6));
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | (c >> 12));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | (c >> 18));
    put(0x80 | ((c >> 12) & 0x3F));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

/// The four digits after "\u"; the scanner has seen that they are there.
std::uint32_t hex4(std::string_view text, std::size_t at) {
  std::uint32_t value = 0;
  std::from_chars(text.data() + at, text.data() + at + 4, value, 16);
  return value;
}

/// One escape sequence that starts at `at`; returns where the text goes on.
std::size_t append_escape(std::string& out, std::string_view body, std::size_t at) {
  constexpr std::string_view letters = "bfnrt";
  constexpr std::string_view meanings = "\b\f\n\r\t";
  const char c = body[at + 1];
  if (c != 'u') {
    const std::size_t letter = letters.find(c);
    out.push_back(letter == std::string_view::npos ? c : meanings[letter]);
    return at + 2;
  }
  const std::uint32_t first = hex4(body, at + 2);
  at += 6;
  if (first >= 0xD800 && first <= 0xDBFF && body.substr(at, 2) == "\\u") {
    const std::uint32_t second = hex4(body, at + 2);
    if (second >= 0xDC00 && second <= 0xDFFF) {
      append_utf8(out, 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00));
      return at + 6;
    }
  }
  if (first >= 0xD800 && first <= 0xDFFF) {
    out += replacement;
  } else {
    append_utf8(out, first);
  }
  return at;
}

Error fault_at(const char* fault, std::size_t at) {
  return bad_request("not a JSON object: " + std::string(fault) + " at octet " + std::to_string(at + 1));
}

Error wrong_type(std::string_view name, std::string_view type) { return bad_request("\"" + std::string(name) + "\" must be " + std::string(type)); }

} // namespace

Result<Object> Object::parse(std::string_view text) {
  Object object;
  if (object.read(text)) return object;
  if (const Scan scan = check_json(text); !scan.ok()) return fault_at(scan.fault, scan.end);
  const std::size_t first = skip_space(text, 0);
  if (text[first] != '{') return fault_at("unexpected character", first);
  const std::string& last = object.members_.back().name;
  const auto same = std::count_if(object.members_.begin(), object.members_.end(), [&](const Member& m) { return m.name == last; });
  if (same > 1) return bad_request("\"" + last + "\" occurs twice");
  return bad_request("more than " + std::to_string(max_members) + " members");
}

/// One walk for lines that are as they should be. False: something is wrong, in the text or with the last member.
bool Object::read(std::string_view text) {
  const auto is = [&](std::size_t i, char c) { return i < text.size() && text[i] == c; };
  constexpr std::size_t usual_members = 8;
  members_.reserve(usual_members);
  std::size_t at = skip_space(text, 0);
  if (!is(at, '{')) return false;
  at = skip_space(text, at + 1);
  while (!is(at, '}')) {
    if (!members_.empty()) {
      if (!is(at, ',')) return false;
      at = skip_space(text, at + 1);
    }
    if (!is(at, '"')) return false;
    const Scan name = scan_value(text, at, 1);
    if (!name.ok()) return false;
    const std::size_t colon = skip_space(text, name.end);
    if (!is(colon, ':')) return false;
    const std::size_t from = skip_space(text, colon + 1);
    const Scan value = scan_value(text, from, 1);
    if (!value.ok()) return false;
    Member member{*decode_string(text.substr(at, name.end - at)), text.substr(from, value.end - from)};
    at = skip_space(text, value.end);
    const bool taken = raw(member.name).has_value();
    members_.push_back(std::move(member));
    if (taken || members_.size() > max_members) return false;
  }
  return skip_space(text, at + 1) == text.size();
}

std::optional<std::string_view> Object::raw(std::string_view name) const noexcept {
  const auto found = std::find_if(members_.begin(), members_.end(), [&](const Member& m) { return m.name == name; });
  if (found == members_.end()) return std::nullopt;
  return found->raw;
}

Result<std::optional<std::string>> Object::text(std::string_view name) const {
  const auto value = raw(name);
  if (!value) return std::optional<std::string>();
  auto text = decode_string(*value);
  if (!text) return wrong_type(name, "a string");
  return text;
}

Result<std::optional<std::uint64_t>> Object::number(std::string_view name) const {
  const auto value = raw(name);
  if (!value) return std::optional<std::uint64_t>();
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), number);
  if (error != std::errc() || end != value->data() + value->size() || number > INT64_MAX) return wrong_type(name, "a whole number from 0 on");
  return std::optional(number);
}

Result<std::optional<bool>> Object::flag(std::string_view name) const {
  const auto value = raw(name);
  if (!value) return std::optional<bool>();
  if (*value != "true" && *value != "false") return wrong_type(name, "true or false");
  return std::optional(*value == "true");
}

Result<std::optional<std::vector<std::string_view>>> Object::items(std::string_view name) const {
  using Items = std::vector<std::string_view>;
  const auto value = raw(name);
  if (!value) return std::optional<Items>();
  if (value->front() != '[') return wrong_type(name, "a list");
  Items items;
  std::size_t at = skip_space(*value, 1);
  while ((*value)[at] != ']') {
    if ((*value)[at] == ',') at = skip_space(*value, at + 1);
    const Scan item = scan_value(*value, at);
    items.push_back(value->substr(at, item.end - at));
    at = skip_space(*value, item.end);
  }
  return std::optional(std::move(items));
}

Result<std::optional<std::vector<std::string>>> Object::texts(std::string_view name) const {
  using Texts = std::vector<std::string>;
  const auto list = items(name);
  if (!list) return list.error();
  if (!*list) return std::optional<Texts>();
  Texts texts;
  for (const std::string_view item : **list) {
    auto text = decode_string(item);
    if (!text) return wrong_type(name, "a list of strings");
    texts.push_back(std::move(*text));
  }
  return std::optional(std::move(texts));
}

Result<void> Object::only(std::initializer_list<std::string_view> known) const {
  for (const Member& member : members_) {
    if (std::find(known.begin(), known.end(), member.name) != known.end()) continue;
    std::string text = "unknown member \"" + member.name + "\"";
    const std::string_view near = nearest_name(member.name, {known.begin(), known.size()});
    if (!near.empty()) text += "; did you mean \"" + std::string(near) + "\"?";
    return bad_request(std::move(text));
  }
  return {};
}

std::optional<std::string> decode_string(std::string_view raw) {
  if (raw.size() < 2 || raw.front() != '"' || raw.back() != '"') return std::nullopt;
  const std::string_view body = raw.substr(1, raw.size() - 2);
  if (body.find('\\') == std::string_view::npos) return std::string(body);
  std::string out;
  out.reserve(body.size());
  for (std::size_t at = 0; at < body.size();) {
    const std::size_t plain = std::min(body.find('\\', at), body.size());
    out.append(body.substr(at, plain - at));
    at = plain < body.size() ? append_escape(out, body, plain) : plain;
  }
  return out;
}

void append_string(std::string& out, std::string_view text) {
  constexpr std::string_view meanings = "\"\\\b\f\n\r\t";
  constexpr std::string_view letters = "\"\\bfnrt";
  constexpr std::string_view hex = "0123456789abcdef";
  out.push_back('"');
  for (;;) {
    const std::size_t run = plain_run(text);
    out.append(text.substr(0, run));
    text.remove_prefix(run);
    if (text.empty()) break;
    const char c = text.front();
    const std::size_t length = utf8_length(text);
    if (const std::size_t special = meanings.find(c); special != std::string_view::npos) {
      out.push_back('\\');
      out.push_back(letters[special]);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += "\\u00";
      out.push_back(hex[static_cast<unsigned char>(c) >> 4]);
      out.push_back(hex[static_cast<unsigned char>(c) & 15]);
    } else if (length == 0) {
      out += replacement;
    } else {
      out.append(text.substr(0, length));
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  out.push_back('"');
}

void ObjectWriter::name(std::string_view name) {
  if (out_.empty()) {
    constexpr std::size_t usual_line = 160;
    out_.reserve(usual_line);
    out_ += "{\"";
  } else {
    out_ += ",\"";
  }
  out_.append(name);
  out_ += "\":";
}

ObjectWriter& ObjectWriter::text(std::string_view name, std::string_view value) {
  this->name(name);
  append_string(out_, value);
  return *this;
}

ObjectWriter& ObjectWriter::number(std::string_view name, std::uint64_t value) {
  this->name(name);
  std::array<char, 20> digits; // of the largest
  out_.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr);
  return *this;
}

ObjectWriter& ObjectWriter::flag(std::string_view name, bool value) {
  this->name(name);
  out_ += value ? "true" : "false";
  return *this;
}

ObjectWriter& ObjectWriter::texts(std::string_view name, const std::vector<std::string>& values) {
  this->name(name);
  out_.push_back('[');
  for (const std::string& value : values) {
    if (&value != &values.front()) out_.push_back(',');
    append_string(out_, value);
  }
  out_.push_back(']');
  return *this;
}

ObjectWriter& ObjectWriter::raw(std::string_view name, std::string_view json) {
  this->name(name);
  append_flat(out_, json);
  return *this;
}

ObjectWriter& ObjectWriter::all(const ObjectWriter& other) {
  const std::size_t from = out_.size();
  out_ += other.out_;
  if (from != 0 && !other.out_.empty()) out_[from] = ','; // where its brace was
  return *this;
}

std::string ObjectWriter::finish() {
  if (out_.empty()) return "{}";
  out_.push_back('}');
  return std::exchange(out_, {});
}

} // namespace kith::protocol
