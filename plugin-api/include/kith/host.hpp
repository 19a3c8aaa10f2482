// SPDX-License-Identifier: Apache-2.0
// The host as a plugin in C++ sees it: clock, log, timers, posts, files.
#pragma once

#include <kith/abi/clock.h>
#include <kith/abi/config.h>
#include <kith/abi/log.h>
#include <kith/abi/storage.h>
#include <kith/abi/timer.h>
#include <kith/task.hpp>
#include <kith/types.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>

namespace kith {
inline namespace plugin_v1 {

namespace detail {
class Runtime;
}

/// Thrown when the host has no room or no such file system.
class HostError : public std::runtime_error {
public:
  HostError(const std::string& what, kith_status status) : std::runtime_error(what + ": status " + std::to_string(status)), status_(status) {}
  kith_status status() const noexcept { return status_; }

private:
  kith_status status_;
};

class Host {
public:
  explicit Host(const kith_host* host)
      : host_(host),
        clock_(find<kith_host_clock>(KITH_CLOCK_ID)),
        log_(find<kith_host_log>(KITH_LOG_ID)),
        timer_(find<kith_host_timer>(KITH_TIMER_ID)),
        storage_(find<kith_host_storage>(KITH_STORAGE_ID)),
        config_(find<kith_host_config>(KITH_CONFIG_ID)) {}

  const kith_host* abi() const noexcept { return host_; }
  /// A capability of the host by its id; null: it has none.
  template <class T> const T* find(std::string_view id) const noexcept { return static_cast<const T*>(host_->get_capability(host_, to_abi(id))); }

  Time now() const noexcept { return to_time(clock_->now(host_)); }
  std::int64_t unix_now() const noexcept { return clock_->unix_now(host_); }
  void log(std::uint32_t level, std::string_view text) const noexcept { log_->write(host_, level, to_abi(text)); }

  /// Any thread: runs work on the instance thread. False: the instance has stopped, or too much waits; work was dropped. What has not run when the instance
  /// stops is destroyed there.
  bool post(std::function<void()> work) const;

  /// The alias of this binding.
  std::string alias() const {
    kith_text alias{};
    return config_->binding(host_, &alias, nullptr) == KITH_OK ? std::string(to_view(alias)) : std::string{};
  }

  /// The absolute path of the private folder.
  std::string data_folder() const {
    kith_text path{};
    return storage_->folder(host_, &path) == KITH_OK ? std::string(to_view(path)) : std::string{};
  }

  // --- awaited
  auto sleep_until(Time at);
  auto sleep(Time span);
  /// The whole file; nothing when there is none. Throws HostError.
  Task<std::optional<Bytes>> read_file(std::string name);
  /// Atomic: the old content or the new. Throws HostError.
  Task<> replace_file(std::string name, Bytes content);
  /// False when there was none. Throws HostError.
  Task<bool> remove_file(std::string name);
  Task<std::vector<std::string>> list_files(std::string folder);

private:
  friend class detail::Runtime;

  struct Completion {
    kith_status status = KITH_E_FAILED;
    Bytes bytes;
    std::vector<std::string> names;
    std::coroutine_handle<> waiting;
  };

  // Suspends until on_completed has filled `completion` under this operation number.
  struct StorageWait {
    Host& host;
    Completion& completion;
    std::uint64_t operation;
    kith_status asked;
    bool await_ready() const noexcept { return asked != KITH_OK; }
    void await_suspend(std::coroutine_handle<> waiting) {
      completion.waiting = waiting;
      host.completions_.emplace(operation, &completion);
    }
    void await_resume() const {
      if (asked != KITH_OK) throw HostError("storage", asked);
    }
  };

  void on_timer(kith_timer_id timer) {
    const auto found = sleepers_.find(timer);
    if (found == sleepers_.end()) return;
    const std::coroutine_handle<> waiting = found->second;
    sleepers_.erase(found);
    waiting.resume();
  }

  void on_completed(const kith_storage_completed& completed) {
    const auto found = completions_.find(completed.operation);
    if (found == completions_.end()) return;
    Completion& completion = *found->second;
    completions_.erase(found);
    completion.status = completed.status;
    if (completed.bytes.size != 0) completion.bytes.assign(completed.bytes.data, completed.bytes.data + completed.bytes.size);
    for (std::size_t i = 0; i < completed.name_count; ++i) completion.names.emplace_back(to_view(completed.names[i]));
    completion.waiting.resume();
  }

  static void expect(const Completion& completion, const std::string& what) {
    if (completion.status != KITH_OK) throw HostError(what, completion.status);
  }

  const kith_host* host_;
  detail::Runtime* runtime_ = nullptr;
  const kith_host_clock* clock_;
  const kith_host_log* log_;
  const kith_host_timer* timer_;
  const kith_host_storage* storage_;
  const kith_host_config* config_;
  std::unordered_map<kith_timer_id, std::coroutine_handle<>> sleepers_;
  std::unordered_map<std::uint64_t, Completion*> completions_;
  std::uint64_t next_operation_ = 1;
};

inline auto Host::sleep_until(Time at) {
  struct Sleep {
    Host& host;
    Time at;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiting) {
      kith_timer_id timer = 0;
      const kith_status status = host.timer_->start(host.host_, to_abi(at), &timer);
      if (status != KITH_OK) throw HostError("timer", status);
      host.sleepers_.emplace(timer, waiting);
    }
    void await_resume() const noexcept {}
  };
  return Sleep{*this, at};
}

inline auto Host::sleep(Time span) { return sleep_until(now() + span); }

inline Task<std::optional<Bytes>> Host::read_file(std::string name) {
  Completion completion;
  const std::uint64_t operation = next_operation_++;
  co_await StorageWait{*this, completion, operation, storage_->read(host_, operation, to_abi(name))};
  if (completion.status == KITH_E_NOT_FOUND) co_return std::nullopt;
  expect(completion, "reading " + name);
  co_return std::move(completion.bytes);
}

inline Task<> Host::replace_file(std::string name, Bytes content) {
  Completion completion;
  const std::uint64_t operation = next_operation_++;
  co_await StorageWait{*this, completion, operation, storage_->replace(host_, operation, to_abi(name), {content.data(), content.size()})};
  expect(completion, "writing " + name);
}

inline Task<bool> Host::remove_file(std::string name) {
  Completion completion;
  const std::uint64_t operation = next_operation_++;
  co_await StorageWait{*this, completion, operation, storage_->remove(host_, operation, to_abi(name))};
  if (completion.status == KITH_E_NOT_FOUND) co_return false;
  expect(completion, "removing " + name);
  co_return true;
}

inline Task<std::vector<std::string>> Host::list_files(std::string folder) {
  Completion completion;
  const std::uint64_t operation = next_operation_++;
  co_await StorageWait{*this, completion, operation, storage_->list(host_, operation, to_abi(folder))};
  expect(completion, "listing " + folder);
  co_return std::move(completion.names);
}

} // namespace plugin_v1
} // namespace kith
