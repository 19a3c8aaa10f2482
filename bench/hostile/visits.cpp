// SPDX-License-Identifier: GPL-3.0-or-later
#include "hostile/visits.hpp"

#include "raw/tls.hpp"
#include "rows.hpp"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <list>
#include <vector>

namespace kith::bench {
namespace {

constexpr std::size_t at_once = 8;
constexpr auto patience = std::chrono::seconds(2);
constexpr int poll_milliseconds = 10;

/// Connected, from the next address that nobody had yet.
int next_socket(const sockaddr_in& remote) {
  static std::uint32_t last = 0x7f010000; // 127.1.0.0
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_in local{};
  local.sin_family = AF_INET;
  local.sin_addr.s_addr = htonl(++last);
  if (fd < 0 || ::bind(fd, reinterpret_cast<const sockaddr*>(&local), sizeof local) != 0 ||
      ::connect(fd, reinterpret_cast<const sockaddr*>(&remote), sizeof remote) != 0) {
    die("no UDP socket on 127.0.0.0/8");
  }
  return fd;
}

struct Visit {
  Visit(WOLFSSL_CTX* context, const Visits& visits, const sockaddr_in& remote)
      : fd(next_socket(remote)), stranger(context, visits.server_name, visits.alpn, remote), until(Clock::now() + patience) {}
  ~Visit() { ::close(fd); }
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;

  void go_on() {
    std::array<std::uint8_t, 2048> buffer{};
    for (ssize_t got = 0; (got = ::recv(fd, buffer.data(), buffer.size(), 0)) > 0;) stranger.read({buffer.data(), static_cast<std::size_t>(got)});
    stranger.on_time();
    for (Octets out = stranger.write(); !out.empty(); out = stranger.write()) ::send(fd, out.data(), out.size(), MSG_NOSIGNAL);
  }
  bool over() const { return stranger.over() || Clock::now() > until; }

  int fd;
  Stranger stranger;
  Clock::time_point until;
};

} // namespace

std::size_t visit(const Visits& visits, std::size_t count, const sockaddr_in& remote) {
  static WOLFSSL_CTX* const context = make_context(false);
  std::list<Visit> open;
  std::size_t begun = 0;
  std::size_t as_expected = 0;
  std::vector<pollfd> polled;
  while (begun < count || !open.empty()) {
    for (; open.size() < at_once && begun < count; ++begun) open.emplace_back(context, visits, remote).go_on();
    polled.clear();
    for (const Visit& one : open) polled.push_back({one.fd, POLLIN, 0});
    ::poll(polled.data(), polled.size(), poll_milliseconds);
    for (auto at = open.begin(); at != open.end();) {
      at->go_on();
      if (!at->over()) {
        ++at;
        continue;
      }
      if (at->stranger.refused() == visits.expected) ++as_expected;
      at = open.erase(at);
    }
  }
  return as_expected;
}

} // namespace kith::bench
