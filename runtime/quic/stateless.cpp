// SPDX-License-Identifier: GPL-3.0-or-later
// Answers to packets of no connection: version negotiation (RFC 9000 §6), Retry (§8.1.2), stateless reset (§10.3). They keep nothing but a short queue.
#include "quic/endpoint_impl.hpp"

#include <algorithm>
#include <array>
#include <chrono>

namespace kith::quic {
namespace {

constexpr std::size_t max_pending_replies = 256; // that wait for the socket; more are dropped
constexpr std::size_t min_reset_trigger = 22;    // a stateless reset is shorter than what triggers it, and 21 octets at least (RFC 9000 §10.3)

} // namespace

void EndpointImpl::queue_reply(const Datagram& to, Bytes bytes) {
  if (replies.size() >= max_pending_replies) return;
  replies.push_back({to.socket, to.local, to.remote, std::move(bytes), false});
}

void EndpointImpl::reply_versions(const Datagram& to, const ngtcp2_version_cid& header) {
  std::array<std::uint32_t, 1> versions{NGTCP2_PROTO_VER_V1};
  Bytes out(min_initial_datagram);
  const ngtcp2_ssize size = ngtcp2_pkt_write_version_negotiation(out.data(), out.size(), static_cast<std::uint8_t>(random.next_u64()), header.scid,
                                                                 header.scidlen, header.dcid, header.dcidlen, versions.data(), versions.size());
  if (size <= 0) return;
  out.resize(static_cast<std::size_t>(size));
  queue_reply(to, std::move(out));
}

void EndpointImpl::reply_retry(const Datagram& to, const ngtcp2_pkt_hd& header) {
  ngtcp2_cid scid{};
  new_cid(scid, std::max<std::size_t>(settings.cid_size, NGTCP2_MIN_INITIAL_DCIDLEN));
  const Bytes token = make_retry_token(secrets.retry, to.remote, cid_view(scid), cid_view(header.dcid), now);
  Bytes out(min_initial_datagram);
  const ngtcp2_ssize size =
      ngtcp2_crypto_write_retry(out.data(), out.size(), header.version, &header.scid, &scid, &header.dcid, token.data(), token.size());
  if (size <= 0) return;
  out.resize(static_cast<std::size_t>(size));
  ++counters.retries_sent;
  queue_reply(to, std::move(out));
}

// From before a restart, perhaps: tell the sender, but not for ever.
void EndpointImpl::reply_reset(const Datagram& to, ByteView packet, const ngtcp2_version_cid& header) {
  if (packet.size() < min_reset_trigger) return;
  if (now - reset_second >= std::chrono::seconds(1)) {
    reset_second = now;
    resets_in_second = 0;
  }
  if (resets_in_second >= settings.stateless_resets_per_second) return;
  ++resets_in_second;
  ngtcp2_cid cid{};
  ngtcp2_cid_init(&cid, header.dcid, header.dcidlen);
  ngtcp2_stateless_reset_token token{};
  write_reset_token(token.data, cid);
  std::array<std::uint8_t, 64> noise{};
  const std::size_t noise_size = std::min<std::size_t>(packet.size() - NGTCP2_STATELESS_RESET_TOKENLEN - 1, noise.size());
  random.fill({noise.data(), noise_size});
  Bytes out(noise_size + NGTCP2_STATELESS_RESET_TOKENLEN);
  const ngtcp2_ssize size = ngtcp2_pkt_write_stateless_reset2(out.data(), out.size(), &token, noise.data(), noise_size);
  if (size <= 0) return;
  out.resize(static_cast<std::size_t>(size));
  ++counters.stateless_resets_sent;
  queue_reply(to, std::move(out));
}

} // namespace kith::quic
