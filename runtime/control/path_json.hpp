// SPDX-License-Identifier: GPL-3.0-or-later
// How a peer is reached, as `ping` and `trace` answer it.
#pragma once

#include "control/roster.hpp"
#include "node/node.hpp"
#include "protocol/object.hpp"

namespace kith::control {

/// The members "identity", "peer", "name", "address", "local", "dialed", "direct", "mtu", "new" and, with new, "dial_us". Both ids are known.
protocol::ObjectWriter path_json(const Roster& roster, const PeerId& identity, const PeerId& peer, const node::Path& path);

/// Whole microseconds; nothing is less than none.
std::uint64_t microseconds(Duration time);

} // namespace kith::control
