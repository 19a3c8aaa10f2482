// SPDX-License-Identifier: GPL-3.0-or-later
// Limits, timers and tables.
#include "pool/pool.hpp"

#include <tuple>

namespace kith::pool {

std::size_t Pool::count_of(const PeerId& identity) const {
  const auto it = used_by_identity_.find(identity);
  return it == used_by_identity_.end() ? 0 : it->second;
}

/// Whether one more connection may be; evicts for it where that is allowed. `limit` names the one that stands in the way.
bool Pool::make_room(const Key& key, bool stranger, TimePoint now, std::string& limit) {
  if (stranger && strangers_ >= settings_.max_stranger_connections && !evict(nullptr, true, now)) {
    limit = "max_stranger_connections";
    return false;
  }
  if (connections_.size() + attempts_.size() >= settings_.max_connections && !evict(nullptr, stranger, now)) {
    limit = "max_connections";
    return false;
  }
  if (count_of(key.identity) >= settings_.max_connections_per_identity && !evict(&key.identity, stranger, now)) {
    limit = "max_connections_per_identity";
    return false;
  }
  return true;
}

/// Closes the connection that is missed least: a stranger's before a known peer's, one without streams before one with, of those the longest idle or silent.
/// Known peers' with streams never go. For a stranger go only strangers', and none that is new.
bool Pool::evict(const PeerId* identity, bool for_stranger, TimePoint now) {
  Connection* victim = nullptr;
  const auto cost = [](const Connection& c) { return std::tuple(!c.stranger, c.streams > 0, c.streams > 0 ? c.heard : c.idle_since, c.order); };
  for (auto& [id, c] : connections_) {
    if (identity != nullptr && c.entry->key.identity != *identity) continue;
    if (c.stranger ? for_stranger && now - c.since < settings_.stranger_grace : for_stranger || c.streams > 0) continue;
    if (!c.entry->waiters.empty() || c.entry->racing) continue;
    if (victim == nullptr || cost(c) < cost(*victim)) victim = &c;
  }
  if (victim == nullptr) return false;
  ++counters_.evictions;
  close(*victim, Code::busy, "closed to make room for another", now);
  return true;
}

Pool::Entry& Pool::entry_of(const Key& key) {
  std::unique_ptr<Entry>& entry = entries_[key];
  if (entry == nullptr) {
    entry = std::make_unique<Entry>();
    entry->id = next_id_++;
    entry->key = key;
    entries_by_id_.emplace(entry->id, entry.get());
  }
  return *entry;
}

Pool::Entry* Pool::find_entry(const Key& key) {
  const auto it = entries_.find(key);
  return it == entries_.end() ? nullptr : it->second.get();
}

/// Called last: the entry may be gone afterwards.
void Pool::drop_if_empty(Entry& entry) {
  if (!entry.connections.empty() || !entry.waiters.empty() || entry.racing || entry.redial_at != never) return;
  if (entry.scheduled != never) timers_.erase({entry.scheduled, TimerKind::race, entry.id});
  if (count_of(entry.key.identity) == 0) used_by_identity_.erase(entry.key.identity);
  entries_by_id_.erase(entry.id);
  entries_.erase(Key(entry.key));
}

/// Timers only ever move forward here; one that turns out too early is put off when it fires. So a packet costs no look at the table.
void Pool::schedule(Connection& c) {
  const TimePoint at = due(c);
  if (at >= c.scheduled) return;
  const auto id = static_cast<std::uint64_t>(c.id);
  if (c.scheduled != never) timers_.erase({c.scheduled, TimerKind::connection, id});
  c.scheduled = at;
  timers_.insert({at, TimerKind::connection, id});
}

void Pool::schedule(Entry& entry) {
  const TimePoint at = due(entry);
  if (at >= entry.scheduled) return;
  if (entry.scheduled != never) timers_.erase({entry.scheduled, TimerKind::race, entry.id});
  entry.scheduled = at;
  timers_.insert({at, TimerKind::race, entry.id});
}

void Pool::on_deadline(TimePoint now) {
  while (!timers_.empty() && timers_.begin()->at <= now) {
    const Timer timer = *timers_.begin();
    timers_.erase(timers_.begin());
    if (timer.kind == TimerKind::connection) {
      Connection* c = find(ConnId{timer.id});
      c->scheduled = never;
      check(*c, now);
    } else if (timer.kind == TimerKind::race) {
      Entry* entry = entries_by_id_.at(timer.id);
      entry->scheduled = never;
      check(*entry, now);
    } else {
      const WaiterId id{timer.id};
      Entry& entry = *waiters_.at(id).entry;
      const bool own = waiters_.at(id).own_deadline;
      answer(id, race_error(entry, std::string(own ? "the deadline passed before there was a connection to " : "no connection to ") +
                                       entry.key.peer.text()));
      end_race_if_unwanted(entry);
      drop_if_empty(entry);
    }
  }
}

bool Pool::next_action(Action& out) {
  if (actions_.empty()) return false;
  out = std::move(actions_.front());
  actions_.pop_front();
  return true;
}

std::vector<Row> Pool::list() const {
  std::vector<Row> rows;
  for (const auto& [key, entry] : entries_) {
    const std::optional<ConnId> now = current(key);
    for (const ConnId id : entry->connections) {
      const Connection& c = *find(id);
      rows.push_back({key, id, c.remote, c.dialer, now == id, c.goaway_sent || c.goaway_received, c.stranger, c.streams, c.opened, c.since, c.heard,
                      c.idle_since});
    }
  }
  return rows;
}

} // namespace kith::pool
