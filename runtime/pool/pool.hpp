// SPDX-License-Identifier: GPL-3.0-or-later
// The connection pool: one connection per (identity, peer, ALPN), used by both sides whoever dialed. Dial, race, reuse, retire, idle, backoff, limits.
//
// A state machine: events in, actions out, no clock, no socket. After every call the caller takes all actions with next_action() before it reports the next
// event. One thread. Unknown ids are ignored: what they named is gone.
#pragma once

#include "base/random.hpp"
#include "pool/types.hpp"

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>
#include <vector>

namespace kith::pool {

class Pool {
public:
  /// `random` (jitter of reconnects) must outlive the pool.
  Pool(const Settings& settings, Random& random) : settings_(settings), random_(random) {}
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  /// Other limits and times from now on.
  void apply(const Settings& settings) { settings_ = settings; }

  // --- requests
  /// Asks for a connection. Answered by exactly one Grant or Fail, at the latest at `deadline` or after connect_timeout, unless cancelled before. Candidates
  /// are tried in their order. Errors of Fail: unreachable, offline, wrong_key, unsupported_version (what the addresses said), busy (a limit; the text names it).
  WaiterId want(const Key& key, std::span<const Candidate> candidates, TimePoint now, TimePoint deadline = never);
  /// The same for one that is dialed now, whatever is there. Once it is, the key's others take no new streams and close when those they have end; when the dial
  /// fails, they stay as they were.
  WaiterId want_new(const Key& key, std::span<const Candidate> candidates, TimePoint now);
  /// The connection that want() would grant at once, and nothing else: most requests need no more.
  std::optional<ConnId> reuse(const Key& key, TimePoint now);
  void cancel(WaiterId waiter);
  /// Attempts end and waiters fail `offline` at once; connections get GOAWAY and close when their streams have ended, at the latest silent_ptos PTOs after
  /// `drain_until`, when their streams are reset.
  void identity_offline(const PeerId& identity, const Error& why, TimePoint drain_until, TimePoint now);
  /// Everything with this peer ends at once (blocked, revoked): waiters with `error`; connections, whose streams may be running, as `cancelled`.
  void close_peer(const PeerId& identity, const PeerId& peer, const Error& error, TimePoint now);
  /// The peer got a role, or lost it: the connections that it dialed count as a known peer's or a stranger's from now on.
  void set_stranger(const PeerId& identity, const PeerId& peer, bool stranger, TimePoint now);
  /// Every connection is in doubt: PING each, drop what stays silent. Wants wait for that, up to a time.
  void wake_from_sleep(TimePoint now);
  /// Its way begins at another address of ours now, or nowhere. One that we dialed is in doubt until the peer is heard there; one that the peer dialed can't
  /// follow, so the peer is dialed anew within redial_within.
  void address_changed(ConnId connection, TimePoint now);

  /// Nothing has come over it since a request left that should have been answered: it is in doubt. Wants wait for its PING, or a dial.
  void unanswered(ConnId connection, TimePoint now);

  // --- events
  void attempt_ready(AttemptId attempt, ConnId connection, TimePoint now); ///< The peer's key is proven.
  /// `error` is one of offline, wrong_key, unsupported_version, unreachable, … with a text that does not repeat the address.
  void attempt_failed(AttemptId attempt, const Error& error, TimePoint now);
  /// A peer dialed us, is authenticated and has shown (HELLO or a first stream) that it uses the connection. False: there is no room, it is closed `busy`.
  bool accepted(const Key& key, ConnId connection, const Address& remote, bool stranger, TimePoint now);
  void moved(ConnId connection, const Address& remote); ///< The peer's address changed (migration).
  void closed(ConnId connection, TimePoint now);        ///< By the peer, or lost.
  void refused(ConnId connection, TimePoint now);       ///< By the peer, which has taken nothing on it: a dial that has failed.
  void goaway(ConnId connection, TimePoint now);        ///< The peer accepts no more streams there.
  /// It answered a PING, or its streams moved (telling that once a second is enough); with the PTO measured now (RFC 9002 §6.2.1).
  void heard(ConnId connection, Duration pto, TimePoint now);
  void stream_opened(ConnId connection); ///< By either side.
  void stream_ended(ConnId connection, TimePoint now);

  // --- driving
  TimePoint next_deadline() const noexcept { return timers_.empty() ? never : timers_.begin()->at; }
  void on_deadline(TimePoint now);
  bool next_action(Action& out);

  const Counters& counters() const noexcept { return counters_; }
  std::vector<Row> list() const;
  /// Where a new stream for this key would go now.
  std::optional<ConnId> current(const Key& key) const;

private:
  enum class TimerKind : std::uint8_t { connection, race, waiter };
  struct Timer {
    TimePoint at;
    TimerKind kind;
    std::uint64_t id;
    friend auto operator<=>(const Timer&, const Timer&) = default;
  };

  struct Entry;
  struct Connection {
    ConnId id;
    Entry* entry;
    Address remote;
    bool dialer;
    bool stranger;
    std::uint64_t order; // later connections have higher ones
    TimePoint since;
    TimePoint heard;
    TimePoint idle_since; // of the last stream's end
    Duration pto;
    std::size_t streams = 0;
    std::uint64_t opened = 0;
    bool goaway_sent = false;
    bool goaway_received = false;
    TimePoint suspect_since = never; // PING sent, nothing heard since
    TimePoint linger_until = never;  // after GOAWAY: not closed before
    TimePoint drain_until = never;   // closed at the latest then
    TimePoint scheduled = never;     // in timers_

    bool suspect() const noexcept { return suspect_since != never; }
    bool usable() const noexcept;
    bool dialed_by_smaller() const noexcept;
  };

  /// One address of a race.
  struct Route {
    Candidate candidate;
    bool queued = true;
    std::optional<AttemptId> attempt; // in flight
    TimePoint started = never;
    std::optional<Error> said;
  };

  struct Entry {
    std::uint64_t id;
    Key key;
    std::vector<ConnId> connections;
    std::set<WaiterId> waiters;
    std::vector<Route> routes; // of the race; empty when there is none
    std::size_t left_out = 0;  // addresses that the race has no room for
    bool racing = false;
    TimePoint next_start = never; // of the next queued route
    TimePoint redial_at = never;  // of the next automatic reconnect
    bool redialing = false;       // the race runs (also) for a reconnect
    std::size_t redials = 0;
    std::vector<Candidate> redial_to;
    TimePoint scheduled = never;
  };

  struct Waiter {
    Entry* entry;
    TimePoint expires;
    bool own_deadline; // it is the caller's, not connect_timeout
    bool anew = false; // what is there does not do
  };

  // pool.cpp: connections
  Connection* find(ConnId id);
  const Connection* find(ConnId id) const;
  Connection* best(const Entry& entry);
  Connection& add_connection(Entry& entry, ConnId id, const Address& remote, bool dialer, bool stranger, TimePoint now);
  void settle(Entry& entry, TimePoint now);
  void doubt(Connection& connection, TimePoint now);
  void retire(Connection& connection, TimePoint now);
  void close(Connection& connection, Code code, std::string text, TimePoint now);
  void forget(Connection& connection, TimePoint now);
  Duration idle_limit(const Connection& connection) const noexcept;
  TimePoint due(const Connection& connection) const;
  void check(Connection& connection, TimePoint now);

  // race.cpp: waiters and attempts
  void answer(WaiterId waiter, const Error& error);
  WaiterId enlist(const Key& key, std::span<const Candidate> candidates, TimePoint now, TimePoint deadline, bool anew);
  void grant_all(Entry& entry, Connection& connection, TimePoint now);
  bool wants_new(const Entry& entry) const;
  void fail_all(Entry& entry, const Error& error);
  void add_routes(Entry& entry, std::span<const Candidate> candidates, TimePoint now);
  void start_race(Entry& entry, TimePoint at, TimePoint now);
  static std::size_t flying(const Entry& entry);
  Duration patience(const Entry& entry) const;
  void start_routes(Entry& entry, TimePoint now);
  void start_route(Entry& entry, Route& route, TimePoint now);
  void lose_race(Entry& entry, TimePoint now);
  void end_race(Entry& entry);
  void end_race_if_unwanted(Entry& entry);
  void end_race_if_lost(Entry& entry, TimePoint now);
  void schedule_redial(Entry& entry, TimePoint now);
  Error race_error(const Entry& entry, std::string_view reason) const;
  TimePoint due(const Entry& entry) const;
  void check(Entry& entry, TimePoint now);

  // caps.cpp: limits and housekeeping
  bool make_room(const Key& key, bool stranger, TimePoint now, std::string& limit);
  bool evict(const PeerId* identity, bool strangers_only, TimePoint now);
  std::size_t count_of(const PeerId& identity) const;
  Entry& entry_of(const Key& key);
  Entry* find_entry(const Key& key);
  void drop_if_empty(Entry& entry);
  void schedule(Connection& connection);
  void schedule(Entry& entry);
  template <class F> void for_identity(const PeerId& identity, F&& use);

  Settings settings_;
  Random& random_;
  std::map<Key, std::unique_ptr<Entry>> entries_;
  std::unordered_map<std::uint64_t, Entry*> entries_by_id_;
  std::unordered_map<ConnId, Connection> connections_;
  std::unordered_map<AttemptId, Entry*> attempts_;
  std::unordered_map<WaiterId, Waiter> waiters_;
  std::map<PeerId, std::size_t> used_by_identity_; // connections and attempts
  std::size_t strangers_ = 0;
  std::set<Timer> timers_;
  std::deque<Action> actions_;
  Counters counters_;
  std::uint64_t next_id_ = 1;
};

} // namespace kith::pool
