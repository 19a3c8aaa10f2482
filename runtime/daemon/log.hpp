// SPDX-License-Identifier: GPL-3.0-or-later
// Where log lines go: KITH_HOME/logs/kithd.log, rotated and capped, and stderr in the foreground. spdlog stays in log.cpp.
#pragma once

#include "base/error.hpp"
#include "base/log.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace kith::daemon {

struct LogSettings {
  std::string file;
  std::uint64_t file_size = 0; ///< Octets; a longer file is rotated.
  std::uint64_t files = 0;     ///< Kept, the current one included.
  LogLevel level = LogLevel::info;
  bool to_stderr = true;
};

class DaemonLog : public Log {
public:
  virtual void set_level(LogLevel level) = 0; ///< Any thread.
};

/// Errors: internal, when the file can't be opened.
Result<std::unique_ptr<DaemonLog>> open_log(const LogSettings& settings);

} // namespace kith::daemon
