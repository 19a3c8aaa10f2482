// SPDX-License-Identifier: GPL-3.0-or-later
#include "nodes/service.hpp"

#include <utility>

namespace kith::bench {

void BenchService::opened(IncomingStream stream) {
  Served& served = streams_[stream.key];
  served.in = stream.in;
  served.out = stream.out;
  served.mode = stream.command.empty() ? Mode::echo : static_cast<Mode>(stream.command[0]);
  control_.accept(stream.key, stream.content_type);
  read(stream.key, served);
}

void BenchService::readable(StreamKey key) {
  const auto at = streams_.find(key);
  if (at != streams_.end()) read(key, at->second);
}

void BenchService::read(StreamKey key, Served& served) {
  if (served.ended) return;
  const bool finished = served.in->finished(); // before the octets
  if (served.mode == Mode::echo || served.mode == Mode::source) {
    for (ByteView piece = served.in->peek(); !piece.empty(); piece = served.in->peek()) {
      served.request.append(reinterpret_cast<const char*>(piece.data()), piece.size());
      served.in->consume(piece.size());
    }
  } else {
    count(*served.in, served.counter, served.mode == Mode::messages);
  }
  control_.consumed(key);
  if (!finished) return;
  served.ended = true;
  answer(key, served);
}

void BenchService::answer(StreamKey key, Served& served) {
  if (served.mode == Mode::source) {
    served.until = Clock::now() + std::chrono::milliseconds(read_number(served.request));
    writable(key);
    return;
  }
  served.out->write(as_bytes(served.mode == Mode::echo ? std::move(served.request) : served.counter.reply(served.mode)));
  served.out->finish();
  control_.produced(key);
}

void BenchService::writable(StreamKey key) {
  const auto at = streams_.find(key);
  if (at == streams_.end() || at->second.mode != Mode::source) return;
  if (fill(*at->second.out, false, at->second.until)) control_.want_writable(key);
  control_.produced(key);
}

} // namespace kith::bench
