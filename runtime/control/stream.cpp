// SPDX-License-Identifier: GPL-3.0-or-later
#include "control/stream.hpp"

#include "control/roster.hpp"
#include "protocol/inline_frames.hpp"

#include <algorithm>

namespace kith::control {

using protocol::Answer;
using protocol::InlineHead;

StreamOperation::StreamOperation(Session& session, std::string id) : session_(session), id_(std::move(id)) {}

Result<void> StreamOperation::start(const protocol::Request& request, bool alone) {
  const auto wanted = protocol::StreamRequest::decode(request);
  if (!wanted) return wanted.error();
  if (wanted->inline_mode && !alone) return bad_request("an inline stream needs a socket with nothing else in flight");
  inline_ = wanted->inline_mode;
  Context& context = session_.context();
  auto open = context.roster.resolve(wanted->target);
  if (!open) return open.error();
  open->kind = StreamKind::stream;
  from_ = open->identity;
  peer_ = open->peer;
  node::OpenedStream opened = context.backend.open(*open, *this);
  key_ = opened.key;
  in_ = std::move(opened.in);
  out_ = std::move(opened.out);
  context.backend.control().produced(key_);
  patience_ = context.world.make_timer([this] {
    timed_out_ = true;
    session_.context().backend.control().reset(key_, Code::cancelled, "the caller's patience is over");
  });
  patience_->arm(context.world.now() + std::chrono::milliseconds(wanted->target.timeout_ms));
  return {};
}

void StreamOperation::cancel() {
  if (closed_) {
    if (bridge_) bridge_->drop(); // what is left of a stream that ended is wanted by nobody
    return finish();
  }
  session_.context().backend.control().reset(key_, Code::cancelled, "the program went away");
}

void StreamOperation::replied(StreamKey, const Result<std::string>& content_type) {
  if (!content_type || timed_out_ || !session_.alive()) return; // closed says why
  patience_->arm(never);
  if (inline_) return begin_inline();
  begin();
}

void StreamOperation::begin() {
  Context& context = session_.context();
  auto made = Bridge::make(context.reactor, context.world, context.backend.control(), {key_, in_, out_});
  if (!made) {
    context.backend.control().reset(key_, Code::internal, "");
    return fail(made.error());
  }
  bridge_ = std::move(made->first);
  std::vector<protocol::Fd> fds;
  fds.push_back(std::move(made->second));
  session_.answer(Answer::stream(id_, 1), {}, std::move(fds));
  answered_ = true;
  session_.settle();
  bridge_->start();
}

void StreamOperation::fail(const Error& error) {
  session_.answer(Answer::failed(id_, error));
  answered_ = true;
  session_.settle();
}

void StreamOperation::readable(StreamKey) {
  if (bridge_) bridge_->readable();
  if (inline_ && answered_) pump_inline();
}

void StreamOperation::writable(StreamKey) {
  if (bridge_) bridge_->writable();
  if (inline_) session_.resume();
}

void StreamOperation::closed(StreamKey, const StreamEnd& end) {
  closed_ = true;
  end_ = end;
  if (timed_out_ && !answered_) end_.error = {Code::timeout, "the stream was not accepted in time"};
  if (!end_.ok) end_.error = session_.context().roster.explain(from_, peer_, end_);
  patience_->arm(never);
  if (!answered_) {
    fail(end_.error);
    return session_.ended(id_);
  }
  if (inline_) return pump_inline();
  if (!bridge_) return session_.ended(id_);
  if (!session_.alive()) bridge_->drop();
  bridge_->closed(end, [this] { finish(); });
}

void StreamOperation::finish() {
  protocol::ClosedEvent event{id_, "", std::nullopt, end_.sent, end_.received};
  if (!end_.ok) event.error = end_.error;
  session_.send(event.encode());
  session_.ended(id_);
}

// --- inline

void StreamOperation::begin_inline() {
  session_.answer(Answer::stream(id_, 0));
  answered_ = true;
  session_.settle();
  session_.take_inline(*this);
  session_.resume();
  pump_inline();
}

bool StreamOperation::input(protocol::LineReader& reader) {
  StreamControl& control = session_.context().backend.control();
  bool moved = false;
  while (!closed_) {
    if (frame_left_ > 0) {
      const std::uint64_t room = out_->room();
      if (room == 0) {
        control.want_writable(key_);
        break;
      }
      const ByteView some = reader.take_some(static_cast<std::size_t>(std::min<std::uint64_t>(frame_left_, room)));
      if (some.empty()) break;
      out_->write(some);
      frame_left_ -= static_cast<std::uint32_t>(some.size());
      moved = true;
      continue;
    }
    const auto octets = reader.take_octets(protocol::inline_head_size);
    if (!octets) break;
    const auto head = protocol::decode_inline_head(octets->first<protocol::inline_head_size>());
    if (!head || head->kind == InlineHead::Kind::closed || input_ended_) {
      control.reset(key_, Code::cancelled, "the program broke the inline frames");
      break;
    }
    if (head->kind == InlineHead::Kind::fin) {
      input_ended_ = true;
      out_->finish();
      moved = true;
    }
    frame_left_ = head->size;
  }
  if (moved) control.produced(key_);
  return frame_left_ == 0 || out_->room() > 0;
}

void StreamOperation::output_room() { pump_inline(); }

void StreamOperation::pump_inline() {
  const bool finished = in_->finished();
  bool moved = false;
  while (session_.queued() < turn_budget) {
    const ByteView whole = in_->peek();
    if (whole.empty()) break;
    const ByteView piece = whole.first(std::min<std::size_t>(whole.size(), protocol::max_inline_frame));
    session_.send_raw(protocol::encode_inline_head({InlineHead::Kind::data, static_cast<std::uint32_t>(piece.size())}));
    session_.send_raw(piece);
    in_->consume(piece.size());
    moved = true;
  }
  if (moved && !closed_) session_.context().backend.control().consumed(key_);
  if (finished && !fin_sent_ && in_->readable() == 0) {
    fin_sent_ = true;
    session_.send_raw(protocol::encode_inline_head({InlineHead::Kind::fin, 0}));
  }
  if (closed_ && (!end_.ok || in_->readable() == 0)) finish_inline();
}

void StreamOperation::finish_inline() {
  if (id_.empty()) return;
  protocol::ClosedEvent event{id_, "", std::nullopt, end_.sent, end_.received};
  if (!end_.ok) event.error = end_.error;
  const std::string line = event.encode();
  session_.send_raw(protocol::encode_inline_head({InlineHead::Kind::closed, static_cast<std::uint32_t>(line.size())}));
  session_.send_raw(as_bytes(line));
  session_.ended(std::exchange(id_, {}));
  session_.close_when_written();
}

} // namespace kith::control
