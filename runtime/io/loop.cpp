// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/loop.hpp"

#include <boost/asio/steady_timer.hpp>

#include <chrono>

namespace kith::io {

namespace {

/// Deadlines of QUIC connections move with nearly every packet, mostly to later: the wait that is under way then stays, and looks again when it ends.
class AsioTimer final : public Timer {
public:
  AsioTimer(boost::asio::io_context& context, std::function<void()> expired) : state_(std::make_shared<State>(context, std::move(expired))) {}
  AsioTimer(const AsioTimer&) = delete;
  AsioTimer& operator=(const AsioTimer&) = delete;
  ~AsioTimer() override {
    state_->alive = false;
    state_->timer.cancel();
  }

  void arm(TimePoint at) override {
    state_->deadline = at;
    if (at < state_->waiting_until) wait(state_, at);
  }

private:
  struct State {
    State(boost::asio::io_context& context, std::function<void()> callback) : timer(context), expired(std::move(callback)) {}
    boost::asio::steady_timer timer;
    std::function<void()> expired;
    TimePoint deadline = never;
    TimePoint waiting_until = never; ///< When the wait under way ends.
    bool alive = true;
  };

  static void wait(const std::shared_ptr<State>& state, TimePoint at) {
    state->waiting_until = at;
    state->timer.expires_at(at); // ends an earlier wait with operation_aborted
    state->timer.async_wait([state, at](const boost::system::error_code& error) {
      if (error || !state->alive || at != state->waiting_until) return;
      state->waiting_until = never;
      if (state->deadline == never) return;
      if (state->deadline > at) {
        wait(state, state->deadline);
        return;
      }
      state->deadline = never;
      state->expired();
    });
  }

  std::shared_ptr<State> state_;
};

} // namespace

RealWorld::RealWorld(Log& log, WorldSettings settings)
    : log_(log),
      keep_running_(context_.get_executor()),
      network_(context_),
      udp_(context_, log, settings.udp),
      disk_("kith-disk"),
      workers_(settings.workers) {}

RealWorld::~RealWorld() = default;

TimePoint RealWorld::now() const { return std::chrono::steady_clock::now(); }

UnixSeconds RealWorld::unix_now() const {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::unique_ptr<Timer> RealWorld::make_timer(std::function<void()> expired) { return std::make_unique<AsioTimer>(context_, std::move(expired)); }

void RealWorld::run() {
  context_.restart();
  context_.run();
}

void RealWorld::stop() { context_.stop(); }

bool RealWorld::finish(Duration limit) {
  const TimePoint deadline = now() + limit;
  // Strands first: what they still do may have to be saved.
  return workers_.wait_idle(limit) && disk_.wait_idle(std::max(Duration::zero(), deadline - now()));
}

} // namespace kith::io
