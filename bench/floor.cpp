// SPDX-License-Identifier: GPL-3.0-or-later
// unix-floor: what a program pays for a Unix socket at all. Two processes on a socketpair: a round trip of 100 octets, and 100-octet messages with one
// write(2) each. `unix-floor MILLISECONDS` prints both.
#include "rows.hpp"

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {
using kith::bench::Clock;

void read_all(int fd, char* bytes, std::size_t size) {
  for (std::size_t at = 0; at < size;) {
    const ssize_t got = ::read(fd, bytes + at, size - at);
    if (got <= 0) ::_exit(0);
    at += static_cast<std::size_t>(got);
  }
}

void write_all(int fd, const char* bytes, std::size_t size) {
  for (std::size_t at = 0; at < size;) {
    const ssize_t put = ::write(fd, bytes + at, size - at);
    if (put <= 0) kith::bench::die("unix-floor: the other end is gone");
    at += static_cast<std::size_t>(put);
  }
}

/// Runs `here` in this process and `there` in another one, each with its end of a socketpair.
void beside(auto&& here, auto&& there) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) kith::bench::die("unix-floor: no socketpair");
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(ends[0]);
    there(ends[1]);
    ::_exit(0);
  }
  ::close(ends[1]);
  here(ends[0]);
  ::close(ends[0]);
  ::waitpid(child, nullptr, 0);
}
} // namespace

int main(int argc, char** argv) {
  const auto time = std::chrono::milliseconds(argc == 2 ? std::atoi(argv[1]) : 1000);
  std::array<char, kith::bench::message_size> message{};
  beside(
      [&](int fd) {
        std::vector<double> times;
        const auto end = Clock::now() + time;
        for (auto start = Clock::now(); start < end;) {
          write_all(fd, message.data(), message.size());
          read_all(fd, message.data(), message.size());
          const auto now = Clock::now();
          times.push_back(std::chrono::duration<double, std::micro>(now - start).count());
          start = now;
        }
        std::sort(times.begin(), times.end());
        std::printf("{\"unix_p50\":%.2f}\n", times[times.size() / 2]);
      },
      [](int fd) {
        std::array<char, kith::bench::message_size> bytes{};
        for (;;) {
          read_all(fd, bytes.data(), bytes.size());
          write_all(fd, bytes.data(), bytes.size());
        }
      });
  beside(
      [&](int fd) {
        std::uint64_t count = 0;
        const auto start = Clock::now();
        while (Clock::now() - start < time) {
          for (int i = 0; i < 100; ++i, ++count) write_all(fd, message.data(), message.size());
        }
        const double spent = std::chrono::duration<double>(Clock::now() - start).count();
        std::printf("{\"unix_messages\":%.3f}\n", static_cast<double>(count) / spent / 1e6);
      },
      [](int fd) {
        std::vector<char> bytes(64 * 1024);
        while (::read(fd, bytes.data(), bytes.size()) > 0) {}
      });
  return 0;
}
