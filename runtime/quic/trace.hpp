// SPDX-License-Identifier: GPL-3.0-or-later
// Where the events of connections go while somebody looks: qlog (draft-ietf-quic-qlog-main-schema, JSON-SEQ) as ngtcp2 writes it. It has packets, frames and
// the numbers of congestion control; it never has keys, nor what streams carry.
#pragma once

#include <memory>
#include <string_view>

namespace kith::quic {

/// One connection's events. Its end is the end of the connection.
class TraceLog {
public:
  virtual ~TraceLog() = default;
  /// `text` is valid during the call. Network thread; must not block.
  virtual void write(std::string_view text) = 0;
};

class TraceSink {
public:
  virtual ~TraceSink() = default;
  /// A connection begins. `odcid`: its first destination id in hexadecimal, which both ends know. Null: it is not recorded.
  virtual std::unique_ptr<TraceLog> open(std::string_view odcid) = 0;
};

} // namespace kith::quic
