// SPDX-License-Identifier: Apache-2.0
#include "render.hpp"

#include "protocol/scanner.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <sys/ioctl.h>
#include <unistd.h>

namespace kith::cli {
namespace {

constexpr std::size_t gap = 2;           ///< Between columns.
constexpr std::size_t least_column = 20; ///< What a last column needs to be folded in.

std::uint32_t code_point(std::string_view character) {
  const auto octet = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(character[i])); };
  if (character.size() == 1) return octet(0);
  std::uint32_t value = octet(0) & (0x7FU >> character.size());
  for (std::size_t i = 1; i < character.size(); ++i) value = (value << 6) | (octet(i) & 0x3F);
  return value;
}

bool is_harmless(std::uint32_t c) {
  const bool control = (c < 0x20 && c != '\n') || (c >= 0x7F && c < 0xA0);
  const bool reorders = c == 0x061C || (c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x2069) || c == 0xFEFF;
  return !control && !reorders;
}

std::string hex(const char* format, std::uint32_t value) {
  std::array<char, 16> text{};
  const int size = std::snprintf(text.data(), text.size(), format, value);
  return std::string(text.data(), static_cast<std::size_t>(std::max(size, 0)));
}

std::string pad(std::string text, std::size_t columns) {
  const std::size_t used = columns_of(text);
  if (used < columns) text.append(columns - used, ' ');
  return text;
}

} // namespace

std::string Terminal::coloured(std::string_view text, std::string_view code) const {
  if (!colours) return std::string(text);
  return "\x1b[" + std::string(code) + "m" + std::string(text) + "\x1b[0m";
}

Terminal terminal_of(int fd) {
  Terminal terminal;
  terminal.is_terminal = ::isatty(fd) == 1;
  if (!terminal.is_terminal) return terminal;
  const char* no_color = std::getenv("NO_COLOR"); // NOLINT(concurrency-mt-unsafe)
  const char* term = std::getenv("TERM");         // NOLINT(concurrency-mt-unsafe)
  terminal.colours = (no_color == nullptr || *no_color == '\0') && term != nullptr && std::string_view(term) != "dumb";
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) == 0) terminal.width = size.ws_col;
  return terminal;
}

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t length = protocol::utf8_length(text);
    if (length == 0) {
      out += hex("\\x%02x", static_cast<unsigned char>(text.front()));
    } else if (const std::uint32_t c = code_point(text.substr(0, length)); is_harmless(c)) {
      out.append(text.substr(0, length));
    } else {
      out += c < 0x100 ? hex("\\x%02x", c) : hex("\\u{%x}", c);
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

std::string printable_json(std::string_view json) {
  std::string out;
  while (!json.empty()) {
    const std::size_t length = std::max<std::size_t>(protocol::utf8_length(json), 1);
    const std::string_view character = json.substr(0, length);
    const std::uint32_t c = code_point(character);
    if (is_harmless(c) || c == '\t' || c == '\r') { // those two stand between tokens
      out.append(character);
    } else {
      out += hex("\\u%04x", c); // all of them are below U+10000
    }
    json.remove_prefix(length);
  }
  return out;
}

namespace {

std::size_t indent_of(std::string_view line, std::size_t width) {
  const std::size_t start = std::min(line.find_first_not_of(' '), line.size());
  const std::size_t spaces = line.find("  ", start);
  const std::size_t second = spaces == std::string_view::npos ? start : std::min(line.find_first_not_of(' ', spaces), line.size());
  return second < width / 2 ? second : start;
}

std::string fold_line(std::string_view line, std::size_t width, std::size_t indent) {
  std::string out;
  for (std::size_t room = width; columns_of(line) > room; room = width - indent) {
    std::size_t at = line.rfind(' ', room); // in octets: a line with other than ASCII breaks a little early
    if (at == std::string_view::npos || at <= (out.empty() ? indent : 0)) at = line.find(' ', room);
    if (at == std::string_view::npos) break;
    out += std::string(line.substr(0, at)) + "\n" + std::string(indent, ' ');
    line.remove_prefix(std::min(line.find_first_not_of(' ', at), line.size()));
  }
  return out + std::string(line);
}

} // namespace

std::string folded(const Terminal& terminal, std::string_view text) {
  if (terminal.width == 0) return std::string(text);
  std::string out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    out += fold_line(line, terminal.width, indent_of(line, terminal.width));
    if (end < text.size()) out.push_back('\n');
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

std::size_t columns_of(std::string_view text) noexcept {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

void Table::add(std::vector<std::string> row) {
  row.resize(headings_.size());
  for (std::string& cell : row) {
    cell = printable(cell);
    std::replace(cell.begin(), cell.end(), '\n', ' ');
  }
  rows_.push_back(std::move(row));
}

std::string Table::text(const Terminal& terminal) const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < headings_.size(); ++i) {
    std::size_t width = columns_of(headings_[i]);
    for (const auto& row : rows_) width = std::max(width, columns_of(row[i]));
    widths.push_back(width + gap);
  }
  const std::size_t last = widths.back() - gap;
  const std::size_t others = std::accumulate(widths.begin(), widths.end() - 1, std::size_t{0});
  const bool fits = terminal.width == 0 || others + last <= terminal.width;
  if (!fits && others + std::min(last, least_column) > terminal.width) return blocks(terminal);
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (std::size_t i = 0; i < cells.size(); ++i) text += pad(cells[i], widths[i]);
    text.erase(text.find_last_not_of(' ') + 1);
    return fits ? text : fold_line(text, terminal.width, others);
  };
  std::string out = terminal.bold(line(headings_)) + "\n";
  for (const auto& row : rows_) out += line(row) + "\n";
  return out;
}

std::string Table::blocks(const Terminal& terminal) const {
  std::string out;
  for (const auto& row : rows_) {
    if (!out.empty()) out += "\n";
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (!row[i].empty()) out += terminal.bold(headings_[i] + ":") + " " + row[i] + "\n";
    }
  }
  return out;
}

boost::json::value parse_answer(std::string_view json) {
  boost::json::parse_options options;
  options.max_depth = protocol::max_json_depth; // else 32
  return boost::json::parse(json, {}, options);
}

std::string text_of(const boost::json::value& object, std::string_view member) {
  const auto* found = object.as_object().if_contains(member);
  return found == nullptr ? std::string() : std::string(found->as_string());
}

std::uint64_t number_of(const boost::json::value& object, std::string_view member) {
  const auto* found = object.as_object().if_contains(member);
  return found == nullptr ? 0 : found->to_number<std::uint64_t>();
}

bool flag_of(const boost::json::value& object, std::string_view member) {
  const auto* found = object.as_object().if_contains(member);
  return found != nullptr && found->as_bool();
}

const boost::json::array& items_of(const boost::json::value& object, std::string_view member) {
  static const boost::json::array none;
  const auto* found = object.as_object().if_contains(member);
  return found == nullptr ? none : found->as_array();
}

std::string list_of(const boost::json::value& object, std::string_view member) {
  std::string out;
  for (const auto& item : items_of(object, member)) {
    if (!out.empty()) out += ", ";
    out += item.is_string() ? std::string(item.as_string()) : boost::json::serialize(item);
  }
  return out;
}

std::string duration_us(std::uint64_t microseconds) {
  const auto seconds = microseconds / 1'000'000;
  if (microseconds < 1000) return std::to_string(microseconds) + " µs";
  if (seconds < 1) return std::to_string(microseconds / 1000) + "." + std::to_string(microseconds / 100 % 10) + " ms";
  if (seconds < 60) return std::to_string(seconds) + " s";
  if (seconds < 3600) return std::to_string(seconds / 60) + " min";
  return std::to_string(seconds / 3600) + " h " + std::to_string(seconds / 60 % 60) + " min";
}

} // namespace kith::cli
