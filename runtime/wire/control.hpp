// SPDX-License-Identifier: GPL-3.0-or-later
// The control stream: one unidirectional stream a side, its type, then frames (docs/wire.md).
#pragma once

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "wire/limits.hpp"

#include <array>
#include <optional>
#include <variant>

namespace kith::wire {

inline constexpr std::uint64_t control_stream_type = 0;

using BootId = std::array<std::uint8_t, boot_id_size>;

struct Hello {
  BootId boot_id{}; ///< Another one after each start of the peer's daemon.
  std::uint64_t highest_version = version;
  friend bool operator==(const Hello&, const Hello&) = default;
};

/// The sender accepts no stream of the receiver's above this one. Nothing: it accepted none.
struct Goaway {
  std::optional<std::uint64_t> last_accepted;
  friend bool operator==(const Goaway&, const Goaway&) = default;
};

/// The text that goes with a RESET_STREAM or STOP_SENDING; sent just before it, and it may arrive after it.
struct StreamError {
  std::uint64_t stream_id = 0;
  Error error;
  friend bool operator==(const StreamError&, const StreamError&) = default;
};

using ControlFrame = std::variant<Hello, Goaway, StreamError>;

/// What a control stream starts with.
Bytes encode_control_stream_type();
Bytes encode(const Hello& frame);
Bytes encode(const Goaway& frame);
Bytes encode(const StreamError& frame); ///< The text is clipped like a reply's.

/// Reads a peer's unidirectional stream, piece by piece. Frames of unknown type are skipped and never kept. Not thread-safe.
class ControlDecoder {
public:
  /// Takes octets in order; call next() until it gives nothing after each of these.
  void push(ByteView in);
  /// The next frame; nothing: more octets are needed. Errors: unsupported_version when the stream is of another type (it may be ignored), bad_request for a
  /// broken frame (close the connection). After an error the decoder gives the same one for ever.
  Result<std::optional<ControlFrame>> next();

private:
  Result<std::optional<ControlFrame>> fail(Error error);
  /// One frame from the front of `in`, if it is whole; moves `in` past what was used, skipped frames included.
  Result<std::optional<ControlFrame>> parse(ByteView& in);
  void skip(ByteView& in) noexcept;

  Bytes buffer_;
  std::size_t used_ = 0; ///< Octets at its front that next() has taken.
  std::uint64_t to_skip_ = 0;
  bool typed_ = false;
  bool greeted_ = false;
  std::optional<Error> failed_;
};

} // namespace kith::wire
