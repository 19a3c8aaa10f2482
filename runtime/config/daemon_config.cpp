// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/daemon_config.hpp"

#include "config/identity_config.hpp"
#include "config/reader.hpp"
#include "config/yaml.hpp"

#include "base/name.hpp"
#include "base/utf8.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <variant>

namespace kith::config {
namespace {

using DurationField = Duration DaemonConfig::*;
using NumberField = std::uint64_t DaemonConfig::*;
using LevelField = LogLevel DaemonConfig::*;

enum class Unit : std::uint8_t { duration, bytes, count, level };

constexpr bool live = true;     ///< A reload applies it.
constexpr bool restart = false; ///< It is built into what runs, or was promised to peers or programs.

struct Setting {
  SettingDoc row;
  Unit unit;
  std::variant<DurationField, NumberField, LevelField> field;
  std::string_view least; ///< In the unit's own form; empty for a level.
  std::string_view most;
};

using D = DaemonConfig;

constexpr auto row = [](Unit unit, auto field, bool when, std::string_view key, std::string_view value, std::string_view least, std::string_view most,
                        std::string_view doc) {
  return Setting{{key, value, doc, when}, unit, field, least, most};
};

constexpr std::array settings{
    // Connections
    row(Unit::duration, &D::idle_timeout, restart, "idle_timeout", "60s", "1s", "24h", "A connection without streams is closed after this."),
    row(Unit::duration, &D::stranger_timeout, live, "stranger_timeout", "60s", "1s", "24h",
        "A connection of a peer that nobody knows is closed when nothing moved on it for this long, streams or not."),
    row(Unit::duration, &D::keep_alive, restart, "keep_alive", "15s", "1s", "30s", "How often a connection with open streams says that it is alive."),
    row(Unit::duration, &D::connect_timeout, live, "connect_timeout", "10s", "100ms", "5m",
        "How long a dial tries all addresses of a peer, until one has proven its key; once one has said no, 3s at most."),
    row(Unit::duration, &D::stream_open_timeout, live, "stream_open_timeout", "10s", "100ms", "5m",
        "How long a new stream waits for the peer's leave to open it."),
    row(Unit::duration, &D::handshake_timeout, live, "handshake_timeout", "10s", "100ms", "5m", "How long one handshake may take."),
    row(Unit::duration, &D::header_timeout, live, "header_timeout", "5s", "100ms", "1m",
        "How long a peer may take to say what a stream of its is for."),
    row(Unit::duration, &D::unproven_timeout, live, "unproven_timeout", "30s", "1s", "5m",
        "How long a dialer that is through its handshake may take to say the first word."),
    row(Unit::duration, &D::call_timeout, live, "call_timeout", "60s", "100ms", "24h", "How long a call may take whose caller names no time."),
    row(Unit::duration, &D::race_delay, live, "race_delay", "50ms", "1ms", "5s", "How long after one address of a peer the next is tried beside it."),
    row(Unit::duration, &D::backoff_first, live, "backoff_first", "250ms", "10ms", "1m",
        "The first pause between automatic reconnects; it doubles each time."),
    row(Unit::duration, &D::backoff_most, live, "backoff_most", "60s", "100ms", "24h", "The longest pause between automatic reconnects."),
    row(Unit::count, &D::max_redials, live, "max_redials", "10", "0", "1000", "Automatic reconnects in a row before giving up."),
    row(Unit::duration, &D::drain_deadline, live, "drain_deadline", "10s", "0s", "1h",
        "How long running streams may go on after a stop or an identity-offline."),
    row(Unit::count, &D::max_connections, live, "max_connections", "4096", "1", "1000000", "Connections of the whole daemon."),
    row(Unit::count, &D::max_connections_per_identity, live, "max_connections_per_identity", "1024", "1", "1000000",
        "Of these, connections of one identity."),
    row(Unit::count, &D::max_connections_per_peer, live, "max_connections_per_peer", "4", "1", "64",
        "Connections of one identity to one peer, old ones that still drain included."),
    row(Unit::count, &D::max_stranger_connections, live, "max_stranger_connections", "256", "0", "1000000",
        "Of these, connections from peers that nobody knows."),
    row(Unit::count, &D::max_half_open, live, "max_half_open", "512", "1", "1000000", "Handshakes that others have begun and not finished."),
    row(Unit::count, &D::max_half_open_per_source, live, "max_half_open_per_source", "64", "1", "1000000",
        "Of these, from one IPv4 address or one IPv6 /56."),
    row(Unit::count, &D::retry_from_half_open, live, "retry_from_half_open", "64", "0", "1000000",
        "From this many unfinished handshakes on, a dialer must prove its address first."),
    row(Unit::count, &D::retry_above_per_source, live, "retry_above_per_source", "16", "0", "1000000",
        "The same for the unfinished handshakes of one source."),
    row(Unit::count, &D::max_unproven_connections, live, "max_unproven_connections", "256", "1", "1000000",
        "Connections whose dialer has not said its first word; past it the oldest is closed."),
    row(Unit::count, &D::max_attempts_per_peer, live, "max_attempts_per_peer", "16", "1", "256", "Addresses of one peer that are tried at a time."),
    row(Unit::count, &D::max_addresses_per_peer, live, "max_addresses_per_peer", "32", "1", "256",
        "Addresses that one dial tries: those kept of the peer, 16 at most, and any beside them; further ones are left out."),
    row(Unit::count, &D::max_waiters_per_peer, live, "max_waiters_per_peer", "1024", "1", "100000",
        "Streams that wait for the connection to one peer."),
    row(Unit::count, &D::max_hinted_initials, live, "max_hinted_initials", "3", "1", "10", "First packets to an address that only a stranger named."),
    row(Unit::count, &D::max_goaways, live, "max_goaways", "16", "1", "1024",
        "Times that a peer may announce the end of one connection; then it is closed."),
    row(Unit::count, &D::max_resets_per_second, live, "max_resets_per_second", "200", "0", "100000",
        "Answers to packets of connections that are gone."),
    row(Unit::bytes, &D::max_packet, live, "max_packet", "16336B", "1200B", "16336B",
        "The largest UDP payload that a new connection tries (path MTU discovery); at first it is 1200B."),
    // Streams
    row(Unit::count, &D::max_total_streams, live, "max_total_streams", "100000", "1", "10000000", "Streams of the whole daemon, both ways."),
    row(Unit::count, &D::max_streams, restart, "max_streams", "1024", "1", "100000", "Streams that a peer may have open on one connection."),
    row(Unit::count, &D::max_uni_streams, restart, "max_uni_streams", "16", "1", "1024",
        "One-way streams that a peer may have open on one connection."),
    row(Unit::duration, &D::unread_timeout, live, "unread_timeout", "60s", "1s", "1h",
        "In which whoever serves a stream that has ended must read an octet of what is left of it."),
    row(Unit::count, &D::max_held, live, "max_held", "1024", "1", "100000", "Streams that wait for the start of one binding."),
    row(Unit::count, &D::max_headerless_streams, live, "max_headerless_streams", "32", "1", "1024",
        "Of the streams that a peer may have open, those that have not said yet what they are for."),
    row(Unit::bytes, &D::max_call_bytes, restart, "max_call_bytes", "1MiB", "1KiB", "1GiB", "The longest request and the longest reply of a call."),
    row(Unit::bytes, &D::stream_window, restart, "stream_window", "256KiB", "16KiB", "16MiB",
        "What a peer may send on a new stream before it is read."),
    row(Unit::bytes, &D::max_stream_window, restart, "max_stream_window", "16MiB", "16KiB", "1GiB",
        "What that may grow to while the reader keeps up."),
    row(Unit::bytes, &D::connection_window, restart, "connection_window", "24MiB", "64KiB", "1GiB",
        "What a peer may send on one connection before it is taken off the network."),
    row(Unit::bytes, &D::max_parked_bytes, restart, "max_parked_bytes", "64MiB", "64KiB", "16GiB",
        "Unread bytes of one connection; beyond, the longest-parked stream is reset."),
    row(Unit::bytes, &D::max_buffer_bytes, live, "max_buffer_bytes", "512MiB", "1MiB", "1024GiB", "Buffered bytes of the whole daemon."),
    row(Unit::bytes, &D::max_send_buffer, live, "max_send_buffer", "16MiB", "64KiB", "1GiB",
        "Unsent and unacknowledged bytes of one connection; past it each of its streams may have 4KiB."),
    row(Unit::bytes, &D::max_retry_bytes, live, "max_retry_bytes", "256KiB", "0B", "16MiB",
        "Sent bytes of a stream that are kept until its reply, to open it again elsewhere."),
    // Programs on the socket
    row(Unit::count, &D::max_clients, live, "max_clients", "256", "1", "65536",
        "Programs connected to the socket; 4 more may look, reload and stop."),
    row(Unit::count, &D::max_client_requests, live, "max_client_requests", "1024", "1", "65536", "Requests that one program may have in flight."),
    row(Unit::count, &D::max_client_streams, live, "max_client_streams", "256", "1", "65536", "Streams that one program may have open."),
    row(Unit::bytes, &D::max_client_queue, live, "max_client_queue", "16MiB", "64KiB", "1GiB",
        "Answers queued for one program before the daemon stops reading from it."),
    row(Unit::duration, &D::client_stall_timeout, live, "client_stall_timeout", "30s", "1s", "1h",
        "A program that takes none of its answers for this long is disconnected."),
    row(Unit::count, &D::max_open_files, live, "max_open_files", "65536", "64", "1048576",
        "The daemon raises its limit of open files to this, as far as the system allows."),
    // Plugins
    row(Unit::count, &D::plugin_threads, restart, "plugin_threads", "2", "1", "256", "Threads that run plugins."),
    row(Unit::count, &D::max_plugin_threads, restart, "max_plugin_threads", "16", "1", "256", "What that may grow to while plugins are stuck."),
    row(Unit::duration, &D::inline_overrun, live, "inline_overrun", "100us", "1us", "1s",
        "A call into an inline plugin that takes longer is counted, and logged when it is long or common."),
    row(Unit::duration, &D::plugin_busy_after, restart, "plugin_busy_after", "100ms", "1ms", "1m",
        "A plugin that does not return for this long gets another thread beside it."),
    row(Unit::duration, &D::plugin_fence_after, live, "plugin_fence_after", "5s", "100ms", "1h",
        "A plugin that does not return for this long is cut off."),
    row(Unit::duration, &D::plugin_check_timeout, live, "plugin_check_timeout", "5s", "100ms", "1m",
        "How long a plugin may look at a config before the answer is that it did not."),
    // Log
    row(Unit::level, &D::log_level, live, "log_level", "info", "", "", "debug, info, warn or error."),
    row(Unit::bytes, &D::log_file_size, restart, "log_file_size", "10MiB", "64KiB", "1GiB", "A log file that is longer is rotated."),
    row(Unit::count, &D::log_files, restart, "log_files", "5", "2", "100", "Log files that are kept, the one that is written included."),
};

struct Suffix {
  std::string_view text;
  std::uint64_t factor;
};

constexpr std::array duration_suffixes{Suffix{"ns", 1},         Suffix{"us", 1000},          Suffix{"ms", 1000000},
                                       Suffix{"s", 1000000000}, Suffix{"m", 60000000000ULL}, Suffix{"h", 3600000000000ULL}};
constexpr std::array size_suffixes{Suffix{"", 1}, Suffix{"B", 1}, Suffix{"KiB", 1ULL << 10U}, Suffix{"MiB", 1ULL << 20U}, Suffix{"GiB", 1ULL << 30U}};

bool zero_before(std::string_view text) { return text.size() > 1 && text[0] == '0' && text[1] >= '0' && text[1] <= '9'; }

/// Digits and one of the suffixes; at most 2^63-1 in the smallest unit.
std::optional<std::uint64_t> parse_quantity(std::string_view text, std::span<const Suffix> suffixes) {
  if (zero_before(text)) return std::nullopt; // octal or decimal? We don't guess
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return std::nullopt;
  const std::string_view rest(end, static_cast<std::size_t>(text.data() + text.size() - end));
  const auto suffix = std::ranges::find(suffixes, rest, &Suffix::text);
  constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (suffix == suffixes.end() || value > most / suffix->factor) return std::nullopt;
  return value * suffix->factor;
}

/// What is added to an error where that was it.
std::string_view zero_hint(std::string_view text) { return zero_before(text) ? ", without a zero before it" : ""; }

/// In nanoseconds, octets or pieces.
Result<std::uint64_t> parse_in(Unit unit, std::string_view text) {
  if (unit == Unit::duration) {
    const auto parsed = parse_duration(text);
    if (!parsed) return parsed.error();
    return static_cast<std::uint64_t>(parsed->count());
  }
  if (unit == Unit::bytes) return parse_size(text);
  if (const auto number = parse_quantity(text, std::span(size_suffixes).first(1))) return *number;
  return bad_request(in_quotes(text) + " is not a whole number from 0 to " + std::to_string(std::numeric_limits<std::int64_t>::max()));
}

Result<void> store(DaemonConfig& config, const Setting& setting, std::string_view text) {
  if (setting.unit == Unit::level) {
    const auto level = std::ranges::find(log_level_names, text);
    if (level == log_level_names.end()) {
      const std::string_view near = text.starts_with("warn") ? "warn" : nearest_name(text, log_level_names);
      return bad_request(in_quotes(text) + " is not one of debug, info, warn, error" +
                         (near.empty() ? "" : "; did you mean '" + std::string(near) + "'?"));
    }
    config.*std::get<LevelField>(setting.field) = static_cast<LogLevel>(level - log_level_names.begin());
    return {};
  }
  const auto value = parse_in(setting.unit, text);
  if (!value) return value.error();
  if (*value < parse_in(setting.unit, setting.least).value() || *value > parse_in(setting.unit, setting.most).value()) {
    return bad_request(in_quotes(text) + " is out of range: " + std::string(setting.least) + " to " + std::string(setting.most));
  }
  if (setting.unit == Unit::duration) {
    config.*std::get<DurationField>(setting.field) = Duration(static_cast<std::int64_t>(*value));
  } else {
    config.*std::get<NumberField>(setting.field) = *value;
  }
  return {};
}

/// Pairs that make no sense the other way round.
struct Pair {
  std::string_view small;
  std::string_view large;
  bool may_be_equal = true;
};

constexpr std::array pairs{Pair{"stream_window", "max_stream_window"},    Pair{"stream_window", "connection_window"},
                           Pair{"max_stream_window", "max_parked_bytes"}, Pair{"max_parked_bytes", "max_buffer_bytes"},
                           Pair{"plugin_threads", "max_plugin_threads"},  Pair{"keep_alive", "idle_timeout", false},
                           Pair{"backoff_first", "backoff_most"}};

const Setting& setting_of(std::string_view key) {
  return *std::ranges::find(settings, key, [](const Setting& each) { return each.row.key; });
}

bool fits(const DaemonConfig& config, const Pair& pair) {
  const auto check = [&](const auto field) {
    const auto large = config.*std::get<std::remove_const_t<decltype(field)>>(setting_of(pair.large).field);
    return config.*field < large || (pair.may_be_equal && config.*field == large);
  };
  return std::visit(check, setting_of(pair.small).field);
}

void check_pairs(Reader& in, const Node& root, const DaemonConfig& config) {
  for (const Pair& pair : pairs) {
    if (fits(config, pair)) continue;
    const Node* node = root.find(pair.small) != nullptr ? root.find(pair.small) : root.find(pair.large);
    const auto with_value = [&](std::string_view key) {
      const Node* value = root.find(key);
      return std::string(key) + " (" + (value != nullptr ? value->text : std::string(setting_of(key).row.default_text)) + ")";
    };
    in.fail(node != nullptr ? node->mark : root.mark,
            with_value(pair.small) + " must " + (pair.may_be_equal ? "not be more" : "be less") + " than " + with_value(pair.large));
  }
}

DaemonConfig read(std::string_view text, std::string_view file, std::vector<Error>& errors) {
  DaemonConfig config = default_daemon_config();
  const auto root = parse_yaml(text, file);
  if (!root) {
    errors.push_back(root.error());
    return config;
  }
  if (root->is(Node::Kind::empty)) return config;
  Reader in(file, errors);
  std::vector<std::string_view> keys{"listen", "nameless"};
  for (const Setting& setting : settings) keys.push_back(setting.row.key);
  if (!in.map(*root, "kith.yaml", keys)) return config;
  for (const Field& field : root->fields) {
    Node value = field.value;
    if (value.is(Node::Kind::empty)) value.mark = field.mark;
    if (field.key == "listen") {
      config.listen = in.listen(value);
    } else if (field.key == "nameless") {
      config.nameless = in.name(value, "identity name").value_or("");
    } else if (const auto setting = std::ranges::find(settings, field.key, [](const Setting& s) { return s.row.key; }); setting != settings.end()) {
      const auto word = in.text(value, field.key);
      if (!word) continue;
      if (const auto ok = store(config, *setting, *word); !ok) in.fail(value.mark, field.key + ": " + ok.error().text);
    }
  }
  if (errors.empty()) check_pairs(in, *root, config);
  return config;
}

} // namespace

std::span<const SettingDoc> daemon_settings() noexcept {
  static constexpr auto rows = [] {
    std::array<SettingDoc, settings.size()> out{};
    for (std::size_t i = 0; i < settings.size(); ++i) out[i] = settings[i].row;
    return out;
  }();
  return rows;
}

DaemonConfig default_daemon_config() {
  DaemonConfig config;
  for (const Setting& setting : settings) store(config, setting, setting.row.default_text).value();
  return config;
}

/// Which settings wait for a restart, folded as a comment.
static std::string restart_note() {
  constexpr std::size_t width = 120;
  std::string out = "A restart is needed for:\n#";
  std::size_t line = 1;
  std::string item = " listen";
  const auto add = [&] {
    if (line + item.size() > width) out += "\n#";
    line = line + item.size() > width ? 1 + item.size() : line + item.size();
    out += item;
  };
  for (const Setting& setting : settings) {
    if (setting.row.live) continue;
    item += ',';
    add();
    item = ' ' + std::string(setting.row.key);
  }
  add();
  return out + ".\n";
}

std::string default_daemon_text() {
  std::string out =
      "# Settings of kithd. Everything is optional; what stands behind a '# ' below is the default.\n"
      "# After a change: kith reload. " +
      restart_note() +
      "\n"
      "# UDP addresses that all identities share. Left out: all addresses, IPv4 and IPv6, on a port that is chosen once and remembered.\n"
      "# listen: [\"0.0.0.0:4433\", \"[::]:4433\"]\n"
      "\n"
      "# Which identity answers a dialer that names none (older or other programs). Left out: the only one that is online, else nobody.\n"
      "# nameless: alice\n";
  for (const Setting& setting : settings) {
    out += "\n# " + std::string(setting.row.doc);
    if (!setting.least.empty()) out += " From " + std::string(setting.least) + " to " + std::string(setting.most) + ".";
    out += "\n# " + std::string(setting.row.key) + ": " + std::string(setting.row.default_text) + "\n";
  }
  return out;
}

Result<DaemonConfig> parse_daemon(std::string_view text, std::string_view file) {
  std::vector<Error> errors;
  auto config = read(text, file, errors);
  if (!errors.empty()) return errors.front();
  return config;
}

std::vector<Error> check_daemon(std::string_view text, std::string_view file) {
  std::vector<Error> errors;
  read(text, file, errors);
  return errors;
}

std::vector<std::string> differences(const DaemonConfig& a, const DaemonConfig& b) {
  std::vector<std::string> keys;
  if (a.listen != b.listen) keys.emplace_back("listen");
  if (a.nameless != b.nameless) keys.emplace_back("nameless");
  for (const Setting& setting : settings) {
    const auto differs = [&](const auto field) { return a.*field != b.*field; };
    if (std::visit(differs, setting.field)) keys.emplace_back(setting.row.key);
  }
  return keys;
}

std::vector<std::string> apply_live(DaemonConfig& in_force, const DaemonConfig& wanted) {
  const DaemonConfig before = in_force;
  const auto take = [&](const Setting& setting, const DaemonConfig& from) {
    const auto copy = [&](const auto field) { return std::exchange(in_force.*field, from.*field) != from.*field; };
    return std::visit(copy, setting.field);
  };
  in_force.nameless = wanted.nameless;
  for (const Setting& setting : settings) {
    if (setting.row.live) take(setting, wanted);
  }
  // A live one waits as well where it makes no sense with one that has to wait. What was in force did.
  for (bool changed = true; std::exchange(changed, false);) {
    for (const Pair& pair : pairs) {
      if (fits(in_force, pair)) continue;
      for (const std::string_view key : {pair.small, pair.large}) changed = take(setting_of(key), before) || changed;
    }
  }
  return differences(in_force, wanted);
}

Result<Duration> parse_duration(std::string_view text) {
  if (const auto value = parse_quantity(text, duration_suffixes)) return Duration(static_cast<std::int64_t>(*value));
  return bad_request(in_quotes(text) + " is not a duration: write 10s, 250ms, 100us, 5m or 1h" + std::string(zero_hint(text)));
}

Result<std::uint64_t> parse_size(std::string_view text) {
  if (const auto value = parse_quantity(text, size_suffixes)) return *value;
  return bad_request(in_quotes(text) + " is not a size: write 1500B, 64KiB, 16MiB or 1GiB" + std::string(zero_hint(text)));
}

} // namespace kith::config
