// SPDX-License-Identifier: Apache-2.0
// Joins a stream with two descriptors: what `kith stream` does between its standard input and output.
#pragma once

#include <kith/client.hpp>

namespace kith::cli {

/// Until the stream has ended: `in` to the peer (its end is FIN), the peer to `out`. Returns how the stream ended. Errors: those of the daemon's socket, and
/// cancelled when `out` can't be written.
Result<client::Closed> pump(client::Client& client, client::Stream& stream, int in, int out);

} // namespace kith::cli
