// SPDX-License-Identifier: Apache-2.0
// Where a daemon keeps its things.
#pragma once

#include <string>

namespace kith::client {

/// The home to use: `option` (of --home) if it is not empty, else KITH_HOME, else ~/.kith. Absolute, without a final slash; nothing is created.
std::string resolve_home(const std::string& option);

/// " --home HOME" for a command that a text names; empty for the home that it has anyway.
std::string home_option(const std::string& home);

std::string socket_path(const std::string& home);
std::string lock_path(const std::string& home);
std::string log_path(const std::string& home);

/// What daemon.lock says of the daemon of a home.
struct LockHolder {
  int pid = 0;           ///< 0: nobody holds it.
  bool stopping = false; ///< It was told to stop; or, when nobody holds it, the last one was.
};
LockHolder lock_holder(const std::string& home);

} // namespace kith::client
