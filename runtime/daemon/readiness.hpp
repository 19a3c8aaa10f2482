// SPDX-License-Identifier: GPL-3.0-or-later
// --detach: the process that was started waits in the foreground until the daemon behind it is ready, or has failed.
#pragma once

#include "base/error.hpp"

namespace kith::daemon {

class Readiness {
public:
  /// Forks; the first process never returns from here: it ends with 0 when the daemon says ready, else with the daemon's exit code. Call before any thread
  /// is started. Errors: internal.
  static Result<Readiness> detach();

  Readiness() = default;
  Readiness(Readiness&& other) noexcept;
  Readiness& operator=(Readiness&& other) noexcept;
  ~Readiness();

  /// The daemon answers now. Lets go of the terminal where it was detached; otherwise does nothing.
  void ready();

private:
  int pipe_ = -1;
};

} // namespace kith::daemon
