// SPDX-License-Identifier: Apache-2.0
#include "hosting/instance.hpp"

#include "hosting/host_face.hpp"

#include <algorithm>
#include <array>

namespace kith::hosting {

namespace {

// A plugin that is wrong is wrong in a loop: the first ten are logged, then each power of two.
bool is_worth_a_line(std::uint64_t count) noexcept { return count <= 10 || (count & (count - 1)) == 0; }

} // namespace

std::string_view state_name(State state) noexcept {
  static constexpr std::array<std::string_view, 8> names{"loaded", "created", "configured", "running", "draining", "stopped", "destroyed", "failed"};
  return names[static_cast<std::size_t>(state)];
}

Instance::Instance(const Protocol& protocol, HostServices& services, BindingInfo binding)
    : protocol_(protocol), services_(services), binding_(std::move(binding)), face_(std::make_unique<HostFace>(*this)) {}

Instance::~Instance() = default;

// Runs plugin code: marks the thread, tells the host, and stops exceptions. False: it threw, and the instance has failed.
template <class Call> bool Instance::enter(const char* what, Call&& call) {
  services_.entering();
  caller_.store(std::this_thread::get_id(), std::memory_order_release);
  bool threw = false;
  std::string text;
  try {
    call();
  } catch (const std::exception& caught) {
    threw = true;
    text = caught.what();
  } catch (...) {
    threw = true;
    text = "of a type of its own";
  }
  caller_.store({}, std::memory_order_release);
  services_.left();
  if (threw) fail(std::string(what) + " let an exception out: " + text);
  return !threw;
}

kith_status Instance::misuse(kith_status status, const char* what) {
  const std::uint64_t count = misuses_.fetch_add(1, std::memory_order_relaxed) + 1;
  if (is_worth_a_line(count)) log(LogLevel::warn, "plugin misbehaving (" + std::to_string(count) + "): " + what);
  return status;
}

bool Instance::may_log() {
  const TimePoint now = services_.now();
  bool next = false;
  {
    const std::lock_guard lock(log_mutex_);
    next = now - log_second_ >= std::chrono::seconds(1);
    if (next) {
      log_second_ = now;
      log_lines_ = 0;
    }
    if (log_lines_ >= max_log_lines_per_second) {
      ++log_lost_;
      return false;
    }
    ++log_lines_;
  }
  if (next) tell_log_losses();
  return true;
}

void Instance::tell_log_losses() {
  std::uint64_t lost = 0;
  {
    const std::lock_guard lock(log_mutex_);
    lost = std::exchange(log_lost_, 0);
  }
  if (lost != 0)
    log(LogLevel::warn,
        std::to_string(lost) + " log lines of the plugin were dropped: more than " + std::to_string(max_log_lines_per_second) + " in a second");
}

Result<void> Instance::life_call(const char* what, State next, kith_status (*call)(Instance&)) {
  error_text_.clear();
  kith_status status = KITH_E_FAILED;
  if (!enter(what, [&] { status = call(*this); })) return Error{Code::plugin_failed, failure_};
  if (status != KITH_OK) {
    fail(std::string(what) +
         " failed: " + (error_text_.empty() ? "the plugin gives no reason (status " + std::to_string(status) + ")" : error_text_));
    return Error{Code::plugin_failed, failure_};
  }
  state_ = next;
  return {};
}

Result<void> Instance::create() {
  if (state_ != State::loaded) return Error{Code::internal, "create: the instance is " + std::string(state_name(state_))};
  return life_call("create", State::created, [](Instance& self) {
    const kith_status status = self.protocol_.abi->create(&self.face_->host, &self.plugin_);
    if (status == KITH_OK && self.plugin_ == nullptr) {
      self.error_text_ = "it returned no instance";
      return static_cast<kith_status>(KITH_E_FAILED);
    }
    if (status != KITH_OK) self.plugin_ = nullptr;
    return status;
  });
}

Result<void> Instance::configure(std::string config) {
  if (state_ != State::created) return Error{Code::internal, "configure: the instance is " + std::string(state_name(state_))};
  config_ = std::move(config);
  return life_call("configure", State::configured, [](Instance& self) { return self.protocol_.abi->configure(self.plugin_, to_abi(self.config_)); });
}

Result<void> Instance::start() {
  if (state_ != State::configured) return Error{Code::internal, "start: the instance is " + std::string(state_name(state_))};
  started_ = true;
  auto done = life_call("start", State::running, [](Instance& self) { return self.protocol_.abi->start(self.plugin_); });
  if (done) {
    const std::lock_guard lock(post_mutex_);
    if (!posted_.empty()) services_.wake();
  }
  return done;
}

Result<void> Instance::check_config(const std::string& config) {
  Result<void> result;
  enter("check_config", [&] { result = protocol_.check_config(config); }); // lets no exception out
  return result;
}

Result<void> Instance::reconfigure(std::string config) {
  if (state_ != State::running) return Error{Code::internal, "reconfigure: the instance is " + std::string(state_name(state_))};
  if (auto ok = check_config(config); !ok) return ok.error();
  const kith_plugin_config* table = protocol_.capabilities.config;
  if (table == nullptr || table->apply == nullptr) return Error{Code::unsupported_version, protocol_.name + " takes a new config at its start only"};
  error_text_.clear();
  kith_status status = KITH_E_FAILED;
  config_.swap(config); // kith.config/1 current says the new one during apply
  if (!enter("apply", [&] { status = table->apply(plugin_, to_abi(config_)); })) return Error{Code::plugin_failed, failure_};
  if (status == KITH_OK) return {};
  config_.swap(config);
  return Error{Code::plugin_failed, error_text_.empty() ? "the plugin did not take the config and gives no reason" : error_text_};
}

void Instance::drain(TimePoint deadline) {
  if (state_ != State::running) return;
  state_ = State::draining;
  enter("drain", [&] { protocol_.abi->drain(plugin_, to_nanoseconds(deadline)); });
}

void Instance::stop(const Error& why) {
  for (const kith_stream_id id : streams_.ids()) {
    Stream* stream = streams_.find(id);
    if (stream == nullptr) continue;
    if (!stream->ended) stream->port->reset(why.code, why.text);
    close_stream(id, StreamEnd{false, why, false, 0, 0});
  }
  {
    const std::lock_guard lock(post_mutex_);
    post_open_ = false;
    posted_.clear();
  }
  timers_ = {};
  deadlines_.clear();
  services_.wake_at(never);
  if (started_) {
    started_ = false;
    enter("stop", [&] { protocol_.abi->stop(plugin_); });
  }
  tell_log_losses();
  if (state_ != State::failed) state_ = State::stopped;
}

void Instance::destroy() {
  {
    const std::lock_guard lock(post_mutex_);
    post_open_ = false;
  }
  if (plugin_ != nullptr) {
    kith_instance* plugin = std::exchange(plugin_, nullptr);
    enter("destroy", [&] { protocol_.abi->destroy(plugin); });
  }
  if (state_ != State::failed) state_ = State::destroyed;
}

void Instance::fail(std::string text) {
  if (state_ == State::failed) return;
  state_ = State::failed;
  failure_ = std::move(text);
  log(LogLevel::error, failure_);
  for (const kith_stream_id id : streams_.ids()) {
    Stream* stream = streams_.find(id);
    if (stream->ended) continue;
    stream->ended = true;
    stream->port->reset(Code::plugin_failed, "");
  }
}

kith_stream_id Instance::opened(StreamOpening opening) {
  const kith_plugin_stream* table = protocol_.capabilities.stream;
  if (table == nullptr || state_ != State::running || streams_.size() >= max_instance_streams) {
    if (state_ == State::failed) opening.port->reject(Code::plugin_failed, "");
    else if (table == nullptr) opening.port->reject(Code::bad_request, "this protocol takes no streams");
    else if (state_ == State::running) opening.port->reject(Code::busy, "too many streams");
    else opening.port->reject(Code::going_away, ""); // never handed to the plugin: the opener may try again
    return 0;
  }
  Stream stream;
  stream.in = std::move(opening.in);
  stream.out = std::move(opening.out);
  stream.port = std::move(opening.port);
  const kith_stream_id id = streams_.insert(std::move(stream));
  kith_stream_opened info{};
  info.struct_size = sizeof info;
  info.kind = opening.kind == StreamKind::call ? KITH_KIND_CALL : KITH_KIND_STREAM;
  info.stream = id;
  std::ranges::copy(opening.peer.bytes, info.peer.bytes);
  info.role = to_abi(opening.role);
  info.deadline_ns = to_nanoseconds(opening.deadline);
  info.command = to_abi(opening.command);
  info.content_type = to_abi(opening.content_type);
  enter("on_opened", [&] { table->on_opened(plugin_, &info); });
  return id;
}

void Instance::replied(kith_stream_id id, const Result<std::string>& content_type) {
  Stream* stream = streams_.find(id);
  const kith_plugin_dial* table = protocol_.capabilities.dial;
  if (stream == nullptr || stream->incoming) return;
  stream->replied = content_type.has_value();
  if (stream->ended || table == nullptr || !takes_streams()) return;
  const Error error = content_type ? Error{} : content_type.error(); // error() gives a copy: its text must outlive the callback
  kith_dial_replied info{};
  info.struct_size = sizeof info;
  info.ok = content_type ? 1 : 0;
  if (content_type) {
    info.content_type = to_abi(*content_type);
  } else {
    info.code = static_cast<std::uint64_t>(error.code);
    info.text = to_abi(error.text);
  }
  enter("on_replied", [&] { table->on_replied(plugin_, id, &info); });
}

void Instance::readable(kith_stream_id id) {
  const Stream* stream = streams_.find(id);
  if (stream == nullptr || stream->ended || !takes_streams()) return;
  // All that came was read while the plugin was told something else, its end too.
  if (stream->end_seen && stream->in->readable() == 0) return;
  enter("on_readable", [&] { protocol_.capabilities.stream->on_readable(plugin_, id); });
}

void Instance::writable(kith_stream_id id) {
  Stream* stream = streams_.find(id);
  if (stream == nullptr || stream->ended || !stream->wants_room || !takes_streams()) return;
  stream->wants_room = false;
  enter("on_writable", [&] { protocol_.capabilities.stream->on_writable(plugin_, id); });
}

void Instance::closed(kith_stream_id id, const StreamEnd& end) { close_stream(id, end); }

void Instance::close_stream(kith_stream_id id, const StreamEnd& end) {
  Stream* stream = streams_.find(id);
  if (stream == nullptr) return;
  stream->ended = true;
  if (takes_streams()) {
    kith_stream_closed info{};
    info.struct_size = sizeof info;
    info.ok = end.ok ? 1 : 0;
    info.code = end.ok ? 0 : static_cast<std::uint64_t>(end.error.code);
    info.remote = end.remote ? 1 : 0;
    info.sent = end.sent;
    info.received = end.received;
    info.text = to_abi(end.error.text);
    enter("on_closed", [&] { protocol_.capabilities.stream->on_closed(plugin_, id, &info); });
  }
  streams_.erase(id);
}

void Instance::run_posted() {
  std::vector<Posted> work;
  {
    const std::lock_guard lock(post_mutex_);
    if (!takes_streams()) return;
    work.swap(posted_);
  }
  for (const Posted& item : work) {
    if (!takes_streams()) return;
    enter("a posted function", [&] { item.run(item.argument); });
  }
}

void Instance::run_timers() {
  const TimePoint now = services_.now();
  const kith_plugin_timer* table = protocol_.capabilities.timer;
  // What a callback starts anew for a time that has come waits for the next round: a plugin can't hold the thread here.
  std::vector<kith_timer_id> due;
  for (auto it = deadlines_.begin(); it != deadlines_.end() && it->first <= now; ++it) due.push_back(it->second);
  for (const kith_timer_id id : due) {
    TimePoint* at = timers_.find(id);
    if (at == nullptr || !takes_streams()) continue;
    const auto [first, last] = deadlines_.equal_range(*at);
    deadlines_.erase(std::find_if(first, last, [&](const auto& entry) { return entry.second == id; }));
    timers_.erase(id);
    enter("on_timer", [&] { table->on_timer(plugin_, id); });
  }
  if (takes_streams()) services_.wake_at(deadlines_.empty() ? never : deadlines_.begin()->first);
}

void Instance::storage_completed(const StorageResult& result) {
  if (storage_pending_ > 0) --storage_pending_;
  if (!result.reason.empty()) log(LogLevel::warn, "storage: " + result.reason);
  if (!takes_streams()) return;
  std::vector<kith_text> names;
  for (const std::string& name : result.names) names.push_back(to_abi(name));
  kith_storage_completed info{};
  info.struct_size = sizeof info;
  info.status = result.status;
  info.operation = result.operation;
  info.bytes = {result.bytes.data(), result.bytes.size()};
  info.names = names.data();
  info.name_count = names.size();
  enter("on_completed", [&] { protocol_.capabilities.storage->on_completed(plugin_, &info); });
}

void Instance::peer_changed(const PeerEntry& peer, bool known) {
  if (protocol_.capabilities.peer == nullptr || !takes_streams()) return;
  kith_peer_info info{};
  info.struct_size = sizeof info;
  info.role = known ? to_abi(peer.role) : std::uint32_t{KITH_ROLE_NONE};
  std::ranges::copy(peer.peer.bytes, info.peer.bytes);
  info.online = peer.online ? 1 : 0;
  info.name = to_abi(peer.name);
  enter("on_changed", [&] { protocol_.capabilities.peer->on_changed(plugin_, &info); });
}

} // namespace kith::hosting
