// SPDX-License-Identifier: GPL-3.0-or-later
// kith.yaml: every setting of the daemon, in one table that also writes the commented default file and the docs.
#pragma once

#include "config/tree.hpp"

#include "base/address.hpp"
#include "base/log.hpp"
#include "base/time.hpp"

#include <optional>
#include <span>

namespace kith::config {

/// Values as the table's defaults or kith.yaml have them; make one with default_daemon_config() or parse_daemon(). Sizes are in octets.
struct DaemonConfig {
  std::vector<Address> listen; ///< Empty: wildcard IPv4 and IPv6 on the remembered port.
  std::string nameless;        ///< The identity that gets handshakes without a server name; empty: the only one online.

  Duration idle_timeout{}, stranger_timeout{}, keep_alive{}, connect_timeout{}, stream_open_timeout{}, handshake_timeout{}, header_timeout{},
      race_delay{}, unproven_timeout{}, unread_timeout{}, call_timeout{}, backoff_first{}, backoff_most{}, drain_deadline{}, client_stall_timeout{},
      inline_overrun{}, plugin_busy_after{}, plugin_fence_after{}, plugin_check_timeout{};

  std::uint64_t max_call_bytes{}, stream_window{}, max_stream_window{}, connection_window{}, max_parked_bytes{}, max_buffer_bytes{},
      max_send_buffer{}, max_retry_bytes{}, max_client_queue{}, log_file_size{}, max_packet{};

  std::uint64_t max_connections{}, max_connections_per_identity{}, max_connections_per_peer{}, max_stranger_connections{}, max_half_open{},
      max_half_open_per_source{}, retry_from_half_open{}, retry_above_per_source{}, max_unproven_connections{}, max_attempts_per_peer{},
      max_addresses_per_peer{}, max_waiters_per_peer{}, max_redials{}, max_goaways{}, max_resets_per_second{}, max_total_streams{}, max_streams{},
      max_uni_streams{}, max_headerless_streams{}, max_held{}, max_hinted_initials{}, max_clients{}, max_client_requests{}, max_client_streams{},
      max_open_files{}, plugin_threads{}, max_plugin_threads{}, log_files{};

  LogLevel log_level = LogLevel::info;
};

/// One row of the table, for docs and for `kith config`.
struct SettingDoc {
  std::string_view key;
  std::string_view default_text; ///< As kith.yaml would have it: "10s", "64MiB", "1024", "info".
  std::string_view doc;          ///< One sentence.
  bool live;                     ///< A reload applies it; else it waits for a restart.
};

std::span<const SettingDoc> daemon_settings() noexcept;

DaemonConfig default_daemon_config();

/// The file that a first start writes: every setting with its sentence, commented out at its default.
std::string default_daemon_text();

/// Reads kith.yaml; what it leaves out has its default. Errors: bad_request, the first of check_daemon's.
Result<DaemonConfig> parse_daemon(std::string_view text, std::string_view file);

/// Everything that is wrong with the file, in its order.
std::vector<Error> check_daemon(std::string_view text, std::string_view file);

/// The keys whose values differ.
std::vector<std::string> differences(const DaemonConfig& a, const DaemonConfig& b);

/// Takes over what a reload may change, and what fits the settings that it may not. Gives the keys of what differs and waits for a restart.
std::vector<std::string> apply_live(DaemonConfig& in_force, const DaemonConfig& wanted);

/// "10s", "250ms", "100us", "5m", "1h". Errors: bad_request.
Result<Duration> parse_duration(std::string_view text);
/// "512", "512B", "64KiB", "16MiB", "1GiB". Errors: bad_request.
Result<std::uint64_t> parse_size(std::string_view text);

} // namespace kith::config
