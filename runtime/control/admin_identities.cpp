// SPDX-License-Identifier: GPL-3.0-or-later
// identity.*: files first, then what runs; going offline the other way round (DESIGN section 3).
#include "control/admin.hpp"

#include "base/name.hpp"

namespace kith::control {
namespace {

Error a_peers_name(const std::string& name) {
  return bad_request(name + " is a peer with another id here: choose another name, or give the peer one with: kith peer rename " + name + " NEWNAME");
}

} // namespace

void Admin::identity_create(Ask& ask, const Tell& tell) {
  std::string name;
  bool online = false;
  Fields read(ask.fields);
  read.only({"id", "type", "name", "online"}).need_text("name", name).flag("online", online);
  if (read.error()) return tell(*read.error());
  if (const auto good = check_name(name, "identity name"); !good) return tell(good.error());
  in_lane(lane_to_make(name), tell, [this, name, online](const Tell& done) {
    const auto must_be = parts_.roster.free_name(name);
    if (!must_be) return done(must_be.error());
    if (*must_be) return done(a_peers_name(name));
    // The secret key is made on the network thread: its source of randomness belongs to that.
    auto random = std::make_shared<std::array<std::uint8_t, identity::seed_size>>();
    parts_.world.random().fill(*random);
    class Given final : public Random {
    public:
      explicit Given(std::array<std::uint8_t, identity::seed_size>& octets) : octets_(octets) {}
      void fill(ByteSpan out) override { std::copy_n(octets_.begin(), std::min(out.size(), octets_.size()), out.begin()); }

    private:
      std::array<std::uint8_t, identity::seed_size>& octets_;
    };
    on_disk<home::LoadedIdentity>(
        [this, name, online, random] {
          Given given(*random);
          auto made = parts_.home.create(name, online, given);
          identity::wipe(*random);
          return made;
        },
        [this, done](Result<home::LoadedIdentity> loaded) { appeared(std::move(loaded), done); });
  });
}

/// A new identity's files are there: node is to have it too.
void Admin::appeared(Result<home::LoadedIdentity> loaded, const Tell& tell) {
  if (!loaded) return tell(loaded.error());
  KnownIdentity& identity = parts_.roster.add(loaded->name);
  identity.id = loaded->config.id;
  identity.loaded = std::make_shared<const home::LoadedIdentity>(std::move(*loaded));
  const auto adopted = adopt(identity, judged(identity).bindings);
  announce(identity, "created");
  if (!adopted) return tell(adopted.error());
  if (identity.loaded->config.online) announce(identity, "online");
  tell(identity_json(identity, parts_.node.status()));
}

void Admin::identity_list(Ask& ask, const Tell& tell) {
  if (const auto good = ask.fields.only({"id", "type"}); !good) return tell(good.error());
  const node::Status status = parts_.node.status();
  std::vector<std::string> items;
  for (const auto& [name, identity] : parts_.roster.identities()) items.push_back(identity_json(*identity, status));
  tell(protocol::ObjectWriter().raw("identities", json_list(items)).finish());
}

void Admin::identity_show(Ask& ask, const Tell& tell) {
  if (const auto good = ask.fields.only({"id", "type", "identity"}); !good) return tell(good.error());
  const auto identity = identity_of(ask.fields);
  if (!identity) return tell(identity.error());
  const node::Status status = parts_.node.status();
  tell(identity_fields(**identity, status)
           .raw("bindings", bindings_json(**identity, status, true))
           .number("peers", (*identity)->peers.size())
           .finish());
}

void Admin::identity_rename(Ask& ask, const Tell& tell) {
  std::string to;
  Fields read(ask.fields);
  read.only({"id", "type", "identity", "name"}).need_text("name", to);
  if (read.error()) return tell(*read.error());
  if (const auto good = check_name(to, "identity name"); !good) return tell(good.error());
  const auto identity = good_identity_of(ask.fields);
  if (!identity) return tell(identity.error());
  if ((*identity)->name == to) return tell(bad_request(to + " is what it is called already"));
  in_lane(lane_of(**identity), tell, [this, id = (*identity)->id, to](const Tell& done) { // the new name is guarded by the file system
    const auto known = still_there(id);
    if (!known) return done(known.error());
    const auto must_be = parts_.roster.free_name(to);
    if (!must_be) return done(must_be.error());
    if (*must_be && **must_be != id) return done(a_peers_name(to));
    on_disk<home::LoadedIdentity>([this, from = (*known)->name, to] { return parts_.home.rename(from, to); },
                                  [this, id, to, done](Result<home::LoadedIdentity> loaded) {
                                    if (!loaded) return done(loaded.error());
                                    const auto found = still_there(id);
                                    if (!found) return done(found.error());
                                    parts_.roster.rename((*found)->name, to);
                                    (*found)->loaded = std::make_shared<const home::LoadedIdentity>(std::move(*loaded));
                                    parts_.node.rename_identity(id, to);
                                    done(identity_json(**found, parts_.node.status()));
                                  });
  });
}

void Admin::identity_delete(Ask& ask, const Tell& tell) {
  std::string wanted;
  Fields read(ask.fields);
  read.only({"id", "type", "identity"}).need_text("identity", wanted);
  if (read.error()) return tell(*read.error());
  const auto identity = identity_of(ask.fields);
  if (!identity) return tell(identity.error());
  in_lane(lane_of(**identity), tell, [this, lane = lane_of(**identity)](const Tell& done) {
    const auto found = parts_.roster.find_identity(lane);
    if (!found) return done(found.error());
    const std::string name = (*found)->name;
    const PeerId id = (*found)->id;
    const bool known = (*found)->loaded != nullptr;
    const auto move_files = [this, name, id, known, done] {
      const auto forgotten = std::make_shared<bool>(false);
      on_disk<std::string>(
          [this, name, id, known, forgotten, now = parts_.world.unix_now()]() -> Result<std::string> {
            // The store first: it is what a full disk refuses, and nothing has happened then.
            if (const auto own = known ? Result<PeerId>(id) : parts_.home.id_of(name)) {
              if (const auto gone = parts_.store.remove_identity(*own); !gone) return gone.error();
            }
            *forgotten = true;
            return parts_.home.remove(name, now);
          },
          [this, name, id, known, forgotten, done](Result<std::string> moved) {
            if (!moved) return not_deleted(name, *forgotten, moved.error(), done);
            if (const auto gone = parts_.roster.find_identity(name)) announce(**gone, "deleted");
            parts_.roster.remove(name);
            done(protocol::ObjectWriter().text("name", name).text("id", known ? id.text() : "").text("moved_to", *moved).finish());
          });
    };
    if (!known) return move_files();
    parts_.node.remove_identity(id, move_files); // its instances have left their data folders
  });
}

/// Node has let go of it. Untouched, it goes on as it was; half deleted, it waits to be asked for again.
void Admin::not_deleted(const std::string& name, bool forgotten, const Error& why, const Tell& tell) {
  const auto found = parts_.roster.find_identity(name);
  if (!found) return tell(why);
  KnownIdentity& identity = **found;
  if (!forgotten) {
    if (identity.loaded) static_cast<void>(adopt(identity, judged(identity).bindings)); // what does not come back is in status
    return tell(Error{why.code, why.text + "; nothing of " + name + " was deleted, and it goes on as before"});
  }
  identity.loaded.reset();
  identity.adopted = false;
  const Error half{why.code, why.text + "; " + name +
                                 " is deleted in part: its peers are forgotten, and what is left of its files goes with another: " +
                                 "kith delete-identity " + name};
  identity.problems = {half};
  tell(half);
}

void Admin::identity_online(Ask& ask, const Tell& tell) {
  if (const auto good = ask.fields.only({"id", "type", "identity"}); !good) return tell(good.error());
  const auto identity = good_identity_of(ask.fields);
  if (!identity) return tell(identity.error());
  in_lane(lane_of(**identity), tell, [this, id = (*identity)->id](const Tell& done) {
    if (stopping_) return done(node::stopping_error()); // it is since this was asked for
    const auto found = still_there(id);
    if (!found) return done(found.error());
    const auto finish = [this, id, done](Result<home::LoadedIdentity> loaded) {
      if (!loaded) return done(loaded.error());
      const auto same = still_there(id);
      if (!same) return done(same.error());
      KnownIdentity& one = **same;
      one.loaded = std::make_shared<const home::LoadedIdentity>(std::move(*loaded));
      if (const auto online = go_online(one); !online) return done(online.error());
      announce(one, "online");
      done(identity_json(one, parts_.node.status()));
    };
    on_disk<home::LoadedIdentity>(
        [this, loaded = (*found)->loaded, file = parts_.home.identity_path((*found)->name)] {
          return parts_.home.edit(*loaded, [&](std::string text) { return config::set_online(std::move(text), file, true); });
        },
        finish);
  });
}

void Admin::identity_offline(Ask& ask, const Tell& tell) {
  std::string drain = "background";
  Fields read(ask.fields);
  read.only({"id", "type", "identity", "drain"}).text("drain", drain);
  if (drain != "background" && drain != "wait" && drain != "now") read.fail("\"drain\" must be \"background\", \"wait\" or \"now\"");
  if (read.error()) return tell(*read.error());
  const auto identity = good_identity_of(ask.fields);
  if (!identity) return tell(identity.error());
  const TimePoint until = parts_.world.now() + (drain == "now" ? Duration(0) : parts_.settings.drain_deadline);
  go_offline(**identity, until, drain != "background", tell);
}

Result<void> Admin::go_online(KnownIdentity& identity) {
  auto online = parts_.node.set_online(identity.id);
  identity.socket_error = online ? std::optional<Error>() : online.error();
  if (online && parts_.online) parts_.online(identity.id);
  return online;
}

/// In force at once, and again when it is saved: what was asked for before may have put it online meanwhile.
void Admin::go_offline(KnownIdentity& identity, TimePoint until, bool wait, const Tell& tell) {
  const PeerId id = identity.id;
  if (const auto done = parts_.node.set_offline(id, until, {}); !done) return tell(done.error());
  identity.socket_error.reset();
  announce(identity, "offline");
  const auto answer = [this, id, tell] {
    const auto same = still_there(id);
    if (!same) return tell(same.error());
    const node::Status status = parts_.node.status();
    std::size_t streams = 0;
    for (const auto& each : status.identities) {
      if (each.id != id) continue;
      for (const auto& connection : each.connections) streams += connection.streams;
    }
    tell(identity_fields(**same, status).number("streams", streams).finish());
  };
  const auto tell_failure = [tell](const Told& told) { // the answer itself may have to wait for streams, and the lane must not
    if (!told) tell(not_saved(told.error()));
  };
  in_lane(lane_of(identity), tell_failure, [this, id, until, wait, answer](const Tell& done) {
    const auto found = still_there(id);
    if (!found) return done(found.error());
    on_disk<home::LoadedIdentity>(
        [this, loaded = (*found)->loaded, file = parts_.home.identity_path((*found)->name)] {
          return parts_.home.edit(*loaded, [&](std::string text) { return config::set_online(std::move(text), file, false); });
        },
        [this, id, until, wait, answer, done](Result<home::LoadedIdentity> loaded) {
          const auto same = still_there(id);
          if (same && loaded) (*same)->loaded = std::make_shared<const home::LoadedIdentity>(std::move(*loaded));
          const auto offline = parts_.node.set_offline(id, until, loaded && wait ? std::function<void()>(answer) : nullptr);
          if (!loaded) return done(loaded.error());
          if (!offline) return done(offline.error());
          if (!wait) answer();
          done(std::string());
        });
  });
}

void Admin::identity_export(Ask& ask, const Tell& tell) {
  if (const auto good = ask.fields.only({"id", "type", "identity", "fds"}); !good) return tell(good.error());
  const auto identity = good_identity_of(ask.fields);
  if (!identity) return tell(identity.error());
  auto fd = std::make_shared<protocol::Fd>(std::move(ask.fds.front()));
  on_disk<void>([this, name = (*identity)->name, fd] { return parts_.home.export_key(name, fd->get()); },
                [this, name = (*identity)->name, tell](const Result<void>& done) {
                  if (!done) return tell(done.error());
                  const auto same = parts_.roster.find_identity(name);
                  if (!same) return tell(same.error());
                  tell(identity_json(**same, parts_.node.status()));
                });
}

void Admin::identity_import(Ask& ask, const Tell& tell) {
  std::string name;
  std::string file = "the file to import";
  bool online = false;
  Fields read(ask.fields);
  read.only({"id", "type", "name", "online", "file_name", "fds"}).need_text("name", name).flag("online", online).text("file_name", file);
  if (read.error()) return tell(*read.error());
  if (const auto good = check_name(name, "identity name"); !good) return tell(good.error());
  auto fd = std::make_shared<protocol::Fd>(std::move(ask.fds.front()));
  in_lane(lane_to_make(name), tell, [this, name, online, fd, file](const Tell& done) {
    const auto must_be = parts_.roster.free_name(name);
    if (!must_be) return done(must_be.error());
    on_disk<home::LoadedIdentity>(
        [this, name, online, fd, file, only = *must_be] { return parts_.home.import_key(name, online, fd->get(), file, only); },
        [this, done](Result<home::LoadedIdentity> loaded) { appeared(std::move(loaded), done); });
  });
}

} // namespace kith::control
