// SPDX-License-Identifier: GPL-3.0-or-later
#include "nodes/streams.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace kith::bench {

void count(Pipe& in, Counter& counter, bool messages) {
  for (ByteView piece = in.peek(); !piece.empty(); piece = in.peek()) {
    counter.take(piece, messages);
    in.consume(piece.size());
  }
}

bool fill(Pipe& out, bool messages, Clock::time_point until) {
  static constexpr std::array<std::uint8_t, message_size> message{0, message_size - 2};
  std::uint64_t room = out.room();
  while (room > 0) { // a message may pass the limit by its size: want_writable() is for pipes without any room
    if (Clock::now() >= until) {
      out.finish();
      return false;
    }
    if (messages) {
      const std::uint64_t batch = std::min<std::uint64_t>(room, large_slab_size) / message_size + 1;
      for (std::uint64_t i = 0; i < batch; ++i) {
        std::memcpy(out.reserve(message_size).data(), message.data(), message_size);
        out.commit(message_size);
      }
      room -= std::min(room, batch * message_size);
    } else {
      const std::size_t count = std::min<std::size_t>(out.reserve(1).size(), room);
      out.commit(count);
      room -= count;
    }
  }
  return true;
}

} // namespace kith::bench
