// SPDX-License-Identifier: Apache-2.0
// Bench: what the benchmark's programs talk to. The first octet says what for: E echo, S sink, M messages, G source (bench/rows.hpp). Benchmark only.
#include <kith/plugin.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

namespace {

constexpr std::size_t piece_size = 64 * 1024;

/// Octets, or messages that begin with their length.
class Counter {
public:
  void take(kith::ByteView piece, bool messages) {
    if (!messages) {
      count_ += piece.size();
      return;
    }
    while (!piece.empty()) {
      if (left_ != 0) {
        const std::size_t size = std::min(left_, piece.size());
        piece = piece.subspan(size);
        left_ -= size;
        if (left_ == 0) ++count_;
        continue;
      }
      length_ = static_cast<std::uint16_t>(length_ << 8 | piece[0]);
      piece = piece.subspan(1);
      half_ = !half_;
      if (!half_) left_ = std::exchange(length_, std::uint16_t{0});
    }
  }
  kith::Bytes reply() const {
    kith::Bytes out(8);
    for (std::size_t i = 0; i < 8; ++i) out[i] = static_cast<std::uint8_t>(count_ >> (56 - 8 * i));
    return out;
  }

private:
  std::uint64_t count_ = 0;
  std::size_t left_ = 0;
  std::uint16_t length_ = 0;
  bool half_ = false;
};

class Bench : public kith::Protocol {
  kith::Task<> on_call(kith::Call call) override {
    const kith::Bytes request = co_await call.request();
    co_await call.reply(request);
  }

  kith::Task<> on_stream(kith::Stream stream) override {
    stream.accept();
    kith::ByteView piece = co_await stream.read();
    if (piece.empty()) co_return;
    const char mode = static_cast<char>(piece[0]);
    if (mode == 'G') {
      kith::Bytes request;
      for (; !piece.empty(); piece = co_await stream.read()) request.insert(request.end(), piece.begin(), piece.end());
      std::uint32_t milliseconds = 0;
      for (std::size_t i = 1; i < request.size(); ++i) milliseconds = milliseconds << 8 | request[i];
      const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
      while (std::chrono::steady_clock::now() < until) stream.commit((co_await stream.reserve(piece_size)).size()); // whatever lies there
      co_return;
    }
    Counter counter;
    counter.take(piece.subspan(1), mode == 'M');
    for (piece = co_await stream.read(); !piece.empty(); piece = co_await stream.read()) counter.take(piece, mode == 'M');
    const kith::Bytes reply = counter.reply();
    co_await stream.write(reply);
  }
};

} // namespace

KITH_PLUGIN(Bench, .name = "Bench", .version = "1.0.0", .summary = "What the benchmark's programs talk to", .default_access = kith::Role::member,
            .suggest_inline = true)
