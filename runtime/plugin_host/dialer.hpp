// SPDX-License-Identifier: GPL-3.0-or-later
// How a plugin's kith.dial/1 reaches the node, which implements this.
#pragma once

#include "base/error.hpp"
#include "base/peer_id.hpp"
#include "base/stream.hpp"

namespace kith::plugin_host {

class Dialer {
public:
  virtual ~Dialer() = default;
  /// Opens a stream in an identity's name. The pipes are the opener's: `out` may hold octets already and be finished, `in` is filled by the node.
  /// Network thread; never calls the user before it returns. What is wrong with it, the user hears as of a stream that has failed.
  virtual StreamKey open(const PeerId& identity, StreamRequest&& request, PipePtr in, PipePtr out, StreamUser& user) = 0;
};

} // namespace kith::plugin_host
