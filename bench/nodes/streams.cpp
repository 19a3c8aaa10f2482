// SPDX-License-Identifier: GPL-3.0-or-later
#include "nodes/streams.hpp"

#include <algorithm>
#include <cstring>

namespace kith::bench {

void Counter::take(Pipe& in, bool messages) {
  for (ByteView piece = in.peek(); !piece.empty(); piece = in.peek()) {
    if (messages) walk(piece);
    octets_ += piece.size();
    in.consume(piece.size());
  }
}

void Counter::walk(ByteView piece) {
  for (std::size_t at = 0; at < piece.size();) {
    if (message_left_ != 0) {
      const std::size_t count = std::min(message_left_, piece.size() - at);
      at += count;
      message_left_ -= count;
      if (message_left_ == 0) ++messages_;
    } else {
      length_ = static_cast<std::uint16_t>(length_ << 8 | piece[at++]);
      if (++length_seen_ == 2) {
        message_left_ = length_;
        length_seen_ = 0;
        length_ = 0;
      }
    }
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

std::string number(std::uint64_t n, std::size_t size) {
  std::string out(size, '\0');
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<char>(n >> (8 * (size - 1 - i)));
  return out;
}

std::uint64_t read_number(std::string_view bytes) {
  std::uint64_t n = 0;
  for (const char c : bytes) n = n << 8 | static_cast<std::uint8_t>(c);
  return n;
}

} // namespace kith::bench
