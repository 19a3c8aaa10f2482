// SPDX-License-Identifier: Apache-2.0
// `kith doctor`: what can be looked at, what was found, and what to do about it.
#pragma once

#include "context.hpp"

#include <boost/json/fwd.hpp>
#include <string>
#include <vector>

namespace kith::cli {

enum class Health { ok, warn, bad };

struct Check {
  std::string what;
  Health state = Health::ok;
  std::string found;
  std::string advice; ///< Empty when there is nothing to do.
};

class Checkup {
public:
  void ok(std::string what, std::string found) { checks_.push_back({std::move(what), Health::ok, std::move(found), {}}); }
  void warn(std::string what, std::string found, std::string advice) {
    checks_.push_back({std::move(what), Health::warn, std::move(found), std::move(advice)});
  }
  void bad(std::string what, std::string found, std::string advice) {
    checks_.push_back({std::move(what), Health::bad, std::move(found), std::move(advice)});
  }
  const std::vector<Check>& checks() const noexcept { return checks_; }
  std::size_t count(Health state) const noexcept;
  bool has(std::string_view what) const noexcept;

private:
  std::vector<Check> checks_;
};

/// Of the home's files: what kithd --check says of them, keys, pairs of identity and key, plugins, room on the disk.
void check_files(Checkup& out, const std::string& home);
/// Of this machine: UDP buffers, GSO and GRO, clock, open files.
void check_system(Checkup& out, const std::string& home);
/// Why no daemon could be asked, with what helps.
void check_absence(Checkup& out, const Error& error, const std::string& home);
/// Of the daemon, when one runs. Errors: it went away meanwhile.
Result<void> check_daemon(Checkup& out, client::Client& daemon, const std::string& home);

/// The port that the home remembers; 0: none.
std::uint16_t remembered_port(const std::string& home);

} // namespace kith::cli
