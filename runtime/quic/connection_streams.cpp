// SPDX-License-Identifier: GPL-3.0-or-later
// A connection's streams: what arrives, credit both ways (RFC 9000 §4), and what their users ask for.
#include "quic/connection_impl.hpp"
#include "quic/endpoint_impl.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

namespace kith::quic {
namespace {
// Probes back off (RFC 9002 §6.2.1), so that on a path that loses in long bursts too few are sent within the idle timeout for one to pass.
constexpr int silent_keep_alives = 4; // in the time of one

constexpr std::chrono::microseconds loopback_slack{100}; // what two processes take to come round, beside the round trip
constexpr std::uint64_t leave_portions = 16;             // of max_streams, in which leave for more of them is given back

constexpr std::chrono::seconds let_go_time{1}; // for the users of a stream that was reset too_slow
} // namespace

int Connection::on_stream_data(Stream* stream, ByteView data, bool fin) {
  // Connection credit returns as octets enter the pipe: returned only on reading, one idle reader stops every stream (DESIGN: flow control).
  ngtcp2_conn_extend_max_offset(conn_.get(), data.size());
  moved_ = true;
  if (stream == nullptr || stream->receive_over_) return 0;
  if (!data.empty()) {
    stream->in_->write(data);
    stream->received_ += data.size();
    parked_ += data.size();
  }
  if (fin) {
    stream->receive_over_ = true;
    stream->in_->finish();
  }
  stream->signals_.readable = true;
  mark(*stream);
  return 0;
}

void Connection::stream_consumed(Stream& stream) {
  const std::uint64_t consumed = stream.in_->committed() - stream.in_->outstanding() - stream.base_;
  // Parked octets are those received and not yet consumed, over all streams.
  if (consumed > stream.counted_) {
    parked_ -= std::min(parked_, consumed - stream.counted_);
    if (stream.dropped_) condemned_parked_ -= std::min(condemned_parked_, consumed - stream.counted_);
    stream.counted_ = consumed;
    stream.moved_at_ = endpoint_.now;
  }
  if (stream.receive_over_) return;
  grow_window(stream);
  const std::uint64_t target = consumed + stream.window_;
  if (target <= stream.credited_) return;
  const std::uint64_t more = target - stream.credited_;
  if (more < stream.window_ / 4) return; // fewer MAX_STREAM_DATA frames; the rest is credited with the next octets read
  stream.credited_ = target;
  ngtcp2_conn_extend_max_stream_offset(conn_.get(), stream.id_, more);
  endpoint_.want_write(*this);
}

void Connection::grow_window(Stream& stream) {
  const Settings& s = endpoint_.settings;
  if (stream.window_ >= s.max_stream_window || parked_ > s.max_parked_bytes / 2 || stream.in_->outstanding() != 0 ||
      endpoint_.slabs.bytes_in_use() > s.max_buffer_bytes / 2) {
    return;
  }
  if (stream.received_ - stream.doubled_at_ < stream.window_) return;
  // A whole window within a few round trips: the window, not the sender, is what limits. Of the shortest ones: a longer window may be but a longer queue, and would be
  // the reason for the next doubling. On real paths what is lost holds up what came after it, and that needs room; on loopback nothing is lost, and calls wait in the queue.
  const std::uint64_t least = numbers().min_rtt;
  const Duration round_trip(least == UINT64_MAX ? 0 : static_cast<std::int64_t>(least)); // none is known on a new path
  const bool fast = now_ - stream.doubled_when_ < (remote_.is_loopback() ? 2 * round_trip + loopback_slack : 4 * round_trip);
  stream.doubled_at_ = stream.received_;
  stream.doubled_when_ = now_;
  if (fast) stream.window_ = std::min(stream.window_ * 2, s.max_stream_window);
}

bool Connection::letting_go(const Stream& stream, TimePoint now) noexcept { return stream.dropped_ && now - stream.moved_at_ <= let_go_time; }

std::uint64_t Connection::held(const Stream& stream) noexcept {
  const std::uint64_t rest = stream.dropped_ && stream.out_ ? large_slab_size : 0; // a dropped pipe's last slab, until its streams' ends have gone
  return rest + (stream.in_ ? stream.in_->outstanding() : 0) + (stream.out_ ? stream.out_->outstanding() : 0);
}

std::uint64_t Connection::add_holders(std::vector<Holder>& holders, TimePoint now) {
  std::uint64_t condemned = 0;
  for (Stream& stream : streams_) {
    const std::uint64_t octets = held(stream);
    if (letting_go(stream, now)) {
      condemned += octets;
    } else if (octets != 0) {
      const Duration still = now - stream.moved_at_ + std::chrono::milliseconds(1);
      holders.push_back({StreamPtr(&stream), octets, static_cast<double>(octets) * std::chrono::duration<double>(still).count()});
    }
  }
  return condemned;
}

// Whoever uses it lets go of it at the signal; a peer that never confirms its end keeps it in QUIC, and pays for that with the connection.
void Connection::relieve_of(Stream& stream) {
  if (stream.dropped_) close(Code::too_slow, "it holds what was given up", endpoint_.now);
  else reset_too_slow(stream);
}

Stream* Connection::longest_parked() noexcept {
  Stream* worst = nullptr;
  for (Stream& stream : streams_) {
    if (stream.in_ && !stream.dropped_ && (worst == nullptr || stream.in_->outstanding() > worst->in_->outstanding())) worst = &stream;
  }
  return worst;
}

void Connection::reset_too_slow(Stream& stream) {
  stream.dropped_ = true;
  stream.signals_.too_slow = true;
  condemned_parked_ += parked_of(stream);
  stream_stop(stream, static_cast<std::uint64_t>(Code::too_slow));
  stream_reset(stream, static_cast<std::uint64_t>(Code::too_slow));
  stream.moved_at_ = endpoint_.now;
  if (stream.out_) { // ngtcp2 reads nothing of a reset stream again, and a peer that acknowledges nothing must not keep it here
    stream.out_->drop();
    stream.acked_ = 0; // released with the rest
    count_output(stream);
  }
  mark(stream);
}

// More than max_parked_bytes wait to be read on this connection: the streams whose readers are furthest behind pay. Their octets count until their users let
// go of them, beside the limit; a connection that has condemned as much again is closed.
void Connection::check_parked() {
  const std::uint64_t limit = endpoint_.settings.max_parked_bytes;
  if (condemned_parked_ > limit) {
    close(Code::too_slow, "nobody reads what is sent", now_);
    return;
  }
  if (parked_ - std::min(parked_, condemned_parked_) <= limit) return;
  if (Stream* worst = longest_parked()) reset_too_slow(*worst);
}

/// For as many more streams as have ended. A sixteenth of all at a time: a MAX_STREAMS frame for each call would be a packet of its own, and the peer's
/// acknowledgement another. But at once to a peer that has many open: it may need the last one.
void Connection::give_leave() {
  const std::uint64_t most = endpoint_.settings.max_streams;
  if (ended_bidi_ == 0 || (ended_bidi_ * leave_portions < most && bidi_streams_ * 2 < most)) return;
  ngtcp2_conn_extend_max_streams_bidi(conn_.get(), std::exchange(ended_bidi_, 0));
  endpoint_.want_write(*this);
}

void Connection::on_stream_closed(std::int64_t id, Stream* stream) {
  if (ngtcp2_conn_is_local_stream2(conn_.get(), id) == 0) {
    if (ngtcp2_is_bidi_stream(id) != 0) {
      ++ended_bidi_;
      give_leave();
    } else {
      ngtcp2_conn_extend_max_streams_uni(conn_.get(), 1);
    }
  }
  if (stream == nullptr) return;
  const StreamPtr keep(stream, false); // the list's share
  streams_.erase(streams_.iterator_to(*stream));
  if (keep->bidirectional_) --bidi_streams_;
  scheduler_.remove(*keep);
  uncount(*keep);
  keep->signals_.closed = true;
  mark(*keep);
  keep->connection_ = nullptr;
  update_keep_alive();
}

std::uint64_t Connection::parked_of(const Stream& stream) noexcept {
  return stream.in_ ? stream.received_ - std::min(stream.received_, stream.counted_) : 0;
}

void Connection::uncount(Stream& stream) noexcept {
  const std::uint64_t parked = parked_of(stream);
  parked_ -= std::min(parked_, parked);
  if (stream.dropped_) condemned_parked_ -= std::min(condemned_parked_, parked);
  held_ -= std::exchange(stream.held_, 0);
}

// The peer may be long in confirming its end, and what it acknowledges of it until then is not what stands in those pipes by then.
void Connection::forget_pipes(Stream& stream) noexcept {
  uncount(stream);
  stream.dropped_ = true;
}

void Connection::on_acked(Stream& stream, std::uint64_t count) {
  moved_ = true;
  if (stream.dropped_) return; // dropped already
  stream.moved_at_ = now_;
  const std::uint64_t of_prefix = std::min<std::uint64_t>(count, stream.prefix_.size() - stream.acked_prefix_);
  stream.acked_prefix_ += of_prefix;
  stream.acked_ += count - of_prefix;
  if (!stream.retain_) release_acked(stream);
}

void Connection::release_acked(Stream& stream) {
  if (stream.dropped_) return; // dropped already
  if (stream.acked_ != 0) stream.out_->release(std::exchange(stream.acked_, 0));
  count_output(stream);
  stream.out_->set_limit(send_limit(stream));
  if (stream.wants_writable_ && stream.out_->room() >= stream.out_->limit() / 4) {
    stream.wants_writable_ = false;
    stream.signals_.writable = true;
    mark(stream);
  }
}

// What a peer does not acknowledge stays here, so a connection has max_send_buffer for all its streams. Producers, on threads of their own, see their pipe's
// limit alone: at the limit every pipe gets a small one. Requests of ours that are kept for a resend have their own bounds.
void Connection::count_output(Stream& stream) {
  const std::uint64_t most = endpoint_.settings.max_send_buffer;
  const bool was_full = held_ >= most;
  const std::uint64_t now = stream.out_->outstanding();
  held_ += now - stream.held_;
  stream.held_ = now;
  if (held_ < most) { // the first time: from here on it has its share
    if (!stream.local_ && stream.out_->limit() <= first_send_buffer && !stream.dropped_) stream.out_->set_limit(send_limit(stream));
    return;
  }
  if (was_full) return;
  for (const Stream& other : streams_) {
    if (other.out_ && !other.retain_) other.out_->set_limit(scarce_send_buffer);
  }
}

// Twice the window in flight keeps the connection busy while the producer is told and writes more; at most four times what is left, so that one stream whose
// peer stops reading leaves a fifth of it all to the others.
std::uint64_t Connection::send_limit(const Stream& stream) const noexcept {
  const Settings& s = endpoint_.settings;
  std::uint64_t wanted = std::max(2 * cwnd_, default_pipe_limit);
  if (endpoint_.slabs.bytes_in_use() > s.max_buffer_bytes / 2) wanted = default_pipe_limit;
  const std::uint64_t left = s.max_send_buffer - std::min(held_, s.max_send_buffer);
  return std::max(scarce_send_buffer, std::min({wanted, 4 * left, stream.held_ + left}));
}

// --- streams

StreamPtr Connection::adopt(std::int64_t id, bool bidirectional, bool local, PipePtr in, PipePtr out) {
  StreamPtr stream(new Stream(*this, id, bidirectional, local, std::move(in), std::move(out)));
  stream->window_ = stream->credited_ = endpoint_.settings.stream_window;
  stream->doubled_when_ = now_;
  stream->moved_at_ = endpoint_.now;
  if (stream->in_) stream->base_ = stream->in_->committed();
  // Many may be answered before the first answer is counted. A request of ours was bounded by whoever opened it.
  if (stream->out_ && !local) stream->out_->set_limit(std::min(first_send_buffer, send_limit(*stream)));
  streams_.push_back(*stream);
  intrusive_ptr_add_ref(stream.get());
  if (bidirectional) ++bidi_streams_;
  return stream;
}

Result<StreamPtr> Connection::open_stream(PipePtr in, PipePtr out) {
  if (state_ != State::ready) return Error{Code::connection_lost, "the connection is closed"};
  std::int64_t id = -1;
  if (ngtcp2_conn_open_bidi_stream(conn_.get(), &id, nullptr) != 0) {
    streams_wanted_ = true;
    return Error{Code::busy, "the peer takes no more streams now"};
  }
  StreamPtr stream = adopt(id, true, true, std::move(in), std::move(out));
  ngtcp2_conn_set_stream_user_data(conn_.get(), id, stream.get());
  update_keep_alive();
  return stream;
}

Result<StreamPtr> Connection::open_uni_stream(PipePtr out) {
  if (state_ != State::ready) return Error{Code::connection_lost, "the connection is closed"};
  std::int64_t id = -1;
  if (ngtcp2_conn_open_uni_stream(conn_.get(), &id, nullptr) != 0) return Error{Code::busy, "the peer takes no more streams now"};
  StreamPtr stream = adopt(id, false, true, nullptr, std::move(out));
  ngtcp2_conn_set_stream_user_data(conn_.get(), id, stream.get());
  return stream;
}

void Connection::mark(Stream& stream) {
  if (stream.in_queue_) return;
  stream.in_queue_ = true;
  // An acceptor may send before its dialer knows that it is accepted, or has looked at the key: nobody hears of its streams before `ready`.
  if (state_ == State::handshaking) {
    early_.push_back(StreamPtr(&stream));
    return;
  }
  endpoint_.emit(Event::Kind::stream, id_, StreamPtr(&stream));
}

void Connection::stream_produced(Stream& stream) {
  if (stream.out_) count_output(stream);
  if (state_ != State::ready || stream.flow_blocked_ || !stream.has_output()) return;
  scheduler_.push(stream);
  endpoint_.want_write(*this);
}

void Connection::stream_want_writable(Stream& stream) {
  stream.wants_writable_ = true;
  if (stream.out_->room() == 0) return;
  stream.wants_writable_ = false;
  stream.signals_.writable = true;
  mark(stream);
}

void Connection::stream_reset(Stream& stream, std::uint64_t code) {
  if (stream.send_over_ || state_ != State::ready) return;
  if (!stream.local_ && !stream.bidirectional_) return;
  stream.send_over_ = true;
  scheduler_.remove(stream);
  ngtcp2_conn_shutdown_stream_write(conn_.get(), 0, stream.id_, code);
  endpoint_.want_write(*this);
}

void Connection::stream_stop(Stream& stream, std::uint64_t code) {
  if (stream.receive_over_ || state_ != State::ready) return;
  if (stream.local_ && !stream.bidirectional_) return;
  stream.receive_over_ = true;
  ngtcp2_conn_shutdown_stream_read(conn_.get(), 0, stream.id_, code);
  endpoint_.want_write(*this);
}

void Connection::stream_set_urgency(Stream& stream, std::uint8_t urgency) {
  const bool waits = stream.queued_ != Stream::Queue::none;
  scheduler_.remove(stream);
  stream.urgency_ = std::min<std::uint8_t>(urgency, 7);
  if (waits) scheduler_.push(stream);
}

void Connection::update_keep_alive() {
  if (!ping_pending_ && (bidi_streams_ != 0) != keeping_alive_) set_keep_alive();
}

void Connection::set_keep_alive() {
  keeping_alive_ = bidi_streams_ != 0;
  const Duration interval = silent_ ? endpoint_.settings.keep_alive / silent_keep_alives : endpoint_.settings.keep_alive;
  ngtcp2_conn_set_keep_alive_timeout(conn_.get(), keeping_alive_ ? to_duration(interval) : UINT64_MAX);
}

std::uint64_t Connection::packets_received() const noexcept { return numbers().pkt_recv; }

ngtcp2_conn_info Connection::numbers() const noexcept {
  ngtcp2_conn_info info{};
  ngtcp2_conn_get_conn_info2(conn_.get(), &info);
  return info;
}

// Credit came: on the connection there is no signal for it, so it is looked for after each packet while some stream waits.
void Connection::unblock() {
  if (!data_blocked_ || ngtcp2_conn_get_max_data_left2(conn_.get()) == 0) return;
  data_blocked_ = false;
  for (Stream& stream : streams_) {
    if (!stream.flow_blocked_) continue;
    if (ngtcp2_conn_get_max_stream_data_left2(conn_.get(), stream.id_) == 0) continue; // extend_max_stream_data tells
    stream.flow_blocked_ = false;
    if (stream.has_output()) scheduler_.push(stream);
  }
}

} // namespace kith::quic
