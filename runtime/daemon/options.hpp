// SPDX-License-Identifier: GPL-3.0-or-later
// The command line of kithd.
#pragma once

#include "base/address.hpp"
#include "base/error.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kith::daemon {

struct Options {
  std::string home; ///< Absolute.
  std::vector<Address> listen;
  bool detach = false;
  bool json = false;  ///< What is said of the start is JSON.
  bool check = false; ///< Look, and start nothing.
  bool help = false;
  bool version = false;
};

/// `environment_home` is $KITH_HOME, `user_home` $HOME; empty when unset. Errors: bad_request.
Result<Options> parse_options(std::span<const std::string_view> arguments, std::string_view environment_home, std::string_view user_home);

extern const std::string_view usage;

} // namespace kith::daemon
