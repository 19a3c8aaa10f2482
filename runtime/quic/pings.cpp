// SPDX-License-Identifier: GPL-3.0-or-later
#include "quic/pings_impl.hpp"

#include <algorithm>
#include <utility>

namespace kith::quic {
namespace {

constexpr ngtcp2_duration no_sample = UINT64_MAX; // as min_rtt of a new path

Duration to_time(ngtcp2_duration d) noexcept { return Duration(static_cast<std::int64_t>(d)); }

/// The newest sample with the peer's own delay taken off, as it went into the smoothed RTT: smoothed = (7 smoothed + sample) / 8 (RFC 9002 §5.3).
Duration sample(const ngtcp2_conn_info& before, const ngtcp2_conn_info& after) noexcept {
  if (before.min_rtt == no_sample) return to_time(after.smoothed_rtt); // the first one of a path
  const Duration adjusted = 8 * to_time(after.smoothed_rtt) - 7 * to_time(before.smoothed_rtt);
  return std::clamp(adjusted, Duration(1), to_time(after.latest_rtt));
}

} // namespace

void Pings::ask(PingId id) {
  if (all_.size() >= max_pings) {
    if (all_.front().sent == never) --unsent_;
    all_.erase(all_.begin()); // whoever asked has given up long ago
  }
  all_.push_back({id});
  ++unsent_;
}

void Pings::sent(const ngtcp2_conn_info& before, TimePoint now) {
  for (Ping& ping : all_) {
    if (ping.sent != never) continue;
    ping.sent = now;
    ping.alone = before.bytes_in_flight == 0;
    ping.lost_before = before.pkt_lost;
  }
  unsent_ = 0;
}

std::vector<PingOutcome> Pings::received(const ngtcp2_conn_info& before, const ngtcp2_conn_info& after, TimePoint now) {
  std::vector<PingOutcome> out;
  if (after.bytes_in_flight >= before.bytes_in_flight) return out; // it acknowledged nothing
  // There is no sample when the newest acknowledged packet asked for no acknowledgement, as an ACK that left behind the PING: ngtcp2 does not keep those.
  const bool sampled = after.min_rtt != no_sample;
  const TimePoint newest = sampled ? now - to_time(after.latest_rtt) : TimePoint::min(); // when the newest acknowledged packet was sent
  const bool all = after.bytes_in_flight == 0;
  std::erase_if(all_, [&](const Ping& ping) {
    if (ping.sent == never || (newest < ping.sent && !all)) return false;
    const bool later = newest != ping.sent;
    // On a connection without other traffic this is exact. Beside other traffic the answer to anything sent with the PING or after it counts for it.
    const bool lost = later && ping.alone && after.pkt_lost > ping.lost_before;
    const bool exact = (later && ping.alone) || !sampled;
    out.push_back({ping.id, lost, lost ? Duration(0) : exact ? now - ping.sent : sample(before, after)});
    return true;
  });
  return out;
}

} // namespace kith::quic
