// SPDX-License-Identifier: GPL-3.0-or-later
// One QUIC stream (RFC 9000 §2, §3): two pipes, and what its user may ask of the transport. Network thread.
#pragma once

#include "base/bytes.hpp"
#include "base/pipe.hpp"
#include "base/recycler.hpp"
#include "base/time.hpp"
#include "quic/settings.hpp"

#include <boost/container/small_vector.hpp>
#include <boost/intrusive/list_hook.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>

#include <cstdint>

namespace kith::quic {

class Connection;

inline constexpr std::uint64_t fresh_stream_bytes = 64 * 1024; ///< A stream that sent less than this goes before bulk.
inline constexpr std::uint8_t default_urgency = 3;             ///< Of 0 (first) to 7, RFC 9218 §4.1.

/// Shared by the connection and its user. After the connection is gone every request is ignored and gone() says so.
class Stream final : public boost::intrusive_ref_counter<Stream, boost::thread_unsafe_counter>, public Recycled<Stream> {
public:
  /// What happened since the user last looked; a stream stands in the endpoint's event queue at most once.
  struct Signals {
    bool opened : 1 = false;   ///< The peer opened it.
    bool readable : 1 = false; ///< `in` has new octets or its end.
    bool writable : 1 = false; ///< The answer to want_writable.
    bool reset : 1 = false;    ///< The peer gave up sending: reset_code().
    bool stopped : 1 = false;  ///< The peer gave up reading: stop_code(). What was not acknowledged is dropped.
    bool too_slow : 1 = false; ///< We gave it up, both ways: nobody moved its octets, and others need the room.
    bool closed : 1 = false;   ///< Both directions are over, or the connection is: nothing follows.
    bool lost : 1 = false;     ///< With closed: the connection went before the stream had ended.
    bool any() const noexcept { return opened || readable || writable || reset || stopped || too_slow || closed; }
  };

  Stream(Connection& connection, std::int64_t id, bool bidirectional, bool local, PipePtr in, PipePtr out) noexcept;

  std::int64_t id() const noexcept { return id_; }
  bool bidirectional() const noexcept { return bidirectional_; }
  bool local() const noexcept { return local_; } ///< We opened it.
  bool gone() const noexcept { return connection_ == nullptr; }
  const PipePtr& in() const noexcept { return in_; }
  const PipePtr& out() const noexcept { return out_; } ///< Null on a unidirectional stream of the peer's.
  std::uint64_t reset_code() const noexcept { return reset_code_; }
  std::uint64_t stop_code() const noexcept { return stop_code_; }

  /// Sends `prefix`, then whatever `out` holds and will hold; FIN when `out` is finished. Once, and only for a stream that we may send on.
  void start_sending(ByteView prefix);
  /// `out` has more, or was finished.
  void produced();
  /// Octets of `in` were consumed.
  void consumed();
  void want_writable();
  /// Keeps acknowledged octets in `out`, so that they can be sent again on another stream; off releases them. See Pipe::rewind.
  void retain(bool on);
  /// Cancels it both ways and lets go of its pipes, which are to serve another stream.
  void release_pipes();
  void reset(std::uint64_t code);        ///< Gives up sending (RESET_STREAM).
  void stop_sending(std::uint64_t code); ///< Gives up reading (STOP_SENDING).
  void set_urgency(std::uint8_t urgency);
  void set_binding(std::uint32_t binding) noexcept { binding_ = binding; } ///< Bulk shares the connection by binding.

  /// Everything that was sent left in one packet, the last one that the connection sent: a stateless reset that comes now means that the peer never saw it.
  bool only_in_last_packet() const noexcept;
  bool stopped() const noexcept { return stopped_; }           ///< The peer gave up reading.
  bool fin_sent() const noexcept { return fin_sent_; }         ///< Everything, the end included, has left (not necessarily arrived).
  std::uint64_t sent_octets() const noexcept { return sent_; } ///< Prefix and all; retransmissions don't count.

  std::uint64_t user = 0; ///< The user's own mark.

private:
  friend class Connection;
  friend class EndpointImpl;
  friend class WriteScheduler;
  friend struct Callbacks;

  bool has_output() const noexcept;

  Connection* connection_;
  std::int64_t id_;
  PipePtr in_;
  PipePtr out_;
  bool bidirectional_;
  bool local_;
  Signals signals_;
  bool in_queue_ = false; ///< Of the endpoint's events.

  // sending
  bool sending_ = false;
  bool fin_sent_ = false;
  bool send_over_ = false;    ///< Reset or stopped.
  bool flow_blocked_ = false; ///< No stream credit: waits for MAX_STREAM_DATA.
  bool retain_ = false;
  bool wants_writable_ = false;
  bool lost_in_last_packet_ = false; ///< only_in_last_packet(), kept when the connection went.
  bool stopped_ = false;
  boost::container::small_vector<std::uint8_t, 40> prefix_; ///< Most headers fit.
  std::size_t prefix_sent_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t acked_ = 0; ///< Of `out`, not yet released when retaining.
  std::uint64_t acked_prefix_ = 0;
  std::uint64_t held_ = 0;        ///< Of `out`, as its connection counts it.
  TimePoint moved_at_{};          ///< When its user last read, or its peer acknowledged.
  std::uint64_t peer_credit_ = 0; ///< The offset up to which the peer takes octets, when it was last asked for.
  std::uint64_t first_packet_ = 0;
  std::uint64_t last_packet_ = 0;
  std::uint64_t stop_code_ = 0;

  // receiving
  std::uint64_t base_ = 0; ///< Octets that an earlier stream put into `in` (a request that is sent again).
  std::uint64_t received_ = 0;
  std::uint64_t credited_ = 0; ///< The peer may send up to this offset.
  std::uint64_t counted_ = 0;  ///< Octets that no longer count as parked.
  std::uint64_t window_ = 0;
  std::uint64_t doubled_at_ = 0; ///< Offset at which the window last doubled.
  TimePoint doubled_when_{};
  std::uint64_t reset_code_ = 0;
  bool receive_over_ = false;
  bool dropped_ = false; ///< Reset too_slow, or its pipes were let go: it counts nothing more.

  // scheduling
  enum class Queue : std::uint8_t { none, fresh, bulk };
  Queue queued_ = Queue::none;
  std::uint8_t urgency_ = default_urgency;
  std::uint32_t binding_ = 0;
  std::uint64_t turn_bytes_ = 0;
  boost::intrusive::list_member_hook<> queue_hook_;
  boost::intrusive::list_member_hook<> own_hook_; ///< Of its connection's streams.
};

using StreamPtr = boost::intrusive_ptr<Stream>;

} // namespace kith::quic
