// SPDX-License-Identifier: GPL-3.0-or-later
// What a YAML or JSON text says, without types: the neutral tree between the parsers and everyone who reads or edits configuration.
#pragma once

#include "base/error.hpp"

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace kith::config {

inline constexpr std::size_t max_text_size = 1024 * 1024; ///< Of one YAML or JSON text, in octets.
inline constexpr int max_config_depth = 64;               ///< Of lists and maps inside each other, in the `config` of a binding, however it comes.
/// The same in a YAML file, where a config stands in a binding, in the list of them, in the map that the file is.
inline constexpr int max_file_depth = max_config_depth + 3;

/// A place in a text.
struct Mark {
  std::size_t offset = 0; ///< Octets from the start.
  int line = 0;           ///< From 1; 0: this node did not come from a text.
  int column = 0;         ///< From 1, in characters.
};

struct Field;

/// A value. Trees are plain data: copy them, change them.
struct Node {
  enum class Kind : std::uint8_t { empty, scalar, list, map }; ///< empty: nothing was written ("key:" and no more).

  Kind kind = Kind::empty;
  bool quoted = false;       ///< A scalar in quotes, or a block scalar: a string whatever it looks like.
  bool flow = false;         ///< A list or map in brackets or braces; a writer is free to follow.
  std::string text;          ///< Of a scalar: what it says, without quotes and escapes; never typed.
  std::vector<Node> items;   ///< Of a list.
  std::vector<Field> fields; ///< Of a map, in the order of the text; keys differ.
  Mark mark;                 ///< Where the value starts. Of an empty one it means nothing.
  std::string comment;       ///< For the writer: goes behind a scalar as "  # comment". Parsers leave it empty.

  bool is(Kind k) const noexcept { return kind == k; }
  /// The value of a map's key, or null.
  const Node* find(std::string_view key) const noexcept;
  Node* find(std::string_view key) noexcept;
};

struct Field {
  std::string key;
  Mark mark; ///< Of the key.
  Node value;
};

Node make_text(std::string text);  ///< A string, whatever it looks like.
Node make_plain(std::string text); ///< A word that YAML may type: true, 12, null.
Node make_list(std::vector<Node> items, bool flow = false);
Node make_map(std::vector<Field> fields);

/// A way down from the root: keys and positions.
using PathStep = std::variant<std::string, std::size_t>;
using Path = std::vector<PathStep>;

/// The node at the end of a path, or null.
const Node* find(const Node& root, const Path& path) noexcept;
Node* find(Node& root, const Path& path) noexcept;
/// "bindings[1].config.max_length"; "the file" for the root.
std::string path_text(const Path& path);

/// Whether two trees say the same: kinds, keys in order, texts, and the type that YAML 1.2 gives each scalar. Marks and style don't count; an empty
/// value equals a null.
bool same(const Node& a, const Node& b);

/// bad_request with "file:line:column: text"; without a line where the mark has none.
Error error_at(std::string_view file, const Mark& mark, std::string_view text);

/// An error of this module, taken apart for programs (`kith config check --json`).
struct Problem {
  std::string file;
  int line = 0; ///< From 1; 0: the file as a whole.
  int column = 0;
  std::string text;
  friend bool operator==(const Problem&, const Problem&) = default;
};

/// Takes "file:line:column: text" apart again.
Problem problem_in(std::string_view file, const Error& error);

} // namespace kith::config
