// SPDX-License-Identifier: Apache-2.0
// Opens plugin files. Blocking: files are read and copied.
#pragma once

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "hosting/descriptor.hpp"

#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <string>

namespace kith::hosting {

inline constexpr std::uint64_t max_plugin_size = 256ULL << 20U; ///< Octets of a plugin file.

struct LoadOptions {
  /// A folder of this daemon's own (0700, made when missing) for the private copies: overwriting a mapped file crashes whoever mapped it, and opening it
  /// again gives the old one, so what is opened is a copy named by its hash. The copy's name goes as soon as it is mapped.
  std::filesystem::path private_folder;
  /// SHA-256 as lower-case hex. libsodium is `identity`'s alone, so the caller brings it.
  std::function<std::string(ByteView)> sha256;
  /// When not empty: the only hashes that are accepted. Compared before anything of the file runs.
  std::set<std::string> pinned_sha256;
};

/// One loaded file. It stays mapped until the process ends: descriptors and code are never pulled from under anyone.
struct Library {
  std::filesystem::path file; ///< Where it was found, not the copy.
  std::string sha256;
  Descriptor descriptor;
};

/// Checks, copies, hashes and opens one file. Errors, each with the path and a way out: bad_request (not a regular file, group or others may write it or its
/// folder, owned by somebody else, not a shared library, no kith plugin, descriptor rules), denied (another hash than the pinned one), unsupported_version,
/// internal (the system's reason).
Result<std::shared_ptr<const Library>> load_library(const std::filesystem::path& file, const LoadOptions& options);

/// The SHA-256 that load_library would see now; empty when it would refuse to read the file.
std::string file_sha256(const std::filesystem::path& file, const LoadOptions& options);

} // namespace kith::hosting
