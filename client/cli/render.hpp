// SPDX-License-Identifier: Apache-2.0
// Text for people: tables that fit, colours where they belong, and nothing that a peer could make a terminal do.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kith::cli {

/// What an output is.
struct Terminal {
  bool is_terminal = false;
  bool colours = false;
  std::size_t width = 0; ///< Columns; 0: as wide as the text is.

  std::string red(std::string_view text) const { return coloured(text, "31"); }
  std::string green(std::string_view text) const { return coloured(text, "32"); }
  std::string bold(std::string_view text) const { return coloured(text, "1"); }

private:
  std::string coloured(std::string_view text, std::string_view code) const;
};

/// Of a descriptor of this process: asks the kernel, and NO_COLOR, TERM and COLUMNS.
Terminal terminal_of(int fd);

/// A text made harmless: control characters, invisible reordering marks and octets that are not UTF-8 become \xNN or \u{N}. Line feeds stay.
std::string printable(std::string_view text);

/// JSON, with whatever printable() would not let through written as \uNNNN: the same value, and harmless.
std::string printable_json(std::string_view json);

/// Lines broken between words where the terminal is narrower; what follows is indented to the line's second column, or as far as the line itself.
std::string folded(const Terminal& terminal, std::string_view text);

/// Columns that a printable text takes (one for each character).
std::size_t columns_of(std::string_view text) noexcept;

/// Rows under headings. Nothing is cut, for ids and addresses are copied from here: where the terminal is too narrow the last column is folded; where even that
/// is not enough, each row becomes a block of lines.
class Table {
public:
  explicit Table(std::vector<std::string> headings) : headings_(std::move(headings)) {}
  void add(std::vector<std::string> row); ///< Cells are made printable.
  bool empty() const noexcept { return rows_.empty(); }
  std::string text(const Terminal& terminal) const;

private:
  std::string blocks(const Terminal& terminal) const;

  std::vector<std::string> headings_;
  std::vector<std::vector<std::string>> rows_;
};

/// An answer's data: whatever depth the socket allows. Throws what boost::json::parse does.
boost::json::value parse_answer(std::string_view json);

// Members of answers, as text. They throw when a member is of another kind; missing ones are empty or 0.
std::string text_of(const boost::json::value& object, std::string_view member);
std::uint64_t number_of(const boost::json::value& object, std::string_view member);
bool flag_of(const boost::json::value& object, std::string_view member);
/// A list of texts (or of objects, as JSON), with commas.
std::string list_of(const boost::json::value& object, std::string_view member);
/// The members of a list, none when it is missing.
const boost::json::array& items_of(const boost::json::value& object, std::string_view member);

/// "250 µs", "1.5 ms", "12 s", "3 h 5 min".
std::string duration_us(std::uint64_t microseconds);

} // namespace kith::cli
