// SPDX-License-Identifier: GPL-3.0-or-later
// Edits of a YAML text that leave every other byte as it was: comments, blank lines, quotes and line ends are the user's.
//
// Every edit is spliced into the text, parsed again, and compared with the tree that was meant; when they differ, the text stays as it was and the
// error carries the lines to paste.
#pragma once

#include "config/tree.hpp"

#include <optional>

namespace kith::config {

inline constexpr std::size_t max_edits = 64; ///< That one set() is split into; each parses the whole text.

/// A text and its tree, kept in step. A failed edit changes nothing.
class Editor {
public:
  /// Errors: those of parse_yaml.
  static Result<Editor> open(std::string text, std::string file);

  /// Sets a scalar or replaces a value. A map that replaces a map is set key by key where the old keys all stay, so that comments between them
  /// survive; one that takes more than max_edits is written anew, without them. Where the last step is a key that its map does not have, the key is appended to the map (the root may be empty). Errors: bad_request.
  Result<void> set(const Path& path, const Node& value);
  /// Appends to a list; an empty or missing one is begun.
  Result<void> append_item(const Path& list, const Node& item);
  /// Takes the item at `index` out, with the comments behind it; of the last one `[]` is left.
  Result<void> remove_item(const Path& list, std::size_t index);

  const std::string& text() const noexcept { return text_; }
  const Node& root() const noexcept { return root_; }

private:
  Editor(std::string text, std::string file, Node root) : text_(std::move(text)), file_(std::move(file)), root_(std::move(root)) {}

  Result<void> commit(std::optional<std::string> spliced, const Node& meant, const Path& path, const Node& value);

  std::string text_;
  std::string file_;
  Node root_;
};

} // namespace kith::config
