// SPDX-License-Identifier: GPL-3.0-or-later
// What the node tells the outside of: to subscribers, to the address book, to the audit. Network thread.
#pragma once

#include "access/denials.hpp"
#include "control/roster.hpp"
#include "control/subscription.hpp"
#include "node/node.hpp"

namespace kith::control {

class Observer final : public node::Observer {
public:
  Observer(World& world, store::Store& store, Roster& roster, Topics& topics);

  void peer_changed(const PeerId& identity, const PeerId& peer, bool connected) override;
  void address_worked(const PeerId& identity, const PeerId& peer, const Address& address) override;
  void refused(const PeerId& identity, const PeerId& peer, std::string_view binding, std::string_view reason) override;
  void binding_changed(const PeerId& identity, std::string_view protocol, std::string_view alias, const node::BindingState& state) override;
  /// Writes the audit rows of all minutes that are over at `until`. At the end: the end of time.
  void flush(UnixSeconds until);

private:
  World& world_;
  store::Store& store_;
  Roster& roster_;
  Topics& topics_;
  std::map<PeerId, access::DenialCounter> denials_; ///< By identity.
  std::unique_ptr<Timer> timer_;
};

} // namespace kith::control
