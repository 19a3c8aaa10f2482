// SPDX-License-Identifier: GPL-3.0-or-later
#include "control/observer.hpp"

#include <algorithm>

namespace kith::control {
namespace {

constexpr Duration flush_gap = std::chrono::seconds(60);
constexpr Duration note_gap =
    std::chrono::minutes(10); // an address that goes on working is written again after this: the store drops those that worked longest ago

} // namespace

Observer::Observer(World& world, store::Store& store, Roster& roster, Topics& topics)
    : world_(world), store_(store), roster_(roster), topics_(topics), timer_(world.make_timer([this] {
        flush(world_.unix_now());
        if (!denials_.empty()) timer_->arm(world_.now() + flush_gap);
      })) {}

void Observer::peer_changed(const PeerId& identity, const PeerId& peer, bool connected) {
  const KnownIdentity* known = roster_.by_id(identity);
  if (known == nullptr) return;
  protocol::ObjectWriter event;
  const auto row = known->peers.find(peer);
  event.text("identity", known->name).text("peer", peer.text()).text("name", row == known->peers.end() ? "" : row->second.name);
  event.text("state", connected ? "connected" : "disconnected");
  if (const auto at = known->worked.find(peer); connected && at != known->worked.end()) event.text("address", at->second.address.text());
  topics_.publish("peers", event.finish());
}

void Observer::address_worked(const PeerId& identity, const PeerId& peer, const Address& address) {
  KnownIdentity* known = roster_.by_id(identity);
  const auto row = known != nullptr ? known->peers.find(peer) : decltype(known->peers.end())();
  if (known == nullptr || row == known->peers.end()) return;
  auto& addresses = row->second.addresses;
  const bool shown = std::ranges::find(addresses, address, &store::PeerAddress::address) != addresses.end();
  if (!shown && addresses.size() < store::max_peer_addresses) addresses.push_back({address, store::AddressSource::learned, world_.unix_now()});
  KnownIdentity::Worked& last = known->worked[peer];
  if (last.address == address && world_.now() < last.noted + note_gap) return;
  last = {address, world_.now()};
  world_.disk().post([this, identity, peer, address, now = world_.unix_now()] {
    if (const auto done = store_.note_address_ok(identity, peer, address, now); !done)
      world_.log().warn("control", "address book: " + done.error().text);
  });
}

void Observer::refused(const PeerId& identity, const PeerId& peer, std::string_view binding, std::string_view reason) {
  if (denials_.empty()) timer_->arm(world_.now() + flush_gap);
  denials_[identity].note(peer, binding, world_.unix_now());
  if (world_.log().enabled(LogLevel::debug)) {
    world_.log().debug("control", "refused " + peer.text() + " at " + std::string(binding) + ": " + std::string(reason));
  }
}

void Observer::binding_changed(const PeerId& identity, std::string_view protocol, std::string_view alias, const node::BindingState& state) {
  const KnownIdentity* known = roster_.by_id(identity);
  if (known == nullptr) return;
  protocol::ObjectWriter event;
  event.text("identity", known->name).text("protocol", protocol).text("alias", alias).text("state", phase_name(state.phase));
  if (!state.error.empty()) event.text("error", state.error);
  topics_.publish(instance_topic(known->name, protocol, alias), event.finish());
}

void Observer::flush(UnixSeconds until) {
  std::vector<store::AuditRow> rows;
  for (auto& [identity, counter] : denials_) {
    for (auto& row : counter.take(until)) rows.push_back({identity, row.peer, row.binding, row.minute, row.count, "denied"});
  }
  std::erase_if(denials_, [](const auto& each) { return each.second.rows() == 0; });
  if (rows.empty()) return;
  world_.disk().post([this, rows = std::move(rows)] {
    if (const auto done = store_.append_audit(rows); !done) world_.log().warn("control", "audit: " + done.error().text);
  });
}

} // namespace kith::control
