// SPDX-License-Identifier: GPL-3.0-or-later
#include "control/outbox.hpp"

namespace kith::control {
namespace {

constexpr std::size_t chunk_size = 128 * 1024; ///< Lines are gathered up to here for one write.

} // namespace

std::string& Outbox::room(std::size_t count) {
  if (chunks_.empty() || chunks_.back().bytes.size() + count > chunk_size) {
    chunks_.emplace_back();
    chunks_.back().bytes.swap(spare_);
  }
  return chunks_.back().bytes;
}

void Outbox::line(std::string_view line, ByteView octets, std::vector<protocol::Fd> fds) {
  const std::size_t count = line.size() + 1 + octets.size();
  if (!fds.empty()) { // the kernel keeps descriptors with the octets of one sendmsg: the line starts a chunk
    chunks_.emplace_back();
    chunks_.back().fds = std::move(fds);
  }
  std::string& bytes = chunks_.empty() || chunks_.back().fds.empty() ? room(count) : chunks_.back().bytes;
  bytes.append(line);
  bytes.push_back('\n');
  bytes.append(as_text(octets));
  size_ += count;
}

void Outbox::raw(ByteView octets) {
  room(octets.size()).append(as_text(octets));
  size_ += octets.size();
}

Outbox::State Outbox::flush(int socket) {
  while (!chunks_.empty()) {
    Chunk& chunk = chunks_.front();
    std::vector<int> fds;
    for (const auto& fd : chunk.fds) fds.push_back(fd.get());
    const protocol::Io io = protocol::send_with_fds(socket, std::string_view(chunk.bytes).substr(at_), fds);
    if (io.would_block) return State::blocked;
    if (io.ended || io.error != 0) return State::broken;
    chunk.fds.clear();
    at_ += io.count;
    size_ -= io.count;
    written_ += io.count;
    if (at_ < chunk.bytes.size()) continue;
    at_ = 0;
    if (chunk.bytes.capacity() <= 2 * chunk_size) {
      chunk.bytes.clear();
      spare_.swap(chunk.bytes);
    }
    chunks_.pop_front();
  }
  return State::empty;
}

} // namespace kith::control
