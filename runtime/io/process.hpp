// SPDX-License-Identifier: GPL-3.0-or-later
// What a daemon is to its operating system: signals, limits, the service manager.
#pragma once

#include "base/log.hpp"
#include "base/time.hpp"
#include "io/reactor.hpp"
#include "io/unique_fd.hpp"

#include <csignal>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace kith::io {

/// A daemon with fewer would fail at its first socket or at its fifth, each time with another text.
inline constexpr std::uint64_t least_file_limit = 64;
/// Errors: internal, when the hard limit of open files is lower than least_file_limit.
Result<void> check_file_limit();
/// Raises the soft limit of open files to `most`, or to the hard one where that is lower; never lowers it. Returns the limit that holds now.
std::uint64_t raise_file_limit(std::uint64_t most, Log& log);

/// Before keys are loaded: no core dumps and no ptrace by others of the same user (PR_SET_DUMPABLE 0), no end by SIGPIPE.
void harden_process(Log& log);

/// SIGTERM, SIGINT and SIGHUP as callbacks on the reactor's thread, for as long as the object lives; one object a process. A second SIGTERM or SIGINT is a
/// callback too.
class Signals {
public:
  /// Errors: internal, when no descriptors are left.
  static Result<std::unique_ptr<Signals>> open(Reactor& reactor, std::function<void()> on_terminate, std::function<void()> on_reload);
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;
  ~Signals();

private:
  Signals(UniqueFd in, UniqueFd out, std::function<void()> on_terminate, std::function<void()> on_reload);
  void read();

  UniqueFd in_;
  UniqueFd out_; ///< The handler writes the signal's number here (self-pipe).
  Watch watch_;
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
