// SPDX-License-Identifier: GPL-3.0-or-later
// Which protocols there are, and in which files.
#pragma once

#include "base/error.hpp"
#include "hosting/library.hpp"

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace kith::plugin_host {

inline constexpr std::size_t max_plugin_files = 256; ///< In one folder; the rest is named as a problem.

struct RegistryOptions {
  /// In order: the installed folder beside the binary, then KITH_HOME/plugins. Missing ones are no error. The first file that has a protocol wins.
  std::vector<std::filesystem::path> folders;
  hosting::LoadOptions load;
  /// The sums that bindings pin, by protocol. What a file holds is only known once its code has run, so a pin goes by the file's name: PROTOCOL.so with
  /// another sum is not opened, and a pinned protocol is taken from no file of another name.
  std::map<std::string, std::set<std::string>, std::less<>> pins;
};

/// Whether the file is called PROTOCOL.so.
bool is_file_of(const std::filesystem::path& file, std::string_view protocol);

/// What was found at one point of time; immutable, so any thread may look. A rescan makes a new one.
class Registry {
public:
  struct Entry {
    std::shared_ptr<const hosting::Library> library;
    const hosting::Protocol* protocol = nullptr; ///< In library.
  };

  /// Looks at every *.so of the folders, in the order of their names, and loads it. Blocking. Files that can't be used become problems. With `before`:
  /// what that has loaded stays as it is, and comes first; only files that are new to it are loaded.
  static std::shared_ptr<const Registry> scan(const RegistryOptions& options, const Registry* before = nullptr);

  /// Errors: unknown_protocol with the known ones, the folders searched, a near name, and what is wrong with a file of that name.
  Result<Entry> find(std::string_view protocol) const;
  const std::vector<Entry>& all() const noexcept { return entries_; }
  const std::vector<Error>& problems() const noexcept { return problems_; }
  /// Loaded files that have other contents by now: these wait for a restart.
  const std::vector<std::filesystem::path>& changed() const noexcept { return changed_; }

private:
  void add(const std::filesystem::path& file, const RegistryOptions& options);
  void enlist(const std::shared_ptr<const hosting::Library>& library, const RegistryOptions& options);

  std::vector<std::filesystem::path> folders_;
  std::vector<std::shared_ptr<const hosting::Library>> libraries_; ///< Every file that was loaded, once.
  std::vector<std::filesystem::path> changed_;
  std::vector<Entry> entries_;
  std::vector<Error> problems_;
};

} // namespace kith::plugin_host
