// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/reactor.hpp"

#include "io/sockaddr.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <limits>
#include <system_error>
#include <utility>

namespace kith::io {

namespace {

constexpr int events_per_turn = 64;
constexpr std::size_t nowhere = std::numeric_limits<std::size_t>::max();
constexpr Duration longest_wait = std::chrono::hours(1); ///< Far from every overflow; a turn without anything costs nothing.

[[noreturn]] void fail(const char* step) { throw std::system_error(errno, std::system_category(), step); }

} // namespace

struct Watch::Watched {
  int fd;
  std::function<void(Readiness)> changed;
  bool asks_writable = false; ///< The kernel is asked for EPOLLOUT, too.
  bool wants_writable = false;
  bool gone = false;

  bool control(int epoll, int operation) {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLRDHUP | EPOLLET | (asks_writable ? static_cast<std::uint32_t>(EPOLLOUT) : 0U);
    event.data.ptr = this;
    return ::epoll_ctl(epoll, operation, fd, &event) == 0;
  }

  /// False: nothing that anybody waits for.
  bool tell(int epoll, std::uint32_t events) {
    if (gone) return false;
    Readiness ready;
    ready.hung_up = (events & (EPOLLHUP | EPOLLERR)) != 0;
    ready.ended = ready.hung_up || (events & EPOLLRDHUP) != 0;
    ready.readable = ready.ended || (events & EPOLLIN) != 0;
    if ((events & EPOLLOUT) != 0) {
      ready.writable = std::exchange(wants_writable, false);
      if (!ready.writable && std::exchange(asks_writable, false)) control(epoll, EPOLL_CTL_MOD); // else every write that the far end takes wakes us
    }
    if (!ready.readable && !ready.writable) return false;
    changed(ready);
    return true;
  }
};

struct Reactor::Deadline {
  std::function<void()> expired;
  TimePoint at = never;
  std::size_t index = nowhere; ///< In the heap.
};

class Reactor::DeadlineTimer final : public Timer {
public:
  DeadlineTimer(Reactor& reactor, std::function<void()> expired) : reactor_(reactor), deadline_(new Deadline{std::move(expired)}) {}
  DeadlineTimer(const DeadlineTimer&) = delete;
  DeadlineTimer& operator=(const DeadlineTimer&) = delete;
  ~DeadlineTimer() override {
    reactor_.arm(*deadline_, never);
    reactor_.gone_deadlines_.push_back(std::move(deadline_));
  }
  void arm(TimePoint at) override { reactor_.arm(*deadline_, at); }

private:
  Reactor& reactor_;
  std::unique_ptr<Deadline> deadline_;
};

Reactor::Reactor() : epoll_(::epoll_create1(EPOLL_CLOEXEC)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!epoll_) fail("epoll_create1");
  if (!wake_) fail("eventfd");
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET; // each write is an edge of its own: the count is never read
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event) != 0) fail("epoll_ctl");
}

Reactor::~Reactor() { sweep(); }

void Reactor::run() {
  while (!stopped_.exchange(false)) turn(longest_wait);
}

void Reactor::stop() {
  stopped_ = true;
  post([] {});
}

std::size_t Reactor::turn(Duration most) {
  std::size_t ran = wait(most);
  ran += expire();
  ran += run_posted();
  sweep();
  return ran;
}

void Reactor::sweep() {
  // What a callback holds may hold watches and timers in turn.
  while (!gone_watched_.empty() || !gone_deadlines_.empty()) {
    const auto watched = std::exchange(gone_watched_, {});
    const auto deadlines = std::exchange(gone_deadlines_, {});
  }
}

// --- descriptors

std::size_t Reactor::wait(Duration most) {
  if (!deadlines_.empty()) most = std::min(most, deadlines_.front()->at - std::chrono::steady_clock::now());
  most = std::clamp(most, Duration::zero(), longest_wait);
  {
    const std::lock_guard lock(mutex_);
    if (!queue_.empty()) most = Duration::zero();
    if (most > Duration::zero()) sleeping_ = true;
  }
  std::array<epoll_event, events_per_turn> events;
  int count = -1;
  if (!coarse_) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(most);
    const timespec limit{seconds.count(), (most - seconds).count()};
    count = ::epoll_pwait2(epoll_.get(), events.data(), events_per_turn, &limit, nullptr);
    coarse_ = count < 0 && errno != EINTR; // ENOSYS before Linux 5.11; some sandboxes say EPERM
  }
  if (coarse_) {
    const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(most);
    count = ::epoll_wait(epoll_.get(), events.data(), events_per_turn, static_cast<int>(milliseconds.count()));
  }
  sleeping_ = false;
  std::size_t ran = 0;
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    if (event.data.ptr == nullptr) continue; // post() woke us
    if (static_cast<Watch::Watched*>(event.data.ptr)->tell(epoll_.get(), event.events)) ++ran;
  }
  return ran;
}

Result<Watch> Reactor::watch(int fd, std::function<void(Readiness)> changed) {
  std::unique_ptr<Watch::Watched> watched(new Watch::Watched{fd, std::move(changed)});
  if (!watched->control(epoll_.get(), EPOLL_CTL_ADD)) return Error{Code::internal, "epoll_ctl: " + error_text(errno)};
  return Watch(*this, std::move(watched));
}

Watch::Watch() noexcept = default;

Watch::Watch(Reactor& reactor, std::unique_ptr<Watched> watched) noexcept : reactor_(&reactor), watched_(std::move(watched)) {}

Watch::Watch(Watch&& other) noexcept : reactor_(other.reactor_), watched_(std::move(other.watched_)) {}

Watch& Watch::operator=(Watch&& other) noexcept {
  Watch old(std::move(*this));
  reactor_ = other.reactor_;
  watched_ = std::move(other.watched_);
  return *this;
}

Watch::~Watch() {
  if (!watched_) return;
  ::epoll_ctl(reactor_->epoll_.get(), EPOLL_CTL_DEL, watched_->fd, nullptr);
  watched_->gone = true;
  reactor_->gone_watched_.push_back(std::move(watched_));
}

void Watch::want_writable() {
  watched_->wants_writable = true;
  if (!std::exchange(watched_->asks_writable, true)) watched_->control(reactor_->epoll_.get(), EPOLL_CTL_MOD);
}

// --- posted work

void Reactor::post(std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(work));
  }
  if (sleeping_.exchange(false)) {
    const std::uint64_t one = 1;
    static_cast<void>(::write(wake_.get(), &one, sizeof one)); // fails only after 2^64 of them
  }
}

/// Takes what is there now; what that posts comes after the sockets have had a turn.
std::size_t Reactor::run_posted() {
  {
    const std::lock_guard lock(mutex_);
    running_.swap(queue_);
  }
  for (auto& work : running_) std::exchange(work, nullptr)();
  const std::size_t ran = running_.size();
  running_.clear();
  return ran;
}

// --- deadlines

std::unique_ptr<Timer> Reactor::make_timer(std::function<void()> expired) { return std::make_unique<DeadlineTimer>(*this, std::move(expired)); }

void Reactor::arm(Deadline& deadline, TimePoint at) {
  deadline.at = std::max(at, expired_ + Duration(1));
  if (at == never) {
    if (deadline.index != nowhere) remove(deadline);
    return;
  }
  if (deadline.index == nowhere) {
    deadline.index = deadlines_.size();
    deadlines_.push_back(&deadline);
  }
  sift(deadline.index);
}

/// Those that are due now; one that arms itself again for a time that has passed waits for the next turn.
std::size_t Reactor::expire() {
  if (deadlines_.empty()) return 0;
  expired_ = std::chrono::steady_clock::now();
  std::size_t ran = 0;
  for (; !deadlines_.empty() && deadlines_.front()->at <= expired_; ++ran) {
    Deadline& first = *deadlines_.front();
    remove(first);
    first.expired(); // may destroy it
  }
  return ran;
}

void Reactor::place(std::size_t at, Deadline* deadline) noexcept {
  deadlines_[at] = deadline;
  deadline->index = at;
}

void Reactor::sift(std::size_t at) noexcept {
  Deadline* const moved = deadlines_[at];
  for (std::size_t above = (at - 1) / 2; at > 0 && moved->at < deadlines_[above]->at; above = (at - 1) / 2) {
    place(at, deadlines_[above]);
    at = above;
  }
  for (std::size_t below = 2 * at + 1; below < deadlines_.size(); below = 2 * at + 1) {
    if (below + 1 < deadlines_.size() && deadlines_[below + 1]->at < deadlines_[below]->at) ++below;
    if (moved->at <= deadlines_[below]->at) break;
    place(at, deadlines_[below]);
    at = below;
  }
  place(at, moved);
}

void Reactor::remove(Deadline& deadline) noexcept {
  const std::size_t at = std::exchange(deadline.index, nowhere);
  Deadline* const last = deadlines_.back();
  deadlines_.pop_back();
  if (last == &deadline) return;
  place(at, last);
  sift(at);
}

} // namespace kith::io
