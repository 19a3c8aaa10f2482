// SPDX-License-Identifier: GPL-3.0-or-later
#include "wire/open.hpp"

#include "base/name.hpp"
#include "base/utf8.hpp"
#include "base/varint.hpp"
#include "wire/meta_impl.hpp"

#include <algorithm>
#include <cassert>
#include <charconv>

namespace kith::wire {
namespace {

constexpr std::uint8_t reply_ok = 0;
constexpr std::uint8_t reply_error = 1;

void append_meta(Bytes& out, MetaKey key, ByteView value) {
  append_varint(out, static_cast<std::uint64_t>(key));
  append_bytes(out, value);
}

template <class Text> Result<void> read_content_type(const Meta& meta, Text& out) {
  if (!meta.content_type) return {};
  if (meta.content_type->size() > max_content_type_size) return bad_request("the content type is longer than 64 octets");
  if (!is_utf8(as_text(*meta.content_type))) return bad_request("the content type is not UTF-8");
  out = as_text(*meta.content_type);
  return {};
}

Error cut_short() { return bad_request("the header is shorter than its fields"); }

Result<void> take_name(ByteView& in, std::string_view what, std::string_view& out) {
  const auto bytes = take_bytes(in);
  if (!bytes) return cut_short();
  out = as_text(*bytes);
  return check_name(out, what);
}

Result<void> read_meta(ByteView& in, OpenView& open) {
  const auto meta = take_meta(in);
  if (!meta) return meta.error();
  if (!*meta) return cut_short();
  if (const auto& value = (*meta)->deadline) {
    ByteView rest = *value;
    open.deadline_ms = take_varint(rest);
    if (!open.deadline_ms || !rest.empty()) return bad_request("the deadline is not one varint");
  }
  if (auto ok = read_content_type(**meta, open.content_type); !ok) return ok;
  if (const auto& value = (*meta)->trace) {
    if (value->size() > max_trace_size) return bad_request("the trace id is longer than 64 octets");
    open.trace = *value;
  }
  return {};
}

/// What follows the version octet.
Result<void> read_body(ByteView in, OpenView& open) {
  if (in.empty()) return cut_short();
  if (in[0] > static_cast<std::uint8_t>(StreamKind::stream)) return bad_request("the header's kind is neither call nor stream");
  open.kind = static_cast<StreamKind>(in[0]);
  in = in.subspan(1);
  if (auto ok = take_name(in, "protocol name", open.protocol); !ok) return ok;
  if (auto ok = take_name(in, "alias", open.alias); !ok) return ok;
  if (!in.empty() && in[0] == 0) { // an empty command
    in = in.subspan(1);
  } else if (auto ok = take_name(in, "command name", open.command); !ok) {
    return ok;
  }
  if (auto ok = read_meta(in, open); !ok) return ok;
  if (!in.empty()) return bad_request("the header is longer than its fields");
  return {};
}

constexpr std::size_t sized(std::size_t octets) noexcept { return varint_size(octets) + octets; } // with the length before it

} // namespace

Bytes encode(const OpenView& open) {
  const std::uint64_t entries = (open.deadline_ms ? 1U : 0U) + (open.content_type.empty() ? 0U : 1U) + (open.trace.empty() ? 0U : 1U);
  std::size_t size = 2 + sized(open.protocol.size()) + sized(open.alias.size()) + sized(open.command.size()) + varint_size(entries);
  if (open.deadline_ms) size += 1 + sized(varint_size(*open.deadline_ms));
  if (!open.content_type.empty()) size += 1 + sized(open.content_type.size());
  if (!open.trace.empty()) size += 1 + sized(open.trace.size());
  assert(size <= max_header_size);
  Bytes out;
  out.reserve(sized(size));
  append_varint(out, size);
  out.push_back(version);
  out.push_back(static_cast<std::uint8_t>(open.kind));
  append_bytes(out, as_bytes(open.protocol));
  append_bytes(out, as_bytes(open.alias));
  append_bytes(out, as_bytes(open.command));
  append_varint(out, entries);
  if (open.deadline_ms) {
    append_varint(out, static_cast<std::uint64_t>(MetaKey::deadline));
    append_varint(out, varint_size(*open.deadline_ms));
    append_varint(out, *open.deadline_ms);
  }
  if (!open.content_type.empty()) append_meta(out, MetaKey::content_type, as_bytes(open.content_type));
  if (!open.trace.empty()) append_meta(out, MetaKey::trace, open.trace);
  assert(out.size() == sized(size));
  return out;
}

Incremental<OpenView> decode_open(ByteView in) {
  ByteView rest = in;
  const auto length = take_varint(rest);
  if (!length) return std::nullopt;
  if (*length == 0) return bad_request("the header is empty");
  if (*length > max_header_size) return bad_request("the header has more than " + std::to_string(max_header_size) + " octets");
  if (rest.empty()) return std::nullopt;
  if (rest[0] != version) {
    return Error{Code::unsupported_version, "header version " + std::to_string(rest[0]) + "; this kith reads " + std::to_string(version)};
  }
  if (rest.size() < *length) return std::nullopt;
  const auto size = static_cast<std::size_t>(*length);
  Incremental<OpenView> open = std::optional<Decoded<OpenView>>(std::in_place);
  if (auto ok = read_body(rest.subspan(1, size - 1), (*open)->value); !ok) return ok.error();
  (*open)->used = in.size() - rest.size() + size;
  return open;
}

Bytes encode(const Reply& reply) {
  Bytes out;
  if (reply.error) {
    out.push_back(reply_error);
    append_error(out, *reply.error);
    return out;
  }
  out.reserve(4 + reply.content_type.size());
  out.push_back(reply_ok);
  append_varint(out, reply.content_type.empty() ? 0U : 1U);
  if (!reply.content_type.empty()) append_meta(out, MetaKey::content_type, as_bytes(reply.content_type));
  return out;
}

Incremental<Reply> decode_reply(ByteView in) {
  const ByteView whole = in.first(std::min(in.size(), max_header_size));
  if (whole.empty()) return std::nullopt;
  const auto need_more = [&]() -> Incremental<Reply> {
    if (whole.size() == max_header_size) return bad_request("the reply has more than " + std::to_string(max_header_size) + " octets");
    return std::nullopt;
  };
  ByteView rest = whole.subspan(1);
  Reply reply;
  if (whole[0] == reply_error) {
    auto error = take_error(rest);
    if (!error) return error.error();
    if (!*error) return need_more();
    reply.error = Error{static_cast<Code>((*error)->code), std::move((*error)->text)};
  } else if (whole[0] == reply_ok) {
    const auto meta = take_meta(rest);
    if (!meta) return meta.error();
    if (!*meta) return need_more();
    if (auto ok = read_content_type(**meta, reply.content_type); !ok) return ok.error();
  } else {
    return bad_request("the reply is neither ok nor an error");
  }
  return Decoded<Reply>{std::move(reply), whole.size() - rest.size()};
}

Reply unsupported_version_reply() { return {Error{Code::unsupported_version, std::to_string(version)}, {}}; }

std::optional<std::uint64_t> highest_version(const Error& error) {
  std::uint64_t number = 0;
  const char* end = error.text.data() + error.text.size();
  const auto [at, failed] = std::from_chars(error.text.data(), end, number);
  if (error.code != Code::unsupported_version || failed != std::errc{} || at != end) return std::nullopt;
  return number;
}

} // namespace kith::wire
