// SPDX-License-Identifier: GPL-3.0-or-later
// Whose octets go into the next packet: urgency first; then streams that have sent little, with at most 7/8 of the octets, so that endless small ones starve
// nothing; then deficit round robin by binding (Shreedhar and Varghese, 1995), one GSO train a turn.
#pragma once

#include "quic/stream.hpp"

#include <boost/intrusive/list.hpp>

#include <array>
#include <cstdint>
#include <deque>
#include <vector>

namespace kith::quic {

inline constexpr std::uint64_t bulk_turn_bytes = 64 * 1024;
inline constexpr std::uint64_t fresh_share = 7; ///< Octets of fresh streams for one of bulk, when both wait.

class WriteScheduler {
public:
  WriteScheduler() = default;
  ~WriteScheduler();
  WriteScheduler(const WriteScheduler&) = delete;
  WriteScheduler& operator=(const WriteScheduler&) = delete;

  bool empty() const noexcept { return waiting_ == 0; }
  /// The stream has something to send. Does nothing when it waits already.
  void push(Stream& stream);
  /// It has nothing to send now, or may not.
  void remove(Stream& stream);
  /// Whose turn it is; null when nobody waits.
  Stream* front() noexcept;
  /// `count` octets of the front stream went out.
  void sent(Stream& stream, std::uint64_t count);

private:
  using List = boost::intrusive::list<Stream, boost::intrusive::member_hook<Stream, boost::intrusive::list_member_hook<>, &Stream::queue_hook_>,
                                      boost::intrusive::constant_time_size<false>>;
  struct Group {
    std::uint32_t binding = 0;
    List streams;
  };
  struct Level {
    List fresh;
    std::vector<std::unique_ptr<Group>> bulk; ///< The front one has the turn; empty ones leave.
    std::uint64_t owed_to_bulk = 0;
    std::uint64_t turn = 0; ///< Octets that the front group sent in its turn.
    std::size_t waiting = 0;
  };
  static bool bulk_goes_first(const Level& level) noexcept;
  Level& level_of(const Stream& stream);
  void to_bulk(Level& level, Stream& stream);

  std::array<std::unique_ptr<Level>, 8> levels_; ///< Made when first used: most connections use two.
  std::size_t waiting_ = 0;
};

} // namespace kith::quic
