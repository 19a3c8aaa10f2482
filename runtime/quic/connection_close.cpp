// SPDX-License-Identifier: GPL-3.0-or-later
// A connection's time and its end: deadlines, closes of both sides, and what they mean in kith's terms.
#include "quic/connection_impl.hpp"
#include "quic/endpoint_impl.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <string>

namespace kith::quic {
namespace {
constexpr std::chrono::seconds longest_linger{3};
constexpr int most_last_packets = 3; ///< Of which one acknowledges: QUIC answers a path's challenge and sends one of its own first.
constexpr std::chrono::milliseconds longest_ack_delay{25};           ///< ngtcp2's default, which we promise.
constexpr Duration timer_granularity = std::chrono::milliseconds(1); ///< RFC 9002 §6.1.2 (kGranularity).
} // namespace

TimePoint Connection::deadline() const noexcept {
  if (state_ == State::closing || state_ == State::gone) return linger_until_;
  const TimePoint at = from_ngtcp2(ngtcp2_conn_get_expiry2(conn_.get()));
  if (!confirmed_) return std::min(at, confirm_by_);
  if (at == never || ping_pending_ || !remote_.is_loopback() || !scheduler_.empty() || in_flight() != 0) return at;
  // Nothing is paced here and nothing on the way, so nobody waits for more than an acknowledgement. ngtcp2 gives it after an eighth of a round trip: on loopback in
  // a packet of its own, just before the next request that it could have gone with.
  const Duration rest = at.time_since_epoch() % timer_granularity;
  return rest == Duration::zero() ? at : at + (timer_granularity - rest);
}

void Connection::on_deadline(TimePoint now) {
  now_ = now;
  if (state_ == State::closing) {
    if (now >= linger_until_) state_ = State::gone;
    return;
  }
  if (state_ == State::gone) return;
  if (!confirmed_ && now >= confirm_by_) return fail(NGTCP2_ERR_IDLE_CLOSE, now);
  const int result = ngtcp2_conn_handle_expiry(conn_.get(), to_ngtcp2(now));
  if (result != 0) {
    fail(result, now);
    return;
  }
  if (keeping_alive_ && !silent_ && !ping_pending_ && now - heard_at_ > endpoint_.settings.keep_alive) {
    silent_ = true;
    set_keep_alive();
  }
  endpoint_.want_write(*this);
}

void Connection::ping() {
  if (state_ != State::ready) return;
  // ngtcp2 sends a PING when its keep-alive time is over: let that be now; write() sets the usual time again.
  ngtcp2_conn_set_keep_alive_timeout(conn_.get(), 1);
  ping_pending_ = true;
  endpoint_.update_timer(*this);
}

void Connection::ping(PingId id) {
  if (state_ != State::ready) return;
  if (!pings_) pings_ = std::make_unique<Pings>();
  pings_->ask(id);
  ping();
  endpoint_.want_write(*this);
}

void Connection::close(Code code, std::string_view text, TimePoint now) {
  now_ = now;
  if (state_ == State::closing || state_ == State::gone) return;
  ngtcp2_ccerr error;
  ngtcp2_ccerr_default(&error);
  ngtcp2_ccerr_set_application_error(&error, static_cast<std::uint64_t>(code), reinterpret_cast<const std::uint8_t*>(text.data()),
                                     std::min<std::size_t>(text.size(), 256));
  send_close(error, {{code, std::string(text)}, false, false, state_ == State::ready}, now);
}

TimePoint Connection::acknowledge(TimePoint now) {
  if (state_ != State::ready) return now;
  const TimePoint due = now + longest_ack_delay;
  std::array<std::uint8_t, NGTCP2_MAX_UDP_PAYLOAD_SIZE> buffer; // NOLINT(cppcoreguidelines-pro-type-member-init): written before it is read
  for (int packet = 0; packet < most_last_packets; ++packet) {
    ngtcp2_path_storage path;
    ngtcp2_path_storage_zero(&path);
    ngtcp2_pkt_info info{};
    const ngtcp2_ssize size = ngtcp2_conn_write_pkt(conn_.get(), &path.path, &info, buffer.data(), buffer.size(), to_ngtcp2(due));
    if (size <= 0) break;
    endpoint_.replies.push_back({static_cast<SocketId>(reinterpret_cast<std::uintptr_t>(path.path.user_data)), source(path.path),
                                 from_sockaddr(path.path.remote), Bytes(buffer.begin(), buffer.begin() + size), true});
  }
  return due;
}

void Connection::fail(int result, TimePoint now) {
  const bool was_ready = state_ == State::ready;
  switch (result) {
    case NGTCP2_ERR_DRAINING:
      if (restarted_) {
        finish({{Code::connection_lost, "the peer was restarted"}, true, true, was_ready}, now);
      } else {
        finish(peers_reason(), now + linger_time());
      }
      return;
    case NGTCP2_ERR_IDLE_CLOSE:
      finish({{was_ready ? Code::connection_lost : Code::unreachable, was_ready ? "no answer from " + remote_.text() : "no answer"},
              false,
              false,
              was_ready},
             now);
      return;
    case NGTCP2_ERR_HANDSHAKE_TIMEOUT: finish({{Code::unreachable, "no answer"}, false, false, false}, now); return;
    case NGTCP2_ERR_DROP_CONN:
    case NGTCP2_ERR_RETRY: finish({{Code::unreachable, "the handshake was dropped"}, false, false, false}, now); return;
    default: break;
  }
  ngtcp2_ccerr error;
  ngtcp2_ccerr_default(&error);
  CloseReason reason{
      {was_ready ? Code::connection_lost : Code::unreachable, std::string("QUIC: ") + ngtcp2_strerror(result)}, false, false, was_ready};
  if (refusal_) {
    reason.error = *refusal_;
    ngtcp2_ccerr_set_application_error(&error, static_cast<std::uint64_t>(refusal_->code), nullptr, 0);
  } else if (result == NGTCP2_ERR_CRYPTO) {
    ngtcp2_ccerr_set_tls_alert(&error, ngtcp2_conn_get_tls_alert2(conn_.get()), nullptr, 0);
    reason.error.text = was_ready ? "the peer's TLS sent what may not come after the handshake (RFC 9001)" : "TLS refused the handshake";
  } else {
    ngtcp2_ccerr_set_liberr(&error, result, nullptr, 0);
  }
  send_close(error, std::move(reason), now);
}

// What the peer's CONNECTION_CLOSE means here (DESIGN section 5: what a failed dial gives).
CloseReason Connection::peers_reason() const {
  const ngtcp2_ccerr* error = ngtcp2_conn_get_ccerr2(conn_.get());
  const std::string text(reinterpret_cast<const char*>(error->reason), error->reasonlen);
  const bool was_ready = state_ == State::ready;
  CloseReason reason{{was_ready ? Code::connection_lost : Code::unreachable, text}, true, false, was_ready};
  constexpr std::uint64_t crypto_error = 0x100; // RFC 9000 §20.1
  if (error->type == NGTCP2_CCERR_TYPE_APPLICATION) {
    const auto code = static_cast<Code>(error->error_code);
    reason.error.code = find_code(code) != nullptr ? code : Code::connection_lost;
    if (text.empty()) reason.error.text = "the peer closed the connection (" + code_name(code) + ")";
  } else if (error->error_code == crypto_error + tls::alert_unrecognized_name) {
    reason.error = {Code::offline, "the peer is not online there"};
  } else if (error->error_code == crypto_error + tls::alert_no_application_protocol) {
    reason.error = {Code::unsupported_version, "the peer there does not speak " + alpn_};
  } else if (text.empty()) {
    reason.error.text = "the peer closed the connection (QUIC error " + std::to_string(error->error_code) + ")";
  }
  return reason;
}

void Connection::send_close(const ngtcp2_ccerr& error, CloseReason reason, TimePoint now) {
  std::array<std::uint8_t, 1500> buffer{};
  ngtcp2_path_storage path;
  ngtcp2_path_storage_zero(&path);
  ngtcp2_pkt_info info{};
  const ngtcp2_ssize size =
      ngtcp2_conn_write_connection_close(conn_.get(), &path.path, &info, buffer.data(), NGTCP2_MAX_UDP_PAYLOAD_SIZE, &error, to_ngtcp2(now));
  if (size > 0) {
    closing_ = std::make_unique<Closing>();
    closing_->packet.assign(buffer.begin(), buffer.begin() + size);
    Datagram& datagram = closing_->datagram;
    datagram.socket = static_cast<SocketId>(reinterpret_cast<std::uintptr_t>(path.path.user_data));
    datagram.local = source(path.path);
    datagram.remote = from_sockaddr(path.path.remote);
    datagram.ecn = info.ecn;
  }
  finish(std::move(reason), now + linger_time());
  if (closing_) endpoint_.want_write(*this);
}

// Frees what is large at once; the connection ids stay until `linger_until`, so that late packets find somebody.
void Connection::finish(CloseReason reason, TimePoint linger_until) {
  if (!half_open_) {
    lingers_ = true;
    ++endpoint_.lingering;
  }
  state_ = State::closing; // a handshake that failed counts as half open until this lingering ends: refusing strangers has its bound too
  early_.clear();
  linger_until_ = linger_until;
  endpoint_.emit_closed(id_, std::move(reason)); // what its streams say after that is to be read with this in mind
  streams_.clear_and_dispose([this](Stream* over) {
    const StreamPtr stream(over, false); // the list's share
    scheduler_.remove(*stream);
    stream->lost_in_last_packet_ = stream->only_in_last_packet();
    stream->connection_ = nullptr;
    stream->signals_.closed = true;
    stream->signals_.lost = true;
    mark(*stream);
  });
  tls_.reset();
  conn_.reset();
  trace_.reset();
  pings_.reset();
  endpoint_.update_timer(*this);
}

// RFC 9000 §10.2 asks for three PTO, of which a peer that answers late can make many seconds.
Duration Connection::linger_time() const noexcept { return std::min<Duration>(3 * pto(), longest_linger); }

Duration Connection::pto() const noexcept {
  return conn_ ? Duration(static_cast<std::int64_t>(ngtcp2_conn_get_pto2(conn_.get()))) : Duration(std::chrono::milliseconds(100));
}

std::uint64_t Connection::streams_left() const noexcept { return state_ == State::ready ? ngtcp2_conn_get_streams_bidi_left2(conn_.get()) : 0; }

ConnectionInfo Connection::info() const {
  ConnectionInfo out;
  out.id = id_;
  out.identity = identity_;
  out.peer = peer_;
  out.alpn = alpn_;
  out.socket = socket_;
  out.remote = remote_;
  out.dialer = dialer_;
  out.ready = state_ == State::ready;
  out.streams = bidi_streams_;
  out.parked_bytes = parked_;
  out.transport_bytes = transport_bytes_;
  out.pto = pto();
  if (!conn_) return out;
  out.local = dialer_ ? local_ : from_sockaddr(ngtcp2_conn_get_path2(conn_.get())->local);
  out.mtu = ngtcp2_conn_get_path_max_tx_udp_payload_size2(conn_.get());
  const ngtcp2_conn_info info = numbers();
  out.smoothed_rtt = Duration(static_cast<std::int64_t>(info.smoothed_rtt));
  out.congestion_window = info.cwnd;
  out.in_flight = info.bytes_in_flight;
  out.bytes_sent = info.bytes_sent;
  out.bytes_received = info.bytes_recv;
  out.bytes_lost = info.bytes_lost;
  out.packets_sent = info.pkt_sent;
  out.packets_lost = info.pkt_lost;
  return out;
}

} // namespace kith::quic
