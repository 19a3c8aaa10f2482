// SPDX-License-Identifier: Apache-2.0
#include "protocol/fd_passing.hpp"

#include <array>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

namespace kith::protocol {
namespace {

struct Pair {
  Pair() {
    std::array<int, 2> fds{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()), 0);
    a.reset(fds[0]);
    b.reset(fds[1]);
  }
  Fd a, b;
};

struct Pipe {
  Pipe() {
    std::array<int, 2> fds{};
    EXPECT_EQ(::pipe2(fds.data(), O_CLOEXEC), 0);
    read.reset(fds[0]);
    write.reset(fds[1]);
  }
  Fd read, write;
};

std::string receive(int socket, FdQueue& fds) {
  std::array<std::uint8_t, 4096> buffer{};
  const Io io = receive_with_fds(socket, buffer, fds);
  return std::string(as_text({buffer.data(), io.count}));
}

TEST(FdPassing, ADescriptorArrivesWithItsLineAndWorks) {
  Pair pair;
  Pipe pipe;
  const std::array fds{pipe.write.get()};
  EXPECT_EQ(send_with_fds(pair.a.get(), "line\n", fds).count, 5U);
  FdQueue queue;
  EXPECT_EQ(receive(pair.b.get(), queue), "line\n");
  auto got = queue.take(1);
  ASSERT_EQ(got.size(), 1U);
  EXPECT_NE(::fcntl(got[0].get(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_EQ(::write(got[0].get(), "x", 1), 1);
  char c = 0;
  EXPECT_EQ(::read(pipe.read.get(), &c, 1), 1);
  EXPECT_EQ(c, 'x');
}

TEST(FdPassing, TakesAllOrNothingAndClosesTheRest) {
  Pair pair;
  Pipe pipe;
  const std::array fds{pipe.write.get(), pipe.write.get()};
  ASSERT_EQ(send_with_fds(pair.a.get(), "a\n", fds).count, 2U);
  FdQueue queue;
  receive(pair.b.get(), queue);
  EXPECT_TRUE(queue.take(3).empty());
  EXPECT_EQ(queue.size(), 2U);
  { auto one = queue.take(1); }
  pipe.write.reset();
  queue.clear();
  char c = 0;
  EXPECT_EQ(::read(pipe.read.get(), &c, 1), 0) << "every copy of the writing end is closed";
}

TEST(FdPassing, NobodyCanMakeUsHoldMoreThanTheLimit) {
  Pair pair;
  Pipe pipe;
  const std::vector<int> fds(max_fds_per_line, pipe.write.get());
  FdQueue queue;
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(send_with_fds(pair.a.get(), "a\n", fds).count, 2U);
    receive(pair.b.get(), queue);
  }
  EXPECT_EQ(queue.size(), max_waiting_fds);
}

TEST(FdPassing, TellsBlockedFromEnded) {
  Pair pair;
  FdQueue queue;
  std::array<std::uint8_t, 16> buffer{};
  EXPECT_TRUE(receive_with_fds(pair.b.get(), buffer, queue).would_block);
  pair.a.reset();
  EXPECT_TRUE(receive_with_fds(pair.b.get(), buffer, queue).ended);
  EXPECT_TRUE(send_with_fds(pair.b.get(), "x", {}).ended);
  EXPECT_EQ(send_with_fds(-1, "x", {}).error, EBADF);
}

} // namespace
} // namespace kith::protocol
