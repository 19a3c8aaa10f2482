// SPDX-License-Identifier: GPL-3.0-or-later
// A ladder of links, from a good one to one that hardly is one. On each rung two whole nodes do calls and a bulk transfer in virtual time; everything ends in
// time and whole, nothing leaks, and the transfer gets a fair share of what the link has. `scripts/sim --ladder` prints the table.
#include "bulk.hpp"
#include "net.hpp"

#include <algorithm>
#include <cstdio>

namespace kith::testing {
namespace {

struct Rung {
  const char* name;
  std::uint64_t kilobits; ///< A second, each way.
  int rtt_ms;
  int jitter_ms;
  double loss;  ///< Of single datagrams.
  double burst; ///< Of all datagrams, lost in bursts of four on average (Gilbert-Elliott).
  double reorder;
  double duplicate;
  std::size_t mtu;
  std::size_t later_mtu; ///< From the middle of the transfer on.
  double wanted_share;   ///< Of the link's bits, that the transfer's octets are: the median of all seeds; each one has a third of it.
  double least_calls;    ///< Share of calls that succeed within their limit, and of transfers that end whole; the others fail with a code.
};

// What is lost can't be used, and above 2 % BBR takes loss for a full queue, as it should. A burst takes so many packets, not so much time: where few are sent, it
// is long, and on the last rung some connections hear nothing for their whole idle timeout.
constexpr Rung rungs[] = {
    {"fibre", 100'000, 16, 0, 0.001, 0, 0, 0, 1500, 1500, 0.7, 1},
    {"cable", 50'000, 30, 2, 0.001, 0, 0, 0, 1500, 1500, 0.7, 1},
    {"wifi", 20'000, 40, 10, 0.01, 0, 0.01, 0.005, 1500, 1500, 0.6, 1},
    {"mobile", 10'000, 60, 20, 0, 0.02, 0, 0, 1400, 1400, 0.5, 1},
    {"tunnel", 5'000, 100, 5, 0.01, 0, 0.02, 0.01, 1280, 1280, 0.6, 1},
    {"tunnel that shrinks", 2'000, 200, 20, 0, 0.02, 0.01, 0.01, 1500, 1300, 0.5, 1},
    {"satellite", 1'000, 600, 20, 0.03, 0, 0, 0, 1500, 1500, 0.35, 1},
    {"edge of the cell", 512, 400, 100, 0, 0.10, 0.02, 0.02, 1400, 1400, 0.25, 0.95},
    {"hardly there", 256, 800, 200, 0, 0.25, 0.05, 0.05, 1400, 1400, 0.07, 0.6},
};

double in_ms(Duration time) { return std::chrono::duration<double, std::milli>(time).count(); }

LinkRules rules_of(const Rung& rung) {
  LinkRules rules;
  rules.bytes_per_second = rung.kilobits * 125;
  rules.delay = milliseconds(rung.rtt_ms) / 2;
  rules.jitter = milliseconds(rung.jitter_ms);
  rules.loss = rung.loss;
  rules.burst_leave = 0.25;
  rules.burst_enter = rung.burst * rules.burst_leave / (1 - rung.burst);
  rules.reorder = rung.reorder;
  rules.reorder_delay = milliseconds(rung.rtt_ms) / 8;
  rules.duplicate = rung.duplicate;
  rules.mtu = rung.mtu;
  const std::uint64_t bandwidth_delay = rules.bytes_per_second * static_cast<std::uint64_t>(rung.rtt_ms) / 1000;
  rules.queue_bytes = std::max<std::uint64_t>(bandwidth_delay, 32 * 1024);
  return rules;
}

/// One rung with one seed.
class Climb {
public:
  Climb(const Rung& rung, std::uint64_t seed) : rung_(rung), two_(seed) {
    two_.network.set_both("host1", "host2", rules_of(rung));
    // A call is short: beside its round trip it waits for what is lost, again and again.
    call_limit_ = std::max<Duration>(seconds(10), 40 * milliseconds(rung.rtt_ms));
  }

  void run() {
    cold = call(100);
    for (int i = 0; i < 20; ++i) {
      if (const auto took = call(i % 5 == 4 ? 5000 : 100)) times.push_back(*took);
    }
    transfer();
    two_.sim.run_for(seconds(300)); // idle close, whatever was lost of it
    for (Host* host : {&two_.alice, &two_.bob}) {
      EXPECT_EQ(host->connections(), 0U) << host->name << " keeps a connection";
      EXPECT_EQ(host->node->status().buffer_bytes, 0U) << host->name << " leaks slabs";
    }
    EXPECT_EQ(two_.alice.factory.echo->live(), 0U);
  }

  std::optional<Duration> cold;
  std::vector<Duration> times; ///< Of warm calls that succeeded.
  int asked = 0;
  int answered = 0;
  double share = 0;
  double took_seconds = 0;
  std::uint64_t size = 0;

private:
  std::optional<Duration> call(std::size_t bytes) {
    const std::string body = "job" + std::to_string(++asked) + ";" + std::string(bytes, 'x');
    Program program(*two_.bob.node);
    auto request = two_.bob.request(two_.alice);
    const TimePoint began = two_.sim.now();
    request.deadline = began + call_limit_;
    program.call(request, body);
    EXPECT_TRUE(two_.run([&] { return program.end.has_value(); }, call_limit_ + milliseconds(1))) << "a call outlives its deadline";
    if (!program.end) return std::nullopt;
    if (program.ok()) {
      EXPECT_EQ(program.body, body);
      ++answered;
      return two_.sim.now() - began;
    }
    const CodeInfo* row = find_code(program.end->error.code);
    EXPECT_NE(row, nullptr);
    if (row != nullptr && row->ran == Ran::no) {
      EXPECT_FALSE(two_.alice.factory.ran.contains("job" + std::to_string(asked) + ";")) << "ran and failed with " << row->name;
    }
    return std::nullopt;
  }

  void transfer() {
    const std::uint64_t rate = rung_.kilobits * 125;
    // Long enough for the start not to count for much.
    size = std::min<std::uint64_t>(std::max<std::uint64_t>(3 * rate, rate * static_cast<std::uint64_t>(rung_.rtt_ms) * 60 / 1000), 24'000'000);
    Bulk bulk(*two_.bob.node, size);
    bulk.start(two_.bob.request(two_.alice, StreamKind::stream, "digest"));
    const TimePoint began = two_.sim.now();
    const auto limit = Duration(static_cast<std::int64_t>(1e9 * static_cast<double>(size) / static_cast<double>(rate) / (rung_.wanted_share / 10)));
    two_.run([&] { return bulk.half_sent() || bulk.end; }, limit);
    for (const auto& [from, to] : {std::pair("host1", "host2"), std::pair("host2", "host1")}) two_.network.link(from, to).mtu = rung_.later_mtu;
    EXPECT_TRUE(two_.run([&] { return bulk.end.has_value(); }, limit)) << "the transfer did not end";
    if (!bulk.end) {
      bulk.cancel();
      two_.run([&] { return bulk.end.has_value(); }, seconds(1));
      return;
    }
    if (!bulk.end->ok) {
      EXPECT_NE(find_code(bulk.end->error.code), nullptr) << bulk.end->error.text;
      return;
    }
    EXPECT_TRUE(bulk.whole()) << "other octets than were sent";
    took_seconds = in_ms(two_.sim.now() - began) / 1000;
    share = static_cast<double>(size) / took_seconds / static_cast<double>(rate);
  }

  const Rung& rung_;
  Two two_;
  Duration call_limit_;
};

class LadderTest : public ::testing::TestWithParam<Rung> {
public:
  static void SetUpTestSuite() {
    std::printf("%-20s %9s %7s %6s | %8s %8s %8s %9s | %7s %7s %7s %6s %6s %6s\n", "link", "kbit/s", "RTT ms", "lost", "cold ms", "p50 ms", "max ms",
                "calls", "bulk kB", "s", "whole", "share", "worst", "wanted");
  }
};

TEST_P(LadderTest, CallsAndATransfer) {
  const Rung& rung = GetParam();
  const std::uint64_t first = setting("KITH_SIM_FIRST", 1);
  const std::uint64_t count = setting("KITH_SIM_SEEDS", 3);
  std::vector<double> shares;
  std::vector<double> seconds_taken;
  std::vector<Duration> times;
  std::vector<Duration> cold;
  int asked = 0;
  int answered = 0;
  std::uint64_t size = 0;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Climb climb(rung, seed);
    climb.run();
    if (climb.share > 0) {
      EXPECT_GE(climb.share, rung.wanted_share / 3);
      shares.push_back(climb.share);
      seconds_taken.push_back(climb.took_seconds);
    }
    times.insert(times.end(), climb.times.begin(), climb.times.end());
    if (climb.cold) cold.push_back(*climb.cold);
    asked += climb.asked;
    answered += climb.answered;
    size = climb.size;
  }
  EXPECT_GE(answered, asked * rung.least_calls);
  EXPECT_GE(static_cast<double>(shares.size()), static_cast<double>(count) * rung.least_calls) << "transfers that ended whole";
  ASSERT_FALSE(shares.empty());
  const auto middle = [](auto& values) {
    std::sort(values.begin(), values.end());
    return values.empty() ? typename std::decay_t<decltype(values)>::value_type{} : values[values.size() / 2];
  };
  const double p50 = in_ms(middle(times));
  const double share = middle(shares);
  EXPECT_GE(share, rung.wanted_share);
  std::printf("%-20s %9llu %7d %5.1f%% | %8.0f %8.0f %8.0f %4d/%-4d | %7llu %7.1f %3zu/%-3llu %6.2f %6.2f %6.2f\n", rung.name,
              static_cast<unsigned long long>(rung.kilobits), rung.rtt_ms, 100 * (rung.loss + rung.burst), in_ms(middle(cold)), p50,
              times.empty() ? 0.0 : in_ms(times.back()), answered, asked, static_cast<unsigned long long>(size / 1000), middle(seconds_taken),
              shares.size(), static_cast<unsigned long long>(count), share, shares.front(), rung.wanted_share);
}

INSTANTIATE_TEST_SUITE_P(Rungs, LadderTest, ::testing::ValuesIn(rungs), [](const auto& which) {
  std::string name = which.param.name;
  std::replace(name.begin(), name.end(), ' ', '_');
  return name;
});

} // namespace
} // namespace kith::testing
