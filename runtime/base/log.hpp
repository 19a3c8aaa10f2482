// SPDX-License-Identifier: Apache-2.0
// The logging interface: modules say what happened, `daemon` decides where it goes (spdlog).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace kith {

enum class LogLevel : std::uint8_t { debug, info, warn, error };

/// As kith.yaml and the log write them, in the order of LogLevel.
inline constexpr std::array<std::string_view, 4> log_level_names{"debug", "info", "warn", "error"};

class Log {
public:
  virtual ~Log() = default;
  /// One line, without a line feed; what peers and plugins supplied is escaped by the implementation. Callable from any thread.
  virtual void write(LogLevel level, std::string_view module, std::string_view text) = 0;
  virtual bool enabled(LogLevel level) const noexcept = 0;

  void debug(std::string_view module, std::string_view text) {
    if (enabled(LogLevel::debug)) write(LogLevel::debug, module, text);
  }
  void info(std::string_view module, std::string_view text) { write(LogLevel::info, module, text); }
  void warn(std::string_view module, std::string_view text) { write(LogLevel::warn, module, text); }
  void error(std::string_view module, std::string_view text) { write(LogLevel::error, module, text); }
};

} // namespace kith
