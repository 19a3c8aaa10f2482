// SPDX-License-Identifier: GPL-3.0-or-later
// Two pools joined by a scripted network: delays, lost handshakes, both dialing at once, a side that crashes and comes back.
#include "unit/pool/helpers.hpp"

#include <gtest/gtest.h>

#include <array>
#include <functional>

namespace kith::pool {
namespace {

using namespace std::chrono_literals;

struct Rules {
  Duration delay = 10ms;
  Duration jitter{};
  std::uint64_t lost_percent = 0; ///< Handshakes that nobody answers.
  bool crashes = false;
};

/// One connection; end 0 and 1 are the two sides.
struct Link {
  std::size_t dialer;
  std::array<bool, 2> open{};
  std::array<bool, 2> goaway{};
  std::array<std::size_t, 2> streams{};
  std::array<TimePoint, 2> last_arrival{}; // towards this side: packets keep their order
};

class Model {
public:
  Model(std::uint64_t seed, const Rules& rules) : random_(seed), rules_(rules) {
    const bool swap = random_.below(2) == 1;
    ids_ = {id_of(swap ? 9 : 5), id_of(swap ? 5 : 9)};
    for (std::size_t side = 0; side < 2; ++side) pools_[side] = std::make_unique<Pool>(Settings{}, random_);
  }

  Key key(std::size_t side) const { return {ids_[side], ids_[1 - side], "kith/1"}; }

  void want(std::size_t side, Duration patience = 1h) {
    const WaiterId id = pools_[side]->want(key(side), std::vector<Candidate>{{at(1)}, {at(2)}}, now_, now_ + patience);
    waiting_[side][id] = now_ + std::min<Duration>(patience, Settings{}.connect_timeout);
    act(side);
  }

  void crash(std::size_t side) {
    pools_[side] = std::make_unique<Pool>(Settings{}, random_);
    ++epoch_[side];
    waiting_[side].clear();
    attempts_[side].clear();
    for (auto& [id, link] : links_) {
      link.open[side] = false;
      link.streams[side] = 0;
    }
  }

  void addresses_changed(std::size_t side) {
    for (const Row& row : pool(side).list()) {
      pool(side).address_changed(row.connection, now_);
      act(side);
    }
  }

  void later(Duration after, std::function<void()> work) { events_.emplace(now_ + after, std::move(work)); }

  void run(TimePoint until) {
    for (;;) {
      TimePoint next = events_.empty() ? never : events_.begin()->first;
      std::size_t due = 2;
      for (std::size_t side = 0; side < 2; ++side) {
        if (pools_[side]->next_deadline() < next) {
          next = pools_[side]->next_deadline();
          due = side;
        }
      }
      if (next > until) break;
      now_ = std::max(now_, next);
      if (due < 2) {
        pools_[due]->on_deadline(now_);
        act(due);
      } else {
        const auto work = std::move(events_.begin()->second);
        events_.erase(events_.begin());
        work();
      }
      for (const auto& waiting : waiting_) {
        for (const auto& [id, expires] : waiting) ASSERT_LE(now_, expires) << "a waiter without an answer";
      }
    }
    now_ = until;
  }

  TimePoint now() const { return now_; }
  Pool& pool(std::size_t side) { return *pools_[side]; }
  SeededRandom& random() { return random_; }
  std::size_t granted = 0;
  std::size_t failed = 0;
  std::size_t lost_streams = 0;
  std::size_t started = 0;

  void expect_settled() {
    std::array<std::optional<ConnId>, 2> current;
    for (std::size_t side = 0; side < 2; ++side) {
      EXPECT_TRUE(waiting_[side].empty());
      std::size_t usable = 0;
      for (const Row& row : pools_[side]->list()) {
        EXPECT_TRUE(links_.at(row.connection).open[side]);
        if (!row.draining) ++usable;
      }
      EXPECT_LE(usable, 1U) << "side " << side;
      current[side] = pools_[side]->current(key(side));
    }
    if (current[0] && current[1]) {
      EXPECT_EQ(current[0], current[1]);
    }
  }

private:
  /// Delivers to the other end of a link, in order, if nothing crashed meanwhile; a dead end answers with a reset.
  void deliver(ConnId id, std::size_t to, std::function<void()> work) {
    Link& link = links_.at(id);
    const TimePoint arrival = std::max(link.last_arrival[to], now_ + delay());
    link.last_arrival[to] = arrival;
    later(arrival - now_, [this, id, to, work = std::move(work)] {
      if (links_.at(id).open[to]) return work();
      later(delay(), [this, id, to] { end(id, 1 - to); });
    });
  }

  Duration delay() {
    return rules_.delay + Duration(rules_.jitter.count() == 0 ? 0 : random_.below(static_cast<std::uint64_t>(rules_.jitter.count())));
  }

  void end(ConnId id, std::size_t side) {
    Link& link = links_.at(id);
    if (!link.open[side]) return;
    link.open[side] = false;
    lost_streams += link.streams[side];
    link.streams[side] = 0;
    pools_[side]->closed(id, now_);
    act(side);
  }

  void hear(ConnId id, std::size_t side) {
    if (!links_.at(id).open[side]) return;
    pools_[side]->heard(id, 4 * (rules_.delay + rules_.jitter), now_);
    act(side);
  }

  void act(std::size_t side) {
    for (const Action& action : take(*pools_[side])) {
      std::visit([&](const auto& a) { this->on(side, a); }, action);
    }
  }

  void on(std::size_t side, const StartAttempt& a) {
    ++started;
    EXPECT_TRUE(attempts_[side].insert(a.attempt).second);
    EXPECT_LE(attempts_[side].size(), Settings{}.max_attempts_per_peer);
    if (a.address == at(2) || random_.below(100) < rules_.lost_percent) return; // a dead address
    const auto epochs = epoch_;
    later(2 * delay(), [this, side, attempt = a.attempt, epochs] {
      if (epochs != epoch_ || !attempts_[side].contains(attempt)) return;
      attempts_[side].erase(attempt);
      const ConnId id{++last_connection_};
      Link& link = links_[id];
      link.dialer = side;
      link.open[side] = true;
      pools_[side]->attempt_ready(attempt, id, now_);
      later(delay(), [this, id, side, epochs] { // HELLO
        if (epochs != epoch_) return end(id, side);
        Link& arrived = links_.at(id);
        arrived.open[1 - side] = true;
        pools_[1 - side]->accepted(key(1 - side), id, at(1), false, now_);
        act(1 - side);
        hear(id, 1 - side);
        deliver(id, side, [this, id, side] { hear(id, side); });
      });
      links_.at(id).last_arrival[1 - side] = now_ + rules_.delay + rules_.jitter;
      act(side);
    });
  }

  void on(std::size_t side, const AbandonAttempt& a) { EXPECT_EQ(attempts_[side].erase(a.attempt), 1U); }

  void on(std::size_t side, const Grant& a) {
    EXPECT_EQ(waiting_[side].erase(a.waiter), 1U);
    Link& link = links_.at(a.connection);
    EXPECT_TRUE(link.open[side]);
    EXPECT_FALSE(link.goaway[side]);
    ++granted;
    open(side, a.connection);
  }

  void open(std::size_t side, ConnId id) {
    ++links_.at(id).streams[side];
    pools_[side]->stream_opened(id);
    deliver(id, 1 - side, [this, side, id] {
      Link& link = links_.at(id);
      hear(id, 1 - side);
      if (!link.goaway[1 - side]) {
        ++link.streams[1 - side];
        pools_[1 - side]->stream_opened(id);
        later(Duration(random_.below(50) * 1ms), [this, side, id] {
          finish(id, 1 - side);
          if (!links_.at(id).open[1 - side]) return;
          deliver(id, side, [this, id, side] {
            hear(id, side);
            finish(id, side);
          });
        });
      } else {
        deliver(id, side, [this, id, side] { finish(id, side); }); // refused with going_away: retried by the opener
      }
    });
  }

  void finish(ConnId id, std::size_t side) {
    Link& link = links_.at(id);
    if (!link.open[side] || link.streams[side] == 0) return;
    --link.streams[side];
    pools_[side]->stream_ended(id, now_);
    act(side);
  }

  void on(std::size_t side, const Fail& a) {
    EXPECT_EQ(waiting_[side].erase(a.waiter), 1U);
    EXPECT_FALSE(a.error.text.empty());
    ++failed;
  }

  void on(std::size_t side, const Goaway& a) {
    Link& link = links_.at(a.connection);
    EXPECT_TRUE(link.open[side]);
    EXPECT_EQ(link.dialer, side) << "only the dialer retires";
    EXPECT_FALSE(link.goaway[side]);
    link.goaway[side] = true;
    deliver(a.connection, 1 - side, [this, id = a.connection, side] {
      hear(id, 1 - side);
      pools_[1 - side]->goaway(id, now_);
      act(1 - side);
    });
  }

  void on(std::size_t side, const Close& a) {
    Link& link = links_.at(a.connection);
    EXPECT_TRUE(link.open[side]);
    if (a.code == no_error) {
      EXPECT_EQ(link.streams[side], 0U);
    }
    link.open[side] = false;
    lost_streams += link.streams[side];
    link.streams[side] = 0;
    deliver(a.connection, 1 - side, [this, id = a.connection, side] { end(id, 1 - side); });
  }

  void on(std::size_t side, const Ping& a) {
    EXPECT_TRUE(links_.at(a.connection).open[side]);
    deliver(a.connection, 1 - side, [this, id = a.connection, side] {
      hear(id, 1 - side);
      deliver(id, side, [this, id, side] { hear(id, side); });
    });
  }

  SeededRandom random_;
  Rules rules_;
  TimePoint now_{1000s};
  std::array<PeerId, 2> ids_;
  std::array<std::unique_ptr<Pool>, 2> pools_;
  std::array<std::uint64_t, 2> epoch_{};
  std::array<std::map<WaiterId, TimePoint>, 2> waiting_;
  std::array<std::set<AttemptId>, 2> attempts_;
  std::map<ConnId, Link> links_;
  std::multimap<TimePoint, std::function<void()>> events_;
  std::uint64_t last_connection_ = 0;
};

TEST(PoolModel, BothDialAtOnceAtEveryInterleavingAndNoCallFails) {
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    for (int offset = 0; offset <= 80; ++offset) {
      SCOPED_TRACE("seed " + std::to_string(seed) + " offset " + std::to_string(offset));
      Model model(seed, {});
      for (int call = 0; call < 100; ++call) {
        model.later(call * 1ms, [&] { model.want(0); });
        model.later(call * 1ms + offset * 1ms, [&] { model.want(1); });
      }
      model.run(model.now() + 20s);
      model.expect_settled();
      EXPECT_EQ(model.granted, 200U);
      EXPECT_EQ(model.failed, 0U);
      EXPECT_EQ(model.lost_streams, 0U);
      EXPECT_LE(model.started, 4U);
      ASSERT_FALSE(testing::Test::HasFailure());
    }
  }
}

void random_schedule(std::uint64_t seed, const Rules& rules) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  Model model(seed, rules);
  const std::uint64_t steps = 5 + model.random().below(40);
  for (std::uint64_t i = 0; i < steps; ++i) {
    const Duration when = model.random().below(30'000) * 1ms;
    const std::size_t side = model.random().below(2);
    const std::uint64_t what = model.random().below(20);
    const Duration patience = 1ms + model.random().below(12'000) * 1ms;
    model.later(when, [&model, side, what, patience, rules] {
      if (what == 0 && rules.crashes) model.crash(side);
      else if (what == 1) model.pool(side).wake_from_sleep(model.now());
      else if (what == 2) model.addresses_changed(side);
      model.want(side, what < 10 ? Duration(1h) : patience);
    });
  }
  model.run(model.now() + 55s);
  // What a crash left dead, the next calls find out; they see a connection at once or dial.
  model.want(0);
  model.want(1);
  model.run(model.now() + 30s);
  model.expect_settled();
  if (!rules.crashes) {
    EXPECT_EQ(model.lost_streams, 0U);
  }
  if (rules.lost_percent == 0 && !rules.crashes && rules.delay < 100ms) {
    EXPECT_GT(model.granted, 0U);
  }
}

TEST(PoolModel, RandomSchedulesWithoutFaults) {
  for (std::uint64_t seed = 0; seed < 2000 && !testing::Test::HasFailure(); ++seed) random_schedule(seed, {.delay = 5ms, .jitter = 30ms});
}

TEST(PoolModel, RandomSchedulesWithLostHandshakes) {
  for (std::uint64_t seed = 0; seed < 2000 && !testing::Test::HasFailure(); ++seed)
    random_schedule(seed, {.delay = 20ms, .jitter = 100ms, .lost_percent = 40});
}

TEST(PoolModel, RandomSchedulesWithCrashes) {
  for (std::uint64_t seed = 0; seed < 2000 && !testing::Test::HasFailure(); ++seed) {
    random_schedule(seed, {.delay = 5ms, .jitter = 40ms, .lost_percent = 10, .crashes = true});
  }
}

} // namespace
} // namespace kith::pool
