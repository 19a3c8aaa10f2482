// SPDX-License-Identifier: GPL-3.0-or-later
// Tree to YAML text.
#pragma once

#include "config/tree.hpp"

namespace kith::config {

/// A scalar: strings plain where every YAML reader takes them for strings, else in double quotes; words and numbers as they are.
std::string scalar_text(const Node& scalar);

/// On one line: lists and maps in brackets and braces. Comments are left out.
std::string flow_text(const Node& node);

/// Whether block_lines writes a node on the line of its key: scalars, empty lists and maps, and flow lists of scalars without comments.
bool fits_inline(const Node& node);

/// In lines without line breaks, the first one at column 0: lists with "- ", nested values indented by 2.
std::vector<std::string> block_lines(const Node& node);

} // namespace kith::config
