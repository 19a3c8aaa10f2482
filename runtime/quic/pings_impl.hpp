// SPDX-License-Identifier: GPL-3.0-or-later
// Which PINGs of a connection were answered. ngtcp2 does not say which packet an ACK was for, but it says how long the newest acknowledged packet had been
// under way (RFC 9002 §5.1), which tells when that one was sent.
#pragma once

#include "base/time.hpp"
#include "quic/endpoint.hpp"

#include <ngtcp2/ngtcp2.h>

#include <vector>

namespace kith::quic {

class Pings {
public:
  void ask(PingId id);
  /// Some wait to be sent.
  bool waiting() const noexcept { return unsent_ != 0; }
  bool empty() const noexcept { return all_.empty(); }
  /// Something that asks for an acknowledgement was sent at `now`; `before`: the connection before that.
  void sent(const ngtcp2_conn_info& before, TimePoint now);
  /// A packet came; the connection before and after it. Gives those that are answered or lost.
  std::vector<PingOutcome> received(const ngtcp2_conn_info& before, const ngtcp2_conn_info& after, TimePoint now);

private:
  struct Ping {
    PingId id;
    TimePoint sent = never;
    bool alone = false; ///< Nothing else was in flight: packets that are lost after it are it, or what was sent for it again.
    std::uint64_t lost_before = 0;
  };
  std::vector<Ping> all_;
  std::size_t unsent_ = 0;
};

} // namespace kith::quic
