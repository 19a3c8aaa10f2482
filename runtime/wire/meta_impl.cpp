// SPDX-License-Identifier: GPL-3.0-or-later
#include "wire/meta_impl.hpp"

#include "base/utf8.hpp"
#include "base/varint.hpp"
#include "wire/limits.hpp"

#include <algorithm>

namespace kith::wire {

void append_bytes(Bytes& out, ByteView bytes) {
  append_varint(out, bytes.size());
  out.insert(out.end(), bytes.begin(), bytes.end());
}

std::optional<ByteView> take_bytes(ByteView& in) noexcept {
  ByteView rest = in;
  const auto size = take_varint(rest);
  if (!size || *size > rest.size()) return std::nullopt;
  const ByteView out = rest.first(static_cast<std::size_t>(*size));
  in = rest.subspan(out.size());
  return out;
}

Result<std::optional<Meta>> take_meta(ByteView& in) {
  ByteView rest = in;
  const auto count = take_varint(rest);
  if (!count) return std::nullopt;
  if (*count > max_meta_entries) return bad_request("a header has more than " + std::to_string(max_meta_entries) + " meta entries");
  Meta meta;
  std::array<std::uint64_t, max_meta_entries> seen; // as far as entries were read
  for (std::size_t i = 0; i < *count; ++i) {
    const auto key = take_varint(rest);
    if (!key) return std::nullopt;
    const auto end = seen.begin() + static_cast<std::ptrdiff_t>(i);
    if (std::find(seen.begin(), end, *key) != end) return bad_request("meta key " + std::to_string(*key) + " comes twice");
    seen[i] = *key;
    const bool known = *key == static_cast<std::uint64_t>(MetaKey::deadline) || *key == static_cast<std::uint64_t>(MetaKey::content_type) ||
                       *key == static_cast<std::uint64_t>(MetaKey::trace);
    if (!known && *key % 2 == 1) return bad_request("meta key " + std::to_string(*key) + " is not known here and is one that must be");
    const auto value = take_bytes(rest);
    if (!value) return std::nullopt;
    if (*key == static_cast<std::uint64_t>(MetaKey::deadline)) meta.deadline = *value;
    if (*key == static_cast<std::uint64_t>(MetaKey::content_type)) meta.content_type = *value;
    if (*key == static_cast<std::uint64_t>(MetaKey::trace)) meta.trace = *value;
  }
  in = rest;
  return meta;
}

void append_error(Bytes& out, const Error& error) {
  append_varint(out, static_cast<std::uint64_t>(error.code));
  append_bytes(out, as_bytes(clip_utf8(error.text, max_text_size)));
}

Result<std::optional<TakenError>> take_error(ByteView& in) {
  ByteView rest = in;
  const auto code = take_varint(rest);
  if (!code) return std::nullopt;
  if (*code == 0) return bad_request("an error has code 0");
  ByteView after = rest;
  const auto size = take_varint(after);
  if (!size) return std::nullopt;
  if (*size > max_text_size) return bad_request("an error's text has more than " + std::to_string(max_text_size) + " octets");
  const auto text = take_bytes(rest);
  if (!text) return std::nullopt;
  if (!is_utf8(as_text(*text))) return bad_request("an error's text is not UTF-8");
  in = rest;
  return TakenError{*code, std::string(as_text(*text))};
}

} // namespace kith::wire
