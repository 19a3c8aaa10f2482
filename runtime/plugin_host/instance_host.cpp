// SPDX-License-Identifier: GPL-3.0-or-later
// The life of a binding, and its streams as the node sees them: the network thread's half.
#include "plugin_host/instance_host.hpp"

#include "plugin_host/port_impl.hpp"

#include <ctime>
#include <sys/resource.h>

namespace kith::plugin_host {

using hosting::State;

namespace {

Duration read_steady_time() {
  timespec at{};
  ::clock_gettime(CLOCK_MONOTONIC, &at);
  return std::chrono::seconds(at.tv_sec) + std::chrono::nanoseconds(at.tv_nsec);
}

std::uint64_t read_preemptions() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  return static_cast<std::uint64_t>(usage.ru_nivcsw);
}

/// What came together with a stream's beginning is told with it.
std::uint32_t bits_of(const Pipe& in) noexcept { return in.readable() != 0 || in.finished() ? std::uint32_t{readable_bit} : 0U; }

} // namespace

std::shared_ptr<InstanceHost> InstanceHost::make(World& world, StreamControl& control, SlabPool& slabs, Dialer* dialer, InstanceOptions options) {
  return std::shared_ptr<InstanceHost>(new InstanceHost(world, control, slabs, dialer, std::move(options)));
}

InstanceHost::InstanceHost(World& world, StreamControl& control, SlabPool& slabs, Dialer* dialer, InstanceOptions options)
    : world_(world),
      control_(control),
      slabs_(slabs),
      dialer_(dialer),
      options_(std::move(options)),
      strand_(options_.run_inline ? nullptr : world.make_strand()),
      instance_(*options_.protocol, *this, {options_.identity, options_.alias, options_.data_folder.string()}) {
  if (!options_.steady_time) options_.steady_time = read_steady_time;
  if (!options_.preemptions) options_.preemptions = read_preemptions;
  if (options_.peers != nullptr) peers_ = std::exchange(options_.peers, nullptr);
}

InstanceHost::~InstanceHost() = default;

// --- life

// Work for the instance thread whose outcome comes back to `done`; a fence answers for it when it never comes back.
InstanceHost::Task InstanceHost::completion(Done done, std::function<Result<void>()> work) {
  const std::uint64_t number = next_pending_++;
  pending_.emplace(number, std::move(done));
  return [this, number, work = std::move(work)] {
    to_network([this, number, result = work()] {
      const auto found = pending_.find(number);
      if (found == pending_.end()) return;
      const Done tell = std::move(found->second);
      pending_.erase(found);
      tell(result);
    });
  };
}

void InstanceHost::start(Done done) {
  // The timers' functions hold no reference: they are destroyed with this object.
  timer_ = world_.make_timer([this] {
    timers_due_.store(true, std::memory_order_release);
    schedule_instance();
    watch();
  });
  watch_timer_ = world_.make_timer([this] { check_stuck(); });
  stop_timer_ = world_.make_timer([this] { finish_stop(); });
  auto finished = [this, done = std::move(done)](const Result<void>& result) {
    if (result && state_ == State::loaded) state_ = stopping_ ? State::draining : State::running;
    if (!result && !ended_) set_failed(result.error().text);
    done(result);
  };
  auto work = completion(std::move(finished), [this]() -> Result<void> {
    // A fence that came while one of them was stuck forbids the next.
    if (auto ok = instance_.check_config(options_.config); !ok || fenced_.load(std::memory_order_acquire)) return ok;
    if (auto ok = instance_.create(); !ok || fenced_.load(std::memory_order_acquire)) return ok;
    if (auto ok = instance_.configure(options_.config); !ok || fenced_.load(std::memory_order_acquire)) return ok;
    return instance_.start();
  });
  world_.disk().post([self = shared_from_this(), work = std::move(work)]() mutable {
    std::error_code failed;
    std::filesystem::create_directories(self->options_.data_folder, failed);
    if (!failed) std::filesystem::permissions(self->options_.data_folder, std::filesystem::perms::owner_all, failed);
    if (failed) self->log(LogLevel::warn, "no data folder: " + self->options_.data_folder.string() + ": " + failed.message());
    self->to_instance(std::move(work));
    if (self->strand_ != nullptr && !self->watch_wanted_.exchange(true)) self->schedule_network();
  });
}

void InstanceHost::reconfigure(std::string config, Done done) {
  if (fenced_.load(std::memory_order_relaxed)) {
    to_network([this, done = std::move(done)] { done(Error{Code::plugin_failed, failure_}); });
    return;
  }
  to_instance(completion(std::move(done), [this, config = std::move(config)] { return instance_.reconfigure(config); }));
  watch();
}

void InstanceHost::stop(TimePoint deadline, Error why, Done done) {
  if (stopping_) {
    to_network([done = std::move(done)] { done(Error{Code::internal, "stop was called before"}); });
    return;
  }
  stopping_ = true;
  stop_why_ = std::move(why);
  stop_done_ = std::move(done);
  if (state_ == State::running) state_ = State::draining;
  if (fenced_.load(std::memory_order_relaxed)) {
    ended_ = true;
    to_network([this] { begin_stop(); });
    return;
  }
  to_instance([this, deadline] { instance_.drain(deadline); });
  if (stop_timer_ != nullptr) stop_timer_->arm(deadline);
  watch();
  to_network([this] { begin_stop(); });
}

// Called whenever the reason to wait may have gone.
void InstanceHost::begin_stop() {
  if (!stopping_ || !ports_.empty()) return;
  finish_stop();
  if (!ended_ || !stop_done_) return;
  // The last reference may be dropped on another thread, and timers belong to this one.
  timer_.reset();
  watch_timer_.reset();
  stop_timer_.reset();
  const Done done = std::exchange(stop_done_, nullptr);
  done(failure_.empty() ? Result<void>{} : Result<void>{Error{Code::plugin_failed, failure_}});
}

void InstanceHost::finish_stop() {
  if (stop_begun_ || ended_) return;
  stop_begun_ = true;
  if (stop_timer_ != nullptr) stop_timer_->arm(never);
  to_instance(completion(
      [this](const Result<void>&) {
        ended_ = true;
        if (state_ != State::failed) state_ = State::stopped;
        begin_stop();
      },
      [this]() -> Result<void> {
        instance_.stop(stop_why_);
        instance_.destroy();
        return {};
      }));
  watch();
}

void InstanceHost::set_failed(std::string text) {
  if (state_ == State::failed) return;
  state_ = State::failed;
  failure_ = std::move(text);
  if (options_.changed) options_.changed();
}

// --- stuck workers

void InstanceHost::watch() {
  if (strand_ == nullptr || watching_ || watch_timer_ == nullptr || fenced_.load(std::memory_order_relaxed)) return;
  watching_ = true;
  watch_timer_->arm(world_.now() + options_.fence_after);
}

void InstanceHost::check_stuck() {
  watching_ = false;
  const Duration::rep since = entered_at_.load(std::memory_order_acquire);
  const TimePoint now = world_.now();
  if (since == 0) {
    // Asked in this order: run_instance raises `running_` before it clears `scheduled`.
    if (instance_lane_.scheduled.load() || running_.load()) watch();
  } else if (now - TimePoint(Duration(since)) >= options_.fence_after) {
    fence();
  } else {
    watching_ = true;
    watch_timer_->arm(TimePoint(Duration(since)) + options_.fence_after);
  }
}

// The strand stays taken for as long as the plugin does not return. Nothing of this instance runs any more; the object goes when the stuck call returns.
void InstanceHost::fence() {
  fenced_.store(true, std::memory_order_release);
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(options_.fence_after).count();
  const std::string text = "a callback of the plugin did not return for " +
                           (ms % 1000 == 0 ? std::to_string(ms / 1000) + " s" : std::to_string(ms) + " ms") +
                           " (plugin_fence_after): the instance was given up; `kith configure-protocol … --disable`, then `--enable` starts another";
  log(LogLevel::error, text);
  set_failed(text);
  for (const auto& [key, port] : ports_) control_.reset(key, Code::plugin_failed, "");
  const auto pending = std::exchange(pending_, {});
  for (const auto& [number, done] : pending) done(Error{Code::plugin_failed, text});
  ended_ = true;
  to_network([this] { begin_stop(); });
}

InstanceStatus InstanceHost::status() const {
  return {state_, failure_, options_.run_inline, ports_.size(), instance_.misuse_count(), overruns_.load(std::memory_order_relaxed)};
}

void InstanceHost::peers_changed(std::shared_ptr<const hosting::PeerTable> peers) {
  {
    const std::lock_guard lock(instance_lane_.mutex);
    new_peers_ = std::move(peers); // what it has not taken yet is old already
  }
  schedule_instance();
  watch();
}

// --- StreamUser

Port* InstanceHost::find(StreamKey key) {
  const auto found = ports_.find(key);
  return found == ports_.end() ? nullptr : found->second.get();
}

void InstanceHost::opened(IncomingStream stream) {
  const StreamKey key = stream.key;
  Port& port = *ports_.emplace(key, std::allocate_shared<Port>(Recycler<Port>(), *this)).first->second;
  port.key = key;
  if (state_ == State::failed) {
    port.over = true; // the instance never hears of it
    control_.reject(key, Code::plugin_failed, "");
    return;
  }
  if (state_ != State::running) {
    port.over = true;
    control_.reject(key, Code::going_away, "");
    return;
  }
  port.incoming = std::move(stream);
  signal(port, opened_bit | bits_of(*port.incoming.in));
}

void InstanceHost::replied(StreamKey key, const Result<std::string>& content_type) {
  Port* port = find(key);
  if (port == nullptr) return;
  port->reply = content_type;
  signal(*port, replied_bit | (content_type ? bits_of(*port->in) : 0U));
}

void InstanceHost::readable(StreamKey key) {
  if (Port* port = find(key)) signal(*port, readable_bit);
}

void InstanceHost::writable(StreamKey key) {
  if (Port* port = find(key)) signal(*port, writable_bit);
}

void InstanceHost::closed(StreamKey key, const StreamEnd& end) {
  const auto found = ports_.find(key);
  if (found == ports_.end()) return;
  const PortPtr port = std::move(found->second);
  ports_.erase(found);
  const bool known = !port->over;
  port->over = true;
  port->end = end;
  if (known) signal(*port, closed_bit);
  if (stopping_ && ports_.empty()) to_network([this] { begin_stop(); });
}

void InstanceHost::signal(Port& port, std::uint32_t bits) {
  if (fenced_.load(std::memory_order_relaxed)) return;
  if (strand_ == nullptr) { // the node never speaks to us from inside of what we ask of it
    deliver(port, bits);
    serve_touched();
    report_failure();
    return;
  }
  if (port.to_instance.fetch_or(bits, std::memory_order_acq_rel) == 0) {
    const std::lock_guard lock(instance_lane_.mutex);
    instance_lane_.ports.push_back(port.shared_from_this());
  }
  schedule_instance();
  watch();
}

void InstanceHost::serve(Port& port, std::uint32_t bits) {
  if ((bits & dial_bit) != 0) {
    port.key = dialer_->open(options_.identity, std::move(port.request), port.in, std::move(port.out), *this);
    ports_.emplace(port.key, port.shared_from_this());
  }
  if (port.over) return;
  if ((bits & accept_bit) != 0) control_.accept(port.key, port.accept_type);
  if ((bits & urgency_bit) != 0) control_.set_urgency(port.key, port.urgency.load(std::memory_order_relaxed));
  if ((bits & produced_bit) != 0) control_.produced(port.key);
  if ((bits & consumed_bit) != 0) control_.consumed(port.key);
  if ((bits & reject_bit) != 0) control_.reject(port.key, port.end_code, port.end_text);
  if ((bits & reset_bit) != 0) control_.reset(port.key, port.end_code, port.end_text);
  if ((bits & blocked_bit) != 0) control_.want_writable(port.key);
}

void InstanceHost::run_network() {
  network_lane_.scheduled.store(false);
  std::vector<PortPtr> ports;
  std::vector<Task> tasks;
  {
    const std::lock_guard lock(network_lane_.mutex);
    ports.swap(network_lane_.ports);
    tasks.swap(network_lane_.tasks);
  }
  if (watch_wanted_.exchange(false)) watch();
  if (rearm_.exchange(false) && timer_ != nullptr) timer_->arm(TimePoint(Duration(wake_at_.load())));
  for (const PortPtr& port : ports) serve(*port, port->to_network.exchange(0, std::memory_order_acq_rel));
  for (const Task& task : tasks) task();
}

} // namespace kith::plugin_host
