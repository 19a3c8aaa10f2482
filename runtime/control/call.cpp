// SPDX-License-Identifier: GPL-3.0-or-later
#include "control/call.hpp"

#include "control/roster.hpp"
#include "protocol/scanner.hpp"

namespace kith::control {

using protocol::Answer;
using protocol::Body;

Result<void> Call::start(const protocol::Request& request, ByteView octets) {
  const bool json = request.body.kind == Body::Kind::json;
  const ByteView content = json ? as_bytes(request.body.json) : octets;
  Context& context = session_.context();
  if (content.size() > context.limits.max_call_bytes) {
    return Error{Code::too_large, "the request has more than max_call_bytes (" + std::to_string(context.limits.max_call_bytes) + ") octets"};
  }
  auto opened = open(request);
  if (!opened) return opened.error();
  key_ = opened->key;
  in_ = std::move(opened->in);
  held_ = content.size();
  session_.hold(held_);
  if (!content.empty()) opened->out->write(content);
  opened->out->finish();
  context.backend.control().produced(key_);
  return {};
}

Result<node::OpenedStream> Call::open(const protocol::Request& request) {
  Context& context = session_.context();
  const auto complete = [&](auto& open, std::uint64_t timeout_ms) {
    open.kind = StreamKind::call;
    if (request.body.kind == Body::Kind::json) open.content_type = content_json;
    open.deadline = context.world.now() + std::chrono::milliseconds(timeout_ms);
  };
  if (request.type == "local") {
    const auto wanted = protocol::LocalRequest::decode(request);
    if (!wanted) return wanted.error();
    auto local = context.roster.resolve(*wanted);
    if (!local) return local.error();
    complete(*local, wanted->timeout_ms);
    return context.backend.open_local(*local, *this);
  }
  const auto wanted = protocol::CallRequest::decode(request);
  if (!wanted) return wanted.error();
  auto open = context.roster.resolve(wanted->target);
  if (!open) return open.error();
  complete(*open, wanted->target.timeout_ms);
  from_ = open->identity;
  peer_ = open->peer;
  return context.backend.open(*open, *this);
}

void Call::cancel() {
  if (answered_ || closed_) return;
  session_.context().backend.control().reset(key_, Code::cancelled, "the caller gave up");
}

void Call::replied(StreamKey, const Result<std::string>& content_type) {
  if (!content_type) return; // closed says why
  replied_ = true;
  content_type_ = *content_type;
  readable(key_);
}

void Call::readable(StreamKey) {
  if (answered_ || checking_) return;
  if (replied_ && in_->finished()) return finish();
  if (in_->readable() >= read_size) gather(); // credit for more goes back to the peer
}

void Call::gather() {
  for (ByteView piece = in_->peek(); !piece.empty(); piece = in_->peek()) {
    gathered_.append(as_text(piece));
    in_->consume(piece.size());
  }
  session_.context().backend.control().consumed(key_);
}

/// The whole reply is there. A short one is answered from the pipe without another copy.
void Call::finish() {
  ByteView whole = in_->peek();
  if (!gathered_.empty() || whole.size() != in_->readable()) {
    gather();
    whole = as_bytes(gathered_);
  }
  const bool json = content_type_ == content_json;
  if (!json || whole.size() <= parse_inline_limit) {
    answer_with(as_text(whole), json && protocol::check_json(as_text(whole)).ok());
    return;
  }
  if (gathered_.empty()) gather();
  checking_ = true;
  auto good = std::make_shared<bool>(false);
  session_.offload([this, good] { *good = protocol::check_json(gathered_).ok(); },
                   [this, good] {
                     checking_ = false;
                     answer_with(gathered_, *good);
                   });
}

void Call::answer_with(std::string_view content, bool is_json) {
  if (is_json) {
    session_.send(Answer::ok(id_, Body::of_json(content)).encode());
  } else {
    session_.send(Answer::ok(id_, Body::of_octets(content.size())).encode(), as_bytes(content));
  }
  if (const std::uint64_t rest = in_->readable(); rest > 0) {
    in_->consume(rest);
    session_.context().backend.control().consumed(key_);
  }
  answered();
}

void Call::answered() {
  answered_ = true;
  session_.unhold(held_);
  session_.settle();
  if (closed_) return session_.ended(id_);
  self_ = session_.release(id_);
}

void Call::closed(StreamKey, const StreamEnd& end) {
  closed_ = true;
  if (answered_) return session_.give_back(std::move(self_));
  if (checking_) return; // the reply is whole
  if (end.ok && replied_) return finish();
  session_.answer(Answer::failed(id_, peer_ ? session_.context().roster.explain(from_, *peer_, end) : end.error));
  answered();
}

} // namespace kith::control
