// SPDX-License-Identifier: GPL-3.0-or-later
// Administration over the socket: identities, bindings, peers, tickets, the daemon itself. It composes home and store (disk executor), the node and the
// roster (network thread); one change at a time for each identity.
#pragma once

#include "base/log.hpp"
#include "config/identity_edits.hpp"
#include "control/context.hpp"
#include "control/inspection.hpp"
#include "control/roster.hpp"
#include "control/subscription.hpp"
#include "home/home.hpp"
#include "node/plugin_services.hpp"
#include "protocol/fields.hpp"
#include "store/store.hpp"

#include <deque>
#include <set>
#include <unordered_map>
#include <utility>

namespace kith::control {

/// A request while it is read and served.
using Fields = protocol::FieldReader;

struct AdminParts {
  World& world;
  home::Home& home;
  store::Store& store;
  node::Node& node;
  node::PluginServices& plugins;
  Roster& roster;
  Topics& topics;
  plugin_host::RegistryOptions plugin_files; ///< Where a reload looks for new plugins; without pins.
  config::DaemonConfig settings;             ///< In force.
  std::string version;
  std::function<void(const config::DaemonConfig&)> apply_settings; ///< A reload changed them.
  std::function<void(const PeerId& identity)> online;              ///< An identity came back, or one of its bindings: providers are attached again.
  std::function<void(TimePoint deadline)> stop;                    ///< Begins the daemon's end.
};

class Admin final : public Administration {
public:
  explicit Admin(AdminParts parts);

  bool knows(std::string_view type) const override;
  void handle(std::unique_ptr<Ask> ask, Tell tell) override;
  /// What `reload` does, for SIGHUP.
  void reload(const Tell& tell);
  /// Gives node every identity whose files are good, and sets those online that are to be. Before the network thread runs: it writes files. What the
  /// plugins say of their configs comes when their instances start.
  void adopt_all();

  /// What is wrong with the files, each with its place.
  std::set<std::string> problem_lines() const;
  /// `status` says so from now on, and what would set an identity online is refused.
  void tell_stopping() { stopping_ = true; }

private:
  using Handler = void (Admin::*)(Ask& ask, const Tell& tell);
  static const std::vector<std::pair<std::string_view, Handler>>& handlers();

  // --- identities (admin_identities.cpp)
  void identity_create(Ask& ask, const Tell& tell);
  void identity_list(Ask& ask, const Tell& tell);
  void identity_show(Ask& ask, const Tell& tell);
  void identity_rename(Ask& ask, const Tell& tell);
  void identity_delete(Ask& ask, const Tell& tell);
  void identity_online(Ask& ask, const Tell& tell);
  void identity_offline(Ask& ask, const Tell& tell);
  void identity_export(Ask& ask, const Tell& tell);
  void identity_import(Ask& ask, const Tell& tell);
  void appeared(Result<home::LoadedIdentity> loaded, const Tell& tell);
  void not_deleted(const std::string& name, bool forgotten, const Error& why, const Tell& tell);
  Result<void> go_online(KnownIdentity& identity);
  void go_offline(KnownIdentity& identity, TimePoint until, bool wait, const Tell& tell);
  // --- bindings, and the protocols there are (admin_bindings.cpp)
  struct BindingAsk;
  void binding_add(Ask& ask, const Tell& tell);
  void binding_configure(Ask& ask, const Tell& tell);
  void binding_enable(Ask& ask, const Tell& tell);
  void binding_disable(Ask& ask, const Tell& tell);
  void binding_remove(Ask& ask, const Tell& tell);
  void protocol_list(Ask& ask, const Tell& tell);
  void switch_binding(Ask& ask, bool enabled, const Tell& tell);
  Result<BindingAsk> read_binding(Ask& ask, std::initializer_list<std::string_view> more);
  Result<void> read_config(const protocol::Object& fields, BindingAsk& wanted);
  Result<void> read_access(const protocol::Object& fields, const KnownIdentity& identity, BindingAsk& wanted);
  void ask_plugin(const std::shared_ptr<BindingAsk>& wanted, const Tell& tell, std::function<void()> then);
  void add_binding_now(const std::shared_ptr<BindingAsk>& wanted, const Tell& tell);
  using BindingEdit = std::function<Result<std::string>(std::string text, const std::string& file)>;
  void edit_binding(const std::shared_ptr<BindingAsk>& wanted, BindingEdit edit, bool undo_on_failure, const Tell& tell);
  void undo_edit(const std::shared_ptr<BindingAsk>& wanted, const std::string& old_text, Error error, const Tell& tell);
  // --- peers (admin_peers.cpp)
  void ticket(Ask& ask, const Tell& tell);
  void peer_add(Ask& ask, const Tell& tell);
  void peer_list(Ask& ask, const Tell& tell);
  void peer_show(Ask& ask, const Tell& tell);
  void peer_role(Ask& ask, const Tell& tell);
  void peer_rename(Ask& ask, const Tell& tell);
  void peer_addresses(Ask& ask, const Tell& tell);
  void peer_remove(Ask& ask, const Tell& tell);
  void save_peer(const PeerId& identity, const PeerId& peer, std::function<Result<void>(store::Store&)> change, const Tell& tell,
                 std::function<protocol::ObjectWriter()> extra = {});
  // --- the daemon (admin_daemon.cpp)
  void status(Ask& ask, const Tell& tell);
  void reload_request(Ask& ask, const Tell& tell);
  void config_check(Ask& ask, const Tell& tell);
  void stop(Ask& ask, const Tell& tell);
  void pool_list(Ask& ask, const Tell& tell);
  void pool_close(Ask& ask, const Tell& tell);
  // --- looking (admin_see.cpp)
  void ping(Ask& ask, const Tell& tell);
  void health(Ask& ask, const Tell& tell);
  // --- reload and config.check (admin_reload.cpp)
  void choose(InspectedFiles& files) const;
  void pin_names(const std::shared_ptr<InspectedFiles>& files, std::function<void()> then);
  /// A step of a reload, done when node and the plugins have answered.
  struct Reloading {
    std::size_t left = 1; ///< Answers that are to come, and the step itself.
    std::vector<std::string> changed;
    std::function<void()> done;
    void one_less() {
      if (--left == 0) done();
    }
  };
  void let_go(const InspectedFiles& files, const std::function<void(std::vector<std::string>)>& then);
  void apply_reload(InspectedFiles& files, const plugin_host::Registry& before, std::vector<std::string> gone, const Tell& tell);
  void apply_identity(InspectedIdentity& file, const std::vector<store::PeerRow>& peers, const std::shared_ptr<Reloading>& reloading);
  void apply_bindings(KnownIdentity& identity, home::LoadedIdentity loaded, std::vector<InspectedIdentity::Binding> judged,
                      const std::shared_ptr<Reloading>& reloading);
  void set_nameless();
  Result<void> adopt(KnownIdentity& identity, std::vector<InspectedIdentity::Binding> judged);
  InspectedIdentity judged(const KnownIdentity& identity) const;
  void log_problems();

  Result<node::BindingSpec> spec_of(const KnownIdentity& identity, const config::BindingConfig& binding) const;

  // --- JSON
  std::string identity_json(const KnownIdentity& identity, const node::Status& status) const;
  protocol::ObjectWriter identity_fields(const KnownIdentity& identity, const node::Status& status) const;
  std::string bindings_json(const KnownIdentity& identity, const node::Status& status, bool with_config) const;
  std::string binding_json(const KnownIdentity& identity, const config::BindingConfig& binding, const node::Status& status, bool with_config) const;
  protocol::ObjectWriter peer_fields(const KnownIdentity& identity, const store::PeerRow& row, const node::Status& status) const;
  std::vector<config::Problem> problems() const;

  // --- plumbing
  /// The identity that a request names. Errors: those of the roster.
  Result<KnownIdentity*> identity_of(const protocol::Object& fields);
  /// The same, with files that are good.
  Result<KnownIdentity*> good_identity(std::string_view name);
  Result<KnownIdentity*> good_identity_of(const protocol::Object& fields);
  /// The same later, whatever it is called by then.
  Result<KnownIdentity*> still_there(const PeerId& id);
  /// Runs `work` when no other change of the same lane runs; it calls the Tell that it gets exactly once. Too many waiting: busy. An identity's lane is
  /// lane_of() it: names change while work waits.
  void in_lane(const std::string& lane, const Tell& tell, std::function<void(Tell)> work);
  /// Runs `work` while no lane runs anything.
  void alone(const Tell& tell, std::function<void(Tell)> work);
  void run_waiting();
  static std::string lane_of(const KnownIdentity& identity);
  /// Where one of this name is made: after what runs of the one that has it now.
  std::string lane_to_make(const std::string& name) const;
  /// `then` leaves the disk's thread with the outcome: it may hold the last reference to a session, whose timers belong to the network thread.
  template <class T> void on_disk(std::function<Result<T>()> work, std::function<void(Result<T>)> then) {
    parts_.world.disk().post([this, work = std::move(work), then = std::move(then)]() mutable {
      auto outcome = std::make_shared<Result<T>>(work());
      parts_.world.network().post([outcome, then = std::move(then)] { then(std::move(*outcome)); });
    });
  }
  void announce(const KnownIdentity& identity, std::string_view state);

  struct Lane {
    std::deque<std::function<void()>> waiting;
    bool busy = false;
  };

  AdminParts parts_;
  std::unordered_map<std::string, Lane> lanes_;
  std::size_t busy_lanes_ = 0;
  Lane alone_;
  std::multiset<std::pair<PeerId, PeerId>> removing_; ///< Identity and peer of removals that wait or run.
  std::vector<config::Problem> settings_problems_;
  std::set<std::string> logged_problems_; ///< So that each is in the log once, until it is mended.
  bool stopping_ = false;
  UnixSeconds started_unix_;
  TimePoint started_;
};

/// Of what was taken away and could not be saved so.
Error not_saved(const Error& why);

std::string json_list(const std::vector<std::string>& items);
/// The `errors` of an answer.
std::string errors_json(const std::vector<config::Problem>& problems);
/// "192.0.2.7:4433", "[2001:db8::1]:4433".
std::vector<std::string> address_texts(const std::vector<Address>& addresses);

} // namespace kith::control
