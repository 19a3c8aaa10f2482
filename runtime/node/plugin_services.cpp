// SPDX-License-Identifier: GPL-3.0-or-later
#include "node/plugin_services.hpp"

#include "config/json.hpp"
#include "config/schema.hpp"
#include "plugin_host/instance_host.hpp"

#include <deque>

namespace kith::node {
namespace {

class PluginService final : public Service {
public:
  PluginService(World& world, std::shared_ptr<plugin_host::InstanceHost> host, const hosting::Protocol& protocol,
                std::shared_ptr<const hosting::Library> library)
      : world_(world), host_(std::move(host)), protocol_(protocol), library_(std::move(library)) {}

  StreamUser& user() override { return *host_; }

  CommandScope command(std::string_view name, Role& least) const override {
    const hosting::Command* command = protocol_.find_command(name);
    if (command == nullptr) {
      least = Role::public_;
      return name.empty() ? CommandScope::remote : CommandScope::unknown;
    }
    least = command->least_role;
    switch (command->scope) {
      case hosting::Scope::local: return CommandScope::local;
      case hosting::Scope::remote: return CommandScope::remote;
      case hosting::Scope::both: return CommandScope::both;
    }
    return CommandScope::unknown;
  }

  void reconfigure(const std::string& config_json, std::function<void(Result<void>)> done) override {
    host_->reconfigure(config_json, std::move(done));
  }

  void peers_changed(const std::shared_ptr<const hosting::PeerTable>& peers) override { host_->peers_changed(peers); }

  /// The instance stops by itself when its last stream ends or the time is over; stop() then only waits for that.
  void drain(TimePoint deadline) override {
    if (draining_) return;
    draining_ = true;
    host_->stop(deadline, {Code::going_away, "the binding was stopped"}, [this](const Result<void>&) {
      stopped_ = true;
      if (done_) std::exchange(done_, nullptr)();
    });
  }

  void stop(std::function<void()> done) override {
    drain(world_.now());
    if (stopped_) return done();
    done_ = std::move(done);
  }

  BindingState state() const override {
    plugin_host::InstanceStatus status = host_->status();
    switch (status.state) {
      case hosting::State::loaded:
      case hosting::State::created:
      case hosting::State::configured: return {BindingState::starting};
      case hosting::State::running: return {BindingState::running};
      case hosting::State::draining: return {BindingState::draining};
      case hosting::State::failed: return {BindingState::failed, std::move(status.failure)};
      case hosting::State::stopped:
      case hosting::State::destroyed: break;
    }
    return {BindingState::stopped};
  }
  std::uint64_t overruns() const override { return host_->status().overruns; }

private:
  World& world_;
  std::shared_ptr<plugin_host::InstanceHost> host_;
  const hosting::Protocol& protocol_;
  std::shared_ptr<const hosting::Library> library_;
  std::function<void()> done_;
  bool draining_ = false;
  bool stopped_ = false;
};

Error stuck_check(const std::string& protocol) {
  return {Code::plugin_failed, "an earlier config check of " + protocol + " is stuck in the plugin; restart kithd"};
}

} // namespace

Result<ProtocolInfo> PluginServices::describe(std::string_view protocol) {
  const auto entry = options_.registry->find(protocol);
  if (!entry) return entry.error();
  ProtocolInfo info;
  info.version = entry->protocol->version;
  info.summary = entry->protocol->summary;
  if (entry->protocol->default_access) info.default_access = role_name(*entry->protocol->default_access);
  info.suggests_inline = entry->protocol->suggests_inline;
  return info;
}

void PluginServices::set_limits(Duration inline_overrun, Duration fence_after, Duration check_timeout) noexcept {
  options_.inline_overrun = inline_overrun;
  options_.fence_after = fence_after;
  options_.check_timeout = check_timeout;
}

std::vector<Error> PluginServices::check_schema(std::string_view protocol, const std::string& config_json, const config::Node& config,
                                                std::string_view file) const {
  const auto entry = options_.registry->find(protocol);
  if (!entry) return {entry.error()};
  if (!config.is(config::Node::Kind::map) && !config.is(config::Node::Kind::empty))
    return {config::error_at(file, config.mark, "the config of " + entry->protocol->name + " must be a map")};
  if (entry->protocol->config_schema.empty()) return {};
  return config::validate(config_json, entry->protocol->config_schema, config, file);
}

/// Network thread.
struct PluginServices::Checker {
  struct Question {
    plugin_host::Registry::Entry entry;
    std::string config;
    std::function<void(Result<void>)> done;
  };

  std::shared_ptr<Executor> strand;
  std::unique_ptr<Timer> timer;
  std::deque<Question> waiting; ///< The first one is with the plugin, unless `stuck`.
  bool stuck = false;           ///< The plugin has been given up, and has not returned yet.
};

void PluginServices::ask_plugin(std::string_view protocol, const std::string& config_json, std::function<void(Result<void>)> done) {
  const auto entry = options_.registry->find(protocol);
  if (!entry) return done(entry.error());
  if (entry->protocol->capabilities.config == nullptr) return done({});
  auto& checker = checkers_[entry->protocol->name];
  if (checker == nullptr) checker = std::make_shared<Checker>(Checker{world_.make_strand(), nullptr, {}, false});
  if (checker->stuck) return done(stuck_check(entry->protocol->name));
  checker->waiting.push_back({*entry, config_json, std::move(done)});
  if (checker->waiting.size() == 1) ask_first(checker);
}

// The time of a check runs from here: those that wait for others have not begun.
void PluginServices::ask_first(const std::shared_ptr<Checker>& checker) {
  const std::weak_ptr<Checker> weak = checker;
  checker->timer = world_.make_timer([weak, limit = options_.check_timeout] {
    const auto late = weak.lock();
    late->stuck = true;
    const auto given_up = std::exchange(late->waiting, {});
    const std::string& name = given_up.front().entry.protocol->name;
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(limit).count();
    given_up.front().done(Error{Code::plugin_failed, "the config check of " + name + " has not ended within " + std::to_string(ms) +
                                                         " ms (plugin_check_timeout); nothing was changed"});
    for (std::size_t i = 1; i < given_up.size(); ++i) given_up[i].done(stuck_check(name));
  });
  checker->timer->arm(world_.now() + options_.check_timeout);
  const Checker::Question& first = checker->waiting.front();
  checker->strand->post([this, weak, entry = first.entry, config = first.config, &network = world_.network()] {
    auto result = entry.protocol->check_config(config);
    network.post([this, weak, result = std::move(result)] {
      const auto asked = weak.lock();
      if (asked == nullptr || std::exchange(asked->stuck, false)) return;
      asked->timer->arm(never);
      const Checker::Question answered = std::move(asked->waiting.front());
      asked->waiting.pop_front();
      if (!asked->waiting.empty()) ask_first(asked);
      answered.done(result);
    });
  });
}

Result<void> PluginServices::check_pin(std::string_view protocol, const std::optional<std::string>& sha256) const {
  if (!sha256) return {};
  const auto entry = options_.registry->find(protocol);
  if (!entry) return entry.error();
  const hosting::Library& library = *entry->library;
  if (*sha256 != library.sha256) {
    return Error{Code::plugin_failed, library.file.string() + " has the SHA-256 " + library.sha256 + ", not the one that the binding pins"};
  }
  if (!plugin_host::is_file_of(library.file, protocol)) {
    return Error{Code::plugin_failed, library.file.string() + ": a pinned protocol must be in a file of its name: call it " + std::string(protocol) +
                                          ".so, and restart kithd"};
  }
  return {};
}

void PluginServices::start(const ServiceSpec& spec, StreamControl& control, std::function<void(Result<std::unique_ptr<Service>>)> done) {
  const auto entry = options_.registry->find(spec.protocol);
  if (!entry) return done(entry.error());
  if (const auto pinned = check_pin(spec.protocol, spec.sha256); !pinned) return done(pinned.error());
  // The plugin's own check is the first thing that the instance does, on its own thread.
  const auto config = config::parse_json(spec.config_json, "config");
  if (!config) return done(config.error());
  if (const auto errors = check_schema(spec.protocol, spec.config_json, *config, "config"); !errors.empty()) return done(errors.front());
  plugin_host::InstanceOptions options;
  options.library = entry->library;
  options.protocol = entry->protocol;
  options.identity = spec.identity;
  options.label = spec.identity_name + "/" + spec.protocol + "/" + spec.alias;
  options.alias = spec.alias;
  options.config = spec.config_json;
  options.peers = spec.peers;
  options.data_folder = options_.data_folder(spec.identity, spec.protocol, spec.alias);
  options.run_inline = spec.inline_.value_or(entry->protocol->suggests_inline);
  options.inline_overrun = options_.inline_overrun;
  options.fence_after = options_.fence_after;
  options.changed = spec.changed;
  auto host = plugin_host::InstanceHost::make(world_, control, *slabs_, dialer_, std::move(options));
  host->start([this, host, entry = *entry, done = std::move(done)](const Result<void>& started) {
    if (started) return done(std::unique_ptr<Service>(std::make_unique<PluginService>(world_, host, *entry.protocol, entry.library)));
    // What failed half-way has still to leave the plugin's code.
    host->stop(world_.now(), started.error(), [host, error = started.error(), done](const Result<void>&) { done(error); });
  });
}

} // namespace kith::node
