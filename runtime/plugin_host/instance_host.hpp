// SPDX-License-Identifier: GPL-3.0-or-later
// A running binding: a plugin instance between the node's streams and the thread that its code runs on.
#pragma once

#include "base/recycler.hpp"
#include "base/stream.hpp"
#include "base/world.hpp"
#include "hosting/instance.hpp"
#include "hosting/library.hpp"
#include "plugin_host/dialer.hpp"

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace kith::plugin_host {

class Port;

struct InstanceOptions {
  std::shared_ptr<const hosting::Library> library;
  const hosting::Protocol* protocol = nullptr; ///< In library.
  PeerId identity;
  std::string label; ///< For the log: "alice/Echo/default".
  std::string alias;
  std::string config; ///< JSON text, accepted by the schema.
  std::filesystem::path data_folder;
  std::shared_ptr<const hosting::PeerTable> peers; ///< The identity's; null: none.
  bool run_inline = false;
  Duration inline_overrun = std::chrono::microseconds(100); ///< An inline callback that takes the thread for longer is an overrun.
  Duration fence_after = std::chrono::seconds(5);           ///< A pooled callback that takes longer costs its instance.
  /// Status is new (failed, above all). Network thread; may be empty. Not called from inside a function of InstanceHost.
  std::function<void()> changed;
  /// What inline callbacks are measured by: steady time, and how often the system took the processor away from the thread. Parameters, so that tests say what
  /// they are.
  std::function<Duration()> steady_time;
  std::function<std::uint64_t()> preemptions;
};

struct InstanceStatus {
  hosting::State state = hosting::State::loaded;
  std::string failure; ///< Why it failed, for people.
  bool run_inline = false;
  std::size_t streams = 0;
  std::uint64_t misuses = 0;
  std::uint64_t overruns = 0; ///< Inline callbacks beyond inline_overrun.
};

/// Everything public is for the network thread. Owned by shared_ptr; the owner keeps it until stop has called back.
/// Inline instances run plugin code right in StreamUser's functions; pooled ones on a strand of the world, told by flags that coalesce: at most one post is
/// outstanding in each direction, and no lock is held while plugin code runs.
class InstanceHost final : public StreamUser, private hosting::HostServices, public std::enable_shared_from_this<InstanceHost> {
public:
  using Done = std::function<void(const Result<void>&)>;

  static std::shared_ptr<InstanceHost> make(World& world, StreamControl& control, SlabPool& slabs, Dialer* dialer, InstanceOptions options);
  ~InstanceHost() override;

  /// Each calls `done` once, later, on the network thread. Errors: bad_request: the plugin's check refuses the config; plugin_failed with the plugin's text.
  void start(Done done);
  /// check, then apply. Errors: bad_request: refused, the old config stays; unsupported_version: the plugin needs a restart for that.
  void reconfigure(std::string config, Done done);
  /// No new streams from now on; open ones may end by themselves until `deadline`, then they are reset with `why`. `done` when the plugin's code has been
  /// left for good and every stream is closed. Needed after a failed start too.
  void stop(TimePoint deadline, Error why, Done done);

  InstanceStatus status() const;
  /// The peers of this identity as they are from now on; the plugin hears of those that differ.
  void peers_changed(std::shared_ptr<const hosting::PeerTable> peers);

  // StreamUser
  void opened(IncomingStream stream) override;
  void replied(StreamKey key, const Result<std::string>& content_type) override;
  void readable(StreamKey key) override;
  void writable(StreamKey key) override;
  void closed(StreamKey key, const StreamEnd& end) override;

private:
  friend class Port;
  using PortPtr = std::shared_ptr<Port>;
  using Task = std::function<void()>;

  // One direction of the way between the two threads.
  struct Lane {
    std::mutex mutex;
    std::vector<PortPtr> ports;
    std::vector<Task> tasks;
    std::atomic<bool> scheduled{false};
  };

  InstanceHost(World& world, StreamControl& control, SlabPool& slabs, Dialer* dialer, InstanceOptions options);

  // network thread
  void signal(Port& port, std::uint32_t bits);
  void serve(Port& port, std::uint32_t bits);
  void run_network();
  void begin_stop();
  void finish_stop();
  void check_stuck();
  void watch();
  void fence();
  void set_failed(std::string text);
  Task completion(Done done, std::function<Result<void>()> work);
  Port* find(StreamKey key);
  // instance thread
  void deliver(Port& port, std::uint32_t bits);
  void run_instance();
  void deliver_all();
  void notify(Port& port, std::uint32_t bits);
  /// Inline: the node hears what the plugin asked for, once for each stream, when its callback has returned.
  void serve_touched();
  void report_failure();
  void clear_fenced();
  void take_peers(const std::shared_ptr<const hosting::PeerTable>& peers);
  // any thread
  void to_instance(Task task);
  void to_network(Task task);
  void schedule_instance();
  void schedule_network();

  // hosting::HostServices
  void wake() override;
  void log(LogLevel level, std::string_view text) override;
  bool log_enabled(LogLevel level) const noexcept override { return world_.log().enabled(level); }
  TimePoint now() const override { return world_.now(); }
  UnixSeconds unix_now() const override { return world_.unix_now(); }
  void wake_at(TimePoint at) override;
  void storage(hosting::StorageRequest request) override;
  Result<hosting::DialedStream> dial(kith_stream_id stream, StreamRequest&& request) override;
  std::shared_ptr<const hosting::PeerTable> peers() const override { return peers_; }
  void entering() override;
  void left() override;

  World& world_;
  StreamControl& control_;
  SlabPool& slabs_;
  Dialer* dialer_;
  InstanceOptions options_;
  std::shared_ptr<Executor> strand_; ///< Null for inline.
  Lane instance_lane_;
  std::shared_ptr<const hosting::PeerTable> new_peers_; ///< For the instance; under the mutex of instance_lane_.
  Lane network_lane_;
  std::atomic<bool> posted_{false}; ///< run_posted is wanted.
  std::atomic<bool> timers_due_{false};
  std::atomic<bool> rearm_{false};
  std::atomic<bool> watch_wanted_{false};
  std::atomic<bool> fenced_{false};
  std::atomic<bool> running_{false}; ///< run_instance is at work, between two callbacks too.
  std::atomic<Duration::rep> wake_at_{0};
  std::atomic<Duration::rep> entered_at_{0}; ///< 0: no plugin code runs.

  // instance thread
  hosting::Instance instance_;
  std::shared_ptr<const hosting::PeerTable> peers_ = std::make_shared<const hosting::PeerTable>();
  std::vector<PortPtr> touched_; ///< Inline: streams that the callback which runs has asked something for.
  bool failure_reported_ = false;
  bool cleared_ = false;          ///< A fenced instance has been stopped and destroyed.
  std::uint32_t depth_ = 0;       ///< Of entering() without its left().
  Duration entered_{};            ///< Steady time.
  Duration read_at_{};            ///< Steady time when preemptions_ was read.
  std::uint64_t preemptions_ = 0; ///< Up to preemption_reading before `entered_`.
  std::atomic<std::uint64_t> overruns_{0};

  // network thread
  hosting::State state_ = hosting::State::loaded;
  std::string failure_;
  std::unordered_map<StreamKey, PortPtr, std::hash<StreamKey>, std::equal_to<>, Recycler<std::pair<const StreamKey, PortPtr>>> ports_;
  std::unique_ptr<Timer> timer_; ///< The plugin's earliest.
  std::unique_ptr<Timer> watch_timer_;
  std::unique_ptr<Timer> stop_timer_;
  bool watching_ = false;
  bool stopping_ = false;
  bool stop_begun_ = false;
  bool ended_ = false; ///< stop and destroy have run, or never will.
  Error stop_why_;
  Done stop_done_;
  std::unordered_map<std::uint64_t, Done> pending_;
  std::uint64_t next_pending_ = 1;
};

} // namespace kith::plugin_host
