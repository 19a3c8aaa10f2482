// SPDX-License-Identifier: GPL-3.0-or-later
// The addresses of this machine, and the news that they changed (rtnetlink(7)).
#pragma once

#include "base/address.hpp"
#include "base/error.hpp"

#include <boost/asio/io_context.hpp>

#include <functional>
#include <memory>
#include <vector>

namespace kith::io {

/// Addresses of the interfaces that are up, loopback included, link-local IPv6 left out; port 0. Any thread; does not block.
std::vector<Address> local_addresses();

/// Calls back on the network thread after addresses came or went. One change of network is several calls: the caller waits until they cease.
/// Destroying it ends the calls.
class AddressWatcher {
public:
  /// Errors: internal, where there is no netlink (some sandboxes).
  static Result<std::unique_ptr<AddressWatcher>> open(boost::asio::io_context& context, std::function<void()> changed);
  AddressWatcher(const AddressWatcher&) = delete;
  AddressWatcher& operator=(const AddressWatcher&) = delete;
  ~AddressWatcher();

private:
  struct State;
  explicit AddressWatcher(std::shared_ptr<State> state);

  std::shared_ptr<State> state_;
};

} // namespace kith::io
