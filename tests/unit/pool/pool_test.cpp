// SPDX-License-Identifier: GPL-3.0-or-later
// The rules one by one, from one side.
#include "unit/pool/helpers.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kith::pool {
namespace {

using namespace std::chrono_literals;

class PoolTest : public testing::Test {
protected:
  PoolTest() { make({}); }
  void make(const Settings& settings) { pool_ = std::make_unique<Pool>(settings, random_); }

  /// Runs timers up to `until`, collecting actions.
  std::vector<Action> run(TimePoint until) {
    std::vector<Action> all = take(*pool_);
    while (pool_->next_deadline() <= until) {
      now_ = std::max(now_, pool_->next_deadline());
      pool_->on_deadline(now_);
      for (Action& action : take(*pool_)) all.push_back(std::move(action));
    }
    now_ = until;
    return all;
  }
  std::vector<Action> run(Duration time) { return run(now_ + time); }

  template <class T> static std::vector<T> only(const std::vector<Action>& all) {
    std::vector<T> found;
    for (const Action& action : all) {
      if (const T* one = std::get_if<T>(&action)) found.push_back(*one);
    }
    return found;
  }
  template <class T> T one(const std::vector<Action>& all) {
    const std::vector<T> found = only<T>(all);
    EXPECT_EQ(found.size(), 1U);
    return found.empty() ? T{} : found.front();
  }

  WaiterId want(const std::vector<Candidate>& candidates, TimePoint deadline = never) { return pool_->want(key_, candidates, now_, deadline); }

  /// Dials and gets a connection.
  void dialed(ConnId connection) {
    want({{at(1)}});
    pool_->attempt_ready(one<StartAttempt>(take(*pool_)).attempt, connection, now_);
    EXPECT_EQ(one<Grant>(take(*pool_)).connection, connection);
  }

  SeededRandom random_{1};
  std::unique_ptr<Pool> pool_;
  TimePoint now_{1000s};
  Key key_{id_of(5), id_of(9), "kith/1"}; // ours is the smaller id
  Key larger_{id_of(5), id_of(2), "kith/1"};
};

TEST_F(PoolTest, AThousandWantsShareOneHandshake) {
  for (int i = 0; i < 500; ++i) want({{at(1)}});
  const StartAttempt start = one<StartAttempt>(take(*pool_));
  pool_->attempt_ready(start.attempt, ConnId{7}, now_);
  EXPECT_EQ(only<Grant>(take(*pool_)).size(), 500U);
  for (int i = 0; i < 500; ++i) want({{at(1)}});
  EXPECT_EQ(only<Grant>(take(*pool_)).size(), 500U);
  EXPECT_EQ(pool_->counters().handshakes_dialed, 1U);
  EXPECT_EQ(pool_->counters().reuses, 500U);
}

TEST_F(PoolTest, AConnectionIsReusedWithoutAsking) {
  EXPECT_FALSE(pool_->reuse(key_, now_));
  want({{at(1)}});
  const StartAttempt start = one<StartAttempt>(take(*pool_));
  EXPECT_FALSE(pool_->reuse(key_, now_)); // not there yet
  pool_->attempt_ready(start.attempt, ConnId{7}, now_);
  take(*pool_);
  EXPECT_EQ(pool_->reuse(key_, now_), ConnId{7});
  EXPECT_TRUE(take(*pool_).empty());
  EXPECT_EQ(pool_->counters().reuses, 1U);
  pool_->goaway(ConnId{7}, now_);
  EXPECT_FALSE(pool_->reuse(key_, now_));
}

TEST_F(PoolTest, WhoWantsANewConnectionRetiresTheOldOneWhenItIsThere) {
  for (const Key& key : {key_, larger_}) {
    ASSERT_TRUE(pool_->accepted(key, ConnId{7}, at(1), false, now_));
    take(*pool_);
    const std::vector<Candidate> where{{at(2)}};
    const WaiterId wanted = pool_->want_new(key, where, now_);
    const StartAttempt start = one<StartAttempt>(take(*pool_));
    EXPECT_EQ(pool_->reuse(key, now_), ConnId{7}) << "others use what is there";
    ASSERT_TRUE(pool_->accepted(key, ConnId{8}, at(1), false, now_)); // and the peer dials too
    const auto meanwhile = take(*pool_);
    EXPECT_TRUE(only<Grant>(meanwhile).empty());
    EXPECT_TRUE(only<AbandonAttempt>(meanwhile).empty());
    pool_->attempt_ready(start.attempt, ConnId{9}, now_);
    const auto then = take(*pool_);
    EXPECT_EQ(one<Grant>(then).waiter, wanted);
    EXPECT_EQ(one<Grant>(then).connection, ConnId{9});
    EXPECT_EQ(only<Goaway>(then).size(), 2U);
    EXPECT_EQ(pool_->reuse(key, now_), ConnId{9});
    make({});
  }
}

TEST_F(PoolTest, WhoWantsANewConnectionInVainTakesNothingAway) {
  ASSERT_TRUE(pool_->accepted(key_, ConnId{7}, at(1), false, now_));
  take(*pool_);
  const std::vector<Candidate> where{{at(2)}};
  const WaiterId wanted = pool_->want_new(key_, where, now_);
  const StartAttempt start = one<StartAttempt>(take(*pool_));
  pool_->attempt_failed(start.attempt, {Code::unreachable, "no answer"}, now_);
  const auto then = take(*pool_);
  EXPECT_EQ(one<Fail>(then).waiter, wanted);
  EXPECT_TRUE(only<Goaway>(then).empty());
  EXPECT_EQ(pool_->reuse(key_, now_), ConnId{7});
  EXPECT_TRUE(only<StartAttempt>(run(20s)).empty());
}

TEST_F(PoolTest, AddressesThatADialLeavesOutAreCounted) {
  Settings settings;
  settings.max_addresses_per_peer = 2;
  make(settings);
  want({{at(1)}, {at(2)}, {at(3)}, {at(4)}});
  const auto all = run(settings.connect_timeout + 1s);
  EXPECT_EQ(only<StartAttempt>(all).size(), 2U);
  EXPECT_THAT(one<Fail>(all).error.text, testing::HasSubstr("2 further addresses were left out (max_addresses_per_peer)"));
}

TEST_F(PoolTest, AWaiterWithFewerAddressesDoesNotHideWhatIsLeftOut) {
  Settings settings;
  settings.max_addresses_per_peer = 2;
  make(settings);
  want({{at(1)}, {at(2)}, {at(3)}});
  want({{at(1)}});
  for (const Fail& failed : only<Fail>(run(settings.connect_timeout + 1s)))
    EXPECT_THAT(failed.error.text, testing::HasSubstr("1 further address was left out")) << "of the race";
  want({{at(1)}});
  EXPECT_THAT(one<Fail>(run(settings.connect_timeout + 1s)).error.text, testing::Not(testing::HasSubstr("left out"))) << "that was another race";
}

TEST_F(PoolTest, AddressesAreTriedFiftyMillisecondsApart) {
  want({{at(1)}, {at(2), true}, {at(3)}});
  EXPECT_EQ(one<StartAttempt>(take(*pool_)).address, at(1));
  EXPECT_TRUE(run(49ms).empty());
  const StartAttempt second = one<StartAttempt>(run(1ms));
  EXPECT_EQ(second.address, at(2));
  EXPECT_TRUE(second.hinted);
  const StartAttempt third = one<StartAttempt>(run(50ms));
  pool_->attempt_ready(third.attempt, ConnId{7}, now_);
  const auto actions = take(*pool_);
  EXPECT_EQ(only<AbandonAttempt>(actions).size(), 2U);
  EXPECT_EQ(one<Grant>(actions).connection, ConnId{7});
  pool_->attempt_ready(second.attempt, ConnId{8}, now_); // authenticated in the same moment: a loser all the same
  EXPECT_EQ(one<Close>(take(*pool_)).connection, ConnId{8});
}

TEST_F(PoolTest, AFailedAddressStartsTheNextAtOnce) {
  want({{at(1)}, {at(2)}});
  pool_->attempt_failed(one<StartAttempt>(take(*pool_)).attempt, {Code::unreachable, "refused"}, now_);
  EXPECT_EQ(one<StartAttempt>(take(*pool_)).address, at(2));
}

TEST_F(PoolTest, TheErrorTellsWhatEachAddressSaid) {
  const WaiterId waiter = want({{at(1)}, {at(2)}, {at(3)}});
  std::vector<StartAttempt> starts = only<StartAttempt>(run(200ms));
  ASSERT_EQ(starts.size(), 3U);
  pool_->attempt_failed(starts[0].attempt, {Code::wrong_key, "another key answered"}, now_);
  pool_->attempt_failed(starts[1].attempt, {Code::offline, "it does not serve that id"}, now_);
  EXPECT_TRUE(take(*pool_).empty());
  const Fail fail = one<Fail>(run(11s));
  EXPECT_EQ(fail.waiter, waiter);
  EXPECT_EQ(fail.error.code, Code::offline);
  EXPECT_THAT(fail.error.text,
              testing::AllOf(testing::HasSubstr("127.0.0.1:1: another key answered"), testing::HasSubstr("127.0.0.1:2: it does not serve that id"),
                             testing::HasSubstr("127.0.0.1:3: no answer")));
  EXPECT_TRUE(pool_->list().empty());
  EXPECT_EQ(pool_->next_deadline(), never);
}

TEST_F(PoolTest, BesideAnAddressThatSaysNoTheOthersMayBeSilentForThreePtos) {
  want({{at(1)}, {at(2)}});
  const auto starts = only<StartAttempt>(run(200ms));
  ASSERT_EQ(starts.size(), 2U);
  pool_->attempt_failed(starts[0].attempt, {Code::offline, "the peer is not online there"}, now_);
  EXPECT_TRUE(only<Fail>(run(2s)).empty()) << "the other one may be the peer's, and its answer on the way";
  const auto over = run(1s);
  EXPECT_EQ(one<Fail>(over).error.code, Code::offline);
  EXPECT_THAT(one<Fail>(over).error.text, testing::HasSubstr("127.0.0.1:2: no answer"));
  EXPECT_EQ(one<AbandonAttempt>(over).attempt, starts[1].attempt);

  want({{at(1)}, {at(2)}});
  const auto again = only<StartAttempt>(run(200ms));
  ASSERT_EQ(again.size(), 2U);
  pool_->attempt_failed(again[0].attempt, {Code::wrong_key, "another identity answers there"}, now_);
  EXPECT_TRUE(only<Fail>(run(9s)).empty()) << "that one is somebody else: it says nothing about the peer";
  pool_->attempt_ready(again[1].attempt, ConnId{7}, now_);
  EXPECT_EQ(one<Grant>(take(*pool_)).connection, ConnId{7});
}

TEST_F(PoolTest, NoAddressIsAnErrorAtOnce) {
  want({});
  const Fail fail = one<Fail>(take(*pool_));
  EXPECT_EQ(fail.error.code, Code::unreachable);
  EXPECT_THAT(fail.error.text, testing::HasSubstr("peer add"));
}

TEST_F(PoolTest, ADeadlineBeforeTheConnectionIsUnreachableAndEndsTheRace) {
  want({{at(1)}}, now_ + 3s);
  const auto actions = run(3s);
  EXPECT_EQ(one<Fail>(actions).error.code, Code::unreachable);
  EXPECT_EQ(only<AbandonAttempt>(actions).size(), 1U);
}

TEST_F(PoolTest, CancelEndsTheRaceOfTheLastWaiterOnly) {
  const WaiterId first = want({{at(1)}});
  const WaiterId second = want({{at(1)}});
  take(*pool_);
  pool_->cancel(first);
  EXPECT_TRUE(take(*pool_).empty());
  pool_->cancel(second);
  EXPECT_EQ(only<AbandonAttempt>(take(*pool_)).size(), 1U);
}

TEST_F(PoolTest, ALateWantDialsAStaleAddressAgain) {
  want({{at(1)}});
  run(2s);
  want({{at(1)}});
  EXPECT_EQ(one<StartAttempt>(take(*pool_)).address, at(1));
  want({{at(1)}});
  EXPECT_TRUE(take(*pool_).empty()) << "that one is fresh";
}

TEST_F(PoolTest, TheDialerClosesAnIdleConnectionWithGoawayFirst) {
  dialed(ConnId{7});
  EXPECT_TRUE(run(59s).empty());
  const auto actions = run(1s);
  EXPECT_EQ(one<Goaway>(actions).connection, ConnId{7});
  EXPECT_TRUE(only<Close>(actions).empty());
  const Close close = one<Close>(run(10s));
  EXPECT_EQ(close.code, no_error);
}

TEST_F(PoolTest, TheAcceptorClosesWhatItsDialerLeavesIdle) {
  pool_->accepted(key_, ConnId{7}, at(1), false, now_);
  for (int i = 0; i < 11; ++i) { // a peer that only PINGs
    EXPECT_TRUE(run(10s).empty());
    pool_->heard(ConnId{7}, 10ms, now_);
  }
  EXPECT_EQ(pool_->current(key_), ConnId{7});
  EXPECT_EQ(only<Goaway>(run(10s)).size(), 1U);
  EXPECT_FALSE(pool_->current(key_));
}

TEST_F(PoolTest, AConnectionWithStreamsNeedsNoTimer) {
  dialed(ConnId{7});
  pool_->stream_opened(ConnId{7});
  EXPECT_TRUE(run(1h).empty());
  EXPECT_EQ(pool_->next_deadline(), never) << "QUIC keeps it alive";
  pool_->stream_ended(ConnId{7}, now_);
  EXPECT_TRUE(run(59s).empty());
  EXPECT_EQ(only<Goaway>(run(1s)).size(), 1U);
}

TEST_F(PoolTest, AnAcceptedConnectionIsNewerKnowledgeAndASilentOldOneIsDropped) {
  dialed(ConnId{7});
  pool_->heard(ConnId{7}, 20ms, now_);
  run(1s);
  pool_->accepted(key_, ConnId{8}, at(1), false, now_);
  EXPECT_EQ(one<Ping>(take(*pool_)).connection, ConnId{7});
  EXPECT_EQ(pool_->current(key_), ConnId{8});
  EXPECT_TRUE(run(59ms).empty());
  const Close close = one<Close>(run(1ms));
  EXPECT_EQ(close.connection, ConnId{7});
  EXPECT_EQ(close.code, Code::connection_lost);
}

TEST_F(PoolTest, AnOldConnectionThatAnswersKeepsItsPlaceByTheSmallerId) {
  dialed(ConnId{7});
  pool_->heard(ConnId{7}, 20ms, now_);
  pool_->accepted(key_, ConnId{8}, at(1), false, now_);
  take(*pool_);
  pool_->heard(ConnId{7}, 20ms, now_ + 1ms);
  EXPECT_TRUE(take(*pool_).empty()) << "the other is for its dialer to retire";
  EXPECT_EQ(pool_->current(key_), ConnId{7});
}

TEST_F(PoolTest, TheLargerIdAbandonsItsDialForAnAcceptedConnection) {
  pool_->want(larger_, std::vector<Candidate>{{at(1)}}, now_);
  take(*pool_);
  pool_->accepted(larger_, ConnId{8}, at(2), false, now_);
  const auto actions = take(*pool_);
  EXPECT_EQ(only<AbandonAttempt>(actions).size(), 1U);
  EXPECT_EQ(one<Grant>(actions).connection, ConnId{8});
}

TEST_F(PoolTest, TheSmallerIdKeepsDialingAndItsConnectionStays) {
  want({{at(1)}});
  const StartAttempt start = one<StartAttempt>(take(*pool_));
  pool_->accepted(key_, ConnId{8}, at(2), false, now_);
  const auto actions = take(*pool_);
  EXPECT_EQ(one<Grant>(actions).connection, ConnId{8});
  EXPECT_TRUE(only<AbandonAttempt>(actions).empty());
  pool_->attempt_ready(start.attempt, ConnId{7}, now_ + 1ms);
  EXPECT_EQ(one<Ping>(take(*pool_)).connection, ConnId{8});
  pool_->heard(ConnId{8}, 10ms, now_ + 2ms);
  EXPECT_TRUE(take(*pool_).empty()) << "the other is for its dialer to retire";
  EXPECT_EQ(pool_->current(key_), ConnId{7});
}

TEST_F(PoolTest, TheLargerIdRetiresItsOwnOfTwoAndClosesItWhenItsStreamsEnded) {
  pool_->want(larger_, std::vector<Candidate>{{at(1)}}, now_);
  pool_->attempt_ready(one<StartAttempt>(take(*pool_)).attempt, ConnId{7}, now_);
  pool_->stream_opened(ConnId{7});
  take(*pool_);
  pool_->accepted(larger_, ConnId{8}, at(2), false, now_);
  EXPECT_EQ(one<Goaway>(take(*pool_)).connection, ConnId{7});
  pool_->heard(ConnId{7}, 10ms, now_ + 1ms);
  EXPECT_TRUE(only<Close>(run(10s)).empty());
  pool_->stream_ended(ConnId{7}, now_);
  EXPECT_EQ(one<Close>(run(1ms)).connection, ConnId{7});
}

TEST_F(PoolTest, ACallToOneselfHasTwoEntriesAndUsesTheDialersEnd) {
  key_.peer = key_.identity;
  want({{at(1)}});
  const StartAttempt start = one<StartAttempt>(take(*pool_));
  pool_->accepted(key_, ConnId{8}, at(2), false, now_);
  EXPECT_TRUE(take(*pool_).empty());
  pool_->attempt_ready(start.attempt, ConnId{7}, now_);
  EXPECT_EQ(one<Grant>(take(*pool_)).connection, ConnId{7});
  EXPECT_EQ(pool_->list().size(), 2U);
  EXPECT_TRUE(run(50s).empty());
}

TEST_F(PoolTest, AfterGoawayTheNextWantDialsAnew) {
  dialed(ConnId{7});
  pool_->goaway(ConnId{7}, now_);
  want({{at(1)}});
  EXPECT_EQ(only<StartAttempt>(take(*pool_)).size(), 1U);
  EXPECT_EQ(one<Close>(run(1ms)).connection, ConnId{7});
}

TEST_F(PoolTest, OfflineFailsWaitersAndDrainsConnections) {
  dialed(ConnId{7});
  pool_->stream_opened(ConnId{7});
  pool_->want(larger_, std::vector<Candidate>{{at(1)}}, now_);
  take(*pool_);
  pool_->identity_offline(key_.identity, {Code::offline, "the identity went offline"}, now_ + 10s, now_);
  const auto actions = take(*pool_);
  EXPECT_EQ(one<Fail>(actions).error.code, Code::offline);
  EXPECT_EQ(only<AbandonAttempt>(actions).size(), 1U);
  EXPECT_EQ(one<Goaway>(actions).connection, ConnId{7});
  dialed(ConnId{9}); // online again, and an immediate call, beside the stream that drains
  const auto drained = only<Close>(run(10s));
  ASSERT_EQ(drained.size(), 1U);
  EXPECT_EQ(drained[0].connection, ConnId{7});
}

TEST_F(PoolTest, ABlockedPeerIsClosedAtOnce) {
  dialed(ConnId{7});
  pool_->close_peer(key_.identity, key_.peer, {Code::denied, "blocked"}, now_);
  const Close close = one<Close>(take(*pool_));
  EXPECT_EQ(close.code, Code::cancelled) << "of what runs there nobody may say that it did not run";
  EXPECT_EQ(close.text, "the peer's owner closed the connection") << "the peer can't know it otherwise";
  EXPECT_TRUE(pool_->list().empty());
  EXPECT_EQ(pool_->next_deadline(), never);
}

TEST_F(PoolTest, AfterSleepTheSilentAreDropped) {
  dialed(ConnId{7});
  pool_->accepted(larger_, ConnId{8}, at(2), false, now_);
  pool_->heard(ConnId{7}, 10ms, now_);
  pool_->heard(ConnId{8}, 10ms, now_);
  pool_->wake_from_sleep(now_);
  EXPECT_EQ(only<Ping>(take(*pool_)).size(), 2U);
  pool_->heard(ConnId{8}, 10ms, now_ + 1ms);
  EXPECT_EQ(one<Close>(run(1s)).connection, ConnId{7});
}

// What is asked for right after a sleep waits for the answer to the PING: an old connection may be dead.
TEST_F(PoolTest, AWantAfterSleepGoesOnTheConnectionThatAnswers) {
  dialed(ConnId{7});
  pool_->heard(ConnId{7}, 10ms, now_);
  pool_->wake_from_sleep(now_);
  want({{at(1)}});
  EXPECT_TRUE(only<Grant>(take(*pool_)).empty());
  pool_->heard(ConnId{7}, 10ms, now_ + 5ms);
  EXPECT_EQ(one<Grant>(take(*pool_)).connection, ConnId{7});
  EXPECT_TRUE(only<StartAttempt>(run(50s)).empty());
  // The addresses that it did not need are not remembered.
  pool_->closed(ConnId{7}, now_);
  want({{at(2)}});
  EXPECT_EQ(one<StartAttempt>(run(1s)).address, at(2));
}

TEST_F(PoolTest, AWantAfterSleepIsDialedAnewWhenTheOldConnectionIsSilent) {
  dialed(ConnId{7});
  pool_->heard(ConnId{7}, 10ms, now_);
  pool_->wake_from_sleep(now_);
  want({{at(1)}});
  const auto actions = run(30ms);
  EXPECT_EQ(one<Close>(actions).connection, ConnId{7});
  const StartAttempt start = one<StartAttempt>(actions);
  pool_->attempt_ready(start.attempt, ConnId{8}, now_);
  EXPECT_EQ(one<Grant>(take(*pool_)).connection, ConnId{8});
}

// Between two networks a PING may stay unanswered for long: whoever asks meanwhile is dialed for after 3 s.
TEST_F(PoolTest, AWantOnAConnectionThatIsLongInDoubtIsDialedBesideIt) {
  dialed(ConnId{7});
  pool_->address_changed(ConnId{7}, now_);
  want({{at(1)}});
  EXPECT_TRUE(only<StartAttempt>(run(2900ms)).empty());
  const StartAttempt start = one<StartAttempt>(run(100ms));
  pool_->attempt_ready(start.attempt, ConnId{8}, now_);
  EXPECT_EQ(one<Grant>(take(*pool_)).connection, ConnId{8});
}

TEST_F(PoolTest, AWantAfterSleepThatIsCancelledLeavesNothing) {
  dialed(ConnId{7});
  pool_->wake_from_sleep(now_);
  pool_->cancel(want({{at(1)}}));
  EXPECT_TRUE(only<StartAttempt>(run(10s)).empty());
  EXPECT_EQ(pool_->next_deadline(), never);
}

TEST_F(PoolTest, ChangedAddressesDialAcceptedPeersAnewWithinASecondThenBackOff) {
  pool_->accepted(key_, ConnId{8}, at(2), false, now_);
  pool_->accepted(larger_, ConnId{9}, at(3), false, now_);
  pool_->closed(ConnId{9}, now_);
  for (const ConnId id : {ConnId{8}, ConnId{9}}) pool_->address_changed(id, now_);
  const StartAttempt start = one<StartAttempt>(run(1s));
  EXPECT_EQ(start.address, at(2));
  pool_->attempt_failed(start.attempt, {Code::unreachable, "refused"}, now_);
  Duration last{};
  for (int i = 0; i < 10; ++i) {
    const TimePoint before = now_;
    while (take(*pool_).empty() && pool_->next_deadline() != never) {
      now_ = pool_->next_deadline();
      pool_->on_deadline(now_);
      const auto starts = only<StartAttempt>(take(*pool_));
      if (starts.empty()) continue;
      const Duration waited = now_ - before;
      EXPECT_GE(waited, i == 0 ? Duration(125ms) : last / 2);
      EXPECT_LE(waited, 60s);
      last = waited;
      pool_->attempt_failed(starts[0].attempt, {Code::unreachable, "refused"}, now_);
      break;
    }
  }
  EXPECT_GE(last, 30s);
  EXPECT_TRUE(only<StartAttempt>(run(1h)).empty()) << "max_redials";
}

TEST_F(PoolTest, ChangedAddressesArePingedOnConnectionsThatWeDialedAndTheSilentGo) {
  want({{at(1)}});
  const StartAttempt start = one<StartAttempt>(take(*pool_));
  pool_->attempt_ready(start.attempt, ConnId{7}, now_);
  pool_->heard(ConnId{7}, 10ms, now_);
  take(*pool_);
  for (const char* change : {"the old address goes", "the new one comes"}) {
    pool_->address_changed(ConnId{7}, now_);
    EXPECT_EQ(one<Ping>(take(*pool_)).connection, ConnId{7}) << change;
    EXPECT_TRUE(only<Close>(run(10s)).empty()) << "there may be no network for a while";
  }
  EXPECT_EQ(one<Close>(run(6s)).connection, ConnId{7});
}

TEST_F(PoolTest, AnAbsenceThatLooksLikeARoundTripDoesNotMakeThePoolWaitForEver) {
  pool_->accepted(key_, ConnId{8}, at(2), false, now_);
  pool_->heard(ConnId{8}, 100s, now_);
  pool_->wake_from_sleep(now_);
  EXPECT_EQ(one<Close>(run(15s)).connection, ConnId{8});
}

TEST_F(PoolTest, LimitsHaveNames) {
  Settings settings;
  settings.max_connections = 2;
  settings.max_waiters_per_peer = 1;
  make(settings);
  want({{at(1)}});
  want({{at(1)}});
  EXPECT_THAT(one<Fail>(take(*pool_)).error.text, testing::HasSubstr("max_waiters_per_peer"));
  pool_->accepted(larger_, ConnId{1}, at(2), false, now_);
  pool_->stream_opened(ConnId{1});
  Key third = key_;
  third.peer = id_of(77);
  pool_->accepted(third, ConnId{2}, at(2), false, now_);
  const Close refused = one<Close>(take(*pool_));
  EXPECT_EQ(refused.connection, ConnId{2});
  EXPECT_THAT(refused.text, testing::HasSubstr("max_connections"));
  third.alpn = "other";
  pool_->want(third, std::vector<Candidate>{{at(4)}}, now_);
  const Fail fail = one<Fail>(run(1ms));
  EXPECT_EQ(fail.error.code, Code::busy);
  EXPECT_THAT(fail.error.text, testing::HasSubstr("max_connections"));
}

TEST_F(PoolTest, StrangersGoFirstAndHaveTheirOwnLimit) {
  Settings settings;
  settings.max_connections = 3;
  settings.max_stranger_connections = 2;
  make(settings);
  const auto accept = [&](std::uint8_t peer, ConnId id, bool stranger) {
    Key key = key_;
    key.peer = id_of(peer);
    now_ += 1ms;
    pool_->accepted(key, id, at(1), stranger, now_);
    std::vector<ConnId> closed;
    for (const Close& close : only<Close>(take(*pool_))) closed.push_back(close.connection);
    return closed;
  };
  EXPECT_TRUE(accept(20, ConnId{1}, false).empty());
  EXPECT_TRUE(accept(21, ConnId{2}, true).empty());
  EXPECT_TRUE(accept(22, ConnId{3}, true).empty());
  EXPECT_THAT(accept(19, ConnId{8}, true), testing::ElementsAre(ConnId{8})) << "both are too new to make room";
  now_ += settings.stranger_grace;
  EXPECT_THAT(accept(23, ConnId{4}, true), testing::ElementsAre(ConnId{2})) << "the stranger that was idle for longest";
  pool_->stream_opened(ConnId{4});
  EXPECT_THAT(accept(24, ConnId{5}, false), testing::ElementsAre(ConnId{3}));
  EXPECT_THAT(accept(25, ConnId{6}, true), testing::ElementsAre(ConnId{6})) << "a stranger displaces no known peer";
  EXPECT_THAT(accept(26, ConnId{7}, false), testing::ElementsAre(ConnId{4})) << "a stranger's streams don't protect it from a known peer";
  EXPECT_EQ(pool_->counters().evictions, 3U);
}

TEST_F(PoolTest, AStrangerWhoseStreamsAreSilentMakesRoomForANewOne) {
  Settings settings;
  settings.max_stranger_connections = 3;
  make(settings);
  const auto accept = [&](std::uint8_t peer, ConnId id) {
    Key key = key_;
    key.peer = id_of(peer);
    pool_->accepted(key, id, at(1), true, now_);
    pool_->stream_opened(id);
  };
  for (std::uint8_t i = 1; i <= 3; ++i) accept(20 + i, ConnId{i});
  run(5s);
  pool_->heard(ConnId{1}, 10ms, now_);
  pool_->heard(ConnId{3}, 10ms, now_);
  take(*pool_);
  accept(30, ConnId{4});
  EXPECT_EQ(one<Close>(take(*pool_)).connection, ConnId{2});
  EXPECT_EQ(pool_->list().size(), 3U);
}

TEST_F(PoolTest, AStrangersConnectionOnWhichNothingMovesEndsWithItsStreams) {
  pool_->accepted(key_, ConnId{1}, at(1), true, now_);
  pool_->accepted(larger_, ConnId{2}, at(2), false, now_);
  pool_->stream_opened(ConnId{1});
  pool_->stream_opened(ConnId{2});
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(run(59s).empty());
    pool_->heard(ConnId{1}, 10ms, now_);
  }
  const Close close = one<Close>(run(60s));
  EXPECT_EQ(close.connection, ConnId{1});
  EXPECT_EQ(close.code, Code::timeout);
  EXPECT_TRUE(run(1h).empty()) << "a known peer may be silent";
}

TEST_F(PoolTest, WhoIsAStrangerChangesWithItsRole) {
  Settings settings;
  settings.max_stranger_connections = 1;
  make(settings);
  pool_->accepted(key_, ConnId{1}, at(1), false, now_);
  pool_->stream_opened(ConnId{1});
  run(30s);
  pool_->set_stranger(key_.identity, key_.peer, true, now_); // removed
  EXPECT_TRUE(pool_->list().at(0).stranger);
  run(6s);
  pool_->accepted(larger_, ConnId{2}, at(2), true, now_);
  EXPECT_EQ(one<Close>(take(*pool_)).connection, ConnId{1}) << "it has a stranger's place now";
  pool_->set_stranger(larger_.identity, larger_.peer, false, now_); // added
  pool_->accepted(key_, ConnId{3}, at(1), true, now_);
  EXPECT_TRUE(only<Close>(take(*pool_)).empty()) << "that place is free again";
}

TEST_F(PoolTest, AStrangersAddressIsAHint) {
  pool_->accepted(key_, ConnId{8}, at(2), true, now_);
  pool_->address_changed(ConnId{8}, now_);
  EXPECT_TRUE(one<StartAttempt>(run(1s)).hinted);
}

TEST_F(PoolTest, OnePeerCantPileUpConnections) {
  for (std::uint64_t i = 1; i <= 50; ++i) pool_->accepted(key_, ConnId{i}, at(1), false, now_);
  EXPECT_EQ(pool_->list().size(), Settings{}.max_connections_per_key);
  EXPECT_EQ(pool_->current(key_), ConnId{50});
}

TEST_F(PoolTest, AttemptsInFlightAreCapped) {
  std::vector<Candidate> many;
  for (std::uint16_t i = 1; i <= 100; ++i) many.push_back({at(i)});
  want(many);
  const auto starts = only<StartAttempt>(run(5s));
  EXPECT_EQ(starts.size(), Settings{}.max_attempts_per_peer);
  pool_->attempt_failed(starts[0].attempt, {Code::unreachable, "refused"}, now_);
  EXPECT_EQ(only<StartAttempt>(take(*pool_)).size(), 1U);
}

TEST_F(PoolTest, UnknownIdsAreIgnored) {
  pool_->attempt_failed(AttemptId{99}, {Code::unreachable, ""}, now_);
  pool_->closed(ConnId{99}, now_);
  pool_->goaway(ConnId{99}, now_);
  pool_->heard(ConnId{99}, 1ms, now_);
  pool_->address_changed(ConnId{99}, now_);
  pool_->stream_opened(ConnId{99});
  pool_->stream_ended(ConnId{99}, now_);
  pool_->cancel(WaiterId{99});
  EXPECT_TRUE(take(*pool_).empty());
}

} // namespace
} // namespace kith::pool
