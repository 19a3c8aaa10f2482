// SPDX-License-Identifier: GPL-3.0-or-later
// What turning strangers away costs, and what a peer keeps of its throughput meanwhile.
#include "runner/runner.hpp"

#include "rows.hpp"

#include <array>
#include <cstdio>
#include <thread>

namespace kith::bench {
namespace {

using std::chrono::milliseconds;

constexpr auto patience = std::chrono::seconds(20);
constexpr double flood_rate = 10'000; // datagrams a second
constexpr double enough = 0.95;       // of what was meant to happen

struct Kind {
  const char* row;
  const char* kind; ///< Of stranger-bench.
  bool members;     ///< Asks for the identity that admits members only.
  std::size_t count;
  bool answered; ///< Every one of them is answered; otherwise none has to be.
};

// The visits that are refused stay fewer than would make the daemon ask for Retry, and the resets fewer than it sends in a second: those are rows of their own.
constexpr std::array<Kind, 8> kinds{{
    {"garbage", "garbage", false, 20'000, false},
    {"unknown_connection", "unknown-connection", false, 20'000, false},
    {"reset", "unknown-connection", false, 150, true},
    {"undecryptable", "undecryptable", false, 20'000, false},
    {"retry", "initial", false, 20'000, true},
    {"unknown_name", "unknown-name", false, 80, true},
    {"wrong_alpn", "wrong-alpn", false, 80, true},
    {"denied", "denied", true, 500, true},
}};

std::string port_of(const Homes& homes) { return homes.listen().substr(homes.listen().rfind(':') + 1); }

} // namespace

void Runner::stranger_rows(const Homes& homes) {
  const double count_factor = options_.quick ? 0.02 : 1;
  for (int round = 0; round < options_.rounds; ++round) {
    for (const Kind& kind : kinds) {
      progress(round, kind.row);
      Child daemon({program("kithd"), "--home", homes.accepting(), "--listen", homes.listen()}); // a fresh one: nothing under way
      Homes::wait_until_ready(homes.accepting(), patience);
      const double count = std::max(10.0, static_cast<double>(kind.count) * count_factor);
      Child stranger({program("stranger-bench"), kind.kind, port_of(homes), kind.members ? homes.member_only() : homes.acceptor(),
                      std::to_string(static_cast<int>(count)), std::to_string(flood_rate)});
      ready(stranger);
      const double before = daemon.cpu_us();
      stranger.say("go");
      const auto line = stranger.line(patience);
      if (!line) die("a stranger did not come back");
      Numbers result = parse_numbers(*line);
      const double used = daemon.cpu_us() - before;
      if (result["sent"] < enough * count || (kind.answered && result["answered"] < enough * count)) {
        std::fprintf(stderr, "\n%s: %.0f of %.0f sent, %.0f answered as expected\n", kind.row, result["sent"], count, result["answered"]);
        continue;
      }
      take("strangers", {{kind.row, used / result["sent"]}});
    }
  }
}

void Runner::flooded_transfer(const Homes& homes, bool flood_first) {
  const int time = options_.quick ? options_.time : 2 * options_.time;
  const auto transfer = [&] { return plugins(homes, "default", "bulk1", time)["bulk1"]; };
  const auto flooded = [&] {
    constexpr auto lead = milliseconds(200);
    const double count = flood_rate * (time / 1000.0 + 0.8); // lasts longer than the transfer
    Child stranger({program("stranger-bench"), "spoofed", port_of(homes), homes.acceptor(), std::to_string(static_cast<int>(count)),
                    std::to_string(flood_rate)});
    ready(stranger);
    stranger.say("go");
    std::this_thread::sleep_for(lead);
    const double rate = transfer();
    const auto line = stranger.line(patience);
    if (!line) die("the flood did not end");
    Numbers result = parse_numbers(*line);
    if (result["sent"] < enough * flood_rate * result["seconds"])
      std::fprintf(stderr, "\nthe flood was only %.0f/s\n", result["sent"] / result["seconds"]);
    return rate;
  };
  Numbers out;
  if (flood_first) out["flooded"] = flooded();
  out["undisturbed"] = transfer();
  if (!flood_first) out["flooded"] = flooded();
  take("strangers", out);
}

} // namespace kith::bench
