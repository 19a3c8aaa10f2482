// SPDX-License-Identifier: GPL-3.0-or-later
// One call of a program, to a peer or (`local`) to a binding of its own daemon: its octets into the pipe, the reply's octets into a line.
#pragma once

#include "control/session.hpp"

namespace kith::control {

class Call final : public Operation, private StreamUser {
public:
  Call(Session& session, std::string id) : session_(session), id_(std::move(id)) {}

  /// Errors: what can be said at once; then nothing was started.
  Result<void> start(const protocol::Request& request, ByteView octets);
  void cancel() override;
  bool lasts() const noexcept override { return false; }

private:
  Result<node::OpenedStream> open(const protocol::Request& request);
  void opened(IncomingStream) override {}
  void replied(StreamKey key, const Result<std::string>& content_type) override;
  void readable(StreamKey key) override;
  void writable(StreamKey) override {}
  void closed(StreamKey key, const StreamEnd& end) override;

  void gather();
  void finish();
  void answer_with(std::string_view content, bool is_json);
  void answered();

  Session& session_;
  std::string id_;
  StreamKey key_ = StreamKey::none;
  PeerId from_;
  std::optional<PeerId> peer_; ///< Nobody: a local command.
  PipePtr in_;
  std::string content_type_;
  std::string gathered_;            ///< Of a reply that came in several pieces.
  std::unique_ptr<Operation> self_; ///< Answered, and not yet closed.
  std::size_t held_ = 0;
  bool replied_ = false;
  bool answered_ = false;
  bool closed_ = false;
  bool checking_ = false; ///< A long reply is being looked at off the network thread.
};

} // namespace kith::control
