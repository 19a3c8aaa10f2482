// SPDX-License-Identifier: GPL-3.0-or-later
// The instance thread's half of InstanceHost, and the two lanes between the threads.
#include "hosting/storage_folder.hpp"
#include "plugin_host/instance_host.hpp"
#include "plugin_host/port_impl.hpp"

#include <tuple>

namespace kith::plugin_host {
namespace {

constexpr Duration preemption_reading = std::chrono::milliseconds(1); ///< It is a system call, and most callbacks cost less.
constexpr std::uint64_t overrun_habit = 16;
constexpr Duration longest_preemption = std::chrono::milliseconds(50); ///< What takes longer is the plugin's doing.

} // namespace

// --- lanes. The flag is cleared before the lane is emptied: what is added after that finds it clear and posts anew.

void InstanceHost::schedule_instance() {
  if (instance_lane_.scheduled.exchange(true)) return;
  Executor& executor = strand_ != nullptr ? *strand_ : world_.network();
  executor.post([self = shared_from_this()] { self->run_instance(); });
}

void InstanceHost::schedule_network() {
  if (network_lane_.scheduled.exchange(true)) return;
  world_.network().post([self = shared_from_this()] { self->run_network(); });
}

void InstanceHost::to_instance(Task task) {
  {
    const std::lock_guard lock(instance_lane_.mutex);
    instance_lane_.tasks.push_back(std::move(task));
  }
  schedule_instance();
}

void InstanceHost::to_network(Task task) {
  {
    const std::lock_guard lock(network_lane_.mutex);
    network_lane_.tasks.push_back(std::move(task));
  }
  schedule_network();
}

void InstanceHost::run_instance() {
  running_.store(true);
  deliver_all();
  running_.store(false);
}

void InstanceHost::deliver_all() {
  instance_lane_.scheduled.store(false);
  std::vector<PortPtr> ports;
  std::vector<Task> tasks;
  std::shared_ptr<const hosting::PeerTable> peers;
  {
    const std::lock_guard lock(instance_lane_.mutex);
    peers = std::exchange(new_peers_, nullptr);
    ports.swap(instance_lane_.ports);
    tasks.swap(instance_lane_.tasks);
  }
  const auto is_fenced = [this] { return fenced_.load(std::memory_order_acquire); };
  if (peers != nullptr && !is_fenced()) take_peers(peers); // before streams: a peer that was added is known to the calls that follow
  // Streams before tasks: a stop that was asked for after a signal runs after it.
  for (auto port = ports.begin(); port != ports.end() && !is_fenced(); ++port) {
    deliver(**port, (*port)->to_instance.exchange(0, std::memory_order_acq_rel));
  }
  for (auto task = tasks.begin(); task != tasks.end() && !is_fenced(); ++task) (*task)();
  if (is_fenced()) {
    clear_fenced();
    return;
  }
  if (posted_.exchange(false)) instance_.run_posted();
  if (timers_due_.exchange(false)) instance_.run_timers();
  serve_touched();
  report_failure();
}

// The stuck call has returned after all: the plugin may join its threads and free its memory, and that is the last it does.
void InstanceHost::clear_fenced() {
  if (std::exchange(cleared_, true)) return;
  failure_reported_ = true; // fence() has said why
  const Error why{Code::plugin_failed, "given up"};
  instance_.fail("given up: a callback came back too late");
  instance_.stop(why);
  instance_.destroy();
}

// Both tables rise by id: one walk finds who came, who is another, and who went.
void InstanceHost::take_peers(const std::shared_ptr<const hosting::PeerTable>& peers) {
  const auto before = std::exchange(peers_, peers);
  const auto tell = [this](const hosting::PeerEntry& peer, bool known) {
    if (!fenced_.load(std::memory_order_acquire)) instance_.peer_changed(peer, known);
  };
  auto old = before->begin();
  const auto tell_gone_until = [&](const PeerId* next) {
    for (; old != before->end() && (next == nullptr || old->peer < *next); ++old) tell({old->peer, {}, Role::public_, false}, false);
  };
  for (const hosting::PeerEntry& peer : *peers) {
    tell_gone_until(&peer.peer);
    const bool was_there = old != before->end() && old->peer == peer.peer;
    if (!was_there || *old != peer) tell(peer, true);
    if (was_there) ++old;
  }
  tell_gone_until(nullptr);
}

void InstanceHost::report_failure() {
  if (failure_reported_ || instance_.state() != hosting::State::failed) return;
  failure_reported_ = true;
  to_network([this, text = instance_.failure()] { set_failed(text); });
}

void InstanceHost::deliver(Port& port, std::uint32_t bits) {
  // Inline, all of it is one call for the watch: reading the clock is a twentieth of what a small call costs. A fence looks at each.
  const bool together = strand_ == nullptr;
  if (together) entering();
  const auto is_due = [&](std::uint32_t bit) { return (bits & bit) != 0 && !fenced_.load(std::memory_order_acquire); };
  if (is_due(opened_bit)) {
    IncomingStream& from = port.incoming;
    hosting::StreamOpening opening;
    opening.peer = from.peer;
    opening.role = from.role;
    opening.kind = from.kind;
    opening.command = std::move(from.command);
    opening.content_type = std::move(from.content_type);
    opening.deadline = from.deadline;
    opening.in = std::move(from.in);
    opening.out = std::move(from.out);
    opening.port = port.shared_from_this();
    port.id = instance_.opened(std::move(opening));
  }
  if (port.id != 0) {
    if (is_due(replied_bit)) instance_.replied(port.id, port.reply);
    if (is_due(readable_bit)) instance_.readable(port.id);
    if (is_due(writable_bit)) instance_.writable(port.id);
    if (is_due(closed_bit)) instance_.closed(port.id, port.end);
  }
  if (together) left();
}

void InstanceHost::notify(Port& port, std::uint32_t bits) {
  if (strand_ == nullptr) { // one thread
    const std::uint32_t before = port.to_network.load(std::memory_order_relaxed);
    port.to_network.store(before | bits, std::memory_order_relaxed);
    if (before == 0) touched_.push_back(port.shared_from_this());
    return;
  }
  if (port.to_network.fetch_or(bits, std::memory_order_acq_rel) == 0) {
    const std::lock_guard lock(network_lane_.mutex);
    network_lane_.ports.push_back(port.shared_from_this());
  }
  schedule_network();
}

void InstanceHost::serve_touched() {
  for (const PortPtr& port : touched_) serve(*port, port->to_network.exchange(0, std::memory_order_relaxed));
  touched_.clear();
}

// --- hosting::HostServices

void InstanceHost::wake() {
  posted_.store(true);
  schedule_instance();
  if (strand_ != nullptr && !watch_wanted_.exchange(true)) schedule_network();
}

void InstanceHost::log(LogLevel level, std::string_view text) { world_.log().write(level, "plugin", options_.label + ": " + std::string(text)); }

void InstanceHost::wake_at(TimePoint at) {
  wake_at_.store(at.time_since_epoch().count());
  if (strand_ == nullptr) {
    if (timer_ != nullptr) timer_->arm(at);
  } else if (!rearm_.exchange(true)) {
    schedule_network();
  }
}

void InstanceHost::storage(hosting::StorageRequest request) {
  world_.disk().post([self = shared_from_this(), request = std::move(request)] {
    auto result = std::make_shared<hosting::StorageResult>(hosting::run_storage(self->options_.data_folder.string(), request));
    self->to_instance([host = self.get(), result] { host->instance_.storage_completed(*result); });
    if (!self->watch_wanted_.exchange(true)) self->schedule_network();
  });
}

Result<hosting::DialedStream> InstanceHost::dial(kith_stream_id stream, StreamRequest&& request) {
  if (dialer_ == nullptr) return Error{Code::unsupported_version, "this host opens no streams"};
  auto port = std::allocate_shared<Port>(Recycler<Port>(), *this);
  port->id = stream;
  std::tie(port->in, port->out) = make_pipes(slabs_);
  port->request = std::move(request);
  hosting::DialedStream dialed{port->in, port->out, port};
  notify(*port, dial_bit); // from here on its pipes and request are the network thread's
  return dialed;
}

void InstanceHost::entering() {
  if (depth_++ != 0) return;
  if (strand_ != nullptr) {
    entered_at_.store(world_.now().time_since_epoch().count(), std::memory_order_release);
    return;
  }
  entered_ = options_.steady_time();
  if (entered_ - read_at_ < preemption_reading) return;
  read_at_ = entered_;
  preemptions_ = options_.preemptions();
}

void InstanceHost::left() {
  if (--depth_ != 0) return;
  if (strand_ != nullptr) {
    entered_at_.store(0, std::memory_order_release);
    return;
  }
  const Duration took = options_.steady_time() - entered_;
  if (took <= options_.inline_overrun) return;
  if (took < longest_preemption && options_.preemptions() != preemptions_) return;
  const std::uint64_t count = overruns_.fetch_add(1, std::memory_order_relaxed) + 1;
  // What is a little slow is told when it is a habit; a first call finds cold caches.
  const bool power = (count & (count - 1)) == 0;
  if (power && (count >= overrun_habit || took >= overrun_habit * options_.inline_overrun))
    log(LogLevel::warn, "an inline callback took " + std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(took).count()) +
                            " us of the network thread (" + std::to_string(count) + " times so far): set inline: false in the binding");
}

} // namespace kith::plugin_host
