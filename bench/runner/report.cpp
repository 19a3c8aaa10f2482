// SPDX-License-Identifier: GPL-3.0-or-later
#include "runner/report.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <functional>
#include <optional>

namespace kith::bench {
namespace {

/// Medians, for goals that are made of several.
class Medians {
public:
  explicit Medians(const Measured& measured) : measured_(measured) {}
  double operator()(const std::string& name) const {
    const auto at = measured_.find(name);
    return at == measured_.end() ? 0 : at->second.median();
  }

private:
  const Measured& measured_;
};

struct Row {
  const char* place;
  const char* name;
  const char* title;
  const char* limit; ///< What it is set beside; null: nothing.
  bool more;         ///< More is better.
  const char* goal_text;
  std::function<double(const Medians&)> goal; ///< Null: none.
};

std::function<double(const Medians&)> times(double factor, const char* of) {
  return [factor, of](const Medians& m) { return factor * m(of); };
}
std::function<double(const Medians&)> fixed(double value) {
  return [value](const Medians&) { return value; };
}

const std::vector<Row>& rows() {
  static const std::vector<Row> all{
      {"nodes", "bulk1", "bulk, 1 stream, Gbit/s", "raw.bulk1", true, "0.85 of raw", times(0.85, "raw.bulk1")},
      {"nodes", "bulk8", "bulk, 8 streams, Gbit/s", "raw.bulk8", true, "0.85 of raw", times(0.85, "raw.bulk8")},
      {"nodes", "both", "bulk both ways, sum, Gbit/s", "raw.both", true, "0.85 of raw", times(0.85, "raw.both")},
      {"nodes", "call_p50", "call of 100 bytes, p50, us", "raw.call_p50", false, "1.2 of raw", times(1.2, "raw.call_p50")},
      {"nodes", "call_p99", "call of 100 bytes, p99, us", "raw.call_p99", false, "", nullptr},
      {"nodes", "calls16", "calls, 16 in flight, thousands/s", "raw.calls16", true, "0.6 of raw", times(0.6, "raw.calls16")},
      {"nodes", "calls64", "calls, 64 in flight, thousands/s", "raw.calls64", true, "0.6 of raw", times(0.6, "raw.calls64")},
      {"nodes", "calls256", "calls, 256 in flight, thousands/s", "raw.calls256", true, "0.6 of raw", times(0.6, "raw.calls256")},
      {"nodes", "messages", "100-byte messages, buffered, millions/s", "raw.messages", true, "5", fixed(5)},
      {"nodes", "cold", "cold: no connection to first reply, ms", "raw.cold", false, "1.2 of raw", times(1.2, "raw.cold")},
      {"nodes", "dials", "new connections with a call, thousands/s", "raw.dials", true, "0.9 of raw", times(0.9, "raw.dials")},
      {"nodes", "beside_p99", "call beside a saturating transfer, p99, us", "raw.beside_p99", false, "10 times unloaded",
       times(10, "nodes.call_p99")},
      {"nodes", "idle_kb", "idle connection, resident KB a side", "raw.idle_kb", false, "40", fixed(40)},
      {"nodes", "idle_wakes", "wake-ups/s, 2,000 idle connections", "raw.idle_wakes", false, "1", fixed(1)},
      {"plugin", "call_p50", "call, program to plugin, p50, us", "raw.call_p50", false, "raw + 1.1 Unix round trips",
       [](const Medians& m) { return m("raw.call_p50") + 1.1 * m("unix.unix_p50"); }},
      {"plugin", "call_p99", "call, program to plugin, p99, us", "raw.call_p99", false, "3 times its p50", times(3, "plugin.call_p50")},
      {"plugin", "calls16", "calls, 16 in flight, program to plugin, thousands/s", "raw.calls16", true, "", nullptr},
      {"plugin", "calls64", "calls, 64 in flight, program to plugin, thousands/s", "raw.calls64", true, "100", fixed(100)},
      {"plugin", "calls256", "calls, 256 in flight, program to plugin, thousands/s", "raw.calls256", true, "150", fixed(150)},
      {"plugin", "messages", "100-byte messages, buffered, program to plugin, millions/s", "raw.messages", true, "3", fixed(3)},
      {"plugin", "writes", "100-byte messages, one write(2) each, program to plugin, millions/s", "unix.unix_messages", true, "0.6 of a socketpair",
       times(0.6, "unix.unix_messages")},
      {"plugin", "cold", "cold, program to plugin, ms", "raw.cold", false, "1.2 of raw + 0.2",
       [](const Medians& m) { return 1.2 * m("raw.cold") + 0.2; }},
      {"plugin", "bulk1", "bulk, 1 stream, program to plugin, Gbit/s", "raw.bulk1", true, "", nullptr},
      {"program", "bulk1", "bulk, 1 stream, program to program, Gbit/s", "raw.bulk1", true, "0.65 of raw", times(0.65, "raw.bulk1")},
      {"program", "bulk8", "bulk, 8 streams, program to program, Gbit/s", "raw.bulk8", true, "0.65 of raw", times(0.65, "raw.bulk8")},
      {"program", "both", "bulk both ways, sum, program to program, Gbit/s", "raw.both", true, "0.50 of raw", times(0.5, "raw.both")},
      {"program", "call_p50", "call, program to program, p50, us", "raw.call_p50", false, "raw + 2.2 Unix round trips",
       [](const Medians& m) { return m("raw.call_p50") + 2.2 * m("unix.unix_p50"); }},
      {"program", "call_p99", "call, program to program, p99, us", "raw.call_p99", false, "3 times its p50", times(3, "program.call_p50")},
      {"program", "calls64", "calls, 64 in flight, program to program, thousands/s", "raw.calls64", true, "", nullptr},
      {"program", "calls256", "calls, 256 in flight, program to program, thousands/s", "raw.calls256", true, "", nullptr},
      {"program", "messages", "100-byte messages, buffered, program to program, millions/s", "raw.messages", true, "3", fixed(3)},
      {"program", "writes", "100-byte messages, one write(2) each, program to program, millions/s", "unix.unix_messages", true, "0.6 of a socketpair",
       times(0.6, "unix.unix_messages")},
      {"program", "beside_p99", "call beside a saturating transfer, program to program, p99, us", "raw.beside_p99", false, "10 times unloaded",
       times(10, "program.call_p99")},
      {"unix", "unix_p50", "a bare Unix socket: round trip, p50, us", nullptr, false, "", nullptr},
      {"unix", "unix_messages", "a bare Unix socket: 100-byte writes, millions/s", nullptr, true, "", nullptr},
      {"daemon", "start3", "kithd, 3 identities online: start to ready, ms", nullptr, false, "10", fixed(10)},
      {"daemon", "start100", "kithd, 100 identities online: start to ready, ms", nullptr, false, "50", fixed(50)},
      {"daemon", "idle_mb", "kithd, 3 identities online: resident memory, MB", nullptr, false, "12", fixed(12)},
      {"daemon", "idle_wakes", "kithd, 3 identities online: wake-ups/s", nullptr, false, "1", fixed(1)},
  };
  return all;
}

std::string text(double value) {
  std::array<char, 32> out{};
  std::snprintf(out.data(), out.size(), value >= 100 ? "%.0f" : value >= 10 ? "%.1f" : "%.2f", value);
  return out.data();
}

std::string with_spread(const Series& series) {
  if (series.values.size() < 2) return text(series.median());
  return text(series.median()) + " (" + text(series.least()) + " to " + text(series.most()) + ")";
}

} // namespace

double Series::median() const {
  std::vector<double> sorted = values;
  std::sort(sorted.begin(), sorted.end());
  if (sorted.empty()) return 0;
  const std::size_t half = sorted.size() / 2;
  return sorted.size() % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}
double Series::least() const { return values.empty() ? 0 : *std::min_element(values.begin(), values.end()); }
double Series::most() const { return values.empty() ? 0 : *std::max_element(values.begin(), values.end()); }

std::string table(const Measured& measured) {
  const Medians medians(measured);
  std::vector<std::array<std::string, 6>> lines{{"row", "limit", "kith", "kith / limit", "goal", "reached"}};
  for (const Row& row : rows()) {
    const auto at = measured.find(std::string(row.place) + "." + row.name);
    if (at == measured.end()) continue;
    const double value = at->second.median();
    std::array<std::string, 6> line{row.title, "", with_spread(at->second), "", row.goal_text, ""};
    const auto limit = row.limit != nullptr ? measured.find(row.limit) : measured.end();
    if (limit != measured.end()) {
      line[1] = with_spread(limit->second);
      if (limit->second.median() > 0) line[3] = text(value / limit->second.median());
    }
    if (row.goal) {
      const double goal = row.goal(medians);
      if (line[4].find(' ') != std::string::npos) line[4] += " = " + text(goal); // "0.85 of raw = 5.30"
      line[5] = (row.more ? value >= goal : value <= goal) ? "yes" : "no";
    }
    lines.push_back(line);
  }
  std::array<std::size_t, 6> widths{};
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  }
  std::string out;
  for (std::size_t n = 0; n < lines.size(); ++n) {
    for (std::size_t i = 0; i < widths.size(); ++i) out += "| " + lines[n][i] + std::string(widths[i] - lines[n][i].size() + 1, ' ');
    out += "|\n";
    if (n != 0) continue;
    for (const std::size_t width : widths) out += "|" + std::string(width + 2, '-');
    out += "|\n";
  }
  return out;
}

std::string json(const Measured& measured) {
  std::string out = "{";
  for (const auto& [name, series] : measured) {
    if (out.size() > 1) out += ",";
    out += "\n  \"" + name + "\": {\"median\": " + text(series.median()) + ", \"least\": " + text(series.least()) +
           ", \"most\": " + text(series.most()) + ", \"values\": [";
    for (std::size_t i = 0; i < series.values.size(); ++i) out += (i != 0 ? ", " : "") + std::to_string(series.values[i]);
    out += "]}";
  }
  return out + "\n}\n";
}

} // namespace kith::bench
