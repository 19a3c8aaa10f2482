// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/log.hpp"

#include "base/utf8.hpp"

#include <array>
#include <atomic>
#include <spdlog/logger.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

namespace kith::daemon {
namespace {

constexpr std::array spd_levels{spdlog::level::debug, spdlog::level::info, spdlog::level::warn, spdlog::level::err};

class FileLog final : public DaemonLog {
public:
  FileLog(std::vector<spdlog::sink_ptr> sinks, LogLevel level) : logger_("kithd", sinks.begin(), sinks.end()), level_(level) {
    logger_.set_level(spdlog::level::debug);
    logger_.set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %v", spdlog::pattern_time_type::utc);
    logger_.flush_on(spdlog::level::debug);
    logger_.set_error_handler([](const std::string&) {}); // a full disk must not stop the daemon
  }

  void write(LogLevel level, std::string_view module, std::string_view text) override {
    if (!enabled(level)) return;
    logger_.log(spd_levels.at(static_cast<std::size_t>(level)), "{} {}: {}", log_level_names.at(static_cast<std::size_t>(level)), module,
                escape_line(text));
  }
  bool enabled(LogLevel level) const noexcept override { return level >= level_.load(std::memory_order_relaxed); }
  void set_level(LogLevel level) override { level_.store(level, std::memory_order_relaxed); }

private:
  spdlog::logger logger_;
  std::atomic<LogLevel> level_;
};

} // namespace

Result<std::unique_ptr<DaemonLog>> open_log(const LogSettings& settings) {
  std::vector<spdlog::sink_ptr> sinks;
  try {
    sinks.push_back(std::make_shared<spdlog::sinks::rotating_file_sink_mt>(settings.file, settings.file_size, settings.files - 1));
  } catch (const spdlog::spdlog_ex& failure) {
    return Error{Code::internal, "can't open the log " + settings.file + ": " + failure.what()};
  }
  if (settings.to_stderr) sinks.push_back(std::make_shared<spdlog::sinks::stderr_sink_mt>());
  return std::unique_ptr<DaemonLog>(std::make_unique<FileLog>(std::move(sinks), settings.level));
}

} // namespace kith::daemon
