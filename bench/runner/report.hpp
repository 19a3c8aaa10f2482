// SPDX-License-Identifier: GPL-3.0-or-later
// What was measured, beside its limit and its goal.
#pragma once

#include "runner/child.hpp"

#include <string>
#include <vector>

namespace kith::bench {

/// Several runs of one number.
struct Series {
  std::vector<double> values;
  double median() const;
  double least() const;
  double most() const;
};

/// By "place.name": the places are those of the usage text.
using Measured = std::map<std::string, Series>;

/// The table, as Markdown.
std::string table(const Measured& measured);
/// Everything, as one JSON object: medians, spreads, and every value.
std::string json(const Measured& measured);

} // namespace kith::bench
