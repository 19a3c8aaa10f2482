// SPDX-License-Identifier: GPL-3.0-or-later
// Waiters, and the race of attempts that serves them: each address is an attempt of its own, the first that is authenticated wins.
#include "pool/pool.hpp"

#include <algorithm>

namespace kith::pool {

namespace {

/// Which of several addresses' answers is the one to report: the closer it came to the peer, the better.
int telling(Code code) noexcept {
  switch (code) {
    case Code::unreachable: return 0;
    case Code::wrong_key: return 2;
    case Code::offline: return 3;
    case Code::unsupported_version: return 4;
    case Code::denied: return 5;
    default: return 1;
  }
}

} // namespace

std::optional<ConnId> Pool::reuse(const Key& key, TimePoint now) {
  const Entry* entry = find_entry(key);
  Connection* c = entry != nullptr ? best(*entry) : nullptr;
  if (c == nullptr || c->suspect()) return std::nullopt;
  ++counters_.reuses;
  c->idle_since = now;
  return c->id;
}

WaiterId Pool::want(const Key& key, std::span<const Candidate> candidates, TimePoint now, TimePoint deadline) {
  if (const auto connection = reuse(key, now)) {
    const WaiterId id{next_id_++};
    actions_.push_back(Grant{id, *connection});
    return id;
  }
  return enlist(key, candidates, now, deadline, false);
}

WaiterId Pool::want_new(const Key& key, std::span<const Candidate> candidates, TimePoint now) { return enlist(key, candidates, now, never, true); }

WaiterId Pool::enlist(const Key& key, std::span<const Candidate> candidates, TimePoint now, TimePoint deadline, bool anew) {
  const WaiterId id{next_id_++};
  Entry& entry = entry_of(key);
  if (entry.waiters.size() >= settings_.max_waiters_per_peer) {
    ++counters_.failures;
    actions_.push_back(Fail{id, {Code::busy, "too many calls wait for a connection to " + key.peer.text() + " (max_waiters_per_peer)"}});
    return id;
  }
  const TimePoint latest = now + settings_.connect_timeout;
  const auto it = waiters_.emplace(id, Waiter{&entry, std::min(deadline, latest), deadline <= latest, anew}).first;
  entry.waiters.insert(id);
  timers_.insert({it->second.expires, TimerKind::waiter, static_cast<std::uint64_t>(id)});
  add_routes(entry, candidates, now);
  const Connection* doubted = anew ? nullptr : best(entry); // its PING is given time to be answered
  start_race(entry, doubted == nullptr ? now : doubted->suspect_since + silent_ptos * std::min(doubted->pto, settings_.initial_pto), now);
  return id;
}

void Pool::cancel(WaiterId waiter) {
  const auto it = waiters_.find(waiter);
  if (it == waiters_.end()) return;
  Entry& entry = *it->second.entry;
  timers_.erase({it->second.expires, TimerKind::waiter, static_cast<std::uint64_t>(waiter)});
  waiters_.erase(it);
  entry.waiters.erase(waiter);
  end_race_if_unwanted(entry);
  drop_if_empty(entry);
}

void Pool::answer(WaiterId waiter, const Error& error) {
  const auto it = waiters_.find(waiter);
  timers_.erase({it->second.expires, TimerKind::waiter, static_cast<std::uint64_t>(waiter)});
  it->second.entry->waiters.erase(waiter);
  waiters_.erase(it);
  ++counters_.failures;
  actions_.push_back(Fail{waiter, error});
}

void Pool::grant_all(Entry& entry, Connection& c, TimePoint now) {
  std::erase_if(entry.waiters, [&](WaiterId id) {
    const auto it = waiters_.find(id);
    if (it->second.anew) return false;
    timers_.erase({it->second.expires, TimerKind::waiter, static_cast<std::uint64_t>(id)});
    waiters_.erase(it);
    c.idle_since = now;
    actions_.push_back(Grant{id, c.id});
    return true;
  });
  if (entry.waiters.empty() && flying(entry) == 0) end_race(entry); // it was not needed
}

bool Pool::wants_new(const Entry& entry) const {
  return std::ranges::any_of(entry.waiters, [this](WaiterId id) { return waiters_.at(id).anew; });
}

void Pool::fail_all(Entry& entry, const Error& error) {
  while (!entry.waiters.empty()) answer(*entry.waiters.begin(), error);
}

/// Addresses that are new to the race, and those whose last attempt is so old that its next Initial may be seconds away.
void Pool::add_routes(Entry& entry, std::span<const Candidate> candidates, TimePoint now) {
  std::size_t left_out = 0;
  for (const Candidate& candidate : candidates) {
    const auto known =
        std::find_if(entry.routes.rbegin(), entry.routes.rend(), [&](const Route& r) { return r.candidate.address == candidate.address; });
    const bool fresh = known == entry.routes.rend();
    if (!fresh && (known->queued || now - known->started < settings_.attempt_refresh)) continue;
    if (!fresh && !known->attempt) {
      known->queued = true;
    } else if (entry.routes.size() < settings_.max_addresses_per_peer) {
      entry.routes.push_back({.candidate = candidate, .attempt = {}, .said = {}}); // beside the old attempt, which may only be slow
    } else if (fresh) {
      ++left_out;
    }
  }
  entry.left_out = std::max(entry.left_out, left_out); // another waiter may know of fewer
}

void Pool::start_race(Entry& entry, TimePoint at, TimePoint now) {
  if (!entry.racing) entry.next_start = at;
  entry.racing = true;
  start_routes(entry, now);
}

std::size_t Pool::flying(const Entry& entry) {
  return static_cast<std::size_t>(std::ranges::count_if(entry.routes, [](const Route& r) { return r.attempt.has_value(); }));
}

/// How long an attempt of this race may be silent. An address that says no has proven no key, so another may yet be the peer's: but none that is gone for
/// good shall keep the caller waiting.
Duration Pool::patience(const Entry& entry) const {
  const bool refused = std::ranges::any_of(entry.routes, [](const Route& r) { return r.said && telling(r.said->code) >= telling(Code::offline); });
  return refused ? std::min(settings_.connect_timeout, silent_ptos * settings_.initial_pto) : settings_.connect_timeout;
}

/// Starts what may start now: one attempt each attempt_gap.
void Pool::start_routes(Entry& entry, TimePoint now) {
  const auto queued = std::ranges::find(entry.routes, true, &Route::queued);
  if (queued != entry.routes.end() && now >= entry.next_start && flying(entry) < settings_.max_attempts_per_peer) start_route(entry, *queued, now);
  end_race_if_lost(entry, now);
}

void Pool::start_route(Entry& entry, Route& route, TimePoint now) {
  route.queued = false;
  route.started = now;
  std::string limit;
  if (!make_room(entry.key, false, now, limit)) {
    route.said = Error{Code::busy, "this daemon is at its limit " + limit};
    return;
  }
  const AttemptId id{next_id_++};
  route.attempt = id;
  attempts_.emplace(id, &entry);
  ++used_by_identity_[entry.key.identity];
  entry.next_start = now + settings_.attempt_gap;
  actions_.push_back(StartAttempt{id, entry.key, route.candidate.address, route.candidate.hinted});
  schedule(entry);
}

void Pool::end_race(Entry& entry) {
  for (const Route& route : entry.routes) {
    if (!route.attempt) continue;
    actions_.push_back(AbandonAttempt{*route.attempt});
    attempts_.erase(*route.attempt);
    --used_by_identity_[entry.key.identity];
  }
  std::vector<Route>().swap(entry.routes); // and its memory: the entry may stay for long
  entry.left_out = 0;
  entry.racing = false;
  entry.next_start = never;
  entry.redialing = false;
}

/// A race without a waiter ends; not the dial of the smaller id that goes on beside a usable connection, for the peer counts on it.
void Pool::end_race_if_unwanted(Entry& entry) {
  if (!entry.racing || !entry.waiters.empty() || entry.redialing || (best(entry) != nullptr && flying(entry) != 0)) return;
  end_race(entry);
}

/// When nothing is in flight and nothing is left to try, the waiters hear what each address said.
void Pool::end_race_if_lost(Entry& entry, TimePoint now) {
  const bool going = std::ranges::any_of(entry.routes, [](const Route& r) { return r.attempt || r.queued; });
  if (!entry.racing || going) return schedule(entry);
  lose_race(entry, now);
}

void Pool::lose_race(Entry& entry, TimePoint now) {
  const bool again = entry.redialing;
  fail_all(entry, race_error(entry, "no connection to " + entry.key.peer.text()));
  end_race(entry);
  if (again) schedule_redial(entry, now);
  schedule(entry);
  drop_if_empty(entry);
}

void Pool::attempt_failed(AttemptId id, const Error& error, TimePoint now) {
  const auto it = attempts_.find(id);
  if (it == attempts_.end()) return;
  Entry& entry = *it->second;
  const auto route = std::ranges::find(entry.routes, std::optional(id), &Route::attempt);
  route->attempt.reset();
  route->said = error;
  attempts_.erase(it);
  --used_by_identity_[entry.key.identity];
  entry.next_start = now; // the next one at once
  start_routes(entry, now);
}

void Pool::schedule_redial(Entry& entry, TimePoint now) {
  if (entry.redials >= settings_.max_redials) {
    entry.redials = 0;
    return;
  }
  Duration wait = settings_.backoff_first;
  for (std::size_t i = 0; i < entry.redials && wait < settings_.backoff_limit; ++i) wait *= 2;
  wait = std::min(wait, settings_.backoff_limit);
  const auto half = static_cast<std::uint64_t>(wait.count() / 2);
  entry.redial_at = now + wait - Duration(random_.next_u64() % (half + 1));
  ++entry.redials;
}

Error Pool::race_error(const Entry& entry, std::string_view reason) const {
  Error error{Code::unreachable, std::string(reason)};
  if (entry.routes.empty()) {
    error.text += ": no address is known; give one with `kith peer add … --addr HOST:PORT`";
    return error;
  }
  std::string_view gap = ": ";
  for (auto it = entry.routes.begin(); it != entry.routes.end(); ++it) {
    const Route& route = *it;
    const bool again =
        std::any_of(it + 1, entry.routes.end(), [&](const Route& later) { return later.candidate.address == route.candidate.address; });
    if (again) continue; // the last attempt at an address speaks for it
    error.text += std::string(gap) + route.candidate.address.text() + ": " +
                  (route.said      ? route.said->text
                   : route.attempt ? "no answer yet"
                                   : "not tried");
    gap = "; ";
    if (route.said && telling(route.said->code) > telling(error.code)) error.code = route.said->code;
  }
  if (entry.left_out > 0) {
    error.text += "; " + std::to_string(entry.left_out) + (entry.left_out == 1 ? " further address was" : " further addresses were") +
                  " left out (max_addresses_per_peer)";
  }
  return error;
}

TimePoint Pool::due(const Entry& entry) const {
  TimePoint at = entry.redial_at;
  std::size_t flying = 0;
  bool queued = false;
  const Duration silence = patience(entry);
  for (const Route& route : entry.routes) {
    queued = queued || route.queued;
    if (!route.attempt) continue;
    ++flying;
    at = std::min(at, route.started + silence);
  }
  if (queued && flying < settings_.max_attempts_per_peer) at = std::min(at, entry.next_start);
  return at;
}

void Pool::check(Entry& entry, TimePoint now) {
  const std::uint64_t id = entry.id;
  if (now >= entry.redial_at) {
    entry.redial_at = never;
    entry.redialing = true;
    add_routes(entry, entry.redial_to, now);
    return start_race(entry, now, now);
  }
  const std::vector<Route> routes = entry.routes;
  for (const Route& route : routes) {
    if (!route.attempt || !attempts_.contains(*route.attempt) || now < route.started + patience(entry)) continue;
    actions_.push_back(AbandonAttempt{*route.attempt});
    attempt_failed(*route.attempt, {Code::unreachable, "no answer"}, now);
    if (!entries_by_id_.contains(id)) return;
  }
  start_routes(entry, now);
}

} // namespace kith::pool
