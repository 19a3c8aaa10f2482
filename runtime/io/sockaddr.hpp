// SPDX-License-Identifier: GPL-3.0-or-later
// Address to and from the kernel's form.
#pragma once

#include "base/address.hpp"

#include <sys/socket.h>

#include <string>

namespace kith::io {

/// Fills `out` and returns the length that belongs to it; 0 for the family none.
socklen_t to_sockaddr(const Address& address, sockaddr_storage& out) noexcept;

/// Family none for anything but IPv4 and IPv6. The scope is kept for link-local addresses only, so that equal addresses compare equal.
Address from_sockaddr(const sockaddr_storage& in) noexcept;

/// The kernel's words for an errno value. Any thread.
std::string error_text(int error);

} // namespace kith::io
