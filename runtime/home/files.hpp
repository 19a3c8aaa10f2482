// SPDX-License-Identifier: GPL-3.0-or-later
// Files as KITH_HOME needs them: read with a bound, replaced atomically, kept private. Everything blocks; errors are `internal` with the path, the
// system's reason and the way out, unless a comment says otherwise.
#pragma once

#include "base/bytes.hpp"
#include "base/error.hpp"

#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace kith::home {

/// Owns a file descriptor.
class Fd {
public:
  Fd() = default;
  explicit Fd(int fd) noexcept : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept;
  ~Fd() { reset(); }

  int get() const noexcept { return fd_; }
  bool valid() const noexcept { return fd_ >= 0; }
  int release() noexcept;
  void reset() noexcept;

private:
  int fd_ = -1;
};

/// "can't WHAT PATH: reason", from errno.
Error system_error(std::string_view what, const std::string& path);

bool exists(const std::string& path);
/// What follows the last slash.
std::string base_name(std::string_view path);

/// A folder that only its owner may enter; made with mode 0700 when missing (its parent must be there). Errors: bad_request when it is something
/// else, somebody else's, or open to others.
Result<void> make_private_folder(const std::string& path);
/// The same of one that is there.
Result<void> check_private_folder(const std::string& path);

/// The whole file. Errors: bad_request when it is larger than `most` octets.
Result<std::string> read_file(const std::string& path, std::size_t most);
/// The same for a file that only its owner may read. Errors: bad_request with the chmod that helps.
Result<std::string> read_private_file(const std::string& path, std::size_t most);
/// Whether a descriptor is a file that only its owner, we, may read; gives its size. Errors: bad_request with the chmod that helps.
Result<std::size_t> check_private_fd(int fd, const std::string& name);
/// The same as read_private_file from a descriptor, from its start; `name` is for errors.
Result<std::string> read_private_fd(int fd, const std::string& name, std::size_t most);

/// Writes a new file beside the old one, syncs it, puts it in its place and syncs the folder: after a crash or on a full disk the path has the old
/// text or the new one, whole. A symbolic link is followed, and stays. The file has mode 0600.
Result<void> replace_file(const std::string& path, std::string_view text);
/// The same for a file that must not be there yet. Errors: bad_request when it is.
Result<void> create_file(const std::string& path, std::string_view text);

/// The first half of create_file: a synced file beside `path`, and what it is called. What links it to `path` before its other parts are there makes a
/// file that is_unfinished() until this name is gone. Errors: as those of create_file.
Result<std::string> write_unfinished(const std::string& path, std::string_view text);
bool is_unfinished(const std::string& path);
/// A second name in the same file system; never in the place of something that is there (bad_request). The folder is synced;
/// after an error there is no second name.
Result<void> link_file(const std::string& from, const std::string& to);
/// The same; where the file system has no second names, `to` is the only one after it.
Result<void> link_or_move(const std::string& from, const std::string& to);

/// Deletes what replace_file and create_file left in a folder when they were killed. Nobody may be in them meanwhile.
void sweep_unfinished(const std::string& folder);

/// All of it, through short writes and interruptions; errno is set on failure.
bool write_all(int fd, std::string_view text) noexcept;

Result<void> sync_folder(const std::string& path);

/// Moves within one file system; never onto something that is there (bad_request). Neither folder is synced.
Result<void> move_path(const std::string& from, const std::string& to);

/// Names in a folder, sorted; without "." and "..".
Result<std::vector<std::string>> list_folder(const std::string& path);

} // namespace kith::home
