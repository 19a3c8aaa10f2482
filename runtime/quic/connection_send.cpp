// SPDX-License-Identifier: GPL-3.0-or-later
// A connection's packets: the write scheduler's choice into GSO trains.
#include "quic/connection_impl.hpp"
#include "quic/endpoint_impl.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

namespace kith::quic {
namespace {
constexpr std::size_t max_pieces = 8; // slabs that one packet may touch; a packet is smaller than a slab

// A large packet that stays unacknowledged for so long went into a black hole. In PTOs, but not less than what a busy peer may take to come round.
constexpr int black_hole_ptos = 3;
constexpr std::chrono::milliseconds black_hole_least{500};
constexpr std::chrono::minutes small_for{1}; // then large packets are tried again
/// A connection of a few calls gains nothing from larger packets, and a probe would be the largest thing it sends.
constexpr std::uint64_t packets_before_probes = 16;
} // namespace

std::size_t Connection::write(ByteSpan buffer, std::size_t max_train, TimePoint now, Datagram& out) {
  now_ = now;
  if (state_ == State::gone) return 0;
  if (state_ == State::closing) {
    if (!closing_ || !closing_->pending) return 0;
    closing_->pending = false;
    out = closing_->datagram;
    std::copy(closing_->packet.begin(), closing_->packet.end(), buffer.begin());
    out.bytes = {buffer.data(), closing_->packet.size()};
    return closing_->packet.size();
  }
  const bool limited = limit_initials_ && !heard_;
  if (limited && initials_left_ == 0) return 0;
  if (limited) max_train = 1;
  packet_limit_ = packet_limit(now);
  train_ = buffer.data();
  ngtcp2_path_storage path;
  ngtcp2_path_storage_zero(&path);
  ngtcp2_pkt_info info{};
  std::size_t segment = 0;
  const ngtcp2_conn_info before = ping_pending_ ? numbers() : ngtcp2_conn_info{};
  const ngtcp2_ssize written = ngtcp2_conn_write_aggregate_pkt2(
      conn_.get(), &path.path, &info, buffer.data(), std::min(buffer.size(), max_train_bytes), &segment, on_write_packet, max_train, to_ngtcp2(now));
  if (written < 0) {
    fail(static_cast<int>(written), now);
    return 0;
  }
  if (written == 0) return 0;
  if (limited) --initials_left_;
  if (ping_pending_ && in_flight() > before.bytes_in_flight) { // whatever asks for an acknowledgement will do; an ACK alone does not
    ping_pending_ = false;
    listening_ = true;
    if (pings_) pings_->sent(before, now);
    set_keep_alive();
  }
  // Pacing (RFC 9002 §7.7) keeps a window from queueing up on the way. On loopback there is no way, and a kernel timer for every train costs more than the train.
  // One or the other for good: ngtcp2 counts what was sent unpaced, and would wait for all of it.
  if (!remote_.is_loopback()) ngtcp2_conn_update_pkt_tx_time(conn_.get(), to_ngtcp2(now));
  out.socket = static_cast<SocketId>(reinterpret_cast<std::uintptr_t>(path.path.user_data));
  out.local = source(path.path);
  out.remote = from_sockaddr(path.path.remote);
  out.bytes = {buffer.data(), static_cast<std::size_t>(written)};
  out.segment = segment < static_cast<std::size_t>(written) ? static_cast<std::uint16_t>(segment) : std::uint16_t{0};
  out.ecn = info.ecn;
  return static_cast<std::size_t>(written);
}

std::size_t Connection::packet_limit(TimePoint now) noexcept {
  if (large_stream_ >= 0 && now - large_since_ > std::max<Duration>(black_hole_least, black_hole_ptos * pto())) {
    const auto* stream = static_cast<const Stream*>(ngtcp2_conn_get_stream_user_data(conn_.get(), large_stream_));
    if (stream != nullptr && !stream->send_over_) small_until_ = now + small_for; // else its octets don't matter any more
    large_stream_ = -1;
  }
  if (now < small_until_ || packets_written_ < packets_before_probes) return NGTCP2_MAX_UDP_PAYLOAD_SIZE;
  // ngtcp2 writes no probe that is larger than what it is given to fill, and waits. Below Ethernet's, probes that our own link refuses are lost like others.
  if (link_size_ == 0) link_size_ = std::max<std::size_t>(endpoint_.link_size(remote_), NGTCP2_MAX_PMTUD_UDP_PAYLOAD_SIZE);
  return link_size_;
}

ngtcp2_ssize Connection::on_write_packet(ngtcp2_conn* conn, ngtcp2_path* path, ngtcp2_pkt_info* info, std::uint8_t* dest, std::size_t size,
                                         ngtcp2_tstamp now, void* user) {
  Connection& self = *static_cast<Connection*>(user);
  const bool first = dest == self.train_;
  if (!first && self.probes_other_path_) return 0;
  const ngtcp2_ssize written = self.write_packet(path, info, dest, size, now);
  // ngtcp2 1.24 goes on with a train whose first packet asks whether a path that was left is still there: all of it would go that way.
  if (first) self.probes_other_path_ = written > 0 && ngtcp2_path_eq(path, ngtcp2_conn_get_path2(conn)) == 0;
  return written;
}

ngtcp2_ssize Connection::write_packet(ngtcp2_path* path, ngtcp2_pkt_info* info, std::uint8_t* dest, std::size_t size, ngtcp2_tstamp now) {
  std::array<ByteView, max_pieces> pieces;
  std::array<ngtcp2_vec, max_pieces + 1> vectors{};
  Stream* carried = nullptr; // whose octets the packet has, the last one's
  size = std::min(size, packet_limit_);
  for (;;) {
    Stream* stream = scheduler_.front();
    std::size_t count = 0;
    std::uint64_t offered = 0;
    bool fin = false;
    std::uint32_t flags = NGTCP2_WRITE_STREAM_FLAG_NONE;
    if (stream != nullptr) {
      if (stream->prefix_sent_ < stream->prefix_.size()) {
        vectors[count++] = {stream->prefix_.data() + stream->prefix_sent_, stream->prefix_.size() - stream->prefix_sent_};
        offered += vectors[0].len;
      }
      const bool finished = stream->out_->finished();              // before peek: octets come before the finish
      const std::size_t filled = stream->out_->peek(pieces, size); // no packet takes so much
      for (std::size_t i = 0; i < filled; ++i) {
        vectors[count++] = {const_cast<std::uint8_t*>(pieces[i].data()), pieces[i].size()};
        offered += pieces[i].size();
      }
      fin = finished && stream->out_->readable() == offered - (stream->prefix_.size() - stream->prefix_sent_);
      if (fin) flags |= NGTCP2_WRITE_STREAM_FLAG_FIN;
      // GSO wants even packets: one that has no room for the next stream's octets is padded. The last one of a train is written for no stream, and isn't.
      flags |= NGTCP2_WRITE_STREAM_FLAG_PADDING | (offered >= size && has_credit(*stream, size) ? 0U : NGTCP2_WRITE_STREAM_FLAG_MORE);
    }
    ngtcp2_ssize taken = -1;
    const ngtcp2_ssize written = ngtcp2_conn_writev_stream(conn_.get(), path, info, dest, size, &taken, flags, stream != nullptr ? stream->id_ : -1,
                                                           vectors.data(), count, now);
    switch (written) {
      case NGTCP2_ERR_STREAM_DATA_BLOCKED:
        stream->flow_blocked_ = true;
        data_blocked_ = true;
        scheduler_.remove(*stream);
        continue;
      case NGTCP2_ERR_STREAM_SHUT_WR:
      case NGTCP2_ERR_STREAM_NOT_FOUND:
        stream->send_over_ = true;
        scheduler_.remove(*stream);
        continue;
      case NGTCP2_ERR_WRITE_MORE:
        account(*stream, static_cast<std::uint64_t>(taken), fin && static_cast<std::uint64_t>(taken) == offered);
        if (taken > 0) carried = stream;
        continue;
      default: break;
    }
    if (written < 0) return written;
    if (stream != nullptr && taken >= 0) account(*stream, static_cast<std::uint64_t>(taken), fin && static_cast<std::uint64_t>(taken) == offered);
    if (stream != nullptr && taken > 0) carried = stream;
    if (written > 0) ++packets_written_;
    if (written > NGTCP2_MAX_UDP_PAYLOAD_SIZE && carried != nullptr && large_stream_ < 0) {
      large_stream_ = carried->id_;
      large_end_ = carried->sent_;
      large_since_ = from_ngtcp2(now);
    }
    return written;
  }
}

/// Whether the peer takes that many more octets of the stream. Where its credit ends within a packet, another stream fills the rest.
bool Connection::has_credit(Stream& stream, std::size_t count) const noexcept {
  if (stream.sent_ + count > stream.peer_credit_) stream.peer_credit_ = stream.sent_ + ngtcp2_conn_get_max_stream_data_left2(conn_.get(), stream.id_);
  return stream.sent_ + count <= stream.peer_credit_;
}

void Connection::account(Stream& stream, std::uint64_t count, bool fin) {
  const std::uint64_t packet = packets_written_ + 1; // the one that is being written
  if (stream.sent_ == 0) stream.first_packet_ = packet;
  stream.last_packet_ = packet;
  const std::size_t of_prefix = std::min<std::size_t>(static_cast<std::size_t>(count), stream.prefix_.size() - stream.prefix_sent_);
  stream.prefix_sent_ += of_prefix;
  stream.sent_ += count;
  stream.out_->advance(count - of_prefix);
  if (fin) stream.fin_sent_ = true;
  scheduler_.sent(stream, count);
  if (!stream.has_output()) scheduler_.remove(stream);
}

} // namespace kith::quic
