// SPDX-License-Identifier: GPL-3.0-or-later
#include "node/plugin_services.hpp"

#include "config/json.hpp"
#include "config/schema.hpp"
#include "plugin_host/instance_host.hpp"

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

  std::string state() const override {
    const plugin_host::InstanceStatus status = host_->status();
    if (status.state == hosting::State::failed) return "failed: " + status.failure;
    return std::string(hosting::state_name(status.state));
  }

private:
  World& world_;
  std::shared_ptr<plugin_host::InstanceHost> host_;
  const hosting::Protocol& protocol_;
  std::shared_ptr<const hosting::Library> library_;
  std::function<void()> done_;
  bool draining_ = false;
  bool stopped_ = false;
};

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

Result<void> PluginServices::check_config(std::string_view protocol, const std::string& config_json) {
  const auto node = config::parse_json(config_json, "config");
  if (!node) return node.error();
  return check_config(protocol, config_json, *node, "config");
}

Result<void> PluginServices::check_config(std::string_view protocol, const std::string& config_json, const config::Node& config,
                                          std::string_view file) {
  const auto entry = options_.registry->find(protocol);
  if (!entry) return entry.error();
  if (auto fits = check_schema(*entry->protocol, config_json, config, file); !fits) return fits;
  if (auto fits = entry->protocol->check_config(config_json); !fits) return config::error_at(file, config.mark, fits.error().text);
  return {};
}

Result<void> PluginServices::check_schema(const hosting::Protocol& protocol, const std::string& config_json, const config::Node& config,
                                          std::string_view file) {
  if (!config.is(config::Node::Kind::map) && !config.is(config::Node::Kind::empty))
    return config::error_at(file, config.mark, "the config of " + protocol.name + " must be a map");
  if (protocol.config_schema.empty()) return {};
  return config::validate(config_json, protocol.config_schema, config, file);
}

void PluginServices::start(const ServiceSpec& spec, StreamControl& control, std::function<void(Result<std::unique_ptr<Service>>)> done) {
  const auto entry = options_.registry->find(spec.protocol);
  if (!entry) return done(entry.error());
  if (spec.sha256 && *spec.sha256 != entry->library->sha256) {
    return done(Error{Code::plugin_failed,
                      entry->library->file.string() + " has the SHA-256 " + entry->library->sha256 + ", not the one that the binding pins"});
  }
  if (spec.sha256 && !plugin_host::is_file_of(entry->library->file, spec.protocol)) {
    return done(Error{Code::plugin_failed, entry->library->file.string() + ": a pinned protocol must be in a file of its name: call it " +
                                               spec.protocol + ".so, and restart kithd"});
  }
  // The plugin's own check is the first thing that the instance does, on its own thread.
  const auto config = config::parse_json(spec.config_json, "config");
  if (!config) return done(config.error());
  if (const auto fits = check_schema(*entry->protocol, spec.config_json, *config, "config"); !fits) return done(fits.error());
  plugin_host::InstanceOptions options;
  options.library = entry->library;
  options.protocol = entry->protocol;
  options.identity = spec.identity;
  options.label = spec.identity_name + "/" + spec.protocol + "/" + spec.alias;
  options.alias = spec.alias;
  options.config = spec.config_json;
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
