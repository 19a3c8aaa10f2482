// SPDX-License-Identifier: GPL-3.0-or-later
#include "wire/control.hpp"

#include "base/varint.hpp"
#include "wire/meta_impl.hpp"

#include <algorithm>

namespace kith::wire {
namespace {

enum class FrameType : std::uint64_t { hello = 1, goaway = 2, error = 3 };

Bytes framed(FrameType type, const Bytes& payload) {
  Bytes out;
  append_varint(out, static_cast<std::uint64_t>(type));
  append_bytes(out, payload);
  return out;
}

Error broken(std::string_view frame) { return bad_request("a " + std::string(frame) + " frame is shorter or longer than its fields"); }

Result<ControlFrame> read_hello(ByteView in) {
  Hello hello;
  if (in.size() < boot_id_size) return broken("HELLO");
  std::copy_n(in.begin(), boot_id_size, hello.boot_id.begin());
  in = in.subspan(boot_id_size);
  const auto highest = take_varint(in);
  if (!highest) return broken("HELLO");
  hello.highest_version = *highest;
  const auto meta = take_meta(in);
  if (!meta) return meta.error();
  if (!*meta || !in.empty()) return broken("HELLO");
  return hello;
}

Result<ControlFrame> read_goaway(ByteView in) {
  Goaway goaway;
  if (in.empty()) return goaway;
  goaway.last_accepted = take_varint(in);
  if (!goaway.last_accepted || !in.empty()) return broken("GOAWAY");
  return goaway;
}

Result<ControlFrame> read_error(ByteView in) {
  StreamError frame;
  const auto stream_id = take_varint(in);
  if (!stream_id) return broken("ERROR");
  frame.stream_id = *stream_id;
  auto error = take_error(in);
  if (!error) return error.error();
  if (!*error || !in.empty()) return broken("ERROR");
  frame.error = Error{static_cast<Code>((*error)->code), std::move((*error)->text)};
  return frame;
}

} // namespace

Bytes encode_control_stream_type() {
  Bytes out;
  append_varint(out, control_stream_type);
  return out;
}

Bytes encode(const Hello& frame) {
  Bytes payload(frame.boot_id.begin(), frame.boot_id.end());
  append_varint(payload, frame.highest_version);
  append_varint(payload, 0); // no meta
  return framed(FrameType::hello, payload);
}

Bytes encode(const Goaway& frame) {
  Bytes payload;
  if (frame.last_accepted) append_varint(payload, *frame.last_accepted);
  return framed(FrameType::goaway, payload);
}

Bytes encode(const StreamError& frame) {
  Bytes payload;
  append_varint(payload, frame.stream_id);
  append_error(payload, frame.error);
  return framed(FrameType::error, payload);
}

void ControlDecoder::push(ByteView in) {
  if (failed_) return;
  skip(in);
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(used_)); // once a piece, not once a frame
  used_ = 0;
  buffer_.insert(buffer_.end(), in.begin(), in.end());
}

Result<std::optional<ControlFrame>> ControlDecoder::next() {
  if (failed_) return *failed_;
  ByteView in = ByteView(buffer_).subspan(used_);
  auto frame = parse(in);
  used_ = buffer_.size() - in.size();
  if (!frame) return fail(frame.error());
  return frame;
}

Result<std::optional<ControlFrame>> ControlDecoder::fail(Error error) {
  failed_ = std::move(error);
  buffer_.clear();
  used_ = 0;
  return *failed_;
}

void ControlDecoder::skip(ByteView& in) noexcept {
  const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(to_skip_, in.size()));
  to_skip_ -= count;
  in = in.subspan(count);
}

Result<std::optional<ControlFrame>> ControlDecoder::parse(ByteView& in) {
  if (!typed_) {
    const auto type = take_varint(in);
    if (!type) return std::nullopt;
    if (*type != control_stream_type) return Error{Code::unsupported_version, "a unidirectional stream of the unknown type " + std::to_string(*type)};
    typed_ = true;
  }
  while (true) {
    ByteView rest = in;
    const auto type = take_varint(rest);
    const auto size = type ? take_varint(rest) : std::nullopt;
    if (!size) return std::nullopt;
    const bool known = *type >= static_cast<std::uint64_t>(FrameType::hello) && *type <= static_cast<std::uint64_t>(FrameType::error);
    if (!known) {
      to_skip_ = *size;
      skip(rest);
      in = rest;
      continue;
    }
    if (*size > max_control_frame_size) return bad_request("a control frame has more than " + std::to_string(max_control_frame_size) + " octets");
    if (rest.size() < *size) return std::nullopt;
    const ByteView payload = rest.first(static_cast<std::size_t>(*size));
    in = rest.subspan(payload.size());

    const auto frame_type = static_cast<FrameType>(*type);
    if (frame_type == FrameType::hello && greeted_) return bad_request("HELLO comes twice");
    if (frame_type == FrameType::hello) greeted_ = true;
    auto frame = frame_type == FrameType::hello ? read_hello(payload) : frame_type == FrameType::goaway ? read_goaway(payload) : read_error(payload);
    if (!frame) return frame.error();
    return std::move(*frame);
  }
}

} // namespace kith::wire
