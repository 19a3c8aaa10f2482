// SPDX-License-Identifier: GPL-3.0-or-later
// What a daemon is to its operating system: signals, limits, the service manager.
#pragma once

#include "base/log.hpp"
#include "base/time.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace kith::io {

/// Raises the soft limit of open files to `most`, or to the hard one where that is lower; never lowers it. Returns the limit that holds now.
std::uint64_t raise_file_limit(std::uint64_t most, Log& log);

/// Before keys are loaded: no core dumps and no ptrace by others of the same user (PR_SET_DUMPABLE 0), no end by SIGPIPE.
void harden_process(Log& log);

/// SIGTERM, SIGINT and SIGHUP as callbacks on the context's thread, for as long as the object lives. A second SIGTERM or SIGINT is a callback too.
class Signals {
public:
  Signals(boost::asio::io_context& context, std::function<void()> on_terminate, std::function<void()> on_reload);

private:
  void wait();

  boost::asio::signal_set signals_;
  std::function<void()> on_terminate_;
  std::function<void()> on_reload_;
};

enum class ServiceState : std::uint8_t { ready, reloading, stopping };

/// The sd_notify protocol (sd_notify(3)), without libsystemd.
class ServiceNotifier {
public:
  /// `socket` is $NOTIFY_SOCKET: a path, or "@" and an abstract name. Empty: there is no service manager, and nothing is ever sent.
  explicit ServiceNotifier(std::string_view socket) : socket_(socket) {}
  /// Says it once, without blocking. `now` goes along with `reloading` (MONOTONIC_USEC). False: there is somebody to tell, and it failed.
  bool notify(ServiceState state, TimePoint now) const;

private:
  std::string socket_;
};

} // namespace kith::io
