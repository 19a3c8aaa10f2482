// SPDX-License-Identifier: Apache-2.0
// kith_host and the capabilities config, timer, clock, log, storage and peer: the functions that a plugin calls.
#include "hosting/host_face.hpp"
#include "hosting/storage_folder.hpp"

#include <kith/abi/clock.h>
#include <kith/abi/log.h>

#include <algorithm>

namespace kith::hosting {

namespace {

LogLevel to_level(std::uint32_t level) noexcept {
  switch (level) {
    case KITH_LOG_DEBUG: return LogLevel::debug;
    case KITH_LOG_INFO: return LogLevel::info;
    case KITH_LOG_WARN: return LogLevel::warn;
    default: return LogLevel::error;
  }
}

} // namespace

struct OtherCalls {
  // --- kith_host

  static const void* get_capability(const kith_host* host, kith_text id) {
    Instance& self = HostFace::of(host);
    return is_sound(id) ? find_host_capability(view(id), self.protocol_.needs) : nullptr;
  }

  static kith_status post(const kith_host* host, void (*run)(void*), void* argument) {
    Instance& self = HostFace::of(host);
    if (run == nullptr) return self.misuse(KITH_E_ARGUMENT, "post: run is null");
    const std::lock_guard lock(self.post_mutex_);
    if (!self.post_open_) return KITH_E_STOPPED;
    if (self.posted_.size() >= max_posted) return KITH_E_LIMIT;
    self.posted_.push_back({run, argument});
    if (self.posted_.size() == 1) self.services_.wake();
    return KITH_OK;
  }

  static void set_error(const kith_host* host, kith_text text) {
    Instance& self = HostFace::of(host);
    if (!self.on_instance_thread()) {
      self.misuse(KITH_E_THREAD, "set_error called off the instance thread");
    } else if (!is_sound(text) || !is_utf8(view(text))) {
      self.misuse(KITH_E_ARGUMENT, "set_error: not a UTF-8 text");
    } else {
      self.error_text_ = clip_utf8(view(text), max_log_line);
    }
  }

  static std::int32_t on_instance_thread(const kith_host* host) { return HostFace::of(host).on_instance_thread() ? 1 : 0; }

  // --- kith.config/1

  static kith_status current(const kith_host* host, kith_text* config) {
    Instance& self = HostFace::of(host);
    if (!self.on_instance_thread()) return self.misuse(KITH_E_THREAD, "current called off the instance thread");
    if (config == nullptr) return self.misuse(KITH_E_ARGUMENT, "current: config is null");
    if (self.state_ == State::loaded) return self.misuse(KITH_E_STATE, "current: there is no config before configure");
    *config = to_abi(self.config_);
    return KITH_OK;
  }

  static kith_status binding(const kith_host* host, kith_text* alias, kith_peer_key* identity) {
    Instance& self = HostFace::of(host);
    if (!self.on_instance_thread()) return self.misuse(KITH_E_THREAD, "binding called off the instance thread");
    if (alias != nullptr) *alias = to_abi(self.binding_.alias);
    if (identity != nullptr) std::ranges::copy(self.binding_.identity.bytes, identity->bytes);
    return KITH_OK;
  }

  // --- kith.timer/1

  static kith_status start_timer(const kith_host* host, std::uint64_t at_ns, kith_timer_id* timer) {
    Instance& self = HostFace::of(host);
    if (!self.on_instance_thread()) return self.misuse(KITH_E_THREAD, "a timer started off the instance thread");
    if (timer == nullptr) return self.misuse(KITH_E_ARGUMENT, "start: timer is null");
    if (self.protocol_.capabilities.timer == nullptr) return self.misuse(KITH_E_STATE, "start: the plugin offers no " KITH_TIMER_ID);
    if (self.state_ == State::stopped || self.state_ == State::failed) return KITH_E_STOPPED;
    if (self.timers_.size() >= max_instance_timers) return KITH_E_LIMIT;
    const TimePoint at = from_nanoseconds(at_ns);
    *timer = self.timers_.insert(at);
    const auto placed = self.deadlines_.emplace(at, *timer);
    if (placed == self.deadlines_.begin()) self.services_.wake_at(at);
    return KITH_OK;
  }

  static kith_status cancel_timer(const kith_host* host, kith_timer_id timer) {
    Instance& self = HostFace::of(host);
    if (!self.on_instance_thread()) return self.misuse(KITH_E_THREAD, "a timer cancelled off the instance thread");
    const TimePoint* at = self.timers_.find(timer);
    if (at == nullptr) return KITH_E_ID; // not misuse: the timer may just have come
    const auto [first, last] = self.deadlines_.equal_range(*at);
    self.deadlines_.erase(std::find_if(first, last, [&](const auto& entry) { return entry.second == timer; }));
    self.timers_.erase(timer);
    return KITH_OK;
  }

  // --- kith.clock/1, kith.log/1

  static std::uint64_t now(const kith_host* host) { return to_nanoseconds(HostFace::of(host).services_.now()); }
  static std::int64_t unix_now(const kith_host* host) { return HostFace::of(host).services_.unix_now(); }

  static void write_log(const kith_host* host, std::uint32_t level, kith_text text) {
    Instance& self = HostFace::of(host);
    if (!is_sound(text)) {
      self.misuse(KITH_E_ARGUMENT, "log: the text is null");
      return;
    }
    if (!self.services_.log_enabled(to_level(level)) || !self.may_log()) return;
    const std::string line = clip_utf8(view(text), max_log_line);
    if (level == KITH_LOG_HOST_MISBEHAVING) self.log(LogLevel::error, "the plugin says that the host misbehaves: " + line);
    else self.log(to_level(level), line);
  }

  static std::int32_t log_enabled(const kith_host* host, std::uint32_t level) {
    return HostFace::of(host).services_.log_enabled(to_level(level)) ? 1 : 0;
  }

  // --- kith.storage/1

  static kith_status storage(const kith_host* host, StorageRequest::Kind kind, std::uint64_t operation, kith_text name, kith_bytes content) {
    Instance& self = HostFace::of(host);
    if (!self.on_instance_thread()) return self.misuse(KITH_E_THREAD, "a storage function called off the instance thread");
    if (self.protocol_.capabilities.storage == nullptr) return self.misuse(KITH_E_STATE, "storage: the plugin offers no " KITH_STORAGE_ID);
    if (self.state_ == State::stopped || self.state_ == State::failed) return KITH_E_STOPPED;
    const bool root = kind == StorageRequest::Kind::list && name.size == 0;
    if (!is_sound(name) || (!root && !is_storage_name(view(name)))) return self.misuse(KITH_E_ARGUMENT, "storage: a name against the rules");
    if (!is_sound(content)) return self.misuse(KITH_E_ARGUMENT, "storage: the content is null");
    if (content.size > KITH_STORAGE_MAX_FILE || self.storage_pending_ >= KITH_STORAGE_MAX_PENDING) return KITH_E_LIMIT;
    ++self.storage_pending_;
    const ByteView bytes = view(content);
    self.services_.storage({kind, operation, std::string(view(name)), Bytes(bytes.begin(), bytes.end())});
    return KITH_OK;
  }

  static kith_status read_file(const kith_host* host, std::uint64_t operation, kith_text name) {
    return storage(host, StorageRequest::Kind::read, operation, name, {});
  }
  static kith_status replace_file(const kith_host* host, std::uint64_t operation, kith_text name, kith_bytes content) {
    return storage(host, StorageRequest::Kind::replace, operation, name, content);
  }
  static kith_status remove_file(const kith_host* host, std::uint64_t operation, kith_text name) {
    return storage(host, StorageRequest::Kind::remove, operation, name, {});
  }
  static kith_status list_folder(const kith_host* host, std::uint64_t operation, kith_text folder) {
    return storage(host, StorageRequest::Kind::list, operation, folder, {});
  }

  static kith_status folder(const kith_host* host, kith_text* path) {
    Instance& self = HostFace::of(host);
    if (!self.on_instance_thread()) return self.misuse(KITH_E_THREAD, "folder called off the instance thread");
    if (path == nullptr) return self.misuse(KITH_E_ARGUMENT, "folder: path is null");
    *path = to_abi(self.binding_.data_folder);
    return KITH_OK;
  }

  // --- kith.peer/1

  static kith_status give(kith_peer_info& info, const PeerEntry& peer) {
    info.struct_size = sizeof info;
    info.role = to_abi(peer.role);
    std::ranges::copy(peer.peer.bytes, info.peer.bytes);
    info.online = peer.online ? 1 : 0;
    info.reserved = 0;
    info.name = to_abi(peer.name);
    return KITH_OK;
  }

  static kith_status check_peer_call(Instance& self, const kith_peer_info* info) {
    if (!self.on_instance_thread()) return self.misuse(KITH_E_THREAD, "a peer function called off the instance thread");
    if (info == nullptr || info->struct_size < sizeof *info) return self.misuse(KITH_E_ARGUMENT, "peer: info is null, or its struct_size is not set");
    return KITH_OK;
  }

  static PeerId to_peer(const kith_peer_key& key) {
    PeerId id;
    std::ranges::copy(key.bytes, id.bytes.begin());
    return id;
  }

  static kith_status find_peer(const kith_host* host, const kith_peer_key* key, kith_peer_info* info) {
    Instance& self = HostFace::of(host);
    if (const kith_status status = check_peer_call(self, info); status != KITH_OK) return status;
    if (key == nullptr) return self.misuse(KITH_E_ARGUMENT, "find: peer is null");
    self.peers_ = self.services_.peers();
    const PeerId id = to_peer(*key);
    const auto found = std::ranges::lower_bound(*self.peers_, id, {}, &PeerEntry::peer);
    return found == self.peers_->end() || found->peer != id ? static_cast<kith_status>(KITH_E_NOT_FOUND) : give(*info, *found);
  }

  static kith_status next_peer(const kith_host* host, const kith_peer_key* after, kith_peer_info* info) {
    Instance& self = HostFace::of(host);
    if (const kith_status status = check_peer_call(self, info); status != KITH_OK) return status;
    self.peers_ = self.services_.peers();
    const auto found = after == nullptr ? self.peers_->begin() : std::ranges::upper_bound(*self.peers_, to_peer(*after), {}, &PeerEntry::peer);
    return found == self.peers_->end() ? static_cast<kith_status>(KITH_END) : give(*info, *found);
  }
};

HostFace::HostFace(Instance& owner) noexcept
    : host{sizeof(kith_host),
           KITH_ABI_MAJOR,
           KITH_ABI_MINOR,
           OtherCalls::get_capability,
           OtherCalls::post,
           OtherCalls::set_error,
           OtherCalls::on_instance_thread},
      instance(&owner) {}

const void* find_host_capability(std::string_view id, std::uint32_t needs) noexcept {
  static constexpr kith_host_config config{sizeof(kith_host_config), 0, OtherCalls::current, OtherCalls::binding};
  static constexpr kith_host_timer timer{sizeof(kith_host_timer), 0, OtherCalls::start_timer, OtherCalls::cancel_timer};
  static constexpr kith_host_clock clock{sizeof(kith_host_clock), 0, OtherCalls::now, OtherCalls::unix_now};
  static constexpr kith_host_log log{sizeof(kith_host_log), 0, OtherCalls::write_log, OtherCalls::log_enabled};
  static constexpr kith_host_storage storage{
      sizeof(kith_host_storage), 0, OtherCalls::read_file, OtherCalls::replace_file, OtherCalls::remove_file, OtherCalls::list_folder,
      OtherCalls::folder};
  static constexpr kith_host_peer peer{sizeof(kith_host_peer), 0, OtherCalls::find_peer, OtherCalls::next_peer};
  if (id == KITH_STREAM_ID) return &stream_table();
  if (id == KITH_CONFIG_ID) return &config;
  if (id == KITH_TIMER_ID) return &timer;
  if (id == KITH_CLOCK_ID) return &clock;
  if (id == KITH_LOG_ID) return &log;
  if (id == KITH_STORAGE_ID) return &storage;
  if (id == KITH_PEER_ID) return &peer;
  if (id == KITH_DIAL_ID && (needs & KITH_NEED_DIAL) != 0) return &dial_table();
  return nullptr;
}

} // namespace kith::hosting
