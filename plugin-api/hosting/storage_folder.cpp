// SPDX-License-Identifier: Apache-2.0
#include "hosting/storage_folder.hpp"

#include <kith/abi/storage.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace kith::hosting {

namespace {

constexpr std::size_t max_parts = 8;
constexpr std::size_t max_part_size = 128;
constexpr std::string_view temporary_prefix = "."; // no storage name begins so

class Handle {
public:
  explicit Handle(int fd = -1) noexcept : fd_(fd) {}
  Handle(Handle&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Handle() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const noexcept { return fd_; }
  int release() noexcept { return std::exchange(fd_, -1); }
  explicit operator bool() const noexcept { return fd_ >= 0; }

private:
  int fd_;
};

StorageResult failed(const StorageRequest& request) {
  const int reason = errno;
  StorageResult out;
  out.operation = request.operation;
  out.status = reason == ENOENT || reason == ENOTDIR ? KITH_E_NOT_FOUND : KITH_E_IO;
  if (out.status == KITH_E_IO) out.reason = request.name + ": " + std::strerror(reason);
  return out;
}

Handle open_folder(int parent, const char* name) { return Handle(::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)); }

// The folder that holds the last part of `name`, and that part. Each step is an openat of its own, so that no link leads outside.
Handle open_parent(const std::string& root, std::string_view name, bool make, std::string& last) {
  Handle at(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  while (at) {
    const std::size_t slash = name.find('/');
    last = std::string(name.substr(0, slash));
    if (slash == std::string_view::npos) break;
    name.remove_prefix(slash + 1);
    if (make && ::mkdirat(at.get(), last.c_str(), 0700) != 0 && errno != EEXIST) return Handle();
    at = open_folder(at.get(), last.c_str());
  }
  return at;
}

StorageResult read_file(const std::string& root, const StorageRequest& request) {
  std::string last;
  const Handle parent = open_parent(root, request.name, false, last);
  if (!parent) return failed(request);
  const Handle file(::openat(parent.get(), last.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  struct stat info {};
  if (!file || ::fstat(file.get(), &info) != 0) return failed(request);
  StorageResult out;
  out.operation = request.operation;
  if (!S_ISREG(info.st_mode)) {
    out.status = KITH_E_NOT_FOUND;
    return out;
  }
  if (info.st_size > KITH_STORAGE_MAX_FILE) {
    out.status = KITH_E_LIMIT;
    return out;
  }
  out.bytes.resize(static_cast<std::size_t>(info.st_size));
  std::size_t done = 0;
  while (done < out.bytes.size()) {
    const ssize_t count = ::read(file.get(), out.bytes.data() + done, out.bytes.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failed(request);
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  out.bytes.resize(done);
  return out;
}

bool write_synced(int fd, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return ::fsync(fd) == 0;
}

StorageResult replace_file(const std::string& root, const StorageRequest& request) {
  std::string last;
  const Handle parent = open_parent(root, request.name, true, last);
  if (!parent) return failed(request);
  const std::string temporary = std::string(temporary_prefix) + last + ".new"; // operations of one instance run one after another
  const Handle file(::openat(parent.get(), temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file || !write_synced(file.get(), request.content) || ::renameat(parent.get(), temporary.c_str(), parent.get(), last.c_str()) != 0 ||
      ::fsync(parent.get()) != 0) {
    StorageResult out = failed(request);
    ::unlinkat(parent.get(), temporary.c_str(), 0);
    return out;
  }
  StorageResult out;
  out.operation = request.operation;
  return out;
}

StorageResult remove_file(const std::string& root, const StorageRequest& request) {
  std::string last;
  const Handle parent = open_parent(root, request.name, false, last);
  if (!parent) return failed(request);
  if (::unlinkat(parent.get(), last.c_str(), 0) != 0 && (errno != EISDIR || ::unlinkat(parent.get(), last.c_str(), AT_REMOVEDIR) != 0))
    return failed(request);
  StorageResult out;
  out.operation = request.operation;
  return out;
}

StorageResult list_folder(const std::string& root, const StorageRequest& request) {
  std::string last;
  Handle folder = open_parent(root, request.name.empty() ? "" : request.name, false, last);
  if (folder && !last.empty()) folder = open_folder(folder.get(), last.c_str());
  if (!folder) return failed(request);
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(folder.get()), ::closedir);
  if (stream == nullptr) return failed(request);
  folder.release();
  StorageResult out;
  out.operation = request.operation;
  while (const dirent* entry = ::readdir(stream.get())) {
    if (!is_storage_name(entry->d_name)) continue;
    struct stat info {};
    if (::fstatat(::dirfd(stream.get()), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (!S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode)) continue;
    if (out.names.size() == KITH_STORAGE_MAX_NAMES) {
      out.names.clear();
      out.status = KITH_E_LIMIT;
      return out;
    }
    out.names.push_back(std::string(entry->d_name) + (S_ISDIR(info.st_mode) ? "/" : ""));
  }
  std::ranges::sort(out.names);
  return out;
}

} // namespace

bool is_storage_name(std::string_view name) noexcept {
  const auto is_ok = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  };
  for (std::size_t parts = 1;; ++parts) {
    const std::size_t slash = name.find('/');
    const std::string_view part = name.substr(0, slash);
    if (parts > max_parts || part.empty() || part.size() > max_part_size || part.front() == '.' || !std::ranges::all_of(part, is_ok)) return false;
    if (slash == std::string_view::npos) return true;
    name.remove_prefix(slash + 1);
  }
}

StorageResult run_storage(const std::string& folder, const StorageRequest& request) {
  switch (request.kind) {
    case StorageRequest::Kind::read: return read_file(folder, request);
    case StorageRequest::Kind::replace: return replace_file(folder, request);
    case StorageRequest::Kind::remove: return remove_file(folder, request);
    case StorageRequest::Kind::list: break;
  }
  return list_folder(folder, request);
}

} // namespace kith::hosting
