// SPDX-License-Identifier: GPL-3.0-or-later
// ping and trace between whole nodes.
#include "net.hpp"

namespace kith::testing {
namespace {

using Report = std::optional<Result<node::PingReport>>;

Report ping(Two& two, Host& from, const Host& to, Duration patience = seconds(2)) {
  Report report;
  from.node->ping(from.id, to.id, patience, [&](Result<node::PingReport> got) {
    EXPECT_FALSE(report);
    report = std::move(got);
  });
  EXPECT_TRUE(two.run([&] { return report.has_value(); }, seconds(30)));
  return report;
}

TEST(ReachTest, APingDialsAndMeasures) {
  Two two;
  const Report first = ping(two, two.alice, two.bob);
  ASSERT_TRUE(*first) << first->error().text;
  EXPECT_TRUE((*first)->path.fresh);
  EXPECT_TRUE((*first)->path.dialer);
  EXPECT_GE((*first)->path.dialing, milliseconds(2));
  EXPECT_EQ((*first)->path.remote, two.bob.ip);
  ASSERT_TRUE((*first)->rtt);
  EXPECT_GE(*(*first)->rtt, milliseconds(2));
  EXPECT_LE(*(*first)->rtt, milliseconds(4));
  const Report second = ping(two, two.alice, two.bob);
  EXPECT_FALSE((*second)->path.fresh);
  EXPECT_TRUE((*second)->rtt);
  const Report back = ping(two, two.bob, two.alice);
  EXPECT_FALSE((*back)->path.fresh) << "the same connection serves both";
  EXPECT_FALSE((*back)->path.dialer);
  EXPECT_EQ(two.alice.handshakes(), 1U);
}

TEST(ReachTest, APartitionIsNoAnswerAfterThePatience) {
  Two two;
  ASSERT_TRUE((*ping(two, two.alice, two.bob))->rtt);
  two.network.link("host1", "host2").down = true;
  const TimePoint before = two.alice.world->now();
  const Report report = ping(two, two.alice, two.bob);
  ASSERT_TRUE(*report) << report->error().text;
  EXPECT_FALSE((*report)->rtt);
  EXPECT_EQ(two.alice.world->now() - before, seconds(2));
  two.network.link("host1", "host2").down = false;
  EXPECT_TRUE((*ping(two, two.alice, two.bob))->rtt);
}

TEST(ReachTest, LossIsSeenAsLoss) {
  Two two(7);
  ASSERT_TRUE((*ping(two, two.alice, two.bob))->rtt);
  two.sim.run_for(seconds(5));
  two.network.link("host1", "host2").loss = 0.3;
  int answered = 0;
  int lost = 0;
  for (int i = 0; i < 100; ++i) {
    const Report report = ping(two, two.alice, two.bob);
    ASSERT_TRUE(*report) << report->error().text;
    ++((*report)->rtt ? answered : lost);
    two.sim.run_for(seconds(1));
  }
  EXPECT_GT(lost, 15);
  EXPECT_LT(lost, 45);
}

TEST(ReachTest, NobodyThereIsUnreachable) {
  Two two;
  two.network.link("host1", "host2").down = true;
  const Report report = ping(two, two.alice, two.bob);
  ASSERT_FALSE(*report);
  EXPECT_EQ(report->error().code, Code::unreachable);
}

TEST(ReachTest, AConnectionThatEndsEndsItsPings) {
  Two two;
  ASSERT_TRUE((*ping(two, two.alice, two.bob))->rtt);
  two.network.link("host1", "host2").down = true;
  Report report;
  two.alice.node->ping(two.alice.id, two.bob.id, seconds(2), [&](Result<node::PingReport> got) { report = std::move(got); });
  two.sim.run_for(milliseconds(100));
  ASSERT_FALSE(report);
  two.alice.node->close_peer(two.alice.id, two.bob.id, "closed");
  two.sim.run_for(milliseconds(100));
  ASSERT_TRUE(report);
  EXPECT_EQ(report->error().code, Code::connection_lost);
}

TEST(ReachTest, OfflineBlockedAndUnknownAreSaid) {
  Two two;
  two.alice.peers[two.bob.id].blocked = true;
  two.alice.node->put_peer(two.alice.id, two.alice.peers[two.bob.id]);
  EXPECT_EQ(ping(two, two.alice, two.bob)->error().code, Code::denied);
  ASSERT_TRUE(two.alice.node->set_offline(two.alice.id, two.alice.world->now(), [] {}));
  EXPECT_EQ(ping(two, two.alice, two.bob)->error().code, Code::offline);
  Report unknown;
  two.bob.node->ping(two.alice.id, two.bob.id, seconds(2), [&](Result<node::PingReport> got) { unknown = std::move(got); });
  ASSERT_TRUE(unknown);
  EXPECT_EQ(unknown->error().code, Code::unknown_identity);
}

// --- trace

class Sink : public quic::TraceSink {
public:
  struct Log : quic::TraceLog {
    explicit Log(Sink& s) : sink(s) {}
    void write(std::string_view text) override { sink.octets += text.size(); }
    Sink& sink;
  };
  std::unique_ptr<quic::TraceLog> open(std::string_view) override {
    ++connections;
    return std::make_unique<Log>(*this);
  }
  std::size_t octets = 0;
  int connections = 0;
};

TEST(ReachTest, ATraceDialsAnewAndHarmsNoStreamThatRuns) {
  Two two;
  const auto stream = two.alice.open(two.bob, "hello");
  ASSERT_TRUE(two.run([&] { return stream->body == "hello"; }));
  const auto sink = std::make_shared<Sink>();
  std::optional<Result<node::Path>> path;
  ASSERT_TRUE(two.alice.node->start_trace(two.alice.id, two.bob.id, sink, [&](Result<node::Path> got) { path = std::move(got); }));
  ASSERT_TRUE(two.run([&] { return path.has_value(); }));
  ASSERT_TRUE(*path) << path->error().text;
  EXPECT_TRUE((*path)->fresh);
  EXPECT_EQ(sink->connections, 1);
  EXPECT_EQ(two.alice.handshakes(), 2U);
  const std::size_t before = sink->octets;
  EXPECT_GT(before, 0U);
  const auto call = two.alice.call(two.bob, "traced");
  ASSERT_TRUE(two.run([&] { return call->end.has_value(); }));
  EXPECT_TRUE(call->ok());
  EXPECT_GT(sink->octets, before) << "the call went over the traced connection";
  stream->stream.out->write(as_bytes(" again"));
  two.alice.node->control().produced(stream->stream.key);
  ASSERT_TRUE(two.run([&] { return stream->body == "hello again"; }));
  EXPECT_EQ(two.alice.node->start_trace(two.alice.id, two.bob.id, sink, [](const Result<node::Path>&) {}).error().code, Code::busy);
  two.alice.node->stop_trace(two.alice.id, two.bob.id);
  ASSERT_TRUE(two.alice.node->close_peer(two.alice.id, two.bob.id, "closed"));
  const auto after = two.alice.call(two.bob, "not traced");
  ASSERT_TRUE(two.run([&] { return after->end.has_value(); }));
  EXPECT_EQ(sink->connections, 1);
}

} // namespace
} // namespace kith::testing
