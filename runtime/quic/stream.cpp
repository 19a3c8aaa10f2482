// SPDX-License-Identifier: GPL-3.0-or-later
#include "quic/stream.hpp"

#include "quic/connection_impl.hpp"

#include <utility>

namespace kith::quic {

Stream::Stream(Connection& connection, std::int64_t id, bool bidirectional, bool local, PipePtr in, PipePtr out) noexcept
    : connection_(&connection), id_(id), in_(std::move(in)), out_(std::move(out)), bidirectional_(bidirectional), local_(local) {}

bool Stream::has_output() const noexcept {
  if (!sending_ || send_over_ || fin_sent_) return false;
  return prefix_sent_ < prefix_.size() || (out_ && (out_->finished() || out_->readable() != 0));
}

void Stream::start_sending(ByteView prefix) {
  if (gone() || sending_) return;
  prefix_.assign(prefix.begin(), prefix.end());
  sending_ = true;
  connection_->stream_produced(*this);
}

void Stream::produced() {
  if (!gone()) connection_->stream_produced(*this);
}

void Stream::consumed() {
  if (!gone()) connection_->stream_consumed(*this);
}

void Stream::want_writable() {
  if (!gone()) connection_->stream_want_writable(*this);
}

void Stream::retain(bool on) {
  retain_ = on;
  if (on || !out_ || dropped_) return;
  if (gone()) {
    out_->release(std::exchange(acked_, 0));
  } else {
    connection_->release_acked(*this);
  }
}

void Stream::release_pipes() {
  reset(static_cast<std::uint64_t>(Code::cancelled));
  stop_sending(static_cast<std::uint64_t>(Code::cancelled));
  if (!gone()) connection_->forget_pipes(*this);
  in_.reset();
  out_.reset();
}

void Stream::reset(std::uint64_t code) {
  if (!gone()) connection_->stream_reset(*this, code);
}

void Stream::stop_sending(std::uint64_t code) {
  if (!gone()) connection_->stream_stop(*this, code);
}

void Stream::set_urgency(std::uint8_t urgency) {
  if (!gone()) connection_->stream_set_urgency(*this, urgency);
}

bool Stream::only_in_last_packet() const noexcept {
  if (gone()) return lost_in_last_packet_;
  return sent_ != 0 && first_packet_ == last_packet_ && last_packet_ == connection_->packets_written();
}

} // namespace kith::quic
