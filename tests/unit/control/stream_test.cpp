// SPDX-License-Identifier: GPL-3.0-or-later
#include "control/hangup.hpp"
#include "control/outbox.hpp"
#include "control_support.hpp"

namespace kith::control {
namespace {

constexpr auto first = static_cast<StreamKey>(1);
constexpr std::string_view stream_line = R"({"id":"1","type":"stream","target":"bob","protocol":"Echo"})"
                                         "\n";

class StreamTest : public ControlTest {
protected:
  /// The program's descriptor of an open stream.
  protocol::Fd open() {
    connect();
    send(stream_line);
    run_until([&] { return !backend.opened.empty(); });
    stream(1).user->replied(first, std::string());
    EXPECT_EQ(read_line(), R"({"id":"1","status":"streaming","fds":1})");
    auto taken = fds.take(1);
    return taken.empty() ? protocol::Fd() : std::move(taken.front());
  }
};

// A stream's opener may send right behind the header (docs/wire.md §3).
TEST_F(StreamTest, AProviderReadsWhatCameWithTheStreamBeforeItAnswers) {
  connect();
  send("{\"id\":\"1\",\"type\":\"serve\",\"identity\":\"alice\",\"protocol\":\"Prov\"}\n");
  run_until([&] { return backend.provider != nullptr; });
  read_line();
  IncomingStream stream;
  stream.key = static_cast<StreamKey>(77);
  stream.kind = StreamKind::stream;
  stream.in = std::make_shared<Pipe>(backend.slabs);
  stream.out = std::make_shared<Pipe>(backend.slabs);
  stream.in->write(as_bytes(std::string_view("early")));
  backend.opened[stream.key].in = stream.in;
  backend.provider->user().opened(stream);
  read_line();
  const auto taken = fds.take(1);
  ASSERT_FALSE(taken.empty());
  std::array<char, 10> buffer{};
  run_until([&] { return ::recv(taken.front().get(), buffer.data(), buffer.size(), MSG_DONTWAIT) == 5; });
}

TEST_F(StreamTest, OctetsGoBothWaysAndBothEndsAreSeen) {
  const protocol::Fd program = open();
  ASSERT_TRUE(program);
  auto& one = stream(1);
  ASSERT_EQ(::write(program.get(), "up", 2), 2);
  run_until([&] { return one.out->readable() == 2; });
  EXPECT_EQ(as_text(one.out->peek()), "up");
  one.in->write(as_bytes("down"));
  one.in->finish();
  one.user->readable(first);
  std::array<char, 10> buffer{};
  run_until([&] { return ::recv(program.get(), buffer.data(), buffer.size(), MSG_DONTWAIT) == 4; });
  run_until([&] { return ::recv(program.get(), buffer.data(), buffer.size(), MSG_DONTWAIT) == 0; });
  EXPECT_FALSE(one.out->finished());
  ::shutdown(program.get(), SHUT_WR); // after our own end: the case that poll can't tell from a death
  run_until([&] { return one.out->finished() || one.reset.has_value(); });
  EXPECT_FALSE(one.reset.has_value());
  one.user->closed(first, {true, {}, false, 2, 4});
  EXPECT_EQ(read_line(), R"({"id":"1","event":"closed","status":"ok","sent":2,"received":4})");
}

TEST_F(StreamTest, AHangUpIsNeverAnEnd) {
  protocol::Fd program = open();
  auto& one = stream(1);
  ASSERT_EQ(::write(program.get(), "half", 4), 4);
  run_until([&] { return one.out->readable() == 4; });
  program.reset();
  run_until([&] { return one.reset.has_value(); });
  EXPECT_FALSE(one.out->finished());
}

TEST_F(StreamTest, AHangUpAfterThePeersEndIsNoneEither) {
  protocol::Fd program = open();
  auto& one = stream(1);
  one.in->finish();
  one.user->readable(first);
  std::array<char, 1> buffer{};
  run_until([&] { return ::recv(program.get(), buffer.data(), buffer.size(), MSG_DONTWAIT) == 0; });
  program.reset();
  run_until([&] { return one.reset.has_value() || one.out->finished(); });
  EXPECT_TRUE(one.reset.has_value()); // where the kernel has no unix_diag, the loss of the control socket would say it
}

TEST_F(StreamTest, AHangUpWhileThePeerTakesNothingIsSeen) {
  protocol::Fd program = open();
  auto& one = stream(1);
  one.out->set_limit(10);
  const std::string much(100'000, 'x');
  ASSERT_GT(::send(program.get(), much.data(), much.size(), MSG_DONTWAIT), 10);
  run_until([&] { return one.wants_room; });
  EXPECT_EQ(one.out->readable(), 10U);
  program.reset();
  run_until([&] { return one.reset.has_value(); });
  EXPECT_EQ(one.reset->code, Code::cancelled);
  one.user->closed(first, {false, *one.reset, false, 10, 0});
  EXPECT_EQ(read_line(), R"({"id":"1","event":"closed","status":"error","code":"cancelled","data":"the program went away","sent":10,"received":0})");
}

TEST_F(StreamTest, AStreamWithoutRoomGoesOnWhenThereIsSome) {
  const protocol::Fd program = open();
  auto& one = stream(1);
  one.out->set_limit(4);
  ASSERT_EQ(::write(program.get(), "abcdefgh", 8), 8);
  run_until([&] { return one.wants_room; });
  EXPECT_EQ(as_text(one.out->peek()), "abcd");
  one.out->consume(4);
  one.user->writable(first);
  run_until([&] { return one.out->readable() == 4; });
  EXPECT_EQ(as_text(one.out->peek()), "efgh");
}

TEST_F(StreamTest, ClosedComesAfterAllThatWasReceived) {
  const protocol::Fd program = open();
  auto& one = stream(1);
  const std::string much(3'000'000, 'y');
  one.in->write(as_bytes(much));
  one.in->finish();
  one.out->finish();
  one.user->readable(first);
  one.user->closed(first, {true, {}, false, 0, much.size()});
  poll();
  EXPECT_EQ(take(), ""); // the program has not read: no event yet
  std::size_t got = 0;
  std::array<char, 65536> buffer;
  while (got < much.size()) {
    const ssize_t count = ::recv(program.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (count > 0) {
      got += static_cast<std::size_t>(count);
    } else {
      world.reactor().turn(std::chrono::seconds(60));
    }
  }
  EXPECT_EQ(read_line(), R"({"id":"1","event":"closed","status":"ok","sent":0,"received":3000000})");
}

TEST_F(StreamTest, APeerThatNeverAcceptsCostsTheTimeoutOnly) {
  connect();
  send(R"({"id":"1","type":"stream","target":"bob","protocol":"Echo","timeout_ms":1})"
       "\n");
  run_until([&] { return !backend.opened.empty() && stream(1).reset.has_value(); });
  stream(1).user->replied(first, *stream(1).reset);
  stream(1).user->closed(first, {false, *stream(1).reset, false, 0, 0});
  EXPECT_NE(read_line().find(R"("code":"timeout")"), std::string::npos);
}

// --- ends and deaths

struct Pair {
  Pair() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()), 0);
    near.reset(ends[0]);
    far.reset(ends[1]);
  }
  protocol::Fd near;
  protocol::Fd far;
};

TEST(FarEnd, TellsAnEndFromADeath) {
  for (const bool own : {false, true}) {
    Pair pair;
    const std::uint64_t inode = socket_inode(pair.far.get());
    if (own) ::shutdown(pair.near.get(), SHUT_WR);
    ::shutdown(pair.far.get(), SHUT_WR);
    const FarEnd ended = look_at_far_end(pair.near.get(), own, inode);
    if (own && ended == FarEnd::unknown) GTEST_SKIP() << "this kernel has no unix_diag";
    EXPECT_EQ(ended, FarEnd::ended);
    pair.far.reset();
    EXPECT_EQ(look_at_far_end(pair.near.get(), own, inode), FarEnd::gone);
  }
}

// --- the outbox

std::string receive(int socket, protocol::FdQueue& queue) {
  std::array<std::uint8_t, 65536> buffer;
  const protocol::Io io = protocol::receive_with_fds(socket, buffer, queue);
  return std::string(as_text(ByteView(buffer).first(io.count)));
}

TEST(OutboxTest, ManyLinesLeaveInOneWrite) {
  Pair pair;
  Outbox box;
  box.line("one");
  box.line("two", as_bytes("octets"));
  box.raw(as_bytes("raw"));
  EXPECT_EQ(box.size(), 4U + 10U + 3U);
  EXPECT_EQ(box.flush(pair.near.get()), Outbox::State::empty);
  protocol::FdQueue queue;
  EXPECT_EQ(receive(pair.far.get(), queue), "one\ntwo\noctetsraw");
  EXPECT_TRUE(box.empty());
}

TEST(OutboxTest, ADescriptorLeavesWithItsLine) {
  Pair pair;
  Pair passed;
  Outbox box;
  box.line("before");
  std::vector<protocol::Fd> fds;
  fds.push_back(std::move(passed.far));
  box.line("with", {}, std::move(fds));
  box.line("after");
  EXPECT_EQ(box.flush(pair.near.get()), Outbox::State::empty);
  protocol::FdQueue queue;
  std::string all;
  while (all.size() < 18) all += receive(pair.far.get(), queue);
  EXPECT_EQ(all, "before\nwith\nafter\n");
  EXPECT_EQ(queue.size(), 1U);
}

TEST(OutboxTest, BlockedThenGoesOnThenBroken) {
  Pair pair;
  Outbox box;
  const std::string line(100'000, 'x');
  for (int i = 0; i < 50; ++i) box.line(line);
  EXPECT_EQ(box.flush(pair.near.get()), Outbox::State::blocked);
  EXPECT_GT(box.size(), 0U);
  protocol::FdQueue queue;
  std::size_t got = 0;
  while (got < 50U * 100'001U) {
    got += receive(pair.far.get(), queue).size();
    static_cast<void>(box.flush(pair.near.get()));
  }
  EXPECT_TRUE(box.empty());
  pair.far.reset();
  box.line("x");
  EXPECT_EQ(box.flush(pair.near.get()), Outbox::State::broken);
}

} // namespace
} // namespace kith::control
