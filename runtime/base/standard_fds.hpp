// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace kith {

/// Opens /dev/null on those of the descriptors 0, 1 and 2 that are closed: else the next one opened would take such a number, and a socket of ours would be
/// read as standard input or written to as standard output. What is written to a standard output that was closed is still an error. Call first in main(). Where nothing can be opened it leaves things as they are.
void open_standard_fds() noexcept;

} // namespace kith
