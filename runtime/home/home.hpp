// SPDX-License-Identifier: GPL-3.0-or-later
// KITH_HOME on disk (DESIGN section 3): settings, identities, keys, data folders. The files are the one source of truth; nothing is cached here.
//
// Every function blocks on the disk: `control` runs them on the disk executor, one at a time. Errors have the code of what a caller did wrong
// (bad_request, unknown_identity, busy) or internal for what the system refused; the text names the file and the way out. A failed change leaves what
// was there.
#pragma once

#include "config/daemon_config.hpp"
#include "config/identity_edits.hpp"
#include "identity/keys.hpp"

#include "base/random.hpp"
#include "base/time.hpp"

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kith::home {

inline constexpr std::size_t max_key_file_size = 4096;   ///< Octets of a PEM file that is looked at.
inline constexpr std::size_t max_socket_path_size = 107; ///< sun_path has 108 octets, one for the NUL (unix(7)).
inline constexpr std::size_t daemon_secret_size = 32;

/// One identity as its files have it.
struct LoadedIdentity {
  std::string name;
  config::IdentityConfig config;
  identity::SecretKey key;
  std::string text; ///< Of the YAML file when it was read; edit() compares it.
};

/// An identity's file as it was found.
struct IdentityFile {
  std::string name;
  std::string file;
  std::vector<Error> errors;                    ///< All that is wrong, each with its place; then there is no `loaded`.
  std::optional<config::IdentityConfig> config; ///< When the text is good, whatever the key says.
  std::optional<LoadedIdentity> loaded;
  std::vector<config::PluginPin> pins; ///< Whatever else is wrong.
  bool gone = false;                   ///< There is no such file, but its key, or one with the suffix .yml.
};

class Home {
public:
  using TextEdit = std::function<Result<std::string>(std::string text)>;

  /// Opens a home; makes the folder (0700), its sub-folders and a commented kith.yaml where they are missing. Errors: bad_request when others may
  /// open it, when it is another user's, or when its path is too long for the socket.
  static Result<Home> open(std::string path);
  /// Names one, without a look at it. Errors: bad_request when its path can't be one's.
  static Result<Home> at(std::string path);
  /// What of the files that are there would keep a daemon from starting, identities left out: those stop nothing else. Changes nothing.
  std::vector<Error> problems() const;

  /// Deletes what writes left that a kill cut short, whole secret keys among it. For the holder of the lock, before anything else.
  void sweep() const;

  const std::string& path() const noexcept { return path_; }
  std::string settings_path() const { return path_ + "/kith.yaml"; }
  std::string socket_path() const { return path_ + "/daemon.sock"; }
  std::string state_path() const { return path_ + "/state.db"; }
  std::string plugins_path() const { return path_ + "/plugins"; }
  std::string identity_path(std::string_view name) const;
  std::string key_path(std::string_view name) const;

  Result<config::DaemonConfig> load_settings() const;

  // --- identities
  /// Names of all identities/*.yaml, sorted, those with forbidden names as well.
  Result<std::vector<std::string>> names() const;
  /// Errors: unknown_identity; bad_request for a file, a key or a pair of them that is not right.
  Result<LoadedIdentity> load(std::string_view name) const;
  /// Every identity by itself, by name: a bad file stops no other. Of two with one id, the second by name is refused. A key that no file goes with is an
  /// identity whose file is gone. Errors: a folder can't be listed.
  Result<std::vector<IdentityFile>> load_all() const;
  /// Any file as if it were an identity's of this home by its name; elsewhere a key need not be there. Errors: bad_request when there is no such file.
  Result<IdentityFile> read_identity(const std::string& file) const;
  /// Writes ids in the place of peers' names where `peers` has them (config::pin_peers). Errors: those of edit.
  Result<LoadedIdentity> pin(const LoadedIdentity& loaded, const config::PeerIds& peers) const;

  /// By its key alone. Errors: those of the key's file.
  Result<PeerId> id_of(std::string_view name) const;

  Result<LoadedIdentity> create(std::string_view name, bool online, Random& random) const;
  /// Safe against a crash at any moment: until the YAML file has moved, the old name is whole; after it, the new one.
  Result<LoadedIdentity> rename(std::string_view name, std::string_view new_name) const;
  /// Moves YAML, key and data into deleted/<name>-<id52>-<time>/, and gives that path. Works for an identity that can't be loaded as well,
  /// for one whose file is gone, and again after an error.
  Result<std::string> remove(std::string_view name, UnixSeconds now) const;
  /// Writes the key as PEM into an empty file that only its owner may read, and syncs it. The descriptor stays the caller's.
  Result<void> export_key(std::string_view name, int fd) const;
  /// Makes an identity from a key file that only its owner may read. `file`: what errors call it. `only`: the id that this name may have; nullopt: any.
  Result<LoadedIdentity> import_key(std::string_view name, bool online, int fd, const std::string& file,
                                    const std::optional<PeerId>& only = std::nullopt) const;
  /// Replaces an identity's YAML by what `change` makes of it. Errors: busy when the file is not what was loaded ("run kith reload"); those of
  /// `change`; bad_request when the outcome is no identity's file or has another id.
  Result<LoadedIdentity> edit(const LoadedIdentity& loaded, const TextEdit& change) const;

  // --- the rest
  /// The private folder of one instance, made when missing.
  Result<std::string> data_folder(const PeerId& id, std::string_view protocol, std::string_view alias) const;
  /// Deletes it and all in it; fine when it is not there.
  Result<void> purge_data(const PeerId& id, std::string_view protocol, std::string_view alias) const;

  /// The UDP port that was chosen once, kept in the file `port`; nothing before.
  Result<std::optional<std::uint16_t>> remembered_port() const;
  Result<void> remember_port(std::uint16_t port) const;

  /// keys/daemon.secret; made when missing.
  Result<std::array<std::uint8_t, daemon_secret_size>> daemon_secret(Random& random) const;

private:
  std::string secret_path() const { return path_ + "/keys/daemon.secret"; }
  Result<std::array<std::uint8_t, daemon_secret_size>> read_secret() const;
  /// What is wrong when there is a key and no file.
  std::string misnamed_path(std::string_view name) const;
  Result<std::vector<std::string>> names_in(std::string_view folder, std::string_view suffix) const;
  std::string without_file(std::string_view name) const;
  Result<std::vector<IdentityFile>> without_files(const std::vector<IdentityFile>& there) const;
  IdentityFile read_file_of(std::string_view name, const std::string& file) const;
  explicit Home(std::string path) : path_(std::move(path)) {}

  Result<LoadedIdentity> create_with(std::string_view name, bool online, identity::SecretKey key) const;
  Result<void> check_free(std::string_view name) const;
  void link_data(std::string_view name, const PeerId& id) const;

  std::string path_;
};

} // namespace kith::home
