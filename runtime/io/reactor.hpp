// SPDX-License-Identifier: GPL-3.0-or-later
// The network thread's loop: descriptors (epoll, edge-triggered), deadlines, and work posted from any thread. ADR 0012 says why it is ours.
#pragma once

#include "base/error.hpp"
#include "base/time.hpp"
#include "base/world.hpp"
#include "io/unique_fd.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace kith::io {

/// What the kernel said of a descriptor since it last said anything.
struct Readiness {
  bool readable = false; ///< There is something to read: octets, the end, or an error.
  bool writable = false; ///< After Watch::want_writable: there is room again.
  bool ended = false;    ///< The far end sends nothing more; what it sent before may still be unread.
  bool hung_up = false;  ///< Both directions are over, or the descriptor failed.
};

class Reactor;

/// A descriptor of somebody else's that is watched while this exists: destroy it before the descriptor is closed, and before the reactor. Edge-triggered: what
/// a callback leaves unread is not told again until more comes.
class Watch {
public:
  Watch() noexcept; ///< Watches nothing.
  Watch(Watch&& other) noexcept;
  Watch& operator=(Watch&& other) noexcept;
  ~Watch();

  /// A write found no room: `writable` follows once. Perhaps for nothing: try, and ask again.
  void want_writable();

private:
  friend class Reactor;
  struct Watched;
  Watch(Reactor& reactor, std::unique_ptr<Watched> watched) noexcept;

  Reactor* reactor_ = nullptr;
  std::unique_ptr<Watched> watched_;
};

/// Everything but post() and stop() is for the thread that calls run() or turn(). Must outlive its watches and timers.
class Reactor final : public Executor {
public:
  /// Throws std::system_error when the process has no descriptors left for epoll.
  Reactor();
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;
  ~Reactor() override;

  void run(); ///< Until stop(). May be called again.
  /// Any thread: run() returns after the turn that it is in.
  void stop();
  /// Waits up to `most` for something, then does what is there: descriptors, deadlines, posted work, in this order. Returns how many callbacks ran.
  std::size_t turn(Duration most);

  /// Many posts cost one wake-up; none when the network thread is awake.
  void post(std::function<void()> work) override;
  std::unique_ptr<Timer> make_timer(std::function<void()> expired);
  /// Watches a descriptor that stays the caller's; the callback may destroy the watch. Errors: internal, when the kernel has no room for it.
  Result<Watch> watch(int fd, std::function<void(Readiness)> changed);

private:
  friend class Watch;
  struct Deadline;
  class DeadlineTimer;

  std::size_t wait(Duration most);
  std::size_t expire();
  std::size_t run_posted();
  void sweep();
  void arm(Deadline& deadline, TimePoint at);
  void place(std::size_t at, Deadline* deadline) noexcept;
  void sift(std::size_t at) noexcept;
  void remove(Deadline& deadline) noexcept;

  UniqueFd epoll_;
  UniqueFd wake_;
  TimePoint expired_{};                                       ///< Up to here deadlines have had their turn: what is armed now comes later.
  std::vector<Deadline*> deadlines_;                          ///< A binary heap, the earliest first.
  std::vector<std::unique_ptr<Watch::Watched>> gone_watched_; ///< Given up in this turn; their callbacks may be running.
  std::vector<std::unique_ptr<Deadline>> gone_deadlines_;     ///< The same.
  std::vector<std::function<void()>> running_;                ///< Kept for its memory.
  bool coarse_ = false;                                       ///< A kernel without epoll_pwait2: deadlines are kept to the millisecond.

  std::mutex mutex_;
  std::vector<std::function<void()>> queue_;
  std::atomic<bool> sleeping_{false};
  std::atomic<bool> stopped_{false};
};

} // namespace kith::io
