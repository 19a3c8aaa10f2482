// SPDX-License-Identifier: GPL-3.0-or-later
// What the report has rows for.
#pragma once

#include "runner/report.hpp"

#include <functional>
#include <string>
#include <vector>

namespace kith::bench {

/// For goals that are made of several medians; 0 for what was not measured.
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

struct Goal {
  const char* place;
  const char* name;
  const char* title;
  const char* limit; ///< What it is set beside; null: nothing.
  bool more;         ///< More is better.
  const char* text;
  std::function<double(const Medians&)> value; ///< Null: none.
};

struct Group {
  const char* title;
  std::vector<Goal> rows;
};

/// CPU time of the daemon for one event: strangers.NAME.
struct Cost {
  const char* name;
  const char* title;
};

const std::vector<Group>& groups();
const std::vector<Cost>& costs();

} // namespace kith::bench
