// SPDX-License-Identifier: GPL-3.0-or-later
// A stream that a program opened: over a descriptor, or inline on the control socket itself.
#pragma once

#include "control/bridge.hpp"
#include "control/session.hpp"

namespace kith::control {

class StreamOperation final : public Operation, private StreamUser, private InlineInput {
public:
  StreamOperation(Session& session, std::string id);

  /// `alone`: nothing else is in flight on the socket, as inline streams need it. Errors: nothing was started.
  Result<void> start(const protocol::Request& request, bool alone);
  void cancel() override;

private:
  void opened(IncomingStream) override {}
  void replied(StreamKey key, const Result<std::string>& content_type) override;
  void readable(StreamKey key) override;
  void writable(StreamKey key) override;
  void closed(StreamKey key, const StreamEnd& end) override;
  bool input(protocol::LineReader& reader) override;
  void output_room() override;

  void begin();
  void begin_inline();
  void fail(const Error& error);
  void finish();
  void pump_inline();
  void finish_inline();

  Session& session_;
  std::string id_;
  StreamKey key_ = StreamKey::none;
  PeerId from_;
  PeerId peer_;
  PipePtr in_;
  PipePtr out_;
  std::unique_ptr<Timer> patience_; ///< Until the peer accepts.
  std::shared_ptr<Bridge> bridge_;
  StreamEnd end_;
  std::uint32_t frame_left_ = 0; ///< Octets of the inline frame that are still to come.
  bool inline_ = false;
  bool timed_out_ = false;
  bool answered_ = false;
  bool closed_ = false;
  bool fin_sent_ = false;    ///< Inline: the peer's FIN was passed on.
  bool input_ended_ = false; ///< Inline: the program's FIN was seen.
};

} // namespace kith::control
