// SPDX-License-Identifier: Apache-2.0
// The whole command, without a process around it.
#pragma once

#include "context.hpp"

namespace kith::cli {

/// Runs one command line (without the program's name); returns the exit code.
int run(const std::vector<std::string>& arguments, Streams& streams);

} // namespace kith::cli
