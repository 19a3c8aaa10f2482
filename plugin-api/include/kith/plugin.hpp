// SPDX-License-Identifier: Apache-2.0
// A protocol in C++20 over the C ABI. Header only; include this one.
//
//   class Echo : public kith::Protocol {
//     kith::Task<> on_call(kith::Call call) override {
//       const kith::Bytes request = co_await call.request();
//       co_await call.reply(request);
//     }
//   };
//   KITH_PLUGIN(Echo, "Echo", "1.0.0", kith_config_schema)
//
// Everything runs on the instance thread: nothing overlaps, and a handler runs alone from one co_await to the next. No exception crosses the ABI.
#pragma once

#include <kith/stream.hpp>

#include <deque>
#include <mutex>

namespace kith {
inline namespace plugin_v1 {

/// Derive from it; one object is one binding. All functions may throw.
class Protocol {
public:
  virtual ~Protocol() = default;

  /// One call. Throw Refusal to answer with an error; end without a reply and the peer gets `internal`.
  virtual Task<> on_call(Call call) {
    static_cast<void>(call);
    throw Refusal(KITH_CODE_BAD_REQUEST, "this protocol takes no calls");
    co_return;
  }
  /// One stream. Accept it, read, write; its end finishes the stream, and what it left unread is dropped.
  virtual Task<> on_stream(Stream stream) {
    static_cast<void>(stream);
    throw Refusal(KITH_CODE_BAD_REQUEST, "this protocol takes no streams");
    co_return;
  }
  /// The config as JSON text, before on_start and again whenever it changes. Throw ConfigError to keep the old one.
  virtual void on_configure(std::string_view config) { static_cast<void>(config); }
  virtual void on_start() {}
  virtual void on_drain(Time deadline) { static_cast<void>(deadline); }
  /// Every handler has ended or will not run again. Join your threads here.
  virtual void on_stop() {}

  Host& host() noexcept { return *host_; }
  /// Runs a task of its own beside the handlers; what is left at the end is destroyed.
  void spawn(Task<> task);

private:
  friend class detail::Runtime;
  Host* host_ = nullptr;
  detail::Runtime* runtime_ = nullptr;
};

namespace detail {

// One instance: the ABI's callbacks on one side, handlers on the other.
class Runtime {
public:
  Runtime(const kith_host* host, std::unique_ptr<Protocol> protocol)
      : host_(host), calls_(host_.find<kith_host_stream>(KITH_STREAM_ID)), protocol_(std::move(protocol)) {
    protocol_->host_ = &host_;
    protocol_->runtime_ = this;
    host_.runtime_ = this;
  }

  Protocol& protocol() noexcept { return *protocol_; }

  void on_opened(const kith_stream_opened& in) {
    Flow& flow = add(in.stream);
    flow.host = host_.abi();
    flow.calls = calls_;
    flow.id = in.stream;
    flow.opened = {in.peer,
                   static_cast<Role>(in.role),
                   static_cast<Kind>(in.kind),
                   std::string(to_view(in.command)),
                   std::string(to_view(in.content_type)),
                   to_time(in.deadline_ns)};
    try {
      flow.task = flow.opened.kind == Kind::call ? protocol_->on_call(Call(flow)) : protocol_->on_stream(Stream(flow));
      flow.task.start();
    } catch (...) {
      flow.failure = std::current_exception();
    }
    settle(flow);
  }

  void on_readable(kith_stream_id id) {
    if (Flow* flow = find(id)) {
      Flow::wake(flow->reader);
      settle(*flow);
    }
  }

  void on_writable(kith_stream_id id) {
    if (Flow* flow = find(id)) {
      Flow::wake(flow->writer);
      settle(*flow);
    }
  }

  void on_closed(kith_stream_id id, const kith_stream_closed& closed) {
    Flow* flow = find(id);
    if (flow == nullptr) return;
    flow->closed = true;
    flow->close_code = closed.code;
    flow->close_text = to_view(closed.text);
    Flow::wake(flow->reader);
    Flow::wake(flow->writer);
    settle(*flow);
  }

  void on_timer(kith_timer_id timer) {
    host_.on_timer(timer);
    settle_all();
  }

  void on_completed(const kith_storage_completed& completed) {
    host_.on_completed(completed);
    settle_all();
  }

  void spawn(Task<> task) {
    background_.push_back(watched(std::move(task)));
    background_.back().start();
  }

  // Any thread. The host is given no more than a pointer to this: it drops what waits when the instance stops, and could not free it.
  bool post(std::function<void()> work) {
    const std::lock_guard lock(posted_mutex_);
    posted_.push_back(std::move(work));
    if (host_.abi()->post(host_.abi(), run_posted, this) == KITH_OK) return true;
    work = std::move(posted_.back()); // its end must not come under the lock
    posted_.pop_back();
    return false;
  }

  void on_stop() {
    protocol_->on_stop();
    background_.clear();
    flows_.clear();
    std::deque<std::function<void()>> dropped;
    const std::lock_guard lock(posted_mutex_);
    dropped.swap(posted_);
  }

  // After everything that ran code of the protocol.
  void sweep() {
    if (std::exchange(background_ended_, false)) std::erase_if(background_, [](const Task<>& task) { return task.done(); });
  }

  // Runs work; an exception becomes KITH_E_FAILED with its text.
  template <class Work> kith_status guard(Work&& work) noexcept {
    kith_status status = KITH_E_FAILED;
    try {
      work();
      status = KITH_OK;
    } catch (const std::exception& caught) {
      set_error(caught.what());
      log_error(caught.what());
    } catch (...) {
      set_error("an exception of an unknown type");
      log_error("an exception of an unknown type");
    }
    sweep();
    return status;
  }

  void log_error(const char* text) const noexcept { host_.log(KITH_LOG_ERROR, text); }
  void set_error(const char* text) const noexcept { host_.abi()->set_error(host_.abi(), to_abi(std::string_view(text))); }

private:
  using Flows = std::unordered_map<kith_stream_id, Flow>;
  static constexpr std::size_t max_spare_flows = 256; // of streams that have gone, for those that come

  Flow& add(kith_stream_id id) {
    if (spare_.empty()) return flows_[id];
    Flows::node_type node = std::move(spare_.back());
    spare_.pop_back();
    node.key() = id;
    return flows_.insert(std::move(node)).position->second;
  }

  void remove(kith_stream_id id) {
    Flows::node_type node = flows_.extract(id);
    node.mapped() = {};
    if (spare_.size() < max_spare_flows) spare_.push_back(std::move(node));
  }

  Flow* find(kith_stream_id id) {
    const auto found = flows_.find(id);
    return found == flows_.end() ? nullptr : &found->second;
  }

  // Looks at a task that has ended, and lets go of a stream that nobody needs any more.
  void settle(Flow& flow) {
    if (!flow.task.done()) return;
    if (!flow.reported) {
      flow.reported = true;
      conclude(flow);
      flow.task = {};
    }
    if (flow.closed) remove(flow.id);
    else if (!flow.ended) discard(flow);
  }

  // The handler has returned: what it left unread, and what may still come, would keep the stream.
  static void discard(Flow& flow) {
    kith_bytes piece{};
    while (flow.calls->peek(flow.host, flow.id, &piece) == KITH_OK) flow.calls->consume(flow.host, flow.id, piece.size);
  }

  // What a timer, a file or posted work has resumed may be any of them.
  void settle_all() {
    for (auto it = flows_.begin(); it != flows_.end();) settle((it++)->second);
  }

  static void run_posted(void* self) { static_cast<Runtime*>(self)->run_one(); }

  void run_one() {
    guard([&] {
      std::function<void()> work;
      {
        const std::lock_guard lock(posted_mutex_);
        work.swap(posted_.front());
        posted_.pop_front();
      }
      work();
    });
    settle_all();
    sweep();
  }

  Task<> watched(Task<> task) {
    try {
      co_await std::move(task);
    } catch (const std::exception& caught) {
      log_error(caught.what());
    } catch (...) {
      log_error("a spawned task threw an exception of an unknown type");
    }
    background_ended_ = true;
  }

  void conclude(Flow& flow) {
    try {
      if (flow.failure) std::rethrow_exception(flow.failure);
      flow.task.take();
      if (flow.closed || flow.ended || flow.finished) return;
      if (flow.accepted) calls_->finish(flow.host, flow.id);
      else end(flow, KITH_CODE_INTERNAL, "the protocol gave no answer");
    } catch (const Refusal& refusal) {
      end(flow, refusal.code(), refusal.what());
    } catch (const StreamClosed&) {
      // the peer has gone: nothing to say, and nobody to say it to
    } catch (const std::exception& caught) {
      log_error(caught.what());
      end(flow, KITH_CODE_PLUGIN_FAILED, {});
    } catch (...) {
      log_error("an exception of an unknown type");
      end(flow, KITH_CODE_PLUGIN_FAILED, {});
    }
  }

  void end(Flow& flow, std::uint64_t code, std::string_view text) {
    if (flow.closed || flow.ended) return;
    flow.ended = true;
    const auto say = flow.accepted ? calls_->reset : calls_->reject;
    if (say(flow.host, flow.id, code, to_abi(text)) != KITH_E_ARGUMENT) return;
    log_error("a Refusal can't be sent: its code is none, or its text is not UTF-8");
    say(flow.host, flow.id, KITH_CODE_PLUGIN_FAILED, {});
  }

  Host host_;
  const kith_host_stream* calls_;
  std::unique_ptr<Protocol> protocol_;
  Flows flows_;
  std::vector<Flows::node_type> spare_;
  std::vector<Task<>> background_;
  bool background_ended_ = false;
  std::mutex posted_mutex_;
  std::deque<std::function<void()>> posted_; // each has its turn at the host
};

// The ABI's functions for one class, and its descriptor.
template <class P> class Adapter {
public:
  explicit Adapter(About about) : about_(std::move(about)) {
    for (const Command& command : about_.commands) {
      commands_.push_back({sizeof(kith_command), static_cast<std::uint32_t>(command.scope), static_cast<std::uint32_t>(command.least_role), 0,
                           to_abi(std::string_view(command.name)), to_abi(std::string_view(command.summary))});
    }
    for (const kith_command& command : commands_) command_pointers_.push_back(&command);
    protocol_.struct_size = sizeof protocol_;
    protocol_.flags = about_.suggest_inline ? std::uint32_t{KITH_PROTOCOL_SUGGEST_INLINE} : 0;
    protocol_.needs = about_.needs;
    protocol_.default_access = static_cast<std::uint32_t>(about_.default_access);
    protocol_.name = text(about_.name);
    protocol_.version = text(about_.version);
    protocol_.summary = text(about_.summary);
    protocol_.config_schema = text(about_.config_schema);
    protocol_.cli_noun = text(about_.cli_noun);
    protocol_.commands = command_pointers_.data();
    protocol_.command_count = static_cast<std::uint32_t>(command_pointers_.size());
    protocol_.get_capability = get_capability;
    protocol_.create = create;
    protocol_.configure = configure;
    protocol_.start = start;
    protocol_.drain = drain;
    protocol_.stop = stop;
    protocol_.destroy = destroy;
    plugin_ = {sizeof plugin_, KITH_ABI_MAJOR, 0, protocol_.name, protocol_.version, &protocol_pointer_, 1, 0};
  }
  Adapter(const Adapter&) = delete;
  Adapter& operator=(const Adapter&) = delete;

  const kith_plugin* plugin() const noexcept { return &plugin_; }

private:
  static kith_text text(const std::string& from) noexcept { return {from.data(), from.size()}; }
  static Runtime& of(kith_instance* instance) noexcept { return *reinterpret_cast<Runtime*>(instance); }

  template <class Work> static kith_status guard(kith_instance* instance, Work&& work) noexcept {
    Runtime& self = of(instance);
    return self.guard([&] { work(self); });
  }

  static kith_status create(const kith_host* host, kith_instance** instance) noexcept try {
    *instance = reinterpret_cast<kith_instance*>(new Runtime(host, std::make_unique<P>()));
    return KITH_OK;
  } catch (const std::exception& caught) {
    host->set_error(host, to_abi(std::string_view(caught.what())));
    return KITH_E_FAILED;
  } catch (...) {
    return KITH_E_FAILED;
  }

  static kith_status configure(kith_instance* instance, kith_text config) noexcept {
    return guard(instance, [&](Runtime& self) { self.protocol().on_configure(to_view(config)); });
  }
  static kith_status start(kith_instance* instance) noexcept {
    return guard(instance, [](Runtime& self) { self.protocol().on_start(); });
  }
  static void drain(kith_instance* instance, std::uint64_t deadline) noexcept {
    guard(instance, [&](Runtime& self) { self.protocol().on_drain(to_time(deadline)); });
  }
  static void stop(kith_instance* instance) noexcept {
    guard(instance, [](Runtime& self) { self.on_stop(); });
  }
  static void destroy(kith_instance* instance) noexcept { delete &of(instance); }

  static kith_status check(kith_text config, void* context, void (*set_error)(void*, kith_text)) noexcept try {
    if constexpr (requires { P::check_config(std::string_view{}); }) P::check_config(to_view(config));
    return KITH_OK;
  } catch (const std::exception& caught) {
    set_error(context, to_abi(std::string_view(caught.what())));
    return KITH_E_ARGUMENT;
  } catch (...) {
    return KITH_E_ARGUMENT;
  }

  static void on_opened(kith_instance* instance, const kith_stream_opened* opened) noexcept {
    guard(instance, [&](Runtime& self) { self.on_opened(*opened); });
  }
  static void on_readable(kith_instance* instance, kith_stream_id stream) noexcept {
    guard(instance, [&](Runtime& self) { self.on_readable(stream); });
  }
  static void on_writable(kith_instance* instance, kith_stream_id stream) noexcept {
    guard(instance, [&](Runtime& self) { self.on_writable(stream); });
  }
  static void on_closed(kith_instance* instance, kith_stream_id stream, const kith_stream_closed* closed) noexcept {
    guard(instance, [&](Runtime& self) { self.on_closed(stream, *closed); });
  }
  static void on_timer(kith_instance* instance, kith_timer_id timer) noexcept {
    guard(instance, [&](Runtime& self) { self.on_timer(timer); });
  }
  static void on_completed(kith_instance* instance, const kith_storage_completed* completed) noexcept {
    guard(instance, [&](Runtime& self) { self.on_completed(*completed); });
  }

  static const void* get_capability(kith_text id) noexcept {
    static constexpr kith_plugin_stream stream{sizeof(kith_plugin_stream), 0, on_opened, on_readable, on_writable, on_closed};
    static constexpr kith_plugin_config config{sizeof(kith_plugin_config), 0, check, configure};
    static constexpr kith_plugin_timer timer{sizeof(kith_plugin_timer), 0, on_timer};
    static constexpr kith_plugin_storage storage{sizeof(kith_plugin_storage), 0, on_completed};
    if (to_view(id) == KITH_STREAM_ID) return &stream;
    if (to_view(id) == KITH_CONFIG_ID) return &config;
    if (to_view(id) == KITH_TIMER_ID) return &timer;
    if (to_view(id) == KITH_STORAGE_ID) return &storage;
    return nullptr;
  }

  About about_;
  std::vector<kith_command> commands_;
  std::vector<const kith_command*> command_pointers_;
  kith_protocol protocol_{};
  const kith_protocol* protocol_pointer_ = &protocol_;
  kith_plugin plugin_{};
};

template <class P> const kith_plugin* make_entry(const kith_entry_args* args, About about) noexcept try {
  if (args->abi_major != KITH_ABI_MAJOR) {
    const std::string why = "this plugin is for ABI " + std::to_string(KITH_ABI_MAJOR) + ", the host has " + std::to_string(args->abi_major);
    args->set_error(args->context, {why.data(), why.size()});
    return nullptr;
  }
  static const auto* adapter = new Adapter<P>(std::move(about)); // stays to the end of the process, as the library does
  return adapter->plugin();
} catch (...) {
  return nullptr;
}

} // namespace detail

inline bool Host::post(std::function<void()> work) const { return runtime_->post(std::move(work)); }

inline void Protocol::spawn(Task<> task) { runtime_->spawn(std::move(task)); }

} // namespace plugin_v1
} // namespace kith

/// KITH_PLUGIN(Class, "Name", "1.0.0", schema) or with any fields of kith::About: KITH_PLUGIN(Class, .name = "Name", .version = "1.0.0", .suggest_inline = true).
/// A static `void check_config(std::string_view json)` of the class, if it has one, throws ConfigError for what the schema can't say.
#define KITH_PLUGIN(Class, ...)                                                                                                                      \
  extern "C" KITH_EXPORT const kith_plugin* kith_plugin_entry(const kith_entry_args* args) {                                                         \
    return kith::plugin_v1::detail::make_entry<Class>(args, kith::plugin_v1::About{__VA_ARGS__});                                                    \
  }
