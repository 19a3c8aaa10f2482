// SPDX-License-Identifier: GPL-3.0-or-later
// reload and config.check: both look at the files by control/inspection.hpp; a reload then makes it so.
#include "control/admin.hpp"

#include <algorithm>

namespace kith::control {
namespace {

std::vector<config::Problem> problems_in(const std::string& file, const std::vector<Error>& errors) {
  std::vector<config::Problem> out;
  for (const Error& error : errors) out.push_back(config::problem_in(file, error));
  return out;
}

bool runs(const node::Status& status, const PeerId& identity, const config::BindingConfig& binding) {
  for (const node::IdentityStatus& each : status.identities) {
    if (each.id != identity) continue;
    return std::ranges::any_of(each.bindings, [&](const node::BindingStatus& row) {
      return row.protocol == binding.protocol && row.alias == binding.alias && row.state.phase == node::BindingState::running;
    });
  }
  return false;
}

} // namespace

void Admin::reload_request(Ask& ask, const Tell& tell) {
  if (const auto good = ask.fields.only({"id", "type"}); !good) return tell(good.error());
  reload(tell);
}

/// Alone: what is read here is what runs when it is done; no change of this daemon comes between.
void Admin::reload(const Tell& tell) {
  alone(tell, [this](const Tell& done) {
    const auto before = parts_.plugins.registry_now();
    on_disk<std::shared_ptr<InspectedFiles>>(
        [this, before]() -> Result<std::shared_ptr<InspectedFiles>> {
          auto files = read_files(parts_.home, parts_.store, "", parts_.plugin_files, before);
          if (!files) return files.error();
          return std::make_shared<InspectedFiles>(std::move(*files));
        },
        [this, before, done](Result<std::shared_ptr<InspectedFiles>> files) {
          if (!files) return done(files.error());
          parts_.plugins.set_registry((*files)->registry);
          inspect(*files, parts_.plugins, [this, before, files = *files, done] {
            choose(*files);
            pin_names(files, [this, before, files, done] {
              let_go(*files, [this, before, files, done](std::vector<std::string> gone) { apply_reload(*files, *before, std::move(gone), done); });
            });
          });
        });
  });
}

/// An identity with anything wrong goes on whole as it runs. One that does not run yet, and one whose file is what runs, gets what is good of it.
void Admin::choose(InspectedFiles& files) const {
  for (InspectedIdentity& file : files.identities) {
    if (!file.read.loaded) continue;
    const auto found = parts_.roster.identities().find(file.read.name);
    const KnownIdentity* known = found == parts_.roster.identities().end() ? nullptr : found->second.get();
    const bool runs = known != nullptr && known->adopted;
    file.applies = !runs || file.errors().empty() || (known->id == file.read.loaded->config.id && known->loaded->text == file.read.loaded->text);
  }
}

/// Peers' names in the files become ids, for good (docs/adr/0015).
void Admin::pin_names(const std::shared_ptr<InspectedFiles>& files, std::function<void()> then) {
  on_disk<void>(
      [this, files]() -> Result<void> {
        for (InspectedIdentity& file : files->identities) {
          if (!file.applies || !config::has_peer_names(file.read.loaded->config)) continue;
          auto pinned = parts_.home.pin(*file.read.loaded, file.peers);
          if (pinned) {
            file.read.loaded = std::move(*pinned);
          } else {
            refuse_names(file, pinned.error());
          }
        }
        return {};
      },
      [this, files, then = std::move(then)](const Result<void>&) {
        choose(*files); // what could not be pinned may be wrong now
        then();
      });
}

/// What goes, before what comes: two identities may have changed names, and an address is free for one that the other has left. It goes when its file is gone,
/// is another identity's now, or has another `listen`; then it comes anew. `then` gets the names of those that don't, when node has let go of all.
void Admin::let_go(const InspectedFiles& files, const std::function<void(std::vector<std::string>)>& then) {
  std::vector<std::string> names;
  const auto going = std::make_shared<Reloading>();
  for (const auto& [name, identity] : parts_.roster.identities()) {
    const auto file = std::ranges::find(files.identities, name, [](const InspectedIdentity& each) { return each.read.name; });
    if (file == files.identities.end()) {
      const bool renamed = std::ranges::any_of(files.identities, [&, &known = *identity](const InspectedIdentity& each) {
        return known.adopted && each.applies && each.read.loaded->config.id == known.id &&
               each.read.loaded->config.listen == known.loaded->config.listen;
      });
      if (renamed) continue;
      announce(*identity, "deleted");
      going->changed.push_back(name);
      names.push_back(name);
    } else if (file->read.gone && identity->adopted) {
      announce(*identity, "offline");
      going->changed.push_back(name);
      names.push_back(name);
    } else if (file->applies && identity->adopted) {
      const config::IdentityConfig& now = file->read.loaded->config;
      if (now.id != identity->id || now.listen != identity->loaded->config.listen) names.push_back(name);
    }
  }
  going->done = [&went = *going, then] { then(std::move(went.changed)); };
  for (const auto& name : names) {
    const KnownIdentity& identity = *parts_.roster.identities().find(name)->second;
    if (identity.adopted) {
      ++going->left;
      parts_.node.remove_identity(identity.id, [going] { going->one_less(); });
    }
    parts_.roster.remove(name);
  }
  going->one_less();
}

void Admin::apply_reload(InspectedFiles& files, const plugin_host::Registry& before, std::vector<std::string> gone, const Tell& tell) {
  const auto reloading = std::make_shared<Reloading>();
  reloading->changed = std::move(gone);
  for (InspectedIdentity& file : files.identities) apply_identity(file, files.peers, reloading);
  std::ranges::sort(reloading->changed);
  std::vector<std::string> settings;
  std::vector<std::string> restart;
  settings_problems_ = problems_in(parts_.home.settings_path(), files.settings_errors);
  if (files.settings_errors.empty()) {
    const config::DaemonConfig old = parts_.settings;
    restart = config::apply_live(parts_.settings, *files.settings);
    settings = config::differences(old, parts_.settings);
    parts_.apply_settings(parts_.settings);
    set_nameless();
  }
  for (const auto& file : files.registry->changed()) restart.push_back(file.string());
  std::vector<std::string> protocols;
  std::vector<std::string> loaded;
  for (const auto& entry : files.registry->all()) {
    protocols.push_back(entry.protocol->name);
    if (!before.find(entry.protocol->name)) loaded.push_back(entry.protocol->name);
  }
  reloading->done = [this, tell, changed = std::move(reloading->changed), settings, loaded, restart, protocols] {
    log_problems();
    const auto told = [this](std::string_view what, const std::vector<std::string>& names) {
      std::string list;
      for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
      if (!list.empty()) parts_.world.log().info("reload", std::string(what) + ": " + list);
    };
    told("changed", changed);
    told("settings now in force", settings);
    told("new protocols", loaded);
    told("after a restart", restart);
    tell(protocol::ObjectWriter()
             .texts("changed", changed)
             .texts("settings", settings)
             .texts("loaded", loaded)
             .texts("restart", restart)
             .texts("protocols", protocols)
             .raw("errors", errors_json(problems()))
             .finish());
  };
  reloading->one_less();
}

void Admin::apply_identity(InspectedIdentity& file, const std::vector<store::PeerRow>& peers, const std::shared_ptr<Reloading>& reloading) {
  const std::string& name = file.read.name;
  const auto found = parts_.roster.identities().find(name);
  KnownIdentity* known = found == parts_.roster.identities().end() ? nullptr : found->second.get();
  if (!file.applies) {
    (known != nullptr ? *known : parts_.roster.add(name)).problems = file.errors();
    return;
  }
  home::LoadedIdentity& loaded = *file.read.loaded;
  if (known == nullptr || !known->loaded || known->loaded->text != loaded.text) reloading->changed.push_back(name);
  if (known == nullptr || !known->adopted) {
    if (const KnownIdentity* moved = parts_.roster.by_id(loaded.config.id); moved != nullptr && moved != known) {
      // The file was renamed by hand: the identity goes on under its new name.
      parts_.roster.remove(name);
      parts_.roster.rename(moved->name, name);
      known = parts_.roster.by_id(loaded.config.id);
      parts_.node.rename_identity(known->id, name);
    }
  }
  if (known != nullptr && known->adopted) return apply_bindings(*known, std::move(loaded), std::move(file.bindings), reloading);
  KnownIdentity& fresh = parts_.roster.add(name);
  fresh.id = loaded.config.id;
  fresh.loaded = std::make_shared<const home::LoadedIdentity>(std::move(loaded));
  for (const store::PeerRow& row : peers) { // one whose file comes back has its peers again
    if (row.identity == fresh.id) parts_.roster.put_peer(fresh, row);
  }
  static_cast<void>(adopt(fresh, std::move(file.bindings)));
  announce(fresh, "created");
}

/// The difference between what runs and what the file says now, live.
void Admin::apply_bindings(KnownIdentity& identity, home::LoadedIdentity loaded, std::vector<InspectedIdentity::Binding> judged,
                           const std::shared_ptr<Reloading>& reloading) {
  const auto before = std::exchange(identity.loaded, std::make_shared<const home::LoadedIdentity>(std::move(loaded)));
  identity.problems.clear();
  const auto had_problems = std::exchange(identity.binding_problems, {});
  const config::IdentityConfig& now = identity.loaded->config;
  const TimePoint drained = parts_.world.now() + parts_.settings.drain_deadline;
  const node::Status status = parts_.node.status();
  if (before->config.online && !now.online) {
    identity.socket_error.reset();
    if (parts_.node.set_offline(identity.id, drained, [] {})) announce(identity, "offline");
  }
  for (const auto& old : before->config.bindings) {
    if (now.find(old.protocol, old.alias) == nullptr) parts_.node.remove_binding(identity.id, old.protocol, old.alias, drained, [] {});
  }
  for (std::size_t i = 0; i < judged.size(); ++i) {
    const config::BindingConfig& binding = now.bindings[i];
    const std::string key = binding_key(binding.protocol, binding.alias);
    if (!judged[i].spec) { // what ran goes on as it was
      identity.binding_problems[key] = std::move(judged[i].errors);
      continue;
    }
    const config::BindingConfig* old = before->config.find(binding.protocol, binding.alias);
    const auto old_spec = old != nullptr && !had_problems.contains(key) ? spec_of(identity, *old) : Result<node::BindingSpec>(Error{});
    if (old_spec && *old_spec == *judged[i].spec) continue;
    // Only a running instance can refuse a config and go on; status shows one that does not start.
    if (!runs(status, identity.id, binding)) {
      parts_.node.put_binding(identity.id, *judged[i].spec, [](const Result<void>&) {});
      continue;
    }
    ++reloading->left;
    const std::string file = parts_.home.identity_path(identity.name);
    const auto taken = [this, id = identity.id, key, file, mark = config_of(binding).mark, reloading](const Result<void>& result) {
      KnownIdentity* same = parts_.roster.by_id(id);
      if (!result && same != nullptr) same->binding_problems[key] = {config::error_at(file, mark, result.error().text)};
      reloading->one_less();
    };
    parts_.node.put_binding(identity.id, *judged[i].spec, taken);
  }
  if (now.online && (!before->config.online || identity.socket_error) && go_online(identity)) announce(identity, "online");
  if (parts_.online) parts_.online(identity.id);
}

/// Who answers handshakes without a name; empty: the only one online.
void Admin::set_nameless() {
  std::optional<PeerId> id;
  if (!parts_.settings.nameless.empty()) {
    if (const auto found = good_identity(parts_.settings.nameless)) id = (*found)->id;
  }
  parts_.node.set_nameless(id);
}

std::set<std::string> Admin::problem_lines() const {
  std::set<std::string> lines;
  for (const config::Problem& problem : problems()) {
    std::string text = problem.file;
    if (problem.line > 0) text += ':' + std::to_string(problem.line) + ':' + std::to_string(problem.column);
    lines.insert(text + (text.empty() ? "" : ": ") + problem.text);
  }
  return lines;
}

/// Each problem once, when it is new.
void Admin::log_problems() {
  std::set<std::string> now = problem_lines();
  for (const std::string& text : now) {
    if (!logged_problems_.contains(text)) parts_.world.log().error("config", text);
  }
  logged_problems_ = std::move(now);
}

// --- config.check

void Admin::config_check(Ask& ask, const Tell& tell) {
  std::string file;
  Fields read(ask.fields);
  read.only({"id", "type", "file"}).text("file", file);
  if (!file.empty() && file.front() != '/') read.fail("\"file\" must be an absolute path");
  if (read.error()) return tell(*read.error());
  on_disk<std::shared_ptr<InspectedFiles>>(
      [this, file]() -> Result<std::shared_ptr<InspectedFiles>> {
        auto files = read_files(parts_.home, parts_.store, file, std::nullopt, nullptr);
        if (!files) return files.error();
        return std::make_shared<InspectedFiles>(std::move(*files));
      },
      [this, file, tell](Result<std::shared_ptr<InspectedFiles>> files) {
        if (!files) return tell(files.error());
        inspect(*files, parts_.plugins, [this, file, files = *files, tell] {
          auto all = problems_in(file.empty() ? parts_.home.settings_path() : file, files->settings_errors);
          for (const InspectedIdentity& each : files->identities) {
            const auto more = problems_in(each.read.file, each.errors());
            all.insert(all.end(), more.begin(), more.end());
          }
          if (file.empty()) {
            const auto more = problems_in("", parts_.plugins.registry().problems());
            all.insert(all.end(), more.begin(), more.end());
          }
          tell(protocol::ObjectWriter().texts("files", files->files).raw("errors", errors_json(all)).finish());
        });
      });
}

} // namespace kith::control
