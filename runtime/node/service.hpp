// SPDX-License-Identifier: GPL-3.0-or-later
// What serves a binding: a plugin's instance or a provider program. Node finds it here, whoever made it. Network thread.
#pragma once

#include "base/error.hpp"
#include "base/peer_id.hpp"
#include "base/role.hpp"
#include "base/stream.hpp"
#include "base/time.hpp"
#include "hosting/host_services.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kith::node {

/// A binding as its service is told of it.
struct ServiceSpec {
  PeerId identity;
  std::string identity_name;
  std::string protocol;
  std::string alias;
  std::string config_json;
  std::optional<bool> inline_;                     ///< Nothing: what the protocol suggests.
  std::optional<std::string> sha256;               ///< The plugin's file must have this sum.
  std::shared_ptr<const hosting::PeerTable> peers; ///< The identity's, as they are now.
  std::function<void()> changed; ///< The service's state() is another by itself: it failed. Network thread; not after stop was done.
};

/// A protocol as its plugin describes it.
struct ProtocolInfo {
  std::string version;
  std::string summary;
  std::string default_access; ///< Access words, blank-separated; what a binding without `access:` has. At most "member".
  bool suggests_inline = false;
};

/// Who may name a command: the owner's programs (local), peers (remote), or both.
enum class CommandScope : std::uint8_t { unknown, local, remote, both };

constexpr bool is_for_peers(CommandScope scope) noexcept { return scope == CommandScope::remote || scope == CommandScope::both; }
constexpr bool is_for_owner(CommandScope scope) noexcept { return scope == CommandScope::local || scope == CommandScope::both; }

/// What becomes of a binding, or of what serves it.
struct BindingState {
  enum Phase : std::uint8_t { stopped, starting, running, draining, failed, waiting }; ///< waiting: for a provider.

  Phase phase = stopped;
  std::string error{}; ///< Of a failed one.

  friend bool operator==(const BindingState&, const BindingState&) = default;
};

/// The word that programs get: "running".
std::string_view phase_name(BindingState::Phase phase) noexcept;

class Service {
public:
  virtual ~Service() = default;
  /// Hears of the binding's streams from now on until `stop` is done.
  virtual StreamUser& user() = 0;
  /// Who may name this command, and the least role of a peer for that. The empty command (none) is remote with the lowest role unless the protocol says more.
  virtual CommandScope command(std::string_view name, Role& least) const = 0;
  /// Check, then apply; after an error the old config stays in force. `done` is called on the network thread, perhaps at once.
  virtual void reconfigure(const std::string& config_json, std::function<void(Result<void>)> done) = 0;
  /// The identity's peers, when a name, a role or who is connected is another. Programs hear of that by the socket's topics.
  virtual void peers_changed(const std::shared_ptr<const hosting::PeerTable>& /*peers*/) {}
  /// Opens nothing new; streams that are open go on until `deadline`.
  virtual void drain(TimePoint deadline) = 0;
  /// Ends it: every stream gets its closed, then `done` is called (network thread). The object may be destroyed after that.
  virtual void stop(std::function<void()> done) = 0;
  virtual BindingState state() const = 0;
  /// Times that it held the network thread for too long.
  virtual std::uint64_t overruns() const { return 0; }
};

/// Makes services out of plugins. Lives as long as the node.
class ServiceFactory {
public:
  virtual ~ServiceFactory() = default;
  /// Errors: unknown_protocol, with the known ones and the folders searched.
  virtual Result<ProtocolInfo> describe(std::string_view protocol) = 0;
  /// Creates, configures and starts one. `done` is called on the network thread, perhaps at once. Errors: what describe gives; bad_request (the config, with
  /// the place); plugin_failed (the plugin's text).
  virtual void start(const ServiceSpec& spec, StreamControl& control, std::function<void(Result<std::unique_ptr<Service>>)> done) = 0;
};

} // namespace kith::node
