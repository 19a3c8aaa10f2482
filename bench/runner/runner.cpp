// SPDX-License-Identifier: GPL-3.0-or-later
#include "runner/runner.hpp"

#include "rows.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string_view>
#include <thread>

namespace kith::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto patience = seconds(20);
constexpr const char* large_packets = "16336"; // what kith finds on loopback
constexpr std::array<std::string_view, 3> bulk_rows{"bulk1", "bulk8", "both"};
constexpr const char* ethernet_packets = "max_packet: 1444B\n"; // what raw-quic finds

/// Two daemons that know each other.
struct Daemons {
  Daemons(const std::filesystem::path& bin, const std::string& settings)
      : homes(bin, 2, settings),
        accepting({(bin / "kithd").string(), "--home", homes.accepting(), "--listen", homes.listen()}),
        dialing({(bin / "kithd").string(), "--home", homes.dialing(), "--listen", "127.0.0.1:0"}) {
    Homes::wait_until_ready(homes.accepting(), patience);
    Homes::wait_until_ready(homes.dialing(), patience);
  }
  Homes homes;
  Child accepting;
  Child dialing;
};

} // namespace

unsigned Runner::ready(Child& child) {
  const auto line = child.line(patience);
  if (!line) die("a program did not start");
  return static_cast<unsigned>(parse_numbers(*line)["ready"]);
}

Numbers Runner::numbers(const std::vector<std::string>& command) {
  Child child(command);
  Numbers out;
  while (const auto line = child.line(patience)) out.merge(parse_numbers(*line));
  if (out.empty()) {
    std::string text;
    for (const std::string& word : command) text += word + " ";
    std::fprintf(stderr, "\nno answer from %s\n", text.c_str());
  }
  return out;
}

void Runner::progress(int round, const std::string& what) const {
  std::fprintf(stderr, "\rround %d of %d: %-20s", round + 1, options_.rounds, what.c_str());
}

void Runner::raw(const std::string& place, const std::string& name) {
  const std::string packets = place == "raw-large" ? large_packets : "0";
  Child server({program("raw-quic"), "--packets", packets, "serve"});
  const unsigned port = ready(server);
  take(place, numbers({program("raw-quic"), "--packets", packets, "run", std::to_string(port), std::to_string(options_.time), name}));
}

void Runner::library(const std::string& name) {
  constexpr const char* identities = "4"; // 16 pairs: as many connections as are dialed at once
  Child server({program("node-bench"), "serve", identities});
  const unsigned port = ready(server);
  take("library", numbers({program("node-bench"), "run", std::to_string(port), identities, std::to_string(options_.time), name}));
}

Numbers Runner::plugins(const Homes& homes, const std::string& alias, const std::string& name, int time) {
  return numbers({program("program-bench"), "ask", homes.dialing(), homes.dialer(), homes.acceptor(), alias, std::to_string(time), name});
}

void Runner::through_sockets(const Homes& homes, const char* place, const char* protocol, const std::string& name) {
  take(place, numbers({program("program-bench"), "run", homes.dialing(), protocol, std::to_string(options_.time), name}));
}

void Runner::idle(const std::string& place, const std::vector<std::string>& serve, std::vector<std::string> dial, std::size_t count) {
  const auto settle = options_.quick ? milliseconds(50) : seconds(2);
  const auto watch = options_.quick ? milliseconds(100) : seconds(4);
  Child server(serve);
  const unsigned port = ready(server);
  const double server_before = server.resident_kb();
  std::replace(dial.begin(), dial.end(), std::string("PORT"), std::to_string(port));
  Child dialer(dial);
  const auto line = dialer.line(seconds(40));
  if (!line) {
    std::fprintf(stderr, "\n%s: no idle connections\n", place.c_str());
    return;
  }
  std::this_thread::sleep_for(settle);
  const double before = parse_numbers(*line)["resident_kb"];
  const double wakes = server.voluntary_switches();
  const double dialer_wakes = dialer.voluntary_switches();
  std::this_thread::sleep_for(watch);
  take(place, {{"idle_kb", std::max(server.resident_kb() - server_before, dialer.resident_kb() - before) / static_cast<double>(count)},
               {"idle_wakes", std::max(server.voluntary_switches() - wakes, dialer.voluntary_switches() - dialer_wakes) /
                                  std::chrono::duration<double>(watch).count()}});
}

void Runner::idle_rows() {
  const std::size_t of_each_side = options_.quick ? 4 : 45; // 45 times 45 pairs are 2,025 connections
  const std::size_t connections = of_each_side * of_each_side;
  const std::string name = "idle-" + std::to_string(connections);
  const std::string identities = std::to_string(of_each_side);
  idle("raw", {program("raw-quic"), "serve"}, {program("raw-quic"), "run", "PORT", "0", name}, connections);
  idle("library", {program("node-bench"), "serve", identities}, {program("node-bench"), "run", "PORT", identities, "0", name}, connections);
}

void Runner::daemon_rows() {
  const auto settle = options_.quick ? milliseconds(50) : seconds(2);
  const auto watch = options_.quick ? milliseconds(100) : seconds(4);
  for (const std::size_t count : {std::size_t{3}, std::size_t{100}}) {
    const Homes homes(bin_, options_.quick ? 3 : count);
    for (int i = 0; i < options_.rounds; ++i) {
      progress(i, "start with " + std::to_string(count));
      const auto start = Clock::now();
      Child daemon({program("kithd"), "--home", homes.accepting(), "--listen", "127.0.0.1:0"});
      Homes::wait_until_ready(homes.accepting(), patience);
      take("daemon", {{"start" + std::to_string(count), std::chrono::duration<double, std::milli>(Clock::now() - start).count()}});
      if (count != 3 || i != 0) continue;
      std::this_thread::sleep_for(settle);
      const double wakes = daemon.voluntary_switches();
      std::this_thread::sleep_for(watch);
      take("daemon", {{"idle_mb", daemon.resident_kb() / 1024},
                      {"idle_wakes", (daemon.voluntary_switches() - wakes) / std::chrono::duration<double>(watch).count()}});
    }
  }
}

void Runner::run() {
  const std::vector<std::string> rows{"bulk1", "bulk8", "both", "call", "calls16", "calls64", "calls256", "messages", "cold", "dials", "beside"};
  const bool plugin = options_.wants("plugin");
  const bool pooled = options_.wants("pooled");
  const bool to_plugin = options_.wants("to-plugin");
  const bool to_program = options_.wants("to-program");
  const bool strangers = options_.wants("strangers");
  std::optional<Daemons> daemons;
  std::optional<Daemons> ethernet; ///< Whose packets are no larger than raw-quic's.
  std::optional<Child> provider;
  if (plugin || pooled || to_plugin || to_program || strangers) {
    daemons.emplace(bin_, "");
    provider.emplace(std::vector<std::string>{program("program-bench"), "serve", daemons->homes.accepting(), "acceptor", "Program"});
    ready(*provider);
  }
  if (options_.wants("packets")) ethernet.emplace(bin_, ethernet_packets);
  for (int round = 0; round < options_.rounds; ++round) {
    if (options_.wants("unix")) take("unix", numbers({program("unix-floor"), std::to_string(options_.time / 2)}));
    for (const std::string& name : rows) { // each place in turn, row by row: what disturbs the machine disturbs them alike
      progress(round, name);
      if (options_.wants("raw")) raw("raw", name);
      if (options_.wants("packets") && std::ranges::find(bulk_rows, name) != bulk_rows.end()) {
        raw("raw-large", name);
        take("plugin-ethernet", plugins(ethernet->homes, "default", name, options_.time));
      }
      if (options_.wants("library")) library(name);
      if (name == "dials") continue; // neither plugins nor programs own connections
      if (plugin) take("plugin", plugins(daemons->homes, "default", name, options_.time));
      if (pooled) take("pooled", plugins(daemons->homes, "pooled", name, options_.time));
      if (to_plugin) through_sockets(daemons->homes, "to-plugin", "Bench", name);
      if (to_program) through_sockets(daemons->homes, "to-program", "Program", name);
    }
    if (to_plugin) through_sockets(daemons->homes, "to-plugin", "Bench", "writes");
    if (to_program) through_sockets(daemons->homes, "to-program", "Program", "writes");
    if (strangers) {
      progress(round, "flood");
      flooded_transfer(daemons->homes, round % 2 == 1);
    }
  }
  provider.reset();
  daemons.reset();
  ethernet.reset();
  if (strangers) stranger_rows(Homes(bin_, 2));
  if (options_.wants("idle")) idle_rows();
  if (options_.wants("daemon")) daemon_rows();
  std::fprintf(stderr, "\n");
}

} // namespace kith::bench
