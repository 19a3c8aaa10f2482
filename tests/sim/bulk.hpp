// SPDX-License-Identifier: GPL-3.0-or-later
// A bulk transfer over a node's stream, whose receiver answers with the Digest of what it got.
#pragma once

#include "net.hpp"

#include <algorithm>
#include <array>

namespace kith::testing {

/// Sends `size` octets as fast as they are taken, and hears what the peer got of them.
class Bulk : public StreamUser {
public:
  Bulk(node::Node& node, std::uint64_t size) : node_(node), left_(size) {}
  void start(const node::OpenRequest& request) {
    stream_ = node_.open(request, *this);
    fill();
  }
  void opened(IncomingStream) override { ADD_FAILURE(); }
  void replied(StreamKey key, const Result<std::string>&) override { readable(key); }
  void readable(StreamKey key) override {
    for (ByteView piece = stream_.in->peek(); !piece.empty(); piece = stream_.in->peek()) {
      answer_.append(as_text(piece));
      stream_.in->consume(piece.size());
    }
    node_.control().consumed(key);
  }
  void writable(StreamKey) override { fill(); }
  void closed(StreamKey, const StreamEnd& how) override { end = how; }
  void cancel() { node_.control().reset(stream_.key, Code::cancelled, ""); }
  bool whole() const { return end && end->ok && answer_ == sum_.text(); }
  bool half_sent() const { return sum_.count > left_; }

  std::optional<StreamEnd> end;

private:
  void fill() {
    while (left_ > 0 && stream_.out->room() > 0) {
      std::array<std::uint8_t, 4096> piece{};
      const std::uint64_t count = std::min({left_, stream_.out->room(), std::uint64_t{piece.size()}});
      for (std::size_t i = 0; i < count; ++i) piece[i] = static_cast<std::uint8_t>((sum_.count + i) * 2654435761U >> 13U);
      const ByteView octets{piece.data(), static_cast<std::size_t>(count)};
      sum_.add(octets);
      stream_.out->write(octets);
      left_ -= count;
    }
    if (left_ == 0) stream_.out->finish();
    node_.control().produced(stream_.key);
    if (left_ > 0) node_.control().want_writable(stream_.key);
  }

  node::Node& node_;
  std::uint64_t left_;
  node::OpenedStream stream_;
  Digest sum_;
  std::string answer_;
};

} // namespace kith::testing
