// SPDX-License-Identifier: GPL-3.0-or-later
// The header that opens a stream, and the reply to it (docs/wire.md). Plain functions over spans, callable from any thread.
#pragma once

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "base/stream.hpp"
#include "wire/limits.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

namespace kith::wire {

/// What a decoder found, and how many octets of its input that took.
template <class T> struct Decoded {
  T value;
  std::size_t used = 0;
};

/// Nothing: more octets are needed.
template <class T> using Incremental = Result<std::optional<Decoded<T>>>;

/// What a header says; the fields are somebody else's.
struct OpenView {
  StreamKind kind = StreamKind::call;
  std::string_view protocol;                ///< Keeps check_name; `kith.*` are kith's own.
  std::string_view alias;                   ///< Keeps check_name.
  std::string_view command;                 ///< Keeps check_name, or is empty.
  std::optional<std::uint64_t> deadline_ms; ///< What was left of the deadline when the header was written; at most max_varint.
  std::string_view content_type;            ///< Of the request; empty: bytes. At most max_content_type_size octets of UTF-8.
  ByteView trace;                           ///< Empty: none. At most max_trace_size octets.
  friend bool operator==(const OpenView& a, const OpenView& b) {
    return a.kind == b.kind && a.protocol == b.protocol && a.alias == b.alias && a.command == b.command && a.deadline_ms == b.deadline_ms &&
           a.content_type == b.content_type && std::ranges::equal(a.trace, b.trace);
  }
};

/// One that has its fields; they keep the same rules.
struct Open {
  StreamKind kind = StreamKind::call;
  std::string protocol;
  std::string alias;
  std::string command;
  std::optional<std::uint64_t> deadline_ms;
  std::string content_type;
  Bytes trace;
  operator OpenView() const { return {kind, protocol, alias, command, deadline_ms, content_type, trace}; }
};

inline Open copy(const OpenView& open) {
  return {open.kind,
          std::string(open.protocol),
          std::string(open.alias),
          std::string(open.command),
          open.deadline_ms,
          std::string(open.content_type),
          Bytes(open.trace.begin(), open.trace.end())};
}

/// The whole header, its length included. The fields keep what is written beside them.
Bytes encode(const OpenView& open);

/// Reads a header from the front of a stream. Errors: bad_request (what is broken), unsupported_version (as soon as the version octet is there; answer it
/// with unsupported_version_reply()). At most max_header_size octets and a length are ever needed. The fields lie in `in`.
Incremental<OpenView> decode_open(ByteView in);

/// The answer to an open header: either an error, or "ok" with the content type of the response.
struct Reply {
  std::optional<Error> error; ///< Its code is raw: any number but 0, known to us or not.
  std::string content_type;
  friend bool operator==(const Reply&, const Reply&) = default;
};

/// An error's text is clipped to max_text_size octets; octets that are not UTF-8 become '?'.
Bytes encode(const Reply& reply);

/// Reads a reply from the front of a stream. Errors: bad_request (what is broken). At most max_header_size octets are ever needed.
Incremental<Reply> decode_reply(ByteView in);

/// The reply to a header of another version. Its text is the highest version that we read, in decimal digits and nothing else: the error reply is fixed for
/// ever, so every version can read it.
Reply unsupported_version_reply();

/// The highest version that a peer reads, from its reply; nothing when the error is another one or has another text.
std::optional<std::uint64_t> highest_version(const Error& error);

} // namespace kith::wire
