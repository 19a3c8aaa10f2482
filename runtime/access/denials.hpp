// SPDX-License-Identifier: GPL-3.0-or-later
// Refusals, added up by the minute for the audit, so that a peer who knocks all night cannot fill the disk.
#pragma once

#include "base/peer_id.hpp"
#include "base/time.hpp"

#include <compare>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace kith::access {

/// One row for the audit.
struct Denials {
  UnixSeconds minute = 0; ///< The start of the minute.
  PeerId peer;            ///< All zero in the row of those for whom there was no room.
  std::string binding;    ///< As the caller names it ("alice/Echo/default"); empty in the row of those for whom there was no room.
  std::uint64_t count = 0;
  friend bool operator==(const Denials&, const Denials&) = default;
};

/// Counts in memory until a minute is over. Network thread.
class DenialCounter {
public:
  static constexpr std::size_t default_max_rows = 4096;

  /// `max_rows` bounds what is kept; further (peer, binding) pairs are counted together, one row a minute.
  explicit DenialCounter(std::size_t max_rows = default_max_rows) noexcept : max_rows_(max_rows) {}

  void note(const PeerId& peer, std::string_view binding, UnixSeconds now);
  /// Takes the rows of all minutes that are over at `now`, oldest first. At shutdown pass the end of time to take all.
  std::vector<Denials> take(UnixSeconds now);
  std::size_t rows() const noexcept { return rows_.size(); }

private:
  struct Key {
    UnixSeconds minute;
    PeerId peer;
    std::string binding;
    friend auto operator<=>(const Key&, const Key&) = default;
  };

  std::size_t max_rows_;
  std::map<Key, std::uint64_t> rows_;
};

} // namespace kith::access
