// SPDX-License-Identifier: GPL-3.0-or-later
// Where a value ends in its text: yaml-cpp says only where it starts (and not even that of an empty one).
#pragma once

#include "config/tree.hpp"

#include <optional>

namespace kith::config {

/// Octets [begin, end).
struct Extent {
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// Where the value at `path` is; nothing for an empty value and for forms that the scan does not follow (a plain scalar over several lines, `? key`).
std::optional<Extent> extent_of(std::string_view text, const Node& root, const Path& path);

/// The offset behind the colon of a map's key.
std::optional<std::size_t> after_colon(std::string_view text, const Field& field, bool in_flow);

/// Behind the closing quote of what starts with one at `at`; nothing when it is not closed.
std::optional<std::size_t> end_of_quoted(std::string_view text, std::size_t at);

/// Whether the value at `path` lies inside brackets or braces (being in them itself does not count).
bool inside_flow(const Node& root, const Path& path);

std::size_t line_start(std::string_view text, std::size_t at) noexcept;
/// The offset of the line break ("\n" or "\r\n") that ends the line, or the size of the text.
std::size_t line_end(std::string_view text, std::size_t at) noexcept;
/// The offset of the next line, or the size of the text.
std::size_t next_line(std::string_view text, std::size_t at) noexcept;
/// Whether only blanks, and perhaps a comment, follow on the line.
bool only_comment_follows(std::string_view text, std::size_t at) noexcept;

} // namespace kith::config
