// SPDX-License-Identifier: GPL-3.0-or-later
// The real world: one network thread over a reactor, a disk thread, plugin workers, kernel time and randomness.
#pragma once

#include "base/world.hpp"
#include "io/executors.hpp"
#include "io/kernel_random.hpp"
#include "io/reactor.hpp"
#include "io/udp.hpp"

namespace kith::io {

struct WorldSettings {
  WorkerSettings workers;
  UdpSettings udp;
};

/// Everything but now(), unix_now(), slept(), log(), the executors' post() and stop() is for the network thread: the one that calls run().
class RealWorld final : public World {
public:
  explicit RealWorld(Log& log, WorldSettings settings = {}); ///< The log must outlive the world.
  /// Runs what the disk thread has queued and joins all threads; see finish().
  ~RealWorld() override;

  TimePoint now() const override;
  UnixSeconds unix_now() const override;
  Duration slept() const override;
  Random& random() override { return random_; }
  Log& log() override { return log_; }
  Udp& udp() override { return udp_; }
  Executor& network() override { return reactor_; }
  Executor& disk() override { return disk_; }
  std::unique_ptr<Timer> make_timer(std::function<void()> expired) override;
  std::shared_ptr<Executor> make_strand() override { return workers_.make_strand(); }

  /// For control and daemon: Unix sockets and signals live on the same thread.
  Reactor& reactor() noexcept { return reactor_; }
  void run() { reactor_.run(); }   ///< Until stop(). May be called again.
  void stop() { reactor_.stop(); } ///< Any thread: run() returns after the turn that it is in.
  /// After run(): waits until strands and disk have nothing left to do. False: something is stuck past `limit`, and the caller has to _exit.
  bool finish(Duration limit);

private:
  Log& log_;
  Reactor reactor_;
  KernelRandom random_;
  UdpSockets udp_;
  ThreadExecutor disk_;
  WorkerPool workers_;
};

} // namespace kith::io
