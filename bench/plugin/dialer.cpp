// SPDX-License-Identifier: Apache-2.0
// BenchDial: the dialing end of the plugin rows, straight on the C ABI with kith.dial/1. A call to it is a row to run against the Bench plugin of a peer: 32 octets
// of peer, 4 of milliseconds (big endian), the row's name. The reply is the row's line. One row at a time. Benchmark only.
#include "octets.hpp"
#include "rows.hpp"

#include <kith/abi/draft/dial.h>
#include <kith/abi/stream.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <unordered_map>

namespace kith::bench {
namespace {

constexpr std::size_t request_head = 36; // octets before the row's name
constexpr std::size_t piece_size = 64 * 1024;

kith_text text_of(std::string_view from) noexcept { return {from.data(), from.size()}; }

class Dialer final : public Link {
public:
  explicit Dialer(const kith_host* host)
      : host_(host),
        streams_(static_cast<const kith_host_stream*>(host->get_capability(host, text_of(KITH_STREAM_ID)))),
        dial_(static_cast<const kith_host_dial*>(host->get_capability(host, text_of(KITH_DIAL_ID)))) {}

  // --- Link

  void set_events(Events& events) override { events_ = &events; }
  void call(std::size_t, std::uint64_t tag) override {
    static const std::string request(call_size, 'x');
    Open& made = open(KITH_KIND_CALL, Mode::echo, tag);
    write(made, request);
    streams_->finish(host_, made.id);
  }
  void upload(std::size_t, Clock::time_point until, std::uint64_t tag) override { send(Mode::sink, until, tag); }
  void messages(std::size_t, Clock::time_point until, std::uint64_t tag, bool) override { send(Mode::messages, until, tag); }
  void download(std::size_t, std::chrono::milliseconds time, std::uint64_t tag) override {
    Open& made = open(KITH_KIND_STREAM, Mode::source, tag);
    write(made, std::string(1, static_cast<char>(Mode::source)) + number(static_cast<std::uint64_t>(time.count()), 4));
    streams_->finish(host_, made.id);
  }
  void hang_up(std::size_t) override {} // connections are the daemon's

  // --- callbacks

  void opened(const kith_stream_opened& opened) {
    if (asked_ != 0 || opened.kind != KITH_KIND_CALL) {
      streams_->reject(host_, opened.stream, KITH_CODE_BUSY, text_of("one row at a time, asked for by a call"));
      return;
    }
    asked_ = opened.stream;
    started_ = false;
    request_.clear();
    readable(opened.stream);
  }

  void readable(kith_stream_id id) {
    if (id == asked_) return read_request();
    const auto at = open_.find(id);
    if (at == open_.end()) return;
    Open& stream = at->second;
    kith_bytes piece{};
    kith_status status = KITH_OK;
    while ((status = streams_->peek(host_, id, &piece)) == KITH_OK) {
      stream.received += piece.size;
      if (stream.reply.size() < sizeof(std::uint64_t))
        stream.reply.append(reinterpret_cast<const char*>(piece.data), std::min(piece.size, call_size));
      streams_->consume(host_, id, piece.size);
    }
    if (status != KITH_END || stream.done || events_ == nullptr) return;
    stream.done = true;
    const bool counted = stream.mode == Mode::sink || stream.mode == Mode::messages;
    events_->done(stream.tag, counted ? read_number(stream.reply) : stream.received);
  }

  void writable(kith_stream_id id) {
    const auto at = open_.find(id);
    if (at != open_.end() && (at->second.mode == Mode::sink || at->second.mode == Mode::messages)) fill(at->second);
  }

  void replied(const kith_dial_replied& replied) {
    if (replied.ok == 0) fail(std::string(replied.text.data, replied.text.size));
  }

  void closed(kith_stream_id id, const kith_stream_closed& closed) {
    if (id == asked_) {
      asked_ = 0;
      events_ = nullptr;
      row_.reset();
      for (const auto& [left, stream] : open_) streams_->reset(host_, left, KITH_CODE_CANCELLED, {});
      return;
    }
    const auto at = open_.find(id);
    if (at == open_.end()) return;
    if (!at->second.done) fail(closed.text.size != 0 ? std::string(closed.text.data, closed.text.size) : "a stream ended early");
    open_.erase(id);
  }

private:
  struct Open {
    kith_stream_id id = 0;
    Mode mode{};
    std::uint64_t tag = 0;
    Clock::time_point until{};
    std::size_t in_message = 0; ///< Octets of a message that are written, of the one under way.
    std::string reply;
    std::uint64_t received = 0;
    bool done = false;
  };

  void read_request() {
    if (started_) return;
    std::array<std::uint8_t, 256> buffer{};
    std::size_t size = 0;
    kith_status status = KITH_OK;
    while ((status = streams_->read(host_, asked_, {buffer.data(), buffer.size()}, &size)) == KITH_OK) {
      request_.append(reinterpret_cast<const char*>(buffer.data()), size);
    }
    if (status != KITH_END) return;
    started_ = true;
    if (request_.size() <= request_head) return fail("a row is 32 octets of peer, 4 of milliseconds, and its name");
    std::memcpy(peer_.bytes, request_.data(), sizeof peer_.bytes);
    const std::string name = request_.substr(request_head);
    row_ = Row::make(name, *this, std::chrono::milliseconds(read_number(std::string_view(request_).substr(sizeof peer_.bytes, 4))));
    if (!row_) return fail("no such row: " + name);
    row_->start([this](const std::string& line) {
      std::size_t done = 0;
      streams_->accept(host_, asked_, {});
      streams_->write(host_, asked_, {reinterpret_cast<const std::uint8_t*>(line.data()), line.size()}, &done);
      streams_->finish(host_, asked_);
      asked_ = 0; // the next may come before this call's closed
    });
  }

  /// The row goes on with what it has; whoever asked hears that it failed.
  void fail(const std::string& why) {
    if (asked_ != 0) streams_->reject(host_, asked_, KITH_FIRST_APP_CODE, text_of(why));
  }

  Open& open(std::uint32_t kind, Mode mode, std::uint64_t tag) {
    kith_dial_request request{};
    request.struct_size = sizeof request;
    request.kind = kind;
    request.peer = peer_;
    request.deadline_ns = KITH_NEVER;
    request.protocol = text_of("Bench");
    kith_stream_id id = 0;
    if (dial_->open(host_, &request, &id) != KITH_OK) fail("the host opens no stream");
    Open& made = open_[id];
    made.id = id;
    made.mode = mode;
    made.tag = tag;
    return made;
  }

  void write(Open& stream, std::string_view octets) {
    std::size_t done = 0;
    const kith_status status = streams_->write(host_, stream.id, {reinterpret_cast<const std::uint8_t*>(octets.data()), octets.size()}, &done);
    if (status != KITH_OK || done != octets.size()) fail("no room for a request");
  }

  void send(Mode mode, Clock::time_point until, std::uint64_t tag) {
    Open& made = open(KITH_KIND_STREAM, mode, tag);
    made.until = until;
    write(made, std::string(1, static_cast<char>(mode)));
    fill(made);
  }

  /// Straight into the pipe, until it is full or the time is over: bulk octets as they lie there, or messages, each copied by itself.
  void fill(Open& stream) {
    static constexpr std::array<std::uint8_t, message_size> message{0, message_size - 2};
    kith_buffer room{};
    while (streams_->reserve(host_, stream.id, piece_size, &room) == KITH_OK) {
      const bool over = Clock::now() >= stream.until;
      if (over && stream.in_message == 0) {
        streams_->finish(host_, stream.id);
        return;
      }
      std::size_t filled = stream.mode == Mode::messages ? 0 : room.size;
      while (filled < room.size) {
        const std::size_t count = std::min(message_size - stream.in_message, room.size - filled);
        std::memcpy(room.data + filled, message.data() + stream.in_message, count);
        filled += count;
        stream.in_message = (stream.in_message + count) % message_size;
        if (over && stream.in_message == 0) break;
      }
      streams_->commit(host_, stream.id, filled);
    }
  }

  const kith_host* host_;
  const kith_host_stream* streams_;
  const kith_host_dial* dial_;
  Events* events_ = nullptr;
  std::unordered_map<kith_stream_id, Open> open_;
  kith_stream_id asked_ = 0; ///< The call that asked for the row under way.
  bool started_ = false;     ///< Its request was read.
  std::string request_;
  kith_peer_key peer_{};
  std::unique_ptr<Row> row_;
};

// --- the ABI

Dialer& of(kith_instance* instance) { return *reinterpret_cast<Dialer*>(instance); }

kith_status create(const kith_host* host, kith_instance** instance) {
  *instance = reinterpret_cast<kith_instance*>(new Dialer(host));
  return KITH_OK;
}

const void* get_capability(kith_text capability) {
  static constexpr kith_plugin_stream stream{
      sizeof(kith_plugin_stream),
      0,
      [](kith_instance* self, const kith_stream_opened* opened) { of(self).opened(*opened); },
      [](kith_instance* self, kith_stream_id id) { of(self).readable(id); },
      [](kith_instance* self, kith_stream_id id) { of(self).writable(id); },
      [](kith_instance* self, kith_stream_id id, const kith_stream_closed* closed) { of(self).closed(id, *closed); }};
  static constexpr kith_plugin_dial dial{sizeof(kith_plugin_dial), 0,
                                         [](kith_instance* self, kith_stream_id, const kith_dial_replied* replied) { of(self).replied(*replied); }};
  const std::string_view wanted(capability.data, capability.size);
  if (wanted == KITH_STREAM_ID) return &stream;
  if (wanted == KITH_DIAL_ID) return &dial;
  return nullptr;
}

kith_protocol describe() {
  kith_protocol out{};
  out.struct_size = sizeof out;
  out.flags = KITH_PROTOCOL_SUGGEST_INLINE;
  out.needs = KITH_NEED_DIAL;
  out.default_access = KITH_ROLE_OWNER;
  out.name = text_of("BenchDial");
  out.version = text_of("1.0.0");
  out.summary = text_of("Runs the benchmark's rows against a peer's Bench");
  out.get_capability = get_capability;
  out.create = create;
  out.configure = [](kith_instance*, kith_text) -> kith_status { return KITH_OK; };
  out.start = [](kith_instance*) -> kith_status { return KITH_OK; };
  out.drain = [](kith_instance*, std::uint64_t) {};
  out.stop = [](kith_instance*) {};
  out.destroy = [](kith_instance* self) { delete &of(self); };
  return out;
}

} // namespace
} // namespace kith::bench

extern "C" KITH_EXPORT const kith_plugin* kith_plugin_entry(const kith_entry_args*) {
  using namespace kith::bench;
  static const kith_protocol protocol = describe();
  static const kith_protocol* const protocols = &protocol;
  static const kith_plugin plugin{sizeof(kith_plugin), KITH_ABI_MAJOR, 0, protocol.name, protocol.version, &protocols, 1, 0};
  return &plugin;
}
