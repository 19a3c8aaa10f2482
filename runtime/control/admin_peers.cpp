// SPDX-License-Identifier: GPL-3.0-or-later
// ticket and peer.*: rights that are taken away end first and are saved after; everything else is saved first.
#include "control/admin.hpp"

#include "base/name.hpp"
#include "base/utf8.hpp"
#include "identity/ticket.hpp"
#include "io/interfaces.hpp"

#include <algorithm>

namespace kith::control {
namespace {

constexpr std::size_t longest_forgetful_name = 32; ///< Octets: an id has 52.

Error unknown_role(std::string_view text) {
  return bad_request("unknown role " + in_quotes(text) + ": there are public, viewer, member, admin and owner");
}

Error no_peer(const KnownIdentity& identity) {
  return {Code::unknown_peer, "that id is not among " + identity.name + "'s peers (kith peer list " + identity.name + ")"};
}

/// A peer may have the name of an identity here only when it is that one: `kith call bob …` must mean one of them.
Result<void> not_an_identitys(const Roster& roster, const std::string& name, const PeerId& peer) {
  const auto own = roster.identities().find(name);
  if (own == roster.identities().end() || own->second->id == peer) return {};
  return bad_request(name + " is an identity of your own: choose another name for the peer");
}

/// Where others may reach a socket: itself, or for a wildcard every address of this machine; loopback only where there is nothing else.
void add_reachable(const Address& listen, std::vector<Address>& out) {
  const auto add = [&](Address address) {
    address.port = listen.port;
    address.scope = 0;
    if (address.is_dialable() && std::find(out.begin(), out.end(), address) == out.end()) out.push_back(address);
  };
  if (!listen.is_unspecified()) return add(listen);
  std::vector<Address> loopback;
  bool found = false;
  for (const Address& local : io::local_addresses()) {
    if (local.family != listen.family) continue;
    if (local.is_loopback()) {
      loopback.push_back(local);
    } else {
      add(local);
      found = true;
    }
  }
  if (found) return;
  for (const Address& address : loopback) add(address);
}

Result<std::vector<Address>> read_addresses(const protocol::Object& fields, std::string_view member = "addresses") {
  const auto texts = fields.texts(member);
  if (!texts) return texts.error();
  std::vector<Address> addresses;
  for (const auto& text : texts->value_or(std::vector<std::string>{})) {
    auto address = parse_address(text);
    if (!address) return address.error();
    if (!address->is_dialable()) return bad_request(text + " is no address that one can dial");
    addresses.push_back(*address);
  }
  return addresses;
}

} // namespace

void Admin::ticket(Ask& ask, const Tell& tell) {
  if (const auto good = ask.fields.only({"id", "type", "identity"}); !good) return tell(good.error());
  const auto identity = good_identity_of(ask.fields);
  if (!identity) return tell(identity.error());
  identity::Ticket ticket;
  ticket.id = (*identity)->id;
  ticket.name = (*identity)->name;
  std::vector<Address> listening = parts_.node.listening();
  for (const auto& each : parts_.node.status().identities) {
    if (each.id == ticket.id && !each.listen.empty()) listening = each.listen;
  }
  for (const Address& address : listening) add_reachable(address, ticket.addresses);
  // Of several only those that reach further than this machine.
  const bool beyond = std::any_of(ticket.addresses.begin(), ticket.addresses.end(), [](const Address& a) { return !a.is_loopback(); });
  if (beyond) std::erase_if(ticket.addresses, [](const Address& a) { return a.is_loopback(); });
  std::vector<Address> left_out;
  while (ticket.addresses.size() > identity::max_ticket_addresses) {
    left_out.push_back(ticket.addresses.back());
    ticket.addresses.pop_back();
  }
  const auto text = identity::encode_ticket(ticket);
  if (!text) return tell(text.error());
  protocol::ObjectWriter out;
  out.text("identity", (*identity)->name).text("id", ticket.id.text()).text("ticket", *text).texts("addresses", address_texts(ticket.addresses));
  if (!left_out.empty()) out.texts("left_out", address_texts(left_out));
  tell(out.finish());
}

void Admin::peer_add(Ask& ask, const Tell& tell) {
  std::string name;
  std::string peer;
  std::string role_text;
  Fields read(ask.fields);
  read.only({"id", "type", "identity", "name", "peer", "addresses", "role"}).need_text("name", name).need_text("peer", peer).text("role", role_text);
  if (read.error()) return tell(*read.error());
  if (const auto good = check_name(name, "peer name"); !good) return tell(good.error());
  const auto role = parse_role(role_text);
  if (!role_text.empty() && !role) return tell(unknown_role(role_text));
  const auto ticket = identity::parse_ticket_or_id(peer);
  if (!ticket) {
    Error error = ticket.error();
    // IDENTITY NAME were taken for NAME TICKET; what is longer was meant to be a ticket or an id.
    const bool forgotten = !ask.fields.raw("identity") && peer.size() <= longest_forgetful_name && check_name(peer, "peer name");
    if (forgotten) error.text += "; is the ticket missing? kith peer add [IDENTITY] NAME TICKET";
    return tell(error);
  }
  const auto identity = good_identity_of(ask.fields);
  if (!identity) return tell(identity.error());
  if (const auto good = identity::check_not_expired(*ticket, parts_.world.unix_now()); !good) return tell(good.error());
  if (ticket->id == (*identity)->id) return tell(bad_request("this is " + (*identity)->name + "'s own id: no identity is a peer of itself"));
  const auto given = read_addresses(ask.fields);
  if (!given) return tell(given.error());
  if (const auto free = not_an_identitys(parts_.roster, name, ticket->id); !free) return tell(free.error());
  store::PeerRow row;
  row.identity = (*identity)->id;
  row.id = ticket->id;
  row.name = name;
  row.role = role.value_or(Role::public_);
  row.created = parts_.world.unix_now();
  for (const Address& address : *given) row.addresses.push_back({address, store::AddressSource::manual, 0});
  for (const Address& address : ticket->addresses) row.addresses.push_back({address, store::AddressSource::ticket, 0});
  in_lane(row.identity.text(), tell, [this, row, role](const Tell& done) {
    const auto found = still_there(row.identity);
    if (!found) return done(found.error());
    const KnownIdentity& known = **found;
    const auto old = known.peers.find(row.id);
    const bool is_new = old == known.peers.end();
    if (!is_new && old->second.name != row.name) {
      return done(bad_request("this peer is known as " + old->second.name + " already (kith peer rename)"));
    }
    if (is_new && known.peer_ids.contains(row.name))
      return done(bad_request("there is a peer called " + row.name + " already, with another id (kith peer rename, or kith peer remove)"));
    const auto left_out = std::make_shared<std::vector<Address>>();
    save_peer(
        row.identity, row.id,
        [row, role, is_new, left_out](store::Store& store) -> Result<void> {
          if (is_new) return store.add_peer(row);
          const auto before = store.find_peer(row.identity, row.id);
          if (!before) return before.error();
          if (!*before) return store.add_peer(row);
          std::vector<store::PeerAddress> addresses = row.addresses;
          for (const auto& each : (*before)->addresses) {
            const bool again = std::any_of(addresses.begin(), addresses.end(), [&](const auto& a) { return a.address == each.address; });
            if (again) continue;
            if (addresses.size() < store::max_peer_addresses) {
              addresses.push_back(each);
            } else {
              left_out->push_back(each.address); // the latest that worked come first
            }
          }
          if (auto replaced = store.replace_addresses(row.identity, row.id, addresses); !replaced) return replaced;
          return role ? store.set_role(row.identity, row.id, *role) : Result<void>();
        },
        done,
        [is_new, left_out] {
          protocol::ObjectWriter extra;
          extra.flag("new", is_new);
          if (!left_out->empty()) extra.texts("left_out", address_texts(*left_out));
          return extra;
        });
  });
}

/// Changes the store, then roster and node as the store has it; answers the peer object with the members that `extra` gives then.
void Admin::save_peer(const PeerId& identity, const PeerId& peer, std::function<Result<void>(store::Store&)> change, const Tell& tell,
                      std::function<protocol::ObjectWriter()> extra) {
  using Row = std::optional<store::PeerRow>;
  on_disk<Row>(
      [this, identity, peer, change = std::move(change)]() -> Result<Row> {
        if (const auto done = change(parts_.store); !done) return done.error();
        return parts_.store.find_peer(identity, peer);
      },
      [this, identity, extra = std::move(extra), tell](Result<Row> row) {
        if (!row) return tell(row.error());
        KnownIdentity* known = parts_.roster.by_id(identity);
        if (known == nullptr || !*row) return tell(Error{Code::unknown_peer, "the peer is gone"});
        if (!removing_.contains({identity, (*row)->id})) { // else its rights have ended already
          parts_.roster.put_peer(*known, **row);
          parts_.node.put_peer(identity, peer_spec(**row));
        }
        auto fields = peer_fields(*known, **row, parts_.node.status());
        if (extra) fields.all(extra());
        tell(fields.finish());
      });
}

void Admin::peer_list(Ask& ask, const Tell& tell) {
  if (const auto good = ask.fields.only({"id", "type", "identity"}); !good) return tell(good.error());
  const auto identity = good_identity_of(ask.fields);
  if (!identity) return tell(identity.error());
  const node::Status status = parts_.node.status();
  std::vector<std::string> items;
  for (const auto& [name, id] : (*identity)->peer_ids) items.push_back(peer_fields(**identity, (*identity)->peers.at(id), status).finish());
  tell(protocol::ObjectWriter().text("identity", (*identity)->name).raw("peers", json_list(items)).finish());
}

namespace {

/// The identity and the known peer of a request.
struct Named {
  KnownIdentity* identity = nullptr;
  store::PeerRow* row = nullptr;
};

Result<Named> find_named(Roster& roster, Result<KnownIdentity*> identity, const protocol::Object& fields) {
  if (!identity) return identity.error();
  std::string peer;
  Fields read(fields);
  read.need_text("peer", peer);
  if (read.error()) return *read.error();
  const auto id = roster.find_peer(**identity, peer);
  if (!id) return id.error();
  const auto row = (*identity)->peers.find(*id);
  if (row == (*identity)->peers.end()) return no_peer(**identity);
  return Named{*identity, &row->second};
}

} // namespace

void Admin::peer_show(Ask& ask, const Tell& tell) {
  if (const auto good = ask.fields.only({"id", "type", "identity", "peer"}); !good) return tell(good.error());
  const auto named = find_named(parts_.roster, good_identity_of(ask.fields), ask.fields);
  if (!named) return tell(named.error());
  tell(peer_fields(*named->identity, *named->row, parts_.node.status()).finish());
}

void Admin::peer_role(Ask& ask, const Tell& tell) {
  std::string text;
  Fields read(ask.fields);
  read.only({"id", "type", "identity", "peer", "role"}).need_text("role", text);
  if (read.error()) return tell(*read.error());
  const auto role = parse_role(text);
  if (!role) return tell(unknown_role(text));
  const auto named = find_named(parts_.roster, good_identity_of(ask.fields), ask.fields);
  if (!named) return tell(named.error());
  const PeerId identity = named->identity->id;
  const PeerId peer = named->row->id;
  const bool lower = *role < named->row->role;
  const auto put = [this, identity, peer, role] {
    KnownIdentity* known = parts_.roster.by_id(identity);
    if (known == nullptr || !known->peers.contains(peer)) return;
    store::PeerRow& row = known->peers.at(peer);
    row.role = *role;
    parts_.node.put_peer(identity, peer_spec(row));
  };
  if (lower) put(); // in force before it is saved
  const Tell tell_all = [tell, lower, put](const Told& told) {
    if (told || !lower) return tell(told);
    put(); // what was asked for before may have raised it meanwhile
    tell(not_saved(told.error()));
  };
  in_lane(identity.text(), tell_all, [this, identity, peer, role](const Tell& done) {
    save_peer(
        identity, peer, [identity, peer, role](store::Store& store) { return store.set_role(identity, peer, *role); }, done);
  });
}

void Admin::peer_rename(Ask& ask, const Tell& tell) {
  std::string name;
  Fields read(ask.fields);
  read.only({"id", "type", "identity", "peer", "name"}).need_text("name", name);
  if (read.error()) return tell(*read.error());
  if (const auto good = check_name(name, "peer name"); !good) return tell(good.error());
  const auto named = find_named(parts_.roster, good_identity_of(ask.fields), ask.fields);
  if (!named) return tell(named.error());
  const PeerId identity = named->identity->id;
  const PeerId peer = named->row->id;
  if (const auto free = not_an_identitys(parts_.roster, name, peer); !free) return tell(free.error());
  in_lane(identity.text(), tell, [this, identity, peer, name](const Tell& done) {
    save_peer(
        identity, peer, [identity, peer, name](store::Store& store) { return store.rename_peer(identity, peer, name); }, done);
  });
}

void Admin::peer_addresses(Ask& ask, const Tell& tell) {
  if (const auto good = ask.fields.only({"id", "type", "identity", "peer", "addresses", "remove"}); !good) return tell(good.error());
  const auto these = read_addresses(ask.fields);
  if (!these) return tell(these.error());
  const auto without = read_addresses(ask.fields, "remove");
  if (!without) return tell(without.error());
  if (these->empty() == without->empty()) return tell(bad_request(R"(give either "addresses", all that the peer is to have, or "remove")"));
  const auto named = find_named(parts_.roster, good_identity_of(ask.fields), ask.fields);
  if (!named) return tell(named.error());
  const PeerId identity = named->identity->id;
  const PeerId peer = named->row->id;
  in_lane(identity.text(), tell, [this, identity, peer, these = *these, without = *without](const Tell& done) {
    const auto change = [identity, peer, these, without](store::Store& store) -> Result<void> {
      const auto before = store.find_peer(identity, peer);
      if (!before) return before.error();
      std::vector<store::PeerAddress> addresses = *before ? (*before)->addresses : std::vector<store::PeerAddress>();
      for (const Address& address : without) {
        if (std::erase_if(addresses, [&](const auto& each) { return each.address == address; }) == 0)
          return bad_request(address.text() + " is none of the peer's addresses (kith peer show)");
      }
      if (!these.empty()) addresses.clear();
      for (const Address& address : these) addresses.push_back({address, store::AddressSource::manual, 0});
      return store.replace_addresses(identity, peer, addresses);
    };
    save_peer(identity, peer, change, done);
  });
}

namespace {

/// What a removal left on the disk.
struct Removal {
  std::optional<home::LoadedIdentity> loaded; ///< The identity's file was changed.
  Result<store::PeerRow> row;
};

/// Bindings whose access names the peer itself, as "Echo/default".
std::vector<std::string> bindings_naming(const config::IdentityConfig& config, const PeerId& peer) {
  std::vector<std::string> keys;
  for (const config::BindingConfig& binding : config.bindings) {
    if (config::names_peer(binding, peer)) keys.push_back(binding_key(binding.protocol, binding.alias));
  }
  return keys;
}

} // namespace

/// Rights end now, whatever the disk says, and no change that was asked for before brings them back. A peer that the store still has, because an earlier
/// removal could not be saved, can be removed as well: so it leaves the store last.
void Admin::peer_remove(Ask& ask, const Tell& tell) {
  std::string named;
  Fields read(ask.fields);
  read.only({"id", "type", "identity", "peer"}).need_text("peer", named);
  if (read.error()) return tell(*read.error());
  const auto own = good_identity_of(ask.fields);
  if (!own) return tell(own.error());
  const PeerId identity = (*own)->id;
  const auto peer = parts_.roster.find_peer(**own, named);
  if (!peer && peer.error().code != Code::unknown_peer) return tell(peer.error());
  const Error unknown = peer ? no_peer(**own) : peer.error();
  const auto forget = [this, identity](const PeerId& id) {
    parts_.node.remove_peer(identity, id);
    parts_.node.close_peer(identity, id, "this daemon's owner removed the peer");
    if (KnownIdentity* known = parts_.roster.by_id(identity); known != nullptr) parts_.roster.remove_peer(*known, id);
  };
  const bool ended = peer && (*own)->peers.contains(*peer);
  if (ended) forget(*peer);
  if (peer) removing_.emplace(identity, *peer);
  const Tell tell_all = [this, tell, identity, peer, ended](const Told& told) {
    if (peer) removing_.erase(removing_.find({identity, *peer}));
    tell(ended && !told && told.error().code == Code::busy ? not_saved(told.error()) : told);
  };
  in_lane(identity.text(), tell_all, [this, identity, named, peer, unknown, forget](const Tell& done) {
    const auto found = still_there(identity);
    if (!found) return done(found.error());
    const auto before = (*found)->loaded;
    on_disk<Removal>(
        [this, identity, named, peer, unknown, before, file = parts_.home.identity_path((*found)->name)]() -> Result<Removal> {
          auto row = peer ? parts_.store.find_peer(identity, *peer) : parts_.store.find_peer(identity, named);
          if (!row) return row.error();
          if (!*row) return unknown;
          const PeerId id = (*row)->id;
          Removal out{std::nullopt, **row};
          if (!bindings_naming(before->config, id).empty()) {
            auto edited = parts_.home.edit(*before, [&](std::string text) { return config::remove_peer(std::move(text), file, id); });
            if (!edited) return edited.error();
            out.loaded = std::move(*edited);
          }
          if (const auto gone = parts_.store.remove_peer(identity, id); !gone) out.row = gone.error();
          return out;
        },
        [this, identity, peer, before, forget, done](Result<Removal> removal) {
          const auto same = still_there(identity);
          if (!same) return done(same.error());
          if (removal && removal->loaded) (*same)->loaded = std::make_shared<const home::LoadedIdentity>(std::move(*removal->loaded));
          const Result<store::PeerRow> gone = removal ? std::move(removal->row) : Result<store::PeerRow>(removal.error());
          const bool unknown_peer = !gone && gone.error().code == Code::unknown_peer;
          if (unknown_peer) return done(gone.error());
          if (gone || peer) forget(gone ? gone->id : *peer);
          if (!gone) return done(not_saved(gone.error()));
          done(protocol::ObjectWriter()
                   .text("identity", (*same)->name)
                   .text("name", gone->name)
                   .text("id", gone->id.text())
                   .texts("bindings", bindings_naming(before->config, gone->id))
                   .finish());
        });
  });
}

} // namespace kith::control
