// SPDX-License-Identifier: GPL-3.0-or-later
// The pieces that headers and control frames are made of.
#pragma once

#include "base/bytes.hpp"
#include "base/error.hpp"

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace kith::wire {

enum class MetaKey : std::uint64_t { deadline = 2, content_type = 4, trace = 6 };

void append_bytes(Bytes& out, ByteView bytes);

/// Takes varint-prefixed octets from the front; nothing (and `in` as it was) when they are not all there.
std::optional<ByteView> take_bytes(ByteView& in) noexcept;

/// The entries of a meta that we know; each borrowed from the input.
struct Meta {
  std::optional<ByteView> deadline;
  std::optional<ByteView> content_type;
  std::optional<ByteView> trace;
};

/// Takes a meta from the front: unknown even keys are ignored; unknown odd keys, keys that come twice and more than max_meta_entries are bad_request.
/// Nothing: it is not all there.
Result<std::optional<Meta>> take_meta(ByteView& in);

void append_error(Bytes& out, const Error& error);

/// An error that was read; a type of its own, so that Result can tell it from an error in reading.
struct TakenError {
  std::uint64_t code = 0;
  std::string text;
};

/// Takes a code and a text. Errors: bad_request for code 0, a text that is too long or not UTF-8. Nothing: it is not all there.
Result<std::optional<TakenError>> take_error(ByteView& in);

} // namespace kith::wire
