// SPDX-License-Identifier: GPL-3.0-or-later
// The daemon as a whole: every object, in the order in which they need each other.
#pragma once

#include "base/log.hpp"
#include "config/daemon_config.hpp"
#include "control/admin.hpp"
#include "control/backend.hpp"
#include "control/observer.hpp"
#include "control/server.hpp"
#include "daemon/log.hpp"
#include "daemon/options.hpp"
#include "daemon/readiness.hpp"
#include "home/home.hpp"
#include "home/lock.hpp"
#include "io/interfaces.hpp"
#include "io/loop.hpp"
#include "io/process.hpp"
#include "node/node.hpp"
#include "node/plugin_services.hpp"
#include "store/store.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace kith::daemon {

/// What was found on disk before anything runs.
struct Ground {
  home::Home home;
  home::Lock lock;
  config::DaemonConfig settings;
};

/// Errors: those of home and config; each says what to do.
Result<Ground> prepare(const Options& options);
/// What would keep a daemon from starting on this home, as far as files tell; starts and changes nothing.
std::vector<Error> find_problems(const Options& options);
/// The same as config.check would answer it.
std::string problems_json(const Options& options, const std::vector<Error>& problems);

class Daemon {
public:
  Daemon(Ground ground, std::unique_ptr<DaemonLog> log, const Options& options);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  /// Opens sockets and state. Errors: what keeps the daemon from starting.
  Result<void> start();
  /// Serves until it is stopped; returns the exit code. The caller ends the process with _exit: a plugin may be stuck in its thread for good.
  int run(Readiness readiness);

private:
  Result<void> open_parts();
  Result<void> open_sockets();
  Result<void> load_identities();
  Result<void> watch_signals();
  void apply(const config::DaemonConfig& settings);
  void listen_again();
  void begin_stop(TimePoint deadline);
  void end();
  void watch_addresses();

  Ground ground_;
  std::unique_ptr<DaemonLog> log_;
  Options options_;
  io::RealWorld world_;
  std::unique_ptr<store::Store> store_;
  control::Roster roster_;
  std::vector<config::PluginPin> pins_; ///< Of all identities' files, at the start.
  control::Topics topics_;
  std::unique_ptr<control::Observer> observer_;
  std::unique_ptr<node::PluginServices> plugins_;
  std::unique_ptr<node::Node> node_;
  std::unique_ptr<control::NodeBackend> backend_;
  std::unique_ptr<control::Admin> admin_;
  std::unique_ptr<control::Context> context_;
  std::unique_ptr<control::Server> server_;
  std::unique_ptr<io::Signals> signals_;
  std::unique_ptr<io::AddressWatcher> addresses_;
  std::unique_ptr<Timer> addresses_settled_;
  std::optional<TimePoint> addresses_unsettled_; ///< Since when.
  std::unique_ptr<Timer> stop_timer_;
  io::ServiceNotifier notifier_;
  std::optional<TimePoint> stopping_; ///< Until then at most.
};

} // namespace kith::daemon
