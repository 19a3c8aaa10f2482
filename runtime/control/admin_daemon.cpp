// SPDX-License-Identifier: GPL-3.0-or-later
// status, reload, config.check, stop, pool.*
#include "control/admin.hpp"

#include "config/yaml.hpp"
#include "home/files.hpp"

#include <algorithm>
#include <set>
#include <unistd.h>

namespace kith::control {
namespace {

std::uint64_t microseconds(Duration time) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(std::chrono::duration_cast<std::chrono::microseconds>(time).count(), 0));
}

protocol::ObjectWriter pool_fields(const node::Status& status) {
  std::size_t connections = 0;
  for (const auto& identity : status.identities) connections += identity.connections.size();
  protocol::ObjectWriter out;
  out.number("connections", connections);
  out.number("handshakes", status.pool.handshakes_dialed + status.pool.handshakes_accepted);
  out.number("reuses", status.pool.reuses).number("failed", status.pool.failures);
  return out;
}

std::string connected_json(const node::IdentityStatus& identity) {
  std::vector<std::string> items;
  std::set<PeerId> seen;
  std::vector<const node::ConnectionStatus*> rows;
  for (const auto& each : identity.connections) rows.push_back(&each);
  std::stable_sort(rows.begin(), rows.end(), [](const auto* a, const auto* b) { return a->current > b->current; });
  for (const auto* row : rows) {
    if (!seen.insert(row->peer).second) continue;
    items.push_back(protocol::ObjectWriter()
                        .text("id", row->peer.text())
                        .text("name", row->peer_name)
                        .text("address", row->remote.text())
                        .number("rtt_us", microseconds(row->rtt))
                        .number("streams", row->streams)
                        .flag("dialed", row->dialer)
                        .finish());
  }
  return json_list(items);
}

/// Keys of kith.yaml that two texts give different values.
std::vector<std::string> changed_settings(const std::string& before, const std::string& after, const std::string& file) {
  std::vector<std::string> keys;
  const auto old_tree = config::parse_yaml(before, file);
  const auto new_tree = config::parse_yaml(after, file);
  if (!new_tree) return keys;
  std::set<std::string> all;
  if (old_tree) {
    for (const auto& field : old_tree->fields) all.insert(field.key);
  }
  for (const auto& field : new_tree->fields) all.insert(field.key);
  for (const auto& key : all) {
    const config::Node* a = old_tree ? old_tree->find(key) : nullptr;
    const config::Node* b = new_tree->find(key);
    if ((a == nullptr) != (b == nullptr) || (a != nullptr && !config::same(*a, *b))) keys.push_back(key);
  }
  return keys;
}

std::uint64_t seconds(Duration time) { return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(time).count()); }

std::string traffic_json(const std::vector<node::Traffic>& traffic) {
  std::vector<std::string> rows;
  for (const auto& row : traffic) {
    rows.push_back(protocol::ObjectWriter()
                       .text("protocol", row.protocol)
                       .text("alias", row.alias)
                       .flag("ours", row.ours)
                       .number("opened", row.opened)
                       .number("sent", row.sent)
                       .number("received", row.received)
                       .finish());
  }
  return json_list(rows);
}

constexpr std::size_t max_settings_size = 1024 * 1024;

} // namespace

void Admin::status(Ask& ask, Tell tell) {
  if (const auto good = ask.fields.only({"id", "type"}); !good) return tell(good.error());
  const node::Status status = parts_.node.status();
  std::vector<std::string> identities;
  for (const auto& [name, identity] : parts_.roster.identities()) {
    protocol::ObjectWriter one = identity_fields(*identity, status);
    one.raw("bindings", bindings_json(*identity, status, false));
    std::string peers = "[]";
    for (const auto& each : status.identities) {
      if (identity->loaded && each.id == identity->id) peers = connected_json(each);
    }
    identities.push_back(one.raw("peers", peers).finish());
  }
  std::vector<std::string> plugins;
  for (const auto& entry : parts_.plugins.registry().all()) {
    plugins.push_back(protocol::ObjectWriter()
                          .text("protocol", entry.protocol->name)
                          .text("version", entry.protocol->version)
                          .text("file", entry.library->file.string())
                          .finish());
  }
  protocol::ObjectWriter out;
  out.number("pid", static_cast<std::uint64_t>(::getpid())).text("version", parts_.version).text("home", parts_.home.path());
  out.number("started", static_cast<std::uint64_t>(started_unix_));
  out.number("uptime_s", static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(parts_.world.now() - started_).count()));
  out.texts("listen", address_texts(status.listen)).raw("identities", json_list(identities)).raw("pool", pool_fields(status).finish());
  out.raw("plugins", json_list(plugins)).raw("errors", errors_json(problems()));
  tell(out.finish());
}

// --- reload

void Admin::reload_request(Ask& ask, Tell tell) {
  if (const auto good = ask.fields.only({"id", "type"}); !good) return tell(good.error());
  reload(std::move(tell));
}

/// In one lane with other reloads; files that are edited at this moment by a change of this daemon are read before or after it, whole either way.
void Admin::reload(Tell tell) {
  struct Read {
    std::vector<home::IdentityFile> files;
    std::vector<store::PeerRow> peers; ///< Of all identities: one whose file comes back has its peers again.
    Result<std::string> settings = std::string();
  };
  in_lane("", tell, [this](Tell done) {
    on_disk<std::shared_ptr<Read>>(
        [this]() -> Result<std::shared_ptr<Read>> {
          auto all = parts_.home.load_all();
          if (!all) return all.error();
          auto read = std::make_shared<Read>();
          read->files = std::move(*all);
          auto peers = parts_.store.list_peers();
          if (!peers) return peers.error();
          read->peers = std::move(*peers);
          read->settings = home::read_file(parts_.home.settings_path(), max_settings_size);
          return read;
        },
        [this, done](Result<std::shared_ptr<Read>> read) {
          if (!read) return done(read.error());
          apply_reload(std::move((*read)->files), (*read)->peers, std::move((*read)->settings), done);
        });
  });
}

void Admin::apply_reload(std::vector<home::IdentityFile> files, const std::vector<store::PeerRow>& peers, Result<std::string> settings,
                         const Tell& tell) {
  std::vector<std::string> changed;
  std::set<std::string> present;
  for (auto& file : files) {
    present.insert(file.name);
    const auto found = parts_.roster.identities().find(file.name);
    KnownIdentity* known = found == parts_.roster.identities().end() ? nullptr : found->second.get();
    if (!file.loaded) { // the last good state runs on
      (known != nullptr ? *known : parts_.roster.add(file.name)).problem = file.loaded.error();
      continue;
    }
    const bool same = known != nullptr && known->loaded && known->loaded->text == file.loaded->text && known->id == file.loaded->config.id;
    if (same && known->binding_problems.empty()) {
      known->problem.reset();
      continue;
    }
    if (!same) changed.push_back(file.name); // the same text may mean something else now: a peer's name, a plugin
    if (known != nullptr && known->loaded && known->id != file.loaded->config.id) { // another identity under an old name
      parts_.node.remove_identity(known->id, [] {});
      known = nullptr;
    }
    if (known == nullptr || !known->loaded) {
      if (const KnownIdentity* moved = parts_.roster.by_id(file.loaded->config.id); moved != nullptr && moved != known) {
        // The file was renamed by hand: the identity goes on under its new name.
        parts_.roster.remove(file.name);
        parts_.roster.rename(moved->name, file.name);
        known = parts_.roster.by_id(file.loaded->config.id);
        parts_.node.rename_identity(known->id, file.name);
      }
    }
    if (known != nullptr && known->loaded) {
      apply_files(*known, std::move(*file.loaded));
      continue;
    }
    KnownIdentity& fresh = parts_.roster.add(file.name);
    fresh.id = file.loaded->config.id;
    fresh.loaded = std::make_shared<const home::LoadedIdentity>(std::move(*file.loaded));
    for (const store::PeerRow& row : peers) {
      if (row.identity == fresh.id) parts_.roster.put_peer(fresh, row);
    }
    if (const auto adopted = adopt(fresh); !adopted) fresh.problem = adopted.error();
    announce(fresh, "created");
  }
  std::vector<std::string> gone;
  for (const auto& [name, identity] : parts_.roster.identities()) {
    if (!present.contains(name)) gone.push_back(name);
  }
  for (const auto& name : gone) {
    const auto found = parts_.roster.find_identity(name);
    if ((*found)->loaded) parts_.node.remove_identity((*found)->id, [] {});
    announce(**found, "deleted");
    parts_.roster.remove(name);
    changed.push_back(name);
  }
  std::vector<std::string> restart;
  parts_.settings_problems.clear();
  const std::string file = parts_.home.settings_path();
  if (!settings) {
    parts_.settings_problems.push_back(config::problem_in(file, settings.error()));
  } else {
    for (const auto& error : config::check_daemon(*settings, file)) parts_.settings_problems.push_back(config::problem_in(file, error));
    if (parts_.settings_problems.empty()) restart = changed_settings(parts_.settings_text, *settings, file);
    if (const auto parsed = config::parse_daemon(*settings, file)) set_nameless(parsed->nameless);
    std::erase(restart, "nameless");
  }
  tell(protocol::ObjectWriter().texts("changed", changed).texts("restart", restart).raw("errors", errors_json(problems())).finish());
}

/// Who answers handshakes without a name; empty: the only one online.
void Admin::set_nameless(const std::string& name) {
  if (name.empty()) return parts_.node.set_nameless(std::nullopt);
  const auto found = good_identity(name);
  if (found) return parts_.node.set_nameless((*found)->id);
  parts_.settings_problems.push_back(config::problem_in(parts_.home.settings_path(), bad_request("nameless: " + found.error().text)));
}

/// The difference between what runs and what the files say now, live.
void Admin::apply_files(KnownIdentity& identity, home::LoadedIdentity loaded) {
  const auto before = std::exchange(identity.loaded, std::make_shared<const home::LoadedIdentity>(std::move(loaded)));
  identity.problem.reset();
  const auto had_problems = std::exchange(identity.binding_problems, {});
  const config::IdentityConfig& now = identity.loaded->config;
  if (before->config.online && !now.online) {
    const auto done = parts_.node.set_offline(identity.id, parts_.world.now() + parts_.drain_timeout, [] {});
    if (done) announce(identity, "offline");
  }
  for (const auto& old : before->config.bindings) {
    if (now.find(old.protocol, old.alias) == nullptr) {
      parts_.node.remove_binding(identity.id, old.protocol, old.alias, parts_.world.now() + parts_.drain_timeout, [] {});
    }
  }
  for (const auto& binding : now.bindings) {
    const auto spec = usable_spec(identity, binding);
    const std::string key = binding_key(binding.protocol, binding.alias);
    if (!spec) { // what ran goes on as it was
      identity.binding_problems[key] = spec.error().text;
      continue;
    }
    const config::BindingConfig* old = before->config.find(binding.protocol, binding.alias);
    const auto old_spec = old != nullptr && !had_problems.contains(key) ? usable_spec(identity, *old) : Result<node::BindingSpec>(Error{});
    if (old_spec && *old_spec == *spec) continue;
    parts_.node.put_binding(identity.id, *spec, [](const Result<void>&) {}); // status shows one that does not start
  }
  if (!before->config.online && now.online) {
    if (const auto done = parts_.node.set_online(identity.id); !done) {
      identity.problem = done.error();
    } else {
      announce(identity, "online");
    }
  }
  if (parts_.online) parts_.online(identity.id);
}

// --- config.check

void Admin::config_check(Ask& ask, Tell tell) {
  std::string file;
  Fields read(ask.fields);
  read.only({"id", "type", "file"}).text("file", file);
  if (!file.empty() && file.front() != '/') read.fail("\"file\" must be an absolute path");
  if (read.error()) return tell(*read.error());
  struct Checked {
    std::vector<std::string> files;
    std::vector<config::Problem> problems;
    std::vector<std::pair<std::string, config::IdentityConfig>> identities; ///< Without problems, so far.
  };
  on_disk<Checked>(
      [this, file]() -> Result<Checked> {
        Checked out;
        if (!file.empty()) {
          out.files.push_back(file);
        } else {
          out.files.push_back(parts_.home.settings_path());
          const auto names = parts_.home.names();
          if (!names) return names.error();
          for (const auto& name : *names) out.files.push_back(parts_.home.identity_path(name));
        }
        for (const auto& each : out.files) {
          const auto found = home::Home::check_file(each);
          if (!found && !file.empty()) return found.error();
          if (!found) {
            out.problems.push_back(config::problem_in(each, found.error()));
            continue;
          }
          out.problems.insert(out.problems.end(), found->begin(), found->end());
          if (!found->empty() || each.ends_with("/kith.yaml")) continue;
          const auto text = home::read_file(each, config::max_text_size);
          if (auto parsed = text ? config::parse_identity(*text, each) : Result<config::IdentityConfig>(text.error())) {
            out.identities.emplace_back(each, std::move(*parsed));
          }
        }
        return out;
      },
      [this, tell](Result<Checked> checked) {
        if (!checked) return tell(checked.error());
        for (const auto& [name, config] : checked->identities) { // what only the plugins know
          for (const auto& binding : config.bindings) {
            if (binding.provider) continue;
            const auto fits = parts_.plugins.check_config(binding.protocol, binding.config_json, binding.config, name);
            if (!fits) checked->problems.push_back(config::problem_in(name, fits.error()));
          }
        }
        tell(protocol::ObjectWriter().texts("files", checked->files).raw("errors", errors_json(checked->problems)).finish());
      });
}

// --- stop and pool

void Admin::stop(Ask& ask, Tell tell) {
  std::string drain = "background";
  Fields read(ask.fields);
  read.only({"id", "type", "drain"}).text("drain", drain);
  if (drain != "background" && drain != "now") read.fail("\"drain\" must be \"background\" or \"now\"");
  if (read.error()) return tell(*read.error());
  tell(std::string());
  parts_.stop(parts_.world.now() + (drain == "now" ? Duration(0) : parts_.drain_timeout));
}

void Admin::pool_list(Ask& ask, Tell tell) {
  if (const auto good = ask.fields.only({"id", "type", "identity"}); !good) return tell(good.error());
  std::optional<PeerId> only;
  if (ask.fields.raw("identity")) {
    const auto identity = good_identity_of(ask.fields);
    if (!identity) return tell(identity.error());
    only = (*identity)->id;
  }
  const node::Status status = parts_.node.status();
  std::vector<std::string> rows;
  for (const auto& identity : status.identities) {
    if (only && identity.id != *only) continue;
    for (const auto& each : identity.connections) {
      rows.push_back(protocol::ObjectWriter()
                         .text("identity", identity.name)
                         .text("peer", each.peer.text())
                         .text("name", each.peer_name)
                         .text("address", each.remote.text())
                         .text("alpn", each.alpn)
                         .flag("dialed", each.dialer)
                         .text("state", each.draining ? "retiring" : "up")
                         .number("age_s", seconds(each.age))
                         .number("idle_s", seconds(each.idle))
                         .number("rtt_us", microseconds(each.rtt))
                         .number("mtu", each.mtu)
                         .number("cwnd", each.congestion_window)
                         .number("in_flight", each.in_flight)
                         .number("sent", each.bytes_sent)
                         .number("received", each.bytes_received)
                         .number("lost", each.packets_lost)
                         .number("streams", each.streams)
                         .number("opened", each.opened)
                         .raw("bindings", traffic_json(each.traffic))
                         .finish());
    }
  }
  tell(protocol::ObjectWriter().raw("connections", json_list(rows)).raw("counters", pool_fields(status).finish()).finish());
}

void Admin::pool_close(Ask& ask, Tell tell) {
  std::string peer;
  Fields read(ask.fields);
  read.only({"id", "type", "identity", "peer"}).need_text("peer", peer);
  if (read.error()) return tell(*read.error());
  const auto identity = good_identity_of(ask.fields);
  if (!identity) return tell(identity.error());
  const auto id = parts_.roster.find_peer(**identity, peer);
  if (!id) return tell(id.error());
  std::size_t closed = 0;
  for (const auto& each : parts_.node.status().identities) {
    if (each.id != (*identity)->id) continue;
    closed = static_cast<std::size_t>(std::count_if(each.connections.begin(), each.connections.end(), [&](const auto& c) { return c.peer == *id; }));
  }
  parts_.node.close_peer((*identity)->id, *id);
  tell(protocol::ObjectWriter().number("closed", closed).finish());
}

} // namespace kith::control
