// SPDX-License-Identifier: Apache-2.0
// kith.stream/1 and kith.dial/1, the functions that a plugin calls.
#include "hosting/host_face.hpp"

#include "base/varint.hpp"

#include <algorithm>
#include <cstring>

namespace kith::hosting {

struct StreamCalls {
  using Stream = Instance::Stream;

  // A live stream, or null with the status to return.
  static Stream* find(Instance& self, kith_stream_id id, kith_status& status) {
    if (!self.on_instance_thread()) {
      status = self.misuse(KITH_E_THREAD, "a stream function called off the instance thread");
      return nullptr;
    }
    Stream* stream = self.streams_.find(id);
    if (stream == nullptr) {
      status = self.misuse(KITH_E_ID, "a stream id that is not, or no longer, known");
    } else if (stream->ended) {
      status = self.misuse(KITH_E_CLOSED, "a call on a stream that has ended");
      stream = nullptr;
    }
    return stream;
  }

  static bool is_code(std::uint64_t code) noexcept {
    return code <= max_varint && (is_app_code(static_cast<Code>(code)) || find_code(static_cast<Code>(code)) != nullptr);
  }

  static kith_status accept(const kith_host* host, kith_stream_id id, kith_text content_type) {
    Instance& self = HostFace::of(host);
    kith_status status = KITH_OK;
    Stream* stream = find(self, id, status);
    if (stream == nullptr) return status;
    if (!is_sound(content_type) || content_type.size > max_content_type || !is_utf8(view(content_type)))
      return self.misuse(KITH_E_ARGUMENT, "accept: the content type is not a text of at most 64 octets");
    if (stream->accepted) return self.misuse(KITH_E_STATE, "accept: the stream was accepted before");
    stream->accepted = true;
    stream->port->accept(view(content_type));
    return KITH_OK;
  }

  static kith_status end(const kith_host* host, kith_stream_id id, std::uint64_t code, kith_text text, bool rejects) {
    Instance& self = HostFace::of(host);
    kith_status status = KITH_OK;
    Stream* stream = find(self, id, status);
    if (stream == nullptr) return status;
    if (!is_sound(text) || !is_utf8(view(text)) || !is_code(code))
      return self.misuse(KITH_E_ARGUMENT, "reject or reset: the code is in no table and below 1000, or above 2^62 - 1, or the text is not UTF-8");
    if (rejects && stream->accepted) return self.misuse(KITH_E_STATE, "reject: the stream was accepted; reset it");
    stream->ended = true;
    const std::string cut = clip_utf8(view(text), max_reject_text);
    if (rejects) stream->port->reject(static_cast<Code>(code), cut);
    else stream->port->reset(static_cast<Code>(code), cut);
    return KITH_OK;
  }

  static kith_status reject(const kith_host* host, kith_stream_id id, std::uint64_t code, kith_text text) { return end(host, id, code, text, true); }
  static kith_status reset(const kith_host* host, kith_stream_id id, std::uint64_t code, kith_text text) { return end(host, id, code, text, false); }

  static kith_status finish(const kith_host* host, kith_stream_id id) {
    Instance& self = HostFace::of(host);
    kith_status status = KITH_OK;
    Stream* stream = find_writable(self, id, status);
    if (stream == nullptr) return status;
    stream->finished = true;
    stream->reserved = 0;
    stream->out->finish();
    stream->port->produced();
    return KITH_OK;
  }

  // --- reading

  // Until the reply, the host itself reads a dialed stream's pipe: the reply's header comes first. A pipe has one consumer.
  static kith_status look(Stream& stream, ByteView& piece) {
    if (!stream.incoming && !stream.replied) return KITH_WOULD_BLOCK;
    const bool finished = stream.in->finished(); // before peek: bytes come before the finish
    piece = stream.in->peek();
    stream.peeked = piece.size();
    if (!piece.empty()) return KITH_OK;
    stream.end_seen = finished;
    return finished ? KITH_END : KITH_WOULD_BLOCK;
  }

  static kith_status peek(const kith_host* host, kith_stream_id id, kith_bytes* bytes) {
    Instance& self = HostFace::of(host);
    kith_status status = KITH_OK;
    Stream* stream = find(self, id, status);
    if (stream == nullptr) return status;
    if (bytes == nullptr) return self.misuse(KITH_E_ARGUMENT, "peek: bytes is null");
    ByteView piece;
    status = look(*stream, piece);
    *bytes = {piece.data(), piece.size()};
    return status;
  }

  static kith_status consume(const kith_host* host, kith_stream_id id, std::size_t size) {
    Instance& self = HostFace::of(host);
    kith_status status = KITH_OK;
    Stream* stream = find(self, id, status);
    if (stream == nullptr) return status;
    if (size > stream->peeked) return self.misuse(KITH_E_ARGUMENT, "consume: more than the last peek gave");
    if (size == 0) return KITH_OK;
    stream->peeked -= size;
    stream->in->consume(size);
    stream->port->consumed();
    return KITH_OK;
  }

  static kith_status read(const kith_host* host, kith_stream_id id, kith_buffer buffer, std::size_t* done) {
    Instance& self = HostFace::of(host);
    kith_status status = KITH_OK;
    Stream* stream = find(self, id, status);
    if (stream == nullptr) return status;
    if (buffer.data == nullptr || buffer.size == 0 || done == nullptr) return self.misuse(KITH_E_ARGUMENT, "read: no buffer, or done is null");
    std::size_t total = 0;
    while (total < buffer.size) {
      ByteView piece;
      status = look(*stream, piece);
      if (status != KITH_OK) break;
      const std::size_t count = std::min(piece.size(), buffer.size - total);
      std::memcpy(buffer.data + total, piece.data(), count);
      stream->in->consume(count);
      total += count;
    }
    stream->peeked = 0;
    if (total == 0) return status;
    *done = total;
    stream->port->consumed();
    return KITH_OK;
  }

  // --- writing

  static Stream* find_writable(Instance& self, kith_stream_id id, kith_status& status) {
    Stream* stream = find(self, id, status);
    if (stream == nullptr) return nullptr;
    if (stream->accepted && !stream->finished) return stream;
    status = self.misuse(KITH_E_STATE, stream->finished ? "writing or finishing after finish" : "writing or finishing before accept");
    return nullptr;
  }

  // Octets that may be added now; notes the wish when there are none.
  static std::size_t room(Stream& stream) {
    if (const std::uint64_t octets = stream.out->room(); octets != 0) return static_cast<std::size_t>(octets);
    stream.wants_room = true;
    stream.port->blocked();
    return 0;
  }

  static kith_status reserve(const kith_host* host, kith_stream_id id, std::size_t wanted, kith_buffer* buffer) {
    Instance& self = HostFace::of(host);
    kith_status status = KITH_OK;
    Stream* stream = find_writable(self, id, status);
    if (stream == nullptr) return status;
    if (buffer == nullptr) return self.misuse(KITH_E_ARGUMENT, "reserve: buffer is null");
    stream->reserved = 0;
    const std::size_t limit = room(*stream);
    if (limit == 0) return KITH_WOULD_BLOCK;
    const ByteSpan span = stream->out->reserve(std::min(wanted, limit));
    stream->reserved = std::min(span.size(), limit);
    *buffer = {span.data(), stream->reserved};
    return KITH_OK;
  }

  static kith_status commit(const kith_host* host, kith_stream_id id, std::size_t size) {
    Instance& self = HostFace::of(host);
    kith_status status = KITH_OK;
    Stream* stream = find_writable(self, id, status);
    if (stream == nullptr) return status;
    if (stream->reserved == 0) return self.misuse(KITH_E_STATE, "commit: nothing is reserved");
    if (size > stream->reserved) return self.misuse(KITH_E_ARGUMENT, "commit: more than was reserved");
    stream->reserved = 0;
    if (size == 0) return KITH_OK;
    stream->out->commit(size);
    stream->port->produced();
    return KITH_OK;
  }

  static kith_status write(const kith_host* host, kith_stream_id id, kith_bytes bytes, std::size_t* done) {
    Instance& self = HostFace::of(host);
    kith_status status = KITH_OK;
    Stream* stream = find_writable(self, id, status);
    if (stream == nullptr) return status;
    if (!is_sound(bytes) || done == nullptr) return self.misuse(KITH_E_ARGUMENT, "write: bytes or done is null");
    stream->reserved = 0;
    *done = 0;
    if (bytes.size == 0) return KITH_OK;
    const std::size_t count = std::min(bytes.size, room(*stream));
    if (count == 0) return KITH_WOULD_BLOCK;
    stream->out->write(view(bytes).first(count));
    *done = count;
    stream->port->produced();
    return KITH_OK;
  }

  static kith_status set_urgency(const kith_host* host, kith_stream_id id, std::uint32_t urgency) {
    Instance& self = HostFace::of(host);
    kith_status status = KITH_OK;
    Stream* stream = find(self, id, status);
    if (stream == nullptr) return status;
    if (urgency > 7) return self.misuse(KITH_E_ARGUMENT, "set_urgency: 0 to 7");
    stream->port->set_urgency(static_cast<std::uint8_t>(urgency));
    return KITH_OK;
  }

  // --- kith.dial/1

  static kith_status open(const kith_host* host, const kith_dial_request* in, kith_stream_id* id) {
    Instance& self = HostFace::of(host);
    if (!self.on_instance_thread()) return self.misuse(KITH_E_THREAD, "open called off the instance thread");
    if (in == nullptr || in->struct_size < sizeof *in || id == nullptr || !is_sound(in->protocol) || !is_sound(in->alias) || !is_sound(in->command) ||
        !is_sound(in->content_type) || in->content_type.size > max_content_type || in->kind < KITH_KIND_CALL || in->kind > KITH_KIND_STREAM)
      return self.misuse(KITH_E_ARGUMENT, "open: the request is not sound");
    if (self.state_ != State::running) return KITH_E_STOPPED;
    if (self.streams_.size() >= max_instance_streams) return KITH_E_LIMIT;
    StreamRequest request;
    std::ranges::copy(in->peer.bytes, request.peer.bytes.begin());
    request.kind = in->kind == KITH_KIND_CALL ? StreamKind::call : StreamKind::stream;
    request.protocol = view(in->protocol);
    if (in->alias.size != 0) request.alias = view(in->alias);
    request.command = view(in->command);
    request.content_type = view(in->content_type);
    request.deadline = from_nanoseconds(in->deadline_ns);
    const kith_stream_id made = self.streams_.insert(Stream{});
    auto dialed = self.services_.dial(made, std::move(request));
    if (!dialed) {
      self.streams_.erase(made);
      return KITH_E_LIMIT;
    }
    Stream& stream = *self.streams_.find(made);
    stream.in = std::move(dialed->in);
    stream.out = std::move(dialed->out);
    stream.port = std::move(dialed->port);
    stream.incoming = false;
    stream.accepted = true;
    *id = made;
    return KITH_OK;
  }
};

const kith_host_stream& stream_table() noexcept {
  static constexpr kith_host_stream table{sizeof(kith_host_stream), 0,
                                          StreamCalls::accept,      StreamCalls::reject,
                                          StreamCalls::finish,      StreamCalls::reset,
                                          StreamCalls::peek,        StreamCalls::consume,
                                          StreamCalls::reserve,     StreamCalls::commit,
                                          StreamCalls::read,        StreamCalls::write,
                                          StreamCalls::set_urgency};
  return table;
}

const kith_host_dial& dial_table() noexcept {
  static constexpr kith_host_dial table{sizeof(kith_host_dial), 0, StreamCalls::open};
  return table;
}

} // namespace kith::hosting
