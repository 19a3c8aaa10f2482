// SPDX-License-Identifier: GPL-3.0-or-later
// What waits to be written to a client: lines that become one write, and descriptors that leave with the first octet of their line.
#pragma once

#include "base/bytes.hpp"
#include "protocol/fd_passing.hpp"

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace kith::control {

class Outbox {
public:
  enum class State : std::uint8_t { empty, blocked, broken };

  /// Adds a line (its LF is added here), the octets that belong to it, and its descriptors.
  void line(std::string_view line, ByteView octets = {}, std::vector<protocol::Fd> fds = {});
  /// Adds octets as they are.
  void raw(ByteView octets);
  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  /// Octets written since the start: whether a client takes anything.
  std::uint64_t written() const noexcept { return written_; }
  /// Writes until nothing is left or the socket takes no more.
  State flush(int socket);

private:
  struct Chunk {
    std::string bytes;
    std::vector<protocol::Fd> fds;
  };
  std::string& room(std::size_t count);

  std::deque<Chunk> chunks_;
  std::string spare_;  // the memory of a chunk that was written
  std::size_t at_ = 0; // in the first chunk
  std::size_t size_ = 0;
  std::uint64_t written_ = 0;
};

} // namespace kith::control
