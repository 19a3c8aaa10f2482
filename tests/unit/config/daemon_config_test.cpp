// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/daemon_config.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

namespace kith::config {
namespace {

using namespace std::chrono_literals;

std::string error_of(const std::string& text) {
  const auto config = parse_daemon(text, "kith.yaml");
  return config ? "no error" : config.error().text;
}

TEST(DaemonConfig, Defaults) {
  const auto config = default_daemon_config();
  EXPECT_EQ(config.idle_timeout, 60s);
  EXPECT_EQ(config.keep_alive, 15s);
  EXPECT_EQ(config.backoff_first, 250ms);
  EXPECT_EQ(config.inline_overrun, 100us);
  EXPECT_EQ(config.max_call_bytes, 1024U * 1024U);
  EXPECT_EQ(config.max_parked_bytes, 64U * 1024U * 1024U);
  EXPECT_EQ(config.log_level, LogLevel::info);
  EXPECT_TRUE(config.listen.empty());
}

TEST(DaemonConfig, TheDefaultFileSaysTheDefaults) {
  EXPECT_TRUE(check_daemon(default_daemon_text(), "kith.yaml").empty());
  std::string note = default_daemon_text();
  note.resize(note.find("\n\n"));
  std::ranges::replace(note, '.', ',');
  for (const SettingDoc& setting : daemon_settings())
    EXPECT_EQ(note.find(' ' + std::string(setting.key) + ',') == std::string::npos, setting.live) << setting.key;
  // Each setting uncommented is the default too.
  std::istringstream lines(default_daemon_text());
  std::string text;
  for (std::string line; std::getline(lines, line);) {
    const auto colon = line.find(": ");
    for (const auto& row : daemon_settings()) {
      if (colon != std::string::npos && line.substr(0, colon) == "# " + std::string(row.key)) text += line.substr(2) + "\n";
    }
  }
  EXPECT_EQ(static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')), daemon_settings().size());
  const auto config = parse_daemon(text, "kith.yaml");
  ASSERT_TRUE(config) << config.error().text;
  EXPECT_EQ(config->max_buffer_bytes, default_daemon_config().max_buffer_bytes);
}

TEST(DaemonConfig, KeysDiffer) {
  std::set<std::string_view> keys{"listen", "nameless"};
  for (const auto& row : daemon_settings()) EXPECT_TRUE(keys.insert(row.key).second) << row.key;
}

TEST(DaemonConfig, ReadsValues) {
  const auto config =
      parse_daemon("listen: [127.0.0.1:0, '[::1]:5000']\nnameless: null\nidle_timeout: 2m\nmax_call_bytes: 65536\nmax_send_buffer: 4MiB\n"
                   "log_level: debug\nplugin_threads: 4\n",
                   "kith.yaml");
  ASSERT_TRUE(config) << config.error().text;
  EXPECT_EQ(config->listen.size(), 2U);
  EXPECT_EQ(config->nameless, "null");
  EXPECT_EQ(config->idle_timeout, 2min);
  EXPECT_EQ(config->max_call_bytes, 65536U);
  EXPECT_EQ(config->max_send_buffer, 4U << 20U);
  EXPECT_EQ(config->log_level, LogLevel::debug);
  EXPECT_EQ(config->plugin_threads, 4U);
}

TEST(DaemonConfig, BadInputIsRefusedWithItsPlace) {
  const std::pair<const char*, const char*> cases[] = {
      {"idle_timeout: 60\n", "kith.yaml:1:15: idle_timeout: '60' is not a duration"},
      {"idle_timeout: 0s\n", "kith.yaml:1:15: idle_timeout: '0s' is out of range: 1s to 24h"},
      {"idle_timeout: 99999999999999999h\n", "kith.yaml:1:15"},
      {"idle_timeout: -1s\n", "kith.yaml:1:15"},
      {"idle_timeout: [1s]\n", "kith.yaml:1:15"},
      {"idle_timeuot: 1s\n", "kith.yaml:1:1: the key 'idle_timeuot' is not known in kith.yaml; did you mean 'idle_timeout'?"},
      {"max_call_bytes: 01500B\n",
       "kith.yaml:1:17: max_call_bytes: '01500B' is not a size: write 1500B, 64KiB, 16MiB or 1GiB, without a zero before it"},
      {"max_call_bytes: 1MB\n", "kith.yaml:1:17: max_call_bytes: '1MB' is not a size"},
      {"max_call_bytes: 1.5MiB\n", "kith.yaml:1:17"},
      {"max_streams: 1KiB\n", "kith.yaml:1:14: max_streams: '1KiB' is not a whole number"},
      {"max_streams: 0\n", "kith.yaml:1:14: max_streams: '0' is out of range"},
      {"log_level: loud\n", "kith.yaml:1:12"},
      {"log_level: warning\n", "kith.yaml:1:12: log_level: 'warning' is not one of debug, info, warn, error; did you mean 'warn'?"},
      {"max_streams: 012\n", "kith.yaml:1:14: max_streams: '012' is not a whole number"},
      {"call_timeout: 010s\n", "kith.yaml:1:15: call_timeout: '010s' is not a duration"},
      {"listen: 4433\n", "kith.yaml:1:9"},
      {"listen:\n", "kith.yaml:1:1: listen must be a list"},
      {"listen: [nowhere]\n", "kith.yaml:1:10"},
      {"nameless: ../x\n", "kith.yaml:1:11"},
      {"stream_window: 16MiB\nmax_stream_window: 1MiB\n", "kith.yaml:1:16: stream_window (16MiB) must not be more than max_stream_window (1MiB)"},
      {"keep_alive: 30s\nidle_timeout: 20s\n", "kith.yaml:1:13: keep_alive (30s) must be less than idle_timeout (20s)"},
      {"idle_timeout: 15s\n", "kith.yaml:1:15: keep_alive (15s) must be less than idle_timeout (15s)"},
      {"max_streams: -1\n", "kith.yaml:1:14: max_streams: '-1' is not a whole number from 0 to 9223372036854775807"},
      {"- a\n", "kith.yaml:1:1"},
      {"listen: []\nlisten: []\n", "kith.yaml:2:1"},
  };
  for (const auto& [text, says] : cases) EXPECT_EQ(error_of(text).find(says), 0U) << text << error_of(text);
}

TEST(DaemonConfig, AReloadTakesWhatItCanAndNamesTheRest) {
  DaemonConfig in_force = default_daemon_config();
  const auto wanted =
      parse_daemon("listen: [127.0.0.1:0]\nnameless: alice\nidle_timeout: 1m\nlog_level: debug\nmax_clients: 7\nlog_files: 9\n", "kith.yaml");
  ASSERT_TRUE(wanted) << wanted.error().text;
  EXPECT_EQ(apply_live(in_force, *wanted), (std::vector<std::string>{"listen", "log_files"})) << "60s and 1m are the same";
  EXPECT_EQ(in_force.log_level, LogLevel::debug);
  EXPECT_EQ(in_force.max_clients, 7U);
  EXPECT_EQ(in_force.nameless, "alice");
  EXPECT_EQ(in_force.log_files, 5U);
  EXPECT_EQ(apply_live(in_force, default_daemon_config()), std::vector<std::string>{}) << "taken back in the file: nothing waits any more";
}

TEST(DaemonConfig, ALiveSettingWaitsForTheOneThatItMustFit) {
  DaemonConfig in_force = default_daemon_config();
  const auto wanted = parse_daemon("max_stream_window: 1MiB\nmax_parked_bytes: 4MiB\nmax_buffer_bytes: 8MiB\nmax_clients: 7\n", "kith.yaml");
  ASSERT_TRUE(wanted) << wanted.error().text;
  EXPECT_EQ(apply_live(in_force, *wanted), (std::vector<std::string>{"max_stream_window", "max_parked_bytes", "max_buffer_bytes"}));
  EXPECT_EQ(in_force.max_buffer_bytes, 512U << 20U) << "64MiB may be parked until the restart";
  EXPECT_EQ(in_force.max_clients, 7U);
  EXPECT_EQ(apply_live(in_force, *parse_daemon("max_buffer_bytes: 64MiB\n", "kith.yaml")), std::vector<std::string>{});
  EXPECT_EQ(in_force.max_buffer_bytes, 64U << 20U);
}

TEST(DaemonConfig, Quantities) {
  EXPECT_EQ(parse_duration("1h").value(), 1h);
  EXPECT_EQ(parse_duration("0s").value(), 0s);
  for (const auto* bad : {"", "s", "1", "1 s", " 1s", "1S", "1.5s", "1d", "9223372036854775808ns"}) EXPECT_FALSE(parse_duration(bad)) << bad;
  EXPECT_EQ(parse_size("1GiB").value(), 1U << 30U);
  EXPECT_EQ(parse_size("7").value(), 7U);
  for (const auto* bad : {"", "KiB", "1kb", "1K", "0x10", "18446744073709551616", "9000000000GiB"}) EXPECT_FALSE(parse_size(bad)) << bad;
}

} // namespace
} // namespace kith::config
