// SPDX-License-Identifier: GPL-3.0-or-later
#include "home/files.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>

namespace kith::home {
namespace {

constexpr mode_t others = S_IRWXG | S_IRWXO;

std::string folder_of(const std::string& path) {
  const auto slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string octal_advice(std::string_view mode, const std::string& path) { return "run: chmod " + std::string(mode) + " '" + path + "'"; }

Result<std::string> read_fd(int fd, const std::string& name, std::size_t most) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return system_error("read", name);
  const auto size = static_cast<std::size_t>(info.st_size);
  if (size > most) return bad_request(name + " is larger than " + std::to_string(most) + " bytes");
  // One buffer, which its owner can wipe: one that grew would leave what it had in freed memory.
  std::string out(size + 1, '\0');
  for (std::size_t had = 0; had < out.size();) {
    const ssize_t got = ::pread(fd, out.data() + had, out.size() - had, static_cast<off_t>(had));
    if (got < 0 && errno != EINTR) return system_error("read", name);
    if (got == 0) {
      out.resize(had);
      return out;
    }
    had += static_cast<std::size_t>(std::max<ssize_t>(got, 0));
  }
  return bad_request(name + " has grown while it was read; try again");
}

Result<Fd> open_to_read(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)); // a FIFO must not block us
  if (!fd.valid()) return system_error("read", path);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return system_error("read", path);
  if (!S_ISREG(info.st_mode)) return bad_request(path + " is not a file");
  return fd;
}

constexpr std::string_view unfinished = ".unfinished-"; ///< And six characters of mkostemp's: nobody's own file is called so.

/// Removes what it names, unless told to keep it.
class Leftover {
public:
  explicit Leftover(std::string path) : path_(std::move(path)) {}
  Leftover(const Leftover&) = delete;
  Leftover& operator=(const Leftover&) = delete;
  ~Leftover() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  void keep() noexcept { path_.clear(); }

private:
  std::string path_;
};

Error save_error(const std::string& path, std::string_view consequence) {
  const bool full = errno == ENOSPC || errno == EDQUOT;
  Error error = system_error("save", path);
  error.text += "; " + std::string(consequence) + (full ? "; free some space and try again" : "");
  return error;
}

/// Whose unfinished file this is by its name; empty: nobody's.
std::string_view of_unfinished(std::string_view name) {
  constexpr std::size_t random = 6;
  if (!name.starts_with('.') || name.size() <= unfinished.size() + random) return {};
  name.remove_suffix(random);
  return name.ends_with(unfinished) ? name.substr(1, name.size() - 1 - unfinished.size()) : std::string_view();
}

/// A synced file beside `path`, with the text; gives its path.
Result<std::string> write_beside(const std::string& path, std::string_view text, std::string_view consequence) {
  const auto slash = path.find_last_of('/') + 1; // npos + 1 is 0
  std::string temporary = path.substr(0, slash);
  temporary.append(".").append(path, slash).append(unfinished).append("XXXXXX");
  const Fd fd(::mkostemp(temporary.data(), O_CLOEXEC)); // mode 0600
  if (!fd.valid()) return save_error(path, consequence);
  Leftover leftover(temporary);
  if (!write_all(fd.get(), text) || ::fsync(fd.get()) != 0) return save_error(path, consequence);
  leftover.keep();
  return temporary;
}

} // namespace

void sweep_unfinished(const std::string& folder) {
  const auto names = list_folder(folder);
  if (!names) return;
  for (const std::string& name : *names) {
    if (!of_unfinished(name).empty()) ::unlink(std::string(folder).append("/").append(name).c_str());
  }
}

bool is_unfinished(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0 || info.st_nlink < 2) return false;
  const auto names = list_folder(folder_of(path));
  return names && std::ranges::any_of(*names, [&](const std::string& name) {
           struct stat other {};
           return of_unfinished(name) == base_name(path) && ::lstat((folder_of(path) + '/' + name).c_str(), &other) == 0 &&
                  other.st_dev == info.st_dev && other.st_ino == info.st_ino;
         });
}

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = other.release();
  }
  return *this;
}

int Fd::release() noexcept {
  const int fd = fd_;
  fd_ = -1;
  return fd;
}

void Fd::reset() noexcept {
  if (fd_ >= 0) ::close(release());
}

Error system_error(std::string_view what, const std::string& path) {
  const int reason = errno;
  return {Code::internal, "can't " + std::string(what) + ' ' + path + ": " + std::strerror(reason)};
}

std::string base_name(std::string_view path) { return std::string(path.substr(path.find_last_of('/') + 1)); }

bool exists(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0;
}

Result<void> make_private_folder(const std::string& path) {
  if (::mkdir(path.c_str(), S_IRWXU) != 0 && errno != EEXIST) return system_error("make the folder", path);
  return check_private_folder(path);
}

Result<void> check_private_folder(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return system_error("open the folder", path);
  if (!S_ISDIR(info.st_mode)) return bad_request(path + " is not a folder");
  if (info.st_uid != ::geteuid()) return bad_request("the folder " + path + " belongs to another user; choose a --home of your own");
  if ((info.st_mode & others) != 0) return bad_request("others may open the folder " + path + "; " + octal_advice("700", path));
  return {};
}

Result<std::string> read_file(const std::string& path, std::size_t most) {
  const auto fd = open_to_read(path);
  if (!fd) return fd.error();
  return read_fd(fd->get(), path, most);
}

Result<std::string> read_private_file(const std::string& path, std::size_t most) {
  const auto fd = open_to_read(path);
  if (!fd) return fd.error();
  return read_private_fd(fd->get(), path, most);
}

Result<std::size_t> check_private_fd(int fd, const std::string& name) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return system_error("read", name);
  if (!S_ISREG(info.st_mode)) return bad_request(name + " is not a file");
  if (info.st_uid != ::geteuid()) return bad_request(name + " belongs to another user");
  if ((info.st_mode & others) != 0) return bad_request("others may read " + name + ", which is secret; " + octal_advice("600", name));
  return static_cast<std::size_t>(info.st_size);
}

Result<std::string> read_private_fd(int fd, const std::string& name, std::size_t most) {
  if (const auto size = check_private_fd(fd, name); !size) return size.error();
  return read_fd(fd, name, most);
}

bool write_all(int fd, std::string_view text) noexcept {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

Result<void> sync_folder(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid() || ::fsync(fd.get()) != 0) return system_error("sync the folder", path);
  return {};
}

Result<void> replace_file(const std::string& path, std::string_view text) {
  constexpr std::string_view consequence = "the old file is as it was";
  std::string target = path;
  if (const std::unique_ptr<char, decltype(&std::free)> real{::realpath(path.c_str(), nullptr), &std::free}) target = real.get();
  const auto temporary = write_beside(target, text, consequence);
  if (!temporary) return temporary.error();
  Leftover leftover(*temporary);
  if (::rename(temporary->c_str(), target.c_str()) != 0) return save_error(path, consequence);
  leftover.keep();
  return sync_folder(folder_of(target));
}

Result<std::string> write_unfinished(const std::string& path, std::string_view text) { return write_beside(path, text, "nothing was made"); }

Result<void> create_file(const std::string& path, std::string_view text) {
  const auto temporary = write_unfinished(path, text);
  if (!temporary) return temporary.error();
  Leftover leftover(*temporary);
  if (auto moved = move_path(*temporary, path); !moved) return moved;
  leftover.keep();
  return sync_folder(folder_of(path));
}

Result<void> link_file(const std::string& from, const std::string& to) {
  if (::link(from.c_str(), to.c_str()) != 0) {
    if (errno == EEXIST) return bad_request(to + " is there already");
    return system_error("link", from + " to " + to);
  }
  auto synced = sync_folder(folder_of(to));
  if (!synced) ::unlink(to.c_str());
  return synced;
}

Result<void> link_or_move(const std::string& from, const std::string& to) {
  if (::link(from.c_str(), to.c_str()) != 0) {
    if (auto moved = move_path(from, to); !moved) return moved;
  }
  auto synced = sync_folder(folder_of(to));
  if (!synced) ::unlink(to.c_str());
  return synced;
}

Result<void> move_path(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return {};
  if (errno == EEXIST) return bad_request(to + " is there already");
  return system_error("move", from + " to " + to);
}

Result<std::vector<std::string>> list_folder(const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(path.c_str()), &::closedir);
  if (!folder) return system_error("list the folder", path);
  std::vector<std::string> out;
  errno = 0;
  while (const dirent* entry = ::readdir(folder.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") out.emplace_back(name);
  }
  if (errno != 0) return system_error("list the folder", path);
  std::ranges::sort(out);
  return out;
}

} // namespace kith::home
