// SPDX-License-Identifier: GPL-3.0-or-later
#include "access/denials.hpp"

namespace kith::access {
namespace {

constexpr UnixSeconds seconds_per_minute = 60;
constexpr std::size_t max_minutes_without_room = 64; ///< Rows beyond max_rows: one a minute while nobody takes them.

UnixSeconds minute_of(UnixSeconds now) noexcept { return now - now % seconds_per_minute; }

} // namespace

void DenialCounter::note(const PeerId& peer, std::string_view binding, UnixSeconds now) {
  Key key{minute_of(now), peer, std::string(binding)};
  if (rows_.size() >= max_rows_ && !rows_.contains(key)) {
    key = {key.minute, PeerId{}, {}};
    // When nobody takes rows, the newest that has no room of its own joins the last one: counts stay true, memory stays bounded.
    if (rows_.size() >= max_rows_ + max_minutes_without_room && !rows_.contains(key)) {
      ++rows_.rbegin()->second;
      return;
    }
  }
  ++rows_[std::move(key)];
}

std::vector<Denials> DenialCounter::take(UnixSeconds now) {
  std::vector<Denials> out;
  auto it = rows_.begin();
  for (; it != rows_.end() && it->first.minute < minute_of(now); ++it)
    out.push_back({it->first.minute, it->first.peer, it->first.binding, it->second});
  rows_.erase(rows_.begin(), it);
  return out;
}

} // namespace kith::access
