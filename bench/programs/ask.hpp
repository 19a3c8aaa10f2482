// SPDX-License-Identifier: GPL-3.0-or-later
// The plugin rows: a plugin dials, and a program only asks it to.
#pragma once

#include <chrono>
#include <string>

namespace kith::bench {

/// Has BenchDial/`alias` of identity `self`, in the daemon of `home`, run a row against identity `peer`, and prints its line. A call of an identity to itself carries the
/// question; its connection is idle while the row runs. "cold": closes the connection to the peer before each of many single calls.
void ask(const std::string& home, const std::string& self, const std::string& peer, const std::string& alias, std::chrono::milliseconds time,
         const std::string& row);

} // namespace kith::bench
