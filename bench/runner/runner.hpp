// SPDX-License-Identifier: GPL-3.0-or-later
// Starts the programs that lie beside it, in turn, and collects what they measure.
#pragma once

#include "runner/child.hpp"
#include "runner/homes.hpp"
#include "runner/report.hpp"

#include <filesystem>
#include <optional>
#include <set>
#include <string>

namespace kith::bench {

struct Options {
  bool json = false;
  bool quick = false; ///< Everything, and so small that the figures mean nothing: for a test of the form.
  int rounds = 5;
  int time = 600; ///< Milliseconds, of one row.
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
    for (const auto& [name, value] : numbers) measured_[(place + ".").append(name)].values.push_back(value);
  }
  /// What a command prints, lines of numbers.
  Numbers numbers(const std::vector<std::string>& command);
  void progress(int round, const std::string& what) const;

  void raw(const std::string& place, const std::string& name);
  void library(const std::string& name);
  Numbers plugins(const Homes& homes, const std::string& alias, const std::string& name, int time);
  void through_sockets(const Homes& homes, const char* place, const char* protocol, const std::string& name);
  void idle(const std::string& place, const std::vector<std::string>& serve, std::vector<std::string> dial, std::size_t count);
  void idle_rows();
  void daemon_rows();
  // strangers.cpp
  void stranger_rows(const Homes& homes);
  void flooded_transfer(const Homes& homes, bool flood_first);

  static unsigned ready(Child& child);

  Options options_;
  std::filesystem::path bin_;
  Measured measured_;
};

} // namespace kith::bench
