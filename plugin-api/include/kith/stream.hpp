// SPDX-License-Identifier: Apache-2.0
// Calls and streams as coroutines see them. Instance thread only.
#pragma once

#include <kith/host.hpp>

namespace kith {
inline namespace plugin_v1 {

namespace detail {

// What a coroutine waits for on a stream. ready() tries again; the coroutine goes on when it says true.
struct Waiter {
  std::coroutine_handle<> handle;
  virtual bool ready() = 0;

protected:
  ~Waiter() = default;
};

// One stream of this instance: lives until its task has ended and its closed has come.
struct Flow {
  const kith_host* host = nullptr;
  const kith_host_stream* calls = nullptr;
  kith_stream_id id = 0;
  Opened opened;
  Task<> task;
  std::exception_ptr failure; ///< The handler threw before it was a task.
  Waiter* reader = nullptr;
  Waiter* writer = nullptr;
  bool accepted = false;
  bool finished = false;
  bool ended = false; ///< Rejected or reset by us.
  bool closed = false;
  bool reported = false; ///< The task's end was looked at.
  std::uint64_t close_code = 0;
  std::string close_text;

  // Nothing went wrong, or an exception that says what.
  void expect(kith_status status) const {
    if (closed || ended || status == KITH_E_CLOSED) throw StreamClosed(close_code, close_text);
    if (status < 0) throw HostError("stream", status);
  }

  static void wake(Waiter*& slot) {
    if (slot == nullptr || !slot->ready()) return;
    std::exchange(slot, nullptr)->handle.resume();
  }
};

} // namespace detail

/// One stream. A cheap handle, good for as long as the handler that got it runs.
class Stream {
public:
  explicit Stream(detail::Flow& flow) noexcept : flow_(&flow) {}

  const Opened& opened() const noexcept { return flow_->opened; }
  kith_stream_id id() const noexcept { return flow_->id; }

  /// Answers ok; needed before writing. Once.
  void accept(std::string_view content_type = {}) {
    flow_->expect(flow_->closed ? kith_status{KITH_E_CLOSED} : flow_->calls->accept(flow_->host, flow_->id, to_abi(content_type)));
    flow_->accepted = true;
  }

  /// Ends both directions; the peer sees code and text. Does nothing on a stream that has ended.
  void reset(std::uint64_t code, std::string_view text = {}) noexcept {
    if (flow_->closed || flow_->ended) return;
    flow_->ended = true;
    flow_->calls->reset(flow_->host, flow_->id, code, to_abi(text));
  }

  /// No more will be written. Once; left out, the end of the handler does it.
  void finish() {
    flow_->expect(flow_->closed ? kith_status{KITH_E_CLOSED} : flow_->calls->finish(flow_->host, flow_->id));
    flow_->finished = true;
  }

  /// 0 to 7, lower goes first on the wire.
  void set_urgency(std::uint32_t urgency) {
    flow_->expect(flow_->closed ? kith_status{KITH_E_CLOSED} : flow_->calls->set_urgency(flow_->host, flow_->id, urgency));
  }

  /// `ByteView piece = co_await stream.read();`: the next bytes where they lie; empty at the peer's end. Read, and gone, with the next read.
  auto read() {
    struct Read final : detail::Waiter {
      detail::Flow& flow;
      kith_bytes piece{};
      kith_status status = KITH_OK;

      explicit Read(detail::Flow& owner) : flow(owner) {}
      bool ready() override {
        if (flow.closed) return true;
        status = flow.calls->peek(flow.host, flow.id, &piece);
        return status != KITH_WOULD_BLOCK;
      }
      bool await_ready() { return ready(); }
      void await_suspend(std::coroutine_handle<> waiting) {
        handle = waiting;
        flow.reader = this;
      }
      ByteView await_resume() {
        flow.expect(status);
        return status == KITH_END ? ByteView{} : ByteView{piece.data, piece.size};
      }
    };
    consume_last();
    return Take<Read>{Read(*flow_), *this};
  }

  /// `co_await stream.write(bytes)`: all of them, waiting for room. The bytes must stay until then.
  auto write(ByteView bytes) {
    struct Write final : detail::Waiter {
      detail::Flow& flow;
      ByteView left;
      kith_status status = KITH_OK;

      Write(detail::Flow& owner, ByteView all) : flow(owner), left(all) {}
      bool ready() override {
        while (!flow.closed && !left.empty()) {
          std::size_t done = 0;
          status = flow.calls->write(flow.host, flow.id, {left.data(), left.size()}, &done);
          if (status == KITH_WOULD_BLOCK) return false;
          if (status != KITH_OK) return true;
          left = left.subspan(done);
        }
        return true;
      }
      bool await_ready() { return ready(); }
      void await_suspend(std::coroutine_handle<> waiting) {
        handle = waiting;
        flow.writer = this;
      }
      void await_resume() const { flow.expect(status); }
    };
    return Write(*flow_, bytes);
  }

  /// `std::span<std::uint8_t> room = co_await stream.reserve(wanted);`: room in the stream itself, in one piece (about `wanted` octets, more or less), waiting for some.
  /// Fill it from the front and commit(); good until then, or the next write or finish.
  auto reserve(std::size_t wanted) {
    struct Reserve final : detail::Waiter {
      detail::Flow& flow;
      std::size_t wanted;
      kith_buffer room{};
      kith_status status = KITH_OK;

      Reserve(detail::Flow& owner, std::size_t octets) : flow(owner), wanted(octets) {}
      bool ready() override {
        if (flow.closed) return true;
        status = flow.calls->reserve(flow.host, flow.id, wanted, &room);
        return status != KITH_WOULD_BLOCK;
      }
      bool await_ready() { return ready(); }
      void await_suspend(std::coroutine_handle<> waiting) {
        handle = waiting;
        flow.writer = this;
      }
      std::span<std::uint8_t> await_resume() const {
        flow.expect(status);
        return {room.data, room.size};
      }
    };
    return Reserve(*flow_, wanted);
  }

  /// Sends the first `size` octets of the last reserve().
  void commit(std::size_t size) { flow_->expect(flow_->closed ? kith_status{KITH_E_CLOSED} : flow_->calls->commit(flow_->host, flow_->id, size)); }

  /// Everything up to the peer's end. Stops with too_large beyond `limit` octets.
  Task<Bytes> read_all(std::size_t limit) {
    Bytes all;
    for (ByteView piece = co_await read(); !piece.empty(); piece = co_await read()) {
      if (piece.size() > limit - all.size()) throw Refusal(KITH_CODE_TOO_LARGE, "more than " + std::to_string(limit) + " octets");
      all.insert(all.end(), piece.begin(), piece.end());
    }
    co_return all;
  }

protected:
  // Remembers how much the awaited read gave, so that the next one can consume it.
  template <class Read> struct Take {
    Read read;
    Stream& stream;
    bool await_ready() { return read.await_ready(); }
    void await_suspend(std::coroutine_handle<> waiting) { read.await_suspend(waiting); }
    ByteView await_resume() {
      const ByteView piece = read.await_resume();
      stream.unconsumed_ = piece.size();
      return piece;
    }
  };

  void consume_last() {
    if (unconsumed_ != 0 && !flow_->closed && !flow_->ended) flow_->calls->consume(flow_->host, flow_->id, unconsumed_);
    unconsumed_ = 0;
  }

  detail::Flow* flow_;
  std::size_t unconsumed_ = 0;
};

/// A request to be read to its end and answered once.
class Call : private Stream {
public:
  using Stream::opened;
  using Stream::Stream;

  /// The whole request; the host bounds it (max_call_bytes). Once.
  Task<Bytes> request() { return read_all(SIZE_MAX); }

  /// Answers with the request's content type, or another. Once.
  Task<> reply(ByteView bytes) { return reply(bytes, opened().content_type); }
  Task<> reply(ByteView bytes, std::string_view content_type) {
    const std::string type(content_type);
    accept(type);
    co_await write(bytes);
    finish();
  }
};

} // namespace plugin_v1
} // namespace kith
