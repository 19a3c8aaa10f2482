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
#include <memory>
#include <string>
#include <string_view>

namespace kith::node {

struct PluginOptions {
  std::shared_ptr<const plugin_host::Registry> registry;
  /// The private folder of one instance; it need not be there yet.
  std::function<std::filesystem::path(const PeerId& identity, std::string_view protocol, std::string_view alias)> data_folder;
  Duration inline_overrun = std::chrono::microseconds(100); ///< As plugin_host::InstanceOptions has them.
  Duration fence_after = std::chrono::seconds(5);
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
  Result<void> check_config(std::string_view protocol, const std::string& config_json) override;
  /// Runs the plugin's own check on this thread, unsupervised, for its callers want the answer at once: only what an owner asks for or writes comes here.
  /// The same for a config that was read from a text: errors name `file` and the place that the marks of `config` have.
  Result<void> check_config(std::string_view protocol, const std::string& config_json, const config::Node& config, std::string_view file);

  const plugin_host::Registry& registry() const noexcept { return *options_.registry; }

private:
  /// The host's half of check_config: the schema.
  static Result<void> check_schema(const hosting::Protocol& protocol, const std::string& config_json, const config::Node& config,
                                   std::string_view file);

  World& world_;
  PluginOptions options_;
  plugin_host::Dialer* dialer_ = nullptr;
  SlabPool* slabs_ = nullptr;
};

} // namespace kith::node
