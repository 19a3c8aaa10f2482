// SPDX-License-Identifier: GPL-3.0-or-later
// Who comes to a full socket, in virtual time: sockets are real, clock and timers are the simulator's.
#include "control_support.hpp"

#include "support/sim_world.hpp"

#include <algorithm>

namespace kith::control {
namespace {

using namespace std::chrono_literals;

class ReserveTest : public ::testing::Test {
protected:
  ReserveTest() { context.limits.max_clients = 1; }
  ~ReserveTest() override {
    server.close_all();
    rest();
  }

  /// Does all that there is to do now.
  void rest() {
    do world_runs();
    while (reactor.turn({}) > 0);
    world_runs();
  }
  void world_runs() { sim.run_for({}); }
  void pass(Duration time) {
    rest();
    sim.run_for(time);
    rest();
  }
  protocol::Fd come() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()), 0);
    server.accept(io::UniqueFd(ends[0]));
    rest();
    return protocol::Fd(ends[1]);
  }
  void ask_hello(const protocol::Fd& client) {
    EXPECT_EQ(protocol::send_with_fds(client.get(), "{\"id\":\"1\",\"type\":\"hello\"}\n", {}).error, 0);
    rest();
    EXPECT_NE(heard(client).find("\"status\":\"ok\""), std::string::npos);
  }
  /// What has come; "closed" at the end.
  std::string heard(const protocol::Fd& client) {
    std::array<std::uint8_t, 65536> buffer;
    protocol::FdQueue fds;
    const protocol::Io io = protocol::receive_with_fds(client.get(), buffer, fds);
    return io.ended ? "closed" : std::string(as_text(ByteView(buffer).first(io.count)));
  }
  std::size_t logged() {
    const auto& lines = world.log().lines();
    return static_cast<std::size_t>(
        std::ranges::count_if(lines, [](const std::string& line) { return line.find("the socket is full") != std::string::npos; }));
  }

  testing::Sim sim{1};
  testing::SimNetwork network{sim};
  testing::SimWorld world{sim, network, "host", {}};
  QuietLog quiet;
  io::RealWorld real{quiet};
  io::Reactor& reactor = real.reactor();
  FakeBackend backend;
  Roster roster;
  Topics topics;
  NoAdministration administration;
  Context context{world, reactor, backend, roster, topics, administration, {}, "0", "/home"};
  Server server{context};
};

TEST_F(ReserveTest, WhoAsksNothingForItsPatienceMakesRoom) {
  const protocol::Fd kept = come();
  const protocol::Fd idle = come();
  const protocol::Fd asking = come();
  ask_hello(idle);
  ask_hello(asking);
  pass(reserve_patience - 1ms);
  ask_hello(asking);
  EXPECT_EQ(heard(idle), "");
  pass(1ms);
  EXPECT_EQ(heard(idle), "closed");
  EXPECT_EQ(heard(asking), "");
  pass(reserve_patience - 1ms);
  EXPECT_EQ(heard(asking), "closed");
  pass(1h);
  ask_hello(kept);
  EXPECT_EQ(server.clients(), 1U) << "an ordinary place is for as long as one likes";
}

TEST_F(ReserveTest, AFullSocketIsInTheLogOnceAMinuteWithHowManyCame) {
  std::vector<protocol::Fd> clients;
  clients.push_back(come());
  EXPECT_EQ(logged(), 0U);
  for (std::size_t i = 0; i < 2 * reserved_clients; ++i) clients.push_back(come());
  EXPECT_NE(heard(clients.back()).find("\"code\":\"busy\""), std::string::npos) << "the reserve is full as well";
  EXPECT_EQ(logged(), 1U);
  pass(full_log_interval - 1ms);
  clients.push_back(come());
  EXPECT_EQ(logged(), 1U);
  pass(1ms);
  clients.push_back(come());
  EXPECT_EQ(logged(), 2U);
  EXPECT_TRUE(world.log().lines().back().ends_with("came 9")) << world.log().lines().back();
}

} // namespace
} // namespace kith::control
