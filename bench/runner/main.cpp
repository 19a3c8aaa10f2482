// SPDX-License-Identifier: GPL-3.0-or-later
// kith-bench: kith beside the least program over the same libraries, in turn, several times, on loopback.
//   kith-bench [--json] [--rounds N] [--time MILLISECONDS] [--only PLACE]...     PLACE: raw nodes plugin program unix idle daemon
// The programs that it starts lie beside it. Progress goes to standard error.
#include "rows.hpp"
#include "runner/child.hpp"
#include "runner/homes.hpp"
#include "runner/report.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <thread>

namespace kith::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto patience = seconds(20);
constexpr std::size_t idle_identities = 45; // of each side: 45 times 45 pairs are 2,025 connections
constexpr std::size_t idle_connections = idle_identities * idle_identities;

struct Options {
  bool json = false;
  int rounds = 3;
  int time = 600;
  std::set<std::string> only;
  bool wants(const std::string& place) const { return only.empty() || only.contains(place); }
};

class Runner {
public:
  Runner(Options options, std::filesystem::path bin) : options_(std::move(options)), bin_(std::move(bin)) {}

  void run();
  const Measured& measured() const noexcept { return measured_; }

private:
  std::string program(const char* name) const { return (bin_ / name).string(); }
  void take(const std::string& place, const Numbers& numbers) {
    for (const auto& [name, value] : numbers) measured_[place + "." + name].values.push_back(value);
  }
  /// Runs a command that prints one line of numbers.
  void row(const std::string& place, const std::vector<std::string>& command);
  void raw(const std::string& name);
  void nodes(const std::string& name);
  void through_sockets(const Homes& homes, const char* place, const char* protocol, const std::string& name);
  void idle(const std::string& place, const std::vector<std::string>& serve, std::vector<std::string> dial);
  void idle_rows();
  void daemons();
  static unsigned ready(Child& child);

  Options options_;
  std::filesystem::path bin_;
  Measured measured_;
};

unsigned Runner::ready(Child& child) {
  const auto line = child.line(patience);
  if (!line) die("a server did not start");
  return static_cast<unsigned>(parse_numbers(*line)["ready"]);
}

void Runner::row(const std::string& place, const std::vector<std::string>& command) {
  Child child(command);
  bool any = false;
  while (const auto line = child.line(patience)) {
    take(place, parse_numbers(*line));
    any = true;
  }
  if (!any) {
    std::string text;
    for (const std::string& word : command) text += word + " ";
    std::fprintf(stderr, "\nno answer from %s\n", text.c_str());
  }
}

void Runner::raw(const std::string& name) {
  Child server({program("raw-quic"), "serve"});
  const unsigned port = ready(server);
  row("raw", {program("raw-quic"), "run", std::to_string(port), std::to_string(options_.time), name});
}

void Runner::nodes(const std::string& name) {
  constexpr const char* identities = "4"; // 16 pairs: as many connections as are dialed at once
  Child server({program("node-bench"), "serve", identities});
  const unsigned port = ready(server);
  row("nodes", {program("node-bench"), "run", std::to_string(port), identities, std::to_string(options_.time), name});
}

void Runner::through_sockets(const Homes& homes, const char* place, const char* protocol, const std::string& name) {
  row(place, {program("program-bench"), "run", homes.dialing(), protocol, std::to_string(options_.time), name});
}

void Runner::idle(const std::string& place, const std::vector<std::string>& serve, std::vector<std::string> dial) {
  constexpr auto settle = seconds(2);
  constexpr auto watch = seconds(4);
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
  const double count = parse_numbers(*line)["idle"];
  const double wakes = server.voluntary_switches();
  const double dialer_wakes = dialer.voluntary_switches();
  std::this_thread::sleep_for(watch);
  take(place, {{"idle_kb", std::max(server.resident_kb() - server_before, dialer.resident_kb() - before) / count},
               {"idle_wakes", std::max(server.voluntary_switches() - wakes, dialer.voluntary_switches() - dialer_wakes) /
                                  std::chrono::duration<double>(watch).count()}});
}

void Runner::idle_rows() {
  const std::string name = "idle-" + std::to_string(idle_connections);
  const std::string identities = std::to_string(idle_identities);
  idle("raw", {program("raw-quic"), "serve"}, {program("raw-quic"), "run", "PORT", "0", name});
  idle("nodes", {program("node-bench"), "serve", identities}, {program("node-bench"), "run", "PORT", identities, "0", name});
}

void Runner::daemons() {
  constexpr auto settle = seconds(2);
  constexpr auto watch = seconds(4);
  for (const std::size_t count : {std::size_t{3}, std::size_t{100}}) {
    const Homes homes(bin_, count);
    for (int i = 0; i < options_.rounds; ++i) {
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
  std::optional<Homes> homes;
  std::optional<Child> accepting;
  std::optional<Child> dialing;
  std::optional<Child> provider;
  if (options_.wants("plugin") || options_.wants("program")) {
    homes.emplace(bin_, 1);
    accepting.emplace(std::vector<std::string>{program("kithd"), "--home", homes->accepting(), "--listen", homes->listen()});
    Homes::wait_until_ready(homes->accepting(), patience);
    dialing.emplace(std::vector<std::string>{program("kithd"), "--home", homes->dialing(), "--listen", "127.0.0.1:0"});
    Homes::wait_until_ready(homes->dialing(), patience);
    provider.emplace(std::vector<std::string>{program("program-bench"), "serve", homes->accepting(), "acceptor", "Program"});
    ready(*provider);
  }
  for (int round = 0; round < options_.rounds; ++round) {
    if (options_.wants("unix")) row("unix", {program("unix-floor"), std::to_string(options_.time / 2)});
    for (const std::string& name : rows) { // each place in turn, row by row: what disturbs the machine disturbs them alike
      std::fprintf(stderr, "\rround %d of %d: %-10s", round + 1, options_.rounds, name.c_str());
      if (options_.wants("raw")) raw(name);
      if (options_.wants("nodes")) nodes(name);
      if (name == "dials") continue; // programs don't own connections
      if (options_.wants("plugin")) through_sockets(*homes, "plugin", "Bench", name);
      if (options_.wants("program")) through_sockets(*homes, "program", "Program", name);
    }
    if (options_.wants("plugin")) through_sockets(*homes, "plugin", "Bench", "writes");
    if (options_.wants("program")) through_sockets(*homes, "program", "Program", "writes");
  }
  provider.reset();
  dialing.reset();
  accepting.reset();
  std::fprintf(stderr, "\ridle connections and daemons\n");
  if (options_.wants("idle")) idle_rows();
  if (options_.wants("daemon")) daemons();
}

Options parse(int argc, char** argv) {
  Options out;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--json") {
      out.json = true;
    } else if (word == "--rounds" && i + 1 < argc) {
      out.rounds = std::max(1, std::atoi(argv[++i]));
    } else if (word == "--time" && i + 1 < argc) {
      out.time = std::max(50, std::atoi(argv[++i]));
    } else if (word == "--only" && i + 1 < argc) {
      out.only.insert(argv[++i]);
    } else {
      std::fprintf(stderr, "usage: kith-bench [--json] [--rounds N] [--time MILLISECONDS] [--only raw|nodes|plugin|program|unix|idle|daemon]...\n");
      std::exit(2);
    }
  }
  return out;
}

} // namespace
} // namespace kith::bench

int main(int argc, char** argv) {
  using namespace kith::bench;
  const Options options = parse(argc, argv);
  Runner runner(options, std::filesystem::read_symlink("/proc/self/exe").parent_path());
  runner.run();
  std::fputs((options.json ? json(runner.measured()) : table(runner.measured())).c_str(), stdout);
  return 0;
}
