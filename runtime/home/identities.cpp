// SPDX-License-Identifier: GPL-3.0-or-later
// The part of Home that is about identities: a YAML file and a key file that belong together.
#include "home/files.hpp"
#include "home/home.hpp"

#include "base/name.hpp"
#include "config/identity_edits.hpp"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <map>
#include <set>
#include <sys/stat.h>
#include <unistd.h>

namespace kith::home {
namespace {

constexpr std::string_view yaml_suffix = ".yaml";
constexpr std::string_view other_yaml_suffix = ".yml"; ///< Elsewhere as good as the other: a frequent slip.
constexpr std::string_view key_suffix = ".key";

/// Text that held a key, wiped when it goes.
class SecretText {
public:
  explicit SecretText(std::string text) : text_(std::move(text)) {}
  SecretText(const SecretText&) = delete;
  SecretText& operator=(const SecretText&) = delete;
  ~SecretText() { identity::wipe({reinterpret_cast<std::uint8_t*>(text_.data()), text_.size()}); }
  const std::string& get() const noexcept { return text_; }

private:
  std::string text_;
};

Result<identity::SecretKey> key_from(Result<std::string> pem, const std::string& file) {
  if (!pem) return pem.error();
  const SecretText text(*std::move(pem));
  auto key = identity::SecretKey::from_pem(text.get());
  if (!key) return bad_request(file + ": " + key.error().text);
  return key;
}

Result<identity::SecretKey> load_key(const std::string& file) { return key_from(read_private_file(file, max_key_file_size), file); }

Error no_such_identity(std::string_view name, const std::vector<std::string>& names) {
  std::string text = "there is no identity called '" + std::string(name) + "'";
  const std::vector<std::string_view> known(names.begin(), names.end());
  if (const auto near = nearest_name(name, known); !near.empty()) text += "; did you mean '" + std::string(near) + "'?";
  return {Code::unknown_identity, text};
}

} // namespace

std::string Home::identity_path(std::string_view name) const { return path_ + "/identities/" + std::string(name) + std::string(yaml_suffix); }

std::string Home::misnamed_path(std::string_view name) const { return path_ + "/identities/" + std::string(name) + std::string(other_yaml_suffix); }

std::string Home::key_path(std::string_view name) const { return path_ + "/keys/" + std::string(name) + std::string(key_suffix); }

/// What the files of a folder are called before their suffix.
Result<std::vector<std::string>> Home::names_in(std::string_view folder, std::string_view suffix) const {
  const auto files = list_folder(path_ + "/" + std::string(folder));
  if (!files) return files.error();
  std::vector<std::string> out;
  for (const std::string& file : *files) {
    if (file.starts_with('.') || !file.ends_with(suffix)) continue; // temporary files, and those of editors
    out.push_back(file.substr(0, file.size() - suffix.size()));
  }
  return out;
}

Result<std::vector<std::string>> Home::names() const { return names_in("identities", yaml_suffix); }

/// Errors have the form "FILE: …" or "FILE:LINE:COLUMN: …", so that whoever shows them knows the place.
IdentityFile Home::read_file_of(std::string_view name, const std::string& file) const {
  IdentityFile out;
  out.name = name;
  out.file = file;
  const auto refuse = [&](std::string_view why) { out.errors.push_back(config::error_at(file, {}, why)); };
  if (const auto ok = check_name(name, "identity name"); !ok) {
    refuse(ok.error().text);
    return out;
  }
  auto text = read_file(file, config::max_text_size);
  if (!text) {
    out.errors.push_back(text.error());
    return out;
  }
  out.pins = config::pins_in(*text, file);
  out.errors = config::check_identity(*text, file);
  if (!out.errors.empty()) return out;
  auto config = config::parse_identity(*text, file);
  out.config = *config;
  const std::string key_file = key_path(name);
  if (!exists(key_file)) {
    if (file == identity_path(name)) refuse("the key " + key_file + " is missing; this file needs the key of " + config->id.text());
    return out;
  }
  auto key = load_key(key_file);
  if (!key) {
    refuse(key.error().text);
  } else if (key->id() != config->id) {
    refuse("it says id: " + config->id.text() + ", but " + key_file + " is the key of " + key->id().text() + "; put the right key there");
  } else {
    out.loaded.emplace(LoadedIdentity{std::string(name), *std::move(config), *std::move(key), *std::move(text)});
  }
  return out;
}

Result<IdentityFile> Home::read_identity(const std::string& file) const {
  if (!exists(file)) return bad_request("there is no file " + file);
  const std::string base = base_name(file);
  return read_file_of(base.ends_with(yaml_suffix) ? std::string_view(base).substr(0, base.size() - yaml_suffix.size()) : base, file);
}

Result<LoadedIdentity> Home::load(std::string_view name) const {
  const std::string file = identity_path(name);
  if (check_name(name, "identity name") && !exists(file)) {
    const auto known = names();
    return no_such_identity(name, known ? *known : std::vector<std::string>());
  }
  auto read = read_file_of(name, file);
  if (!read.loaded) return read.errors.front();
  return std::move(*read.loaded);
}

Result<std::vector<IdentityFile>> Home::load_all() const {
  const auto all = names();
  if (!all) return all.error();
  std::vector<IdentityFile> out;
  std::map<PeerId, std::string> seen;
  for (const std::string& name : *all) {
    out.push_back(read_file_of(name, identity_path(name)));
    IdentityFile& one = out.back();
    if (!one.loaded) continue;
    const auto [first, fresh] = seen.emplace(one.loaded->config.id, one.file);
    if (fresh) continue;
    one.errors.push_back(config::error_at(one.file, {}, "this is the same identity as " + first->second + "; remove one of the two files"));
    one.loaded.reset();
  }
  auto gone = without_files(out);
  if (!gone) return gone.error();
  std::ranges::move(*gone, std::back_inserter(out));
  std::ranges::sort(out, {}, &IdentityFile::name);
  return out;
}

/// A key of an identity that has another name is a copy of its owner's, or what a rename that was cut short left behind.
Result<std::vector<IdentityFile>> Home::without_files(const std::vector<IdentityFile>& there) const {
  const auto keys = names_in("keys", key_suffix);
  if (!keys) return keys.error();
  const auto misnamed = names_in("identities", other_yaml_suffix);
  if (!misnamed) return misnamed.error();
  std::set<std::string> names(keys->begin(), keys->end());
  names.insert(misnamed->begin(), misnamed->end());
  std::vector<IdentityFile> out;
  for (const std::string& name : names) {
    IdentityFile one;
    one.name = name;
    one.file = identity_path(one.name);
    one.gone = true;
    if (!check_name(one.name, "identity name") || std::ranges::find(there, one.name, &IdentityFile::name) != there.end()) continue;
    const auto id = id_of(one.name);
    if (!exists(misnamed_path(name)) && id &&
        std::ranges::any_of(there, [&](const IdentityFile& each) { return each.config && each.config->id == *id; }))
      continue;
    one.errors.push_back(config::error_at(one.file, {}, without_file(one.name)));
    out.push_back(std::move(one));
  }
  return out;
}

std::string Home::without_file(std::string_view name) const {
  if (exists(misnamed_path(name))) return misnamed_path(name) + " is in the place of this file: rename it, and run `kith reload`";
  return "this file is gone, but its key " + key_path(name) +
         " is there: put the file back and run `kith reload`; without it, `kith delete-identity " + std::string(name) +
         "` moves the key to deleted/, from where `kith import-identity` takes it";
}

/// The key comes first when an identity is made: one that has no file yet, and its first name still, is of no identity.
void Home::sweep() const {
  if (const auto keys = names_in("keys", key_suffix)) {
    for (const std::string& name : *keys) {
      if (!exists(identity_path(name)) && is_unfinished(key_path(name))) ::unlink(key_path(name).c_str());
    }
  }
  for (const char* folder : {"", "/identities", "/keys"}) sweep_unfinished(path_ + folder);
}

Result<PeerId> Home::id_of(std::string_view name) const {
  const auto key = load_key(key_path(name));
  if (!key) return key.error();
  return key->id();
}

Result<void> Home::check_free(std::string_view name) const {
  if (auto ok = check_name(name, "identity name"); !ok) return ok;
  if (exists(identity_path(name))) return bad_request("there is an identity called '" + std::string(name) + "' already");
  const std::string key_file = key_path(name);
  struct stat info {};
  if (::lstat(key_file.c_str(), &info) != 0) return {};
  // A rename that was cut short leaves a second link to a key that has its identity elsewhere: that one may go.
  if (info.st_nlink > 1) {
    if (::unlink(key_file.c_str()) != 0) return system_error("remove", key_file);
    return {};
  }
  return config::error_at(identity_path(name), {}, without_file(name));
}

/// data/NAME, for people; programs go by the id. Nothing depends on it.
void Home::link_data(std::string_view name, const PeerId& id) const {
  const std::string link = path_ + "/data/" + std::string(name);
  ::unlink(link.c_str());
  [[maybe_unused]] const int failed = ::symlink(id.text().c_str(), link.c_str());
}

Result<LoadedIdentity> Home::create(std::string_view name, bool online, Random& random) const {
  return create_with(name, online, identity::SecretKey::generate(random));
}

Result<LoadedIdentity> Home::create_with(std::string_view name, bool online, identity::SecretKey key) const {
  if (const auto ok = check_free(name); !ok) return ok.error();
  const SecretText pem(key.to_pem());
  const auto unfinished = write_unfinished(key_path(name), pem.get());
  if (!unfinished) return unfinished.error();
  auto made = link_or_move(*unfinished, key_path(name)); // both names: by the first one sweep() knows a key that nobody has seen yet
  if (made) {
    made = create_file(identity_path(name), config::new_identity_text(key.id(), online));
    if (!made) ::unlink(key_path(name).c_str());
  }
  ::unlink(unfinished->c_str());
  if (!made) return made.error();
  link_data(name, key.id());
  return load(name);
}

Result<LoadedIdentity> Home::rename(std::string_view name, std::string_view new_name) const {
  const auto loaded = load(name);
  if (!loaded) return loaded.error();
  if (const auto ok = check_free(new_name); !ok) return ok.error();
  const std::string old_key = key_path(name);
  const std::string new_key = key_path(new_name);
  if (const auto ok = link_file(old_key, new_key); !ok) return ok.error();
  auto moved = move_path(identity_path(name), identity_path(new_name));
  if (!moved) {
    ::unlink(new_key.c_str());
    return moved.error();
  }
  if (const auto ok = sync_folder(path_ + "/identities"); !ok) return ok.error();
  if (::unlink(old_key.c_str()) != 0) return system_error("remove", old_key);
  ::unlink((path_ + "/data/" + std::string(name)).c_str());
  link_data(new_name, loaded->config.id);
  return load(new_name);
}

Result<std::string> Home::remove(std::string_view name, UnixSeconds now) const {
  if (const auto ok = check_name(name, "identity name"); !ok) return ok.error();
  std::vector<std::string> files{identity_path(name), misnamed_path(name)};
  std::erase_if(files, [](const std::string& file) { return !exists(file); });
  if (files.empty() && !exists(key_path(name))) {
    const auto known = names();
    return no_such_identity(name, known ? *known : std::vector<std::string>());
  }
  const auto key = id_of(name);
  const std::string id = key ? key->text() : "unknown";
  std::string aside = path_ + "/deleted/" + std::string(name) + '-' + id + '-' + std::to_string(now);
  for (int n = 2; exists(aside); ++n)
    aside = path_ + "/deleted/" + std::string(name) + '-' + id + '-' + std::to_string(now) + '-' + std::to_string(n);
  if (const auto ok = make_private_folder(aside); !ok) return ok.error();
  if (const auto ok = sync_folder(path_ + "/deleted"); !ok) return ok.error(); // the key will hang on this entry alone
  // The YAML file first: without it there is no identity, whatever happens next.
  for (const std::string& file : files) {
    if (const auto ok = move_path(file, aside + '/' + std::string(base_name(file))); !ok) return ok.error();
  }
  if (const auto ok = sync_folder(path_ + "/identities"); !ok) return ok.error();
  if (exists(key_path(name))) {
    if (const auto ok = move_path(key_path(name), aside + '/' + std::string(name) + std::string(key_suffix)); !ok) return ok.error();
  }
  const std::string data = path_ + "/data/" + id;
  if (exists(data)) {
    if (const auto ok = move_path(data, aside + "/data"); !ok) return ok.error();
  }
  ::unlink((path_ + "/data/" + std::string(name)).c_str());
  for (const std::string& folder : {path_ + "/keys", path_ + "/data", aside}) {
    if (const auto ok = sync_folder(folder); !ok) return ok.error();
  }
  return aside;
}

Result<void> Home::export_key(std::string_view name, int fd) const {
  const auto loaded = load(name);
  if (!loaded) return loaded.error();
  const auto size = check_private_fd(fd, "the file to export to");
  if (!size) return size.error();
  if (*size != 0) return bad_request("the file to export to is not empty");
  const SecretText pem(loaded->key.to_pem());
  if (!write_all(fd, pem.get()) || ::fsync(fd) != 0) return system_error("write", "the file to export to");
  return {};
}

Result<LoadedIdentity> Home::import_key(std::string_view name, bool online, int fd, const std::string& file,
                                        const std::optional<PeerId>& only) const {
  const auto size = check_private_fd(fd, file);
  if (!size) return size.error();
  if (*size > max_key_file_size)
    return bad_request(file + ": not a key file: it is larger than " + std::to_string(max_key_file_size) +
                       " bytes; a key that kith reads is what kith export-identity writes");
  auto key = key_from(read_private_fd(fd, file, max_key_file_size), file);
  if (!key) return key.error();
  if (only && key->id() != *only) return bad_request(std::string(name) + " is a peer with another id here; nothing was imported");
  const auto all = load_all();
  if (!all) return all.error();
  for (const IdentityFile& other : *all) {
    if (other.config && other.config->id == key->id()) {
      return bad_request("this key is the identity '" + other.name + "' already; nothing was imported");
    }
  }
  return create_with(name, online, *std::move(key));
}

Result<LoadedIdentity> Home::edit(const LoadedIdentity& loaded, const TextEdit& change) const {
  const std::string file = identity_path(loaded.name);
  auto text = read_file(file, config::max_text_size);
  if (!text) return text.error();
  if (*text != loaded.text) return Error{Code::busy, file + " was changed since it was loaded; run 'kith reload' first, then this again"};
  auto edited = change(*std::move(text));
  if (!edited) return edited.error();
  auto config = config::parse_identity(*edited, file);
  if (!config) return config.error();
  if (config->id != loaded.config.id) return bad_request(file + ": the id of an identity can't be changed");
  if (*edited != loaded.text) {
    if (const auto ok = replace_file(file, *edited); !ok) return ok.error();
  }
  return LoadedIdentity{loaded.name, *std::move(config), loaded.key.clone(), *std::move(edited)};
}

Result<LoadedIdentity> Home::pin(const LoadedIdentity& loaded, const config::PeerIds& peers) const {
  return edit(loaded, [&](std::string text) { return config::pin_peers(std::move(text), identity_path(loaded.name), peers); });
}

} // namespace kith::home
