// SPDX-License-Identifier: GPL-3.0-or-later
// The addresses of this machine, and the news that they changed (rtnetlink(7)).
#pragma once

#include "base/address.hpp"
#include "base/error.hpp"
#include "io/reactor.hpp"

#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace kith::io {

/// Addresses of the interfaces that are up, loopback included, link-local IPv6 left out; port 0. Any thread; does not block.
std::vector<Address> local_addresses();

/// Which of the kernel's messages are news: it repeats an address whenever a router advertises its prefix. A route that comes or goes may move where our packets
/// leave from, with all addresses in place.
class AddressNews {
public:
  explicit AddressNews(std::vector<Address> now);
  /// Takes in rtnetlink messages. True: some are about an address, a link or a route, so ask `changed`. Whatever is not well-formed is passed over.
  bool heard(std::span<const char> messages);
  /// `now`: the addresses of this moment. True: others than at the last call, or the last messages spoke of a route, or of an address that was
  /// tentative, which it may not be now.
  bool changed(std::vector<Address> now);

private:
  std::vector<Address> known_; ///< Sorted.
  bool heard_tentative_ = false;
  bool heard_route_ = false;
  bool settling_ = false;
};

/// Calls back on the network thread after addresses or routes came or went. One change of network is several calls: the caller waits until they cease.
/// Destroying it ends the calls.
class AddressWatcher {
public:
  /// Errors: internal, where there is no netlink (some sandboxes).
  static Result<std::unique_ptr<AddressWatcher>> open(Reactor& reactor, std::function<void()> changed);
  AddressWatcher(const AddressWatcher&) = delete;
  AddressWatcher& operator=(const AddressWatcher&) = delete;
  ~AddressWatcher();

private:
  struct State;
  explicit AddressWatcher(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

} // namespace kith::io
