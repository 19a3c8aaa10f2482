// SPDX-License-Identifier: GPL-3.0-or-later
// Plugins as services: what plugin_host runs, in the shape that node asks for. Network thread.
#pragma once

#include "base/world.hpp"
#include "config/tree.hpp"
#include "node/service.hpp"
#include "plugin_host/dialer.hpp"
#include "plugin_host/registry.hpp"

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace kith::node {

struct PluginOptions {
  std::shared_ptr<const plugin_host::Registry> registry;
  /// The private folder of one instance; it need not be there yet.
  std::function<std::filesystem::path(const PeerId& identity, std::string_view protocol, std::string_view alias)> data_folder;
  Duration inline_overrun = std::chrono::microseconds(100); ///< As plugin_host::InstanceOptions has them.
  Duration fence_after = std::chrono::seconds(5);
  Duration check_timeout = std::chrono::seconds(5); ///< Of a plugin's own check of a config.
};

class PluginServices final : public ServiceFactory {
public:
  PluginServices(World& world, PluginOptions options) : world_(world), options_(std::move(options)) {}

  /// What kith.dial/1 opens streams with, and the pool that their pipes take slabs from, so that one limit holds for all. Before the first start.
  void set_node(plugin_host::Dialer& dialer, SlabPool& slabs) noexcept {
    dialer_ = &dialer;
    slabs_ = &slabs;
  }

  Result<ProtocolInfo> describe(std::string_view protocol) override;
  void start(const ServiceSpec& spec, StreamControl& control, std::function<void(Result<std::unique_ptr<Service>>)> done) override;
  /// The host's half of a config's check, at once: the protocol is there, and its schema has nothing against it. Errors: unknown_protocol; those of
  /// config::validate, with `file` and the place that the marks of `config` have.
  std::vector<Error> check_schema(std::string_view protocol, const std::string& config_json, const config::Node& config, std::string_view file) const;
  /// That the protocol's plugin, as it was loaded, is the file that a binding pins; no pin fits all. Errors: unknown_protocol, plugin_failed.
  Result<void> check_pin(std::string_view protocol, const std::optional<std::string>& sha256) const;
  /// The plugin's half: its own check runs on a plugin worker, one at a time for a protocol. `done` is called once on the network thread. Errors:
  /// unknown_protocol; bad_request with the plugin's text; plugin_failed when it has not answered within check_timeout of being asked, and for those that
  /// wait behind such a check or come while it is still stuck.
  void ask_plugin(std::string_view protocol, const std::string& config_json, std::function<void(Result<void>)> done);

  const plugin_host::Registry& registry() const noexcept { return *options_.registry; }
  std::shared_ptr<const plugin_host::Registry> registry_now() const noexcept { return options_.registry; }
  /// What starts from now on comes from this one.
  void set_registry(std::shared_ptr<const plugin_host::Registry> registry) noexcept { options_.registry = std::move(registry); }
  /// For instances that start, and checks that begin, from now on.
  void set_limits(Duration inline_overrun, Duration fence_after, Duration check_timeout) noexcept;

private:
  struct Checker; ///< The checks of one protocol.
  void ask_first(const std::shared_ptr<Checker>& checker);

  World& world_;
  PluginOptions options_;
  plugin_host::Dialer* dialer_ = nullptr;
  SlabPool* slabs_ = nullptr;
  std::map<std::string, std::shared_ptr<Checker>, std::less<>> checkers_; ///< By protocol.
};

} // namespace kith::node
