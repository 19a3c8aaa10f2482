// SPDX-License-Identifier: GPL-3.0-or-later
// YAML to tree. yaml-cpp stays in yaml.cpp.
#pragma once

#include "config/tree.hpp"

namespace kith::config {

/// Reads one document; an empty text is an empty node. `file` is for the text of errors.
/// Errors: bad_request "file:line:column: …" for what is not YAML or not UTF-8, and for what kith's files don't have: a byte-order mark, control
/// characters, duplicate keys, keys that are not scalars, anchors, aliases, tags, a second document, more than max_text_size or max_file_depth.
Result<Node> parse_yaml(std::string_view text, std::string_view file);

/// The offset of the first octet that is not UTF-8 (RFC 3629), or the size of the text.
std::size_t find_bad_utf8(std::string_view text) noexcept;

/// Line and column of an offset.
Mark mark_at(std::string_view text, std::size_t offset) noexcept;

/// The same for many offsets that grow: counts on from the last one.
class Marks {
public:
  explicit Marks(std::string_view text) noexcept : text_(text) {}
  Mark at(std::size_t offset) noexcept;

private:
  std::string_view text_;
  Mark last_{0, 1, 1};
};

} // namespace kith::config
