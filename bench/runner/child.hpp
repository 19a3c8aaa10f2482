// SPDX-License-Identifier: GPL-3.0-or-later
// Programs that the benchmark starts: each ends when its standard input does, or when we do.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace kith::bench {

/// Numbers by name, of a line like {"a":1.5,"b":2}.
using Numbers = std::map<std::string, double>;
Numbers parse_numbers(const std::string& line);

class Child {
public:
  /// Ends this process when the program can't be started.
  explicit Child(const std::vector<std::string>& command);
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child(); ///< Asks it to end, then makes it.

  /// The next line of its standard output; nothing when it ended, or said nothing for so long.
  std::optional<std::string> line(std::chrono::milliseconds patience);
  /// A line to its standard input.
  void say(const std::string& line);
  /// Everything that it prints until it ends.
  std::string rest(std::chrono::milliseconds patience);
  /// Waits for its end; true when it was 0.
  bool ended_well(std::chrono::milliseconds patience);

  pid_t pid() const noexcept { return pid_; }
  double resident_kb() const;        ///< VmRSS.
  double cpu_us() const;             ///< What it has used of all processors, in user and kernel, microseconds.
  double voluntary_switches() const; ///< Of all its threads: how often it went to sleep, and so was woken.

private:
  bool reap(std::chrono::milliseconds patience);

  pid_t pid_ = -1;
  int in_ = -1;
  int out_ = -1;
  int status_ = -1;
  bool reaped_ = false;
  std::string buffer_;
};

} // namespace kith::bench
