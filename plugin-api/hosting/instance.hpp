// SPDX-License-Identifier: Apache-2.0
// One instance of a protocol: its life, its streams and timers by id, and the functions that the plugin may call.
#pragma once

#include "base/error.hpp"
#include "base/id_table.hpp"
#include "hosting/descriptor.hpp"
#include "hosting/host_services.hpp"

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace kith::hosting {

inline constexpr std::size_t max_instance_streams = 65536;
inline constexpr std::size_t max_instance_timers = 1024;
inline constexpr std::size_t max_posted = 65536;     ///< Posts that wait.
inline constexpr std::size_t max_reject_text = 1024; ///< docs/wire.md: str text (<= 1024).
inline constexpr std::size_t max_content_type = 64;
inline constexpr std::size_t max_log_line = 4096;
inline constexpr std::size_t max_log_lines_per_second = 100; ///< Of one instance; what is beyond is counted, and the count is logged.

enum class State : std::uint8_t { loaded, created, configured, running, draining, stopped, destroyed, failed };
std::string_view state_name(State state) noexcept;

struct BindingInfo {
  PeerId identity;
  std::string alias;
  std::string data_folder; ///< Absolute.
};

struct HostFace;

/// Everything here is for the instance thread (any threads, one at a time), except where a comment says otherwise. The plugin is never called from inside a
/// host function. Exceptions that a plugin lets out make it failed.
class Instance {
public:
  Instance(const Protocol& protocol, HostServices& services, BindingInfo binding);
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;
  ~Instance(); ///< Calls no plugin code: stop and destroy come first.

  // --- life. Errors: plugin_failed with the plugin's text; the state is then failed.
  Result<void> create();
  Result<void> configure(std::string config);
  Result<void> start();
  /// check, then apply. Errors: bad_request from check (nothing changed), plugin_failed from apply (the old config stays in force); unsupported_version when
  /// the plugin can't: restart it.
  Result<void> reconfigure(std::string config);
  void drain(TimePoint deadline);
  /// Streams that are left are reset with `why` and get their closed first.
  void stop(const Error& why);
  void destroy();
  /// The host gives it up: streams are reset plugin_failed, no plugin code runs any more except stop and destroy.
  void fail(std::string text);

  State state() const noexcept { return state_; }
  const std::string& failure() const noexcept { return failure_; }
  std::size_t stream_count() const noexcept { return streams_.size(); }
  /// Broken rules so far. Any thread.
  std::uint64_t misuse_count() const noexcept { return misuses_.load(std::memory_order_relaxed); }

  /// The plugin's own check, supervised like a callback. In any state. Errors: bad_request with the plugin's text, plugin_failed.
  Result<void> check_config(const std::string& config);

  // --- signals
  /// Hands a stream in. 0: refused (not running, too many); the port was told.
  kith_stream_id opened(StreamOpening opening);
  void replied(kith_stream_id stream, const Result<std::string>& content_type);
  void readable(kith_stream_id stream);
  void writable(kith_stream_id stream);
  void closed(kith_stream_id stream, const StreamEnd& end);
  void run_posted();
  void run_timers();
  void storage_completed(const StorageResult& result);
  void peer_changed(const PeerEntry& peer, bool known);

private:
  friend struct HostFace;
  friend struct StreamCalls;
  friend struct OtherCalls;

  struct Stream {
    PipePtr in;
    PipePtr out;
    std::shared_ptr<StreamPort> port;
    bool incoming = true;
    bool accepted = false; ///< Or dialed by us.
    bool replied = false;  ///< Of a dialed one: the peer accepted, and what comes is the plugin's to read.
    bool finished = false;
    bool ended = false;
    bool wants_room = false;
    bool end_seen = false; ///< The plugin was told that nothing follows.
    std::size_t peeked = 0;
    std::size_t reserved = 0;
  };

  struct Posted {
    void (*run)(void*);
    void* argument;
  };

  template <class Call> bool enter(const char* what, Call&& call);
  Result<void> life_call(const char* what, State next, kith_status (*call)(Instance&));
  bool takes_streams() const noexcept { return state_ == State::running || state_ == State::draining; }
  bool on_instance_thread() const noexcept { return caller_.load(std::memory_order_acquire) == std::this_thread::get_id(); }
  kith_status misuse(kith_status status, const char* what);
  void close_stream(kith_stream_id id, const StreamEnd& end);
  void log(LogLevel level, std::string_view text) { services_.log(level, text); }
  bool may_log();         // any thread
  void tell_log_losses(); // any thread

  const Protocol& protocol_;
  HostServices& services_;
  BindingInfo binding_;
  std::unique_ptr<HostFace> face_;
  kith_instance* plugin_ = nullptr;
  State state_ = State::loaded;
  bool started_ = false;
  std::string failure_;
  std::string error_text_; ///< set_error of the call that runs.
  std::string config_;
  IdTable<Stream> streams_;
  IdTable<TimePoint> timers_;
  std::multimap<TimePoint, kith_timer_id> deadlines_;
  std::size_t storage_pending_ = 0;
  std::shared_ptr<const PeerTable> peers_; ///< Kept while the plugin may hold names of it.
  std::atomic<std::thread::id> caller_{};  ///< The thread that is inside plugin code now.
  std::atomic<std::uint64_t> misuses_{0};
  std::mutex log_mutex_;
  TimePoint log_second_{}; ///< When the second that log_lines_ counts began.
  std::size_t log_lines_ = 0;
  std::uint64_t log_lost_ = 0; ///< Since that was last said.
  std::mutex post_mutex_;
  std::vector<Posted> posted_;
  bool post_open_ = true;
};

} // namespace kith::hosting
