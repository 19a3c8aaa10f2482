// SPDX-License-Identifier: GPL-3.0-or-later
#include "runner/report.hpp"

#include "runner/goals.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace kith::bench {
namespace {

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

namespace {

using Line = std::vector<std::string>;

/// As Markdown; the first line is the head.
std::string aligned(const std::vector<Line>& lines) {
  std::vector<std::size_t> widths(lines.front().size());
  for (const Line& line : lines) {
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

Line line_of(const Goal& goal, const Series& series, const Measured& measured) {
  const double value = series.median();
  Line line{goal.title, "", with_spread(series), "", goal.text, ""};
  const auto limit = goal.limit != nullptr ? measured.find(goal.limit) : measured.end();
  if (limit != measured.end()) {
    line[1] = with_spread(limit->second);
    if (limit->second.median() > 0) line[3] = text(value / limit->second.median());
  }
  if (!goal.value) return line;
  const double aim = goal.value(Medians(measured));
  if (line[4].find(' ') != std::string::npos) line[4] += " = " + text(aim); // "0.85 of raw = 5.30"
  line[5] = (goal.more ? value >= aim : value <= aim) ? "yes" : "no";
  return line;
}

} // namespace

std::string table(const Measured& measured) {
  std::string out;
  for (const Group& group : groups()) {
    std::vector<Line> lines{{"row", "limit", "kith", "kith / limit", "goal", "reached"}};
    for (const Goal& goal : group.rows) {
      const auto at = measured.find(std::string(goal.place) + "." + goal.name);
      if (at != measured.end()) lines.push_back(line_of(goal, at->second, measured));
    }
    if (lines.size() > 1) out += std::string(out.empty() ? "" : "\n") + "### " + group.title + "\n\n" + aligned(lines);
  }
  std::vector<Line> lines{{"what comes", "CPU time of the daemon for each, us", "a core turns away, a second"}};
  for (const Cost& cost : costs()) {
    const auto at = measured.find(std::string("strangers.") + cost.name);
    if (at != measured.end()) lines.push_back({cost.title, with_spread(at->second), text(1e6 / at->second.median())});
  }
  if (lines.size() > 1) out += std::string(out.empty() ? "" : "\n") + "### What turning a stranger away costs\n\n" + aligned(lines);
  return out;
}

std::string json(const Measured& measured) {
  const auto exact = [](double value) {
    std::array<char, 32> out{};
    std::snprintf(out.data(), out.size(), "%.9g", value);
    return std::string(out.data());
  };
  std::string out = "{";
  for (const auto& [name, series] : measured) {
    if (out.size() > 1) out += ",";
    out += "\n  \"" + name + "\": {\"median\": " + exact(series.median()) + ", \"least\": " + exact(series.least()) +
           ", \"most\": " + exact(series.most()) + ", \"values\": [";
    for (std::size_t i = 0; i < series.values.size(); ++i) out += (i != 0 ? ", " : "") + exact(series.values[i]);
    out += "]}";
  }
  return out + "\n}\n";
}

} // namespace kith::bench
