// SPDX-License-Identifier: GPL-3.0-or-later
// Clients that connect in earnest, a few at a time, each from an address of 127.0.0.0/8 of its own, and are turned away.
#pragma once

#include "hostile/stranger.hpp"

#include <cstddef>
#include <string>

namespace kith::bench {

struct Visits {
  std::string server_name;
  std::string alpn;
  Refused expected;
};

/// How many of `count` visits ended as expected. Each is given up after two seconds.
std::size_t visit(const Visits& visits, std::size_t count, const sockaddr_in& remote);

} // namespace kith::bench
