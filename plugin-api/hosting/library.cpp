// SPDX-License-Identifier: Apache-2.0
#include "hosting/library.hpp"

#include "hosting/text.hpp"

#include <boost/dll/shared_library.hpp>

#include <cerrno>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace kith::hosting {

namespace {

namespace fs = std::filesystem;

class FileHandle {
public:
  explicit FileHandle(int fd) noexcept : fd_(fd) {}
  FileHandle(const FileHandle&) = delete;
  FileHandle& operator=(const FileHandle&) = delete;
  ~FileHandle() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const noexcept { return fd_; }

private:
  int fd_;
};

Error system_error(const fs::path& path, const char* what) {
  const int reason = errno;
  return {Code::internal, path.string() + ": " + what + ": " + std::strerror(reason)};
}

// Only root and we may be able to change what we run.
Result<void> check_owner(const struct stat& info, const fs::path& path) {
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return bad_request(path.string() + ": group or others may write it; a plugin runs with your rights: chmod go-w it");
  if (info.st_uid != 0 && info.st_uid != ::geteuid()) return bad_request(path.string() + ": belongs to another user, who could change it");
  return {};
}

Result<Bytes> read_checked(const fs::path& file) {
  const FileHandle fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0) return system_error(file, "can't be opened");
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return system_error(file, "can't be looked at");
  if (!S_ISREG(info.st_mode)) return bad_request(file.string() + ": not a regular file");
  if (auto ok = check_owner(info, file); !ok) return ok.error();
  const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  struct stat folder_info {};
  if (::stat(folder.c_str(), &folder_info) != 0) return system_error(folder, "can't be looked at");
  if (auto ok = check_owner(folder_info, folder); !ok) return ok.error();
  if (static_cast<std::uint64_t>(info.st_size) > max_plugin_size) return bad_request(file.string() + ": larger than 256 MiB");

  Bytes content(static_cast<std::size_t>(info.st_size));
  std::size_t done = 0;
  while (done < content.size()) {
    const ssize_t count = ::read(fd.get(), content.data() + done, content.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_error(file, "can't be read");
    if (count == 0) return bad_request(file.string() + ": became shorter while it was read");
    done += static_cast<std::size_t>(count);
  }
  static constexpr std::uint8_t elf[] = {0x7F, 'E', 'L', 'F'};
  if (content.size() < sizeof elf || std::memcmp(content.data(), elf, sizeof elf) != 0)
    return bad_request(file.string() + ": not a plugin: it is not a shared library");
  return content;
}

Result<void> write_all(int fd, ByteView bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_error(path, "can't be written");
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return {};
}

// Always written anew: whatever lies there under this name is not trusted to have that hash. A mapped older copy keeps its inode.
Result<fs::path> make_private_copy(const fs::path& file, ByteView content, const std::string& hash, const fs::path& folder) {
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return system_error(folder, "can't be made");
  struct stat info {};
  if (::lstat(folder.c_str(), &info) != 0) return system_error(folder, "can't be looked at");
  if (!S_ISDIR(info.st_mode) || info.st_uid != ::geteuid() || (info.st_mode & 077) != 0)
    return bad_request(folder.string() + ": must be a folder of this user with mode 0700");
  const fs::path copy = folder / (file.stem().string() + "-" + hash + ".so");
  std::string temporary = copy.string() + ".XXXXXX";
  const FileHandle fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (fd.get() < 0) return system_error(temporary, "can't be made");
  auto written = write_all(fd.get(), content, temporary);
  if (written && ::rename(temporary.c_str(), copy.c_str()) != 0) written = system_error(copy, "can't be put in place");
  if (!written) {
    ::unlink(temporary.c_str());
    return written.error();
  }
  return copy;
}

Result<Descriptor> ask_entry(kith_entry_function entry, const std::string& file) try {
  std::string why;
  kith_entry_args args{};
  args.struct_size = sizeof args;
  args.abi_major = KITH_ABI_MAJOR;
  args.abi_minor = KITH_ABI_MINOR;
  args.context = &why;
  args.set_error = [](void* context, kith_text text) {
    *static_cast<std::string*>(context) = is_sound(text) ? std::string(view(text)) : std::string{};
  };
  const kith_plugin* plugin = entry(&args);
  if (plugin == nullptr) return bad_request(file + ": the plugin declined to load: " + (why.empty() ? "it gave no reason" : why));
  return read_descriptor(plugin, file);
} catch (...) {
  return Error{Code::plugin_failed, file + ": " KITH_ENTRY_SYMBOL " threw an exception"};
}

} // namespace

std::string file_sha256(const std::filesystem::path& file, const LoadOptions& options) {
  const auto content = read_checked(file);
  return content ? options.sha256(*content) : std::string();
}

Result<std::shared_ptr<const Library>> load_library(const std::filesystem::path& file, const LoadOptions& options) {
  auto content = read_checked(file);
  if (!content) return content.error();
  const std::string hash = options.sha256(*content);
  if (!options.pinned_sha256.empty() && !options.pinned_sha256.contains(hash))
    return Error{Code::denied, file.string() + ": not loaded: its SHA-256 is " + hash + ", pinned is " + *options.pinned_sha256.begin()};
  auto copy = make_private_copy(file, *content, hash, options.private_folder);
  if (!copy) return copy.error();

  namespace dll = boost::dll;
  boost::dll::fs::error_code failed;
  // RTLD_NODELETE is no flag of Boost.DLL's, but its modes are handed to dlopen as they are.
  const auto mode = dll::load_mode::rtld_now | dll::load_mode::rtld_local | static_cast<dll::load_mode::type>(RTLD_NODELETE);
  dll::shared_library library;
  ::dlerror();
  library.load(copy->string(), mode, failed);
  const char* reason = failed ? ::dlerror() : nullptr;
  ::unlink(copy->c_str()); // what is mapped stays; the folder does not fill with old versions
  if (failed) {
    return bad_request(file.string() + ": not a plugin: " + (reason != nullptr ? std::string(reason) : failed.message()));
  }
  if (!library.has(KITH_ENTRY_SYMBOL)) return bad_request(file.string() + ": not a kith plugin: it exports no " KITH_ENTRY_SYMBOL);
  auto descriptor = ask_entry(library.get<const kith_plugin*(const kith_entry_args*)>(KITH_ENTRY_SYMBOL), file.string());
  if (!descriptor) return descriptor.error();
  return std::make_shared<const Library>(Library{file, hash, std::move(*descriptor)});
}

} // namespace kith::hosting
