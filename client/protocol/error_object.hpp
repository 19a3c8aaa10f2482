// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"

#include <string>

namespace kith::protocol {

/// What `kith --json` and `kithd --json` print for a failure: {"error":{"code":"denied","text":"…"}}; `code` is a number from 1000 on.
std::string error_object(const Error& error);

} // namespace kith::protocol
