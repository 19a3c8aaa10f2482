// SPDX-License-Identifier: GPL-3.0-or-later
// Connections: which one of a pair is used, which one goes, and when.
#include "pool/pool.hpp"

#include <algorithm>
#include <tuple>

namespace kith::pool {

/// Calls `use` for every entry of an identity; it may drop the entry.
template <class F> void Pool::for_identity(const PeerId& identity, F&& use) {
  std::vector<Key> keys;
  for (auto it = entries_.lower_bound(Key{identity, {}, {}}); it != entries_.end() && it->first.identity == identity; ++it) keys.push_back(it->first);
  for (const Key& key : keys) {
    if (Entry* entry = find_entry(key)) use(*entry);
  }
}

/// On a connection to oneself the acceptor's end opens nothing: the dialer's end serves the callers.
bool Pool::Connection::usable() const noexcept { return !goaway_sent && !goaway_received && (dialer || !entry->key.self()); }

bool Pool::Connection::dialed_by_smaller() const noexcept {
  const Key& key = entry->key;
  return dialer ? key.identity < key.peer : key.peer < key.identity;
}

Pool::Connection* Pool::find(ConnId id) {
  const auto it = connections_.find(id);
  return it == connections_.end() ? nullptr : &it->second;
}

const Pool::Connection* Pool::find(ConnId id) const {
  const auto it = connections_.find(id);
  return it == connections_.end() ? nullptr : &it->second;
}

/// Both ends order the connections of a pair alike: those in doubt last, then the one dialed by the smaller id, then the newer one.
Pool::Connection* Pool::best(const Entry& entry) {
  Connection* found = nullptr;
  const auto rank = [](const Connection& c) { return std::tuple(!c.suspect(), c.dialed_by_smaller(), c.order); };
  for (const ConnId id : entry.connections) {
    Connection& c = *find(id);
    if (c.usable() && (found == nullptr || rank(*found) < rank(c))) found = &c;
  }
  return found;
}

std::optional<ConnId> Pool::current(const Key& key) const {
  const auto it = entries_.find(key);
  if (it == entries_.end()) return std::nullopt;
  const Connection* c = const_cast<Pool*>(this)->best(*it->second); // best() changes nothing
  return c == nullptr ? std::nullopt : std::optional(c->id);
}

Pool::Connection& Pool::add_connection(Entry& entry, ConnId id, const Address& remote, bool dialer, bool stranger, TimePoint now) {
  Connection& c = connections_[id];
  c = {.id = id,
       .entry = &entry,
       .remote = remote,
       .dialer = dialer,
       .stranger = stranger,
       .order = next_id_++,
       .since = now,
       .heard = now,
       .idle_since = now,
       .pto = settings_.initial_pto};
  entry.connections.push_back(id);
  ++used_by_identity_[entry.key.identity];
  if (stranger) ++strangers_;
  schedule(c);
  return c;
}

void Pool::attempt_ready(AttemptId attempt, ConnId connection, TimePoint now) {
  const auto it = attempts_.find(attempt);
  if (it == attempts_.end()) { // abandoned while it got ready
    actions_.push_back(Close{connection, no_error, "another attempt was faster"});
    return;
  }
  Entry& entry = *it->second;
  const auto route = std::ranges::find(entry.routes, std::optional(attempt), &Route::attempt);
  const Address remote = route->candidate.address;
  route->attempt.reset();
  attempts_.erase(it);
  --used_by_identity_[entry.key.identity];
  ++counters_.handshakes_dialed;
  end_race(entry);
  entry.redials = 0;

  const bool replaces = wants_new(entry);
  for (const WaiterId id : entry.waiters) waiters_.at(id).anew = false; // it may have this one
  if (!entry.key.self()) {
    for (const ConnId id : entry.connections) {
      if (replaces) {
        retire(*find(id), now);
      } else {
        doubt(*find(id), now); // it may be of an earlier life of the peer
      }
    }
  }
  add_connection(entry, connection, remote, true, false, now);
  settle(entry, now);
}

bool Pool::accepted(const Key& key, ConnId connection, const Address& remote, bool stranger, TimePoint now) {
  std::string limit;
  if (!make_room(key, stranger, now, limit)) {
    actions_.push_back(Close{connection, Code::busy, "this daemon is at its limit " + limit});
    return false;
  }
  ++counters_.handshakes_accepted;
  if (Entry* known = find_entry(key); known != nullptr && known->connections.size() >= settings_.max_connections_per_key) {
    ++counters_.evictions;
    close(*find(known->connections.front()), Code::busy, "too many connections of one pair (max_connections_per_key)", now);
  }
  Entry& entry = entry_of(key);
  if (!key.self()) {
    for (const ConnId id : entry.connections) doubt(*find(id), now);                   // newer knowledge: the peer may have restarted
    if (entry.racing && key.peer < key.identity && !wants_new(entry)) end_race(entry); // both dial: the smaller id's dial wins
  }
  entry.redial_at = never;
  entry.redials = 0;
  add_connection(entry, connection, remote, false, stranger, now);
  settle(entry, now);
  return true;
}

/// After any change to an entry's connections: waiters get the best one unless all are in doubt, and of the others those that we dialed and that lose for
/// good are retired. With the last one gone, those who waited for it have it dialed.
void Pool::settle(Entry& entry, TimePoint now) {
  Connection* chosen = best(entry);
  if (chosen != nullptr) {
    const auto rank = [](const Connection& c) { return std::tuple(c.dialed_by_smaller(), c.order); };
    for (const ConnId id : entry.connections) {
      Connection& c = *find(id);
      if (&c != chosen && c.dialer && c.usable() && rank(c) < rank(*chosen)) retire(c, now);
    }
    if (!chosen->suspect()) grant_all(entry, *chosen, now);
  } else if (!entry.waiters.empty() && flying(entry) == 0) {
    entry.next_start = now;
    return start_race(entry, now, now);
  } else {
    end_race_if_unwanted(entry);
  }
  schedule(entry);
  drop_if_empty(entry);
}

void Pool::doubt(Connection& c, TimePoint now) {
  if (c.suspect()) return;
  c.suspect_since = now;
  actions_.push_back(Ping{c.id});
  schedule(c);
}

void Pool::retire(Connection& c, TimePoint now) {
  if (c.goaway_sent) return;
  c.goaway_sent = true;
  c.linger_until = now + silent_ptos * c.pto;
  actions_.push_back(Goaway{c.id});
  schedule(c);
}

void Pool::close(Connection& c, Code code, std::string text, TimePoint now) {
  actions_.push_back(Close{c.id, code, std::move(text)});
  forget(c, now);
}

void Pool::forget(Connection& c, TimePoint now) {
  Entry& entry = *c.entry;
  if (c.scheduled != never) timers_.erase({c.scheduled, TimerKind::connection, static_cast<std::uint64_t>(c.id)});
  std::erase(entry.connections, c.id);
  --used_by_identity_[entry.key.identity];
  if (c.stranger) --strangers_;
  connections_.erase(ConnId(c.id));
  settle(entry, now);
}

void Pool::moved(ConnId connection, const Address& remote) {
  if (Connection* c = find(connection)) c->remote = remote;
}

void Pool::closed(ConnId connection, TimePoint now) {
  if (Connection* c = find(connection)) forget(*c, now);
}

void Pool::refused(ConnId connection, TimePoint now) {
  if (find(connection) == nullptr) return;
  --counters_.handshakes_dialed;
  ++counters_.failures;
  closed(connection, now);
}

void Pool::goaway(ConnId connection, TimePoint now) {
  Connection* c = find(connection);
  if (c == nullptr || c->goaway_received) return;
  c->goaway_received = true;
  if (c->dialer && c->linger_until == never) c->linger_until = now;
  schedule(*c);
  settle(*c->entry, now);
}

void Pool::heard(ConnId connection, Duration pto, TimePoint now) {
  Connection* c = find(connection);
  if (c == nullptr) return;
  c->heard = now;
  c->pto = std::min<Duration>(pto, longest_pto);
  if (c->suspect() && now > c->suspect_since) {
    c->suspect_since = never;
    settle(*c->entry, now);
  }
}

void Pool::stream_opened(ConnId connection) {
  Connection* c = find(connection);
  if (c == nullptr) return;
  ++c->opened;
  ++c->streams;
}

void Pool::stream_ended(ConnId connection, TimePoint now) {
  Connection* c = find(connection);
  if (c == nullptr || c->streams == 0) return;
  --c->streams;
  c->idle_since = now;
  schedule(*c);
}

/// The dialer closes what is idle; an acceptor whose dialer does not, after twice that, so that nobody holds a connection by PINGs alone.
Duration Pool::idle_limit(const Connection& c) const noexcept { return c.dialer ? settings_.idle_close : 2 * settings_.idle_close; }

/// When check() has something to do at the earliest.
TimePoint Pool::due(const Connection& c) const {
  TimePoint at = c.drain_until;
  if (c.suspect()) at = std::min(at, c.suspect_since + silent_ptos * c.pto);
  if (c.stranger) at = std::min(at, c.heard + settings_.stranger_silence);
  if (c.streams > 0) return at; // QUIC keeps it alive, or finds it dead
  return std::min(at, c.linger_until != never ? c.linger_until : c.idle_since + idle_limit(c));
}

void Pool::check(Connection& c, TimePoint now) {
  if (now >= c.drain_until) return close(c, Code::shutting_down, "this identity went offline", now); // streams have run on it
  if (c.suspect() && now >= c.suspect_since + silent_ptos * c.pto) {
    return close(c, Code::connection_lost, "no answer to a PING", now);
  }
  if (c.stranger && now >= c.heard + settings_.stranger_silence) return close(c, Code::timeout, "nothing moved on it for too long", now);
  if (c.streams == 0 && c.linger_until != never) {
    if (now >= c.linger_until) return close(c, no_error, "retired", now);
  } else if (c.streams == 0 && now >= c.idle_since + idle_limit(c)) {
    retire(c, now);
    settle(*c.entry, now);
  }
  schedule(c);
}

void Pool::identity_offline(const PeerId& identity, const Error& why, TimePoint drain_until, TimePoint now) {
  for_identity(identity, [&](Entry& entry) {
    end_race(entry);
    entry.redial_at = never;
    fail_all(entry, why);
    for (const ConnId id : entry.connections) {
      Connection& c = *find(id);
      retire(c, now);
      // Its streams are reset then, and the resets have to arrive before the connection's end does.
      if (drain_until != never) c.drain_until = std::min(c.drain_until, drain_until + silent_ptos * c.pto);
      schedule(c);
    }
    settle(entry, now);
  });
}

void Pool::close_peer(const PeerId& identity, const PeerId& peer, const Error& error, TimePoint now) {
  for_identity(identity, [&](Entry& entry) {
    if (entry.key.peer != peer) return;
    end_race(entry);
    entry.redial_at = never;
    fail_all(entry, error);
    const std::vector<ConnId> all = entry.connections;
    if (all.empty()) return settle(entry, now);
    // The text is for the peer to read. The last one drops the entry.
    for (const ConnId id : all) close(*find(id), Code::cancelled, "the peer's owner closed the connection", now);
  });
}

void Pool::wake_from_sleep(TimePoint now) {
  for (const auto& [key, entry] : entries_) {
    for (const ConnId id : entry->connections) doubt(*find(id), now);
  }
}

void Pool::unanswered(ConnId connection, TimePoint now) {
  if (Connection* c = find(connection)) doubt(*c, now);
}

void Pool::address_changed(ConnId connection, TimePoint now) {
  Connection* c = find(connection);
  if (c == nullptr) return;
  Entry& entry = *c->entry;
  if (c->dialer) {
    if (entry.key.self()) return;
    c->pto = longest_pto; // between two networks there may be none for a while
    c->suspect_since = never;
    doubt(*c, now);
  } else if (c == best(entry) && !entry.racing) {
    entry.redial_to = {Candidate{c->remote, c->stranger}};
    entry.redial_at = now + Duration(random_.next_u64() % static_cast<std::uint64_t>(settings_.redial_within.count() + 1));
    schedule(entry);
  }
}

void Pool::set_stranger(const PeerId& identity, const PeerId& peer, bool stranger, TimePoint now) {
  for_identity(identity, [&](Entry& entry) {
    if (entry.key.peer != peer) return;
    for (const ConnId id : entry.connections) {
      Connection& c = *find(id);
      if (c.dialer || c.stranger == stranger) continue;
      c.stranger = stranger;
      if (stranger) ++strangers_;
      else --strangers_;
      c.heard = now; // its time begins
      schedule(c);
    }
  });
}

} // namespace kith::pool
