// SPDX-License-Identifier: Apache-2.0
#include "doctor.hpp"

#include "commands.hpp"

#include "kith/home.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace kith::cli {
namespace {

namespace fs = std::filesystem;

constexpr mode_t others = S_IRWXG | S_IRWXO;
constexpr mode_t others_write = S_IWGRP | S_IWOTH;
constexpr std::uint64_t mebibyte = 1024 * 1024;
constexpr std::uint64_t little_room = 100 * mebibyte;
constexpr std::uint64_t no_room = 10 * mebibyte;

std::optional<struct stat> look(const std::string& path) {
  struct stat about {};
  return ::lstat(path.c_str(), &about) == 0 ? std::optional(about) : std::nullopt;
}

std::string mode_text(mode_t mode) {
  std::array<char, 8> text{};
  const int size = std::snprintf(text.data(), text.size(), "%04o", static_cast<unsigned>(mode & 07777));
  return {text.data(), static_cast<std::size_t>(std::max(size, 0))};
}

/// Names in a folder that end so, sorted.
std::vector<std::string> names_in(const std::string& folder, std::string_view ending) {
  std::vector<std::string> names;
  std::error_code failed;
  for (fs::directory_iterator at(folder, failed), end; !failed && at != end; at.increment(failed)) {
    const std::string name = at->path().filename().string();
    if (name.ends_with(ending)) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// What nobody else may open. True: all is well with it.
bool check_private(Checkup& out, const std::string& what, const std::string& path, const struct stat& about) {
  if (about.st_uid != ::getuid()) {
    out.bad(what, path + " belongs to uid " + std::to_string(about.st_uid), "give it back: chown " + std::to_string(::getuid()) + " '" + path + "'");
    return false;
  }
  if ((about.st_mode & others) != 0) {
    out.bad(what, path + " has mode " + mode_text(about.st_mode), "chmod go= '" + path + "'");
    return false;
  }
  return true;
}

void check_home(Checkup& out, const std::string& home) {
  const auto about = look(home);
  if (!about) return out.warn("home", "there is no " + home, "the first `kith daemon` makes it; or look for a forgotten --home");
  struct stat target {};
  if (::stat(home.c_str(), &target) != 0 || !S_ISDIR(target.st_mode)) return out.bad("home", home + " is no folder", "another --home");
  out.ok("home", home + ", " + mode_text(target.st_mode));
  const auto answer = check_start(home);
  if (!answer) return out.warn("start", answer.error().text, "install kith and kithd together; whether kithd can start was not looked at");
  const auto problems = file_errors(parse_answer(*answer), {});
  for (const auto& problem : problems) out.bad("start", problem, "kithd does not start like this: mend what it names");
  if (problems.empty()) out.ok("start", "nothing in the home keeps kithd from starting");
}

void check_keys(Checkup& out, const std::string& home) {
  const std::string folder = home + "/keys";
  if (!look(folder)) return;
  bool good = true;
  const auto keys = names_in(folder, ".key");
  for (const auto& name : keys) {
    const std::string path = fs::path(folder) / name;
    const auto key = look(path);
    if (!key) continue;
    if (!S_ISREG(key->st_mode) || key->st_size == 0) {
      out.bad("key " + name, path + (S_ISREG(key->st_mode) ? " is empty" : " is not a file"), "put the backup of this key there");
      good = false;
    } else {
      good = check_private(out, "key " + name, path, *key) && good;
    }
  }
  if (good) out.ok("keys", std::to_string(keys.size()) + ", nobody else may read them");
}

void check_pairs(Checkup& out, const std::string& home) {
  for (const auto& file : names_in(home + "/identities", ".yaml")) {
    const std::string name = file.substr(0, file.size() - std::string_view(".yaml").size());
    const std::string key = fs::path(home) / "keys" / (name + ".key");
    if (look(key)) continue;
    out.bad("identity " + name, "its key " + key + " is not there", "put the backup of the key there; without it the identity is gone");
  }
  for (const auto& key : names_in(home + "/keys", ".key")) {
    const std::string name = key.substr(0, key.size() - std::string_view(".key").size());
    const std::string file = fs::path(home) / "identities" / (name + ".yaml");
    if (look(file)) continue;
    out.bad("identity " + name, "its key is there, but no " + file,
            "put the file back and run kith reload; or kith delete-identity " + name + ", which moves the key to deleted/");
  }
}

void check_socket(Checkup& out, const std::string& home) {
  const std::string path = client::socket_path(home);
  const auto about = look(path);
  if (!about) return;
  if (!S_ISSOCK(about->st_mode)) return out.bad("socket", path + " is no socket", "move it away and start the daemon again");
  if (client::lock_holder(home).pid == 0) return out.ok("socket", path + ", left behind: the next start replaces it");
  if (check_private(out, "socket", path, *about)) out.ok("socket", path + ", " + mode_text(about->st_mode));
}

void check_plugins(Checkup& out, const std::string& home) {
  std::error_code failed;
  const fs::path self = fs::read_symlink("/proc/self/exe", failed);
  std::size_t seen = 0;
  bool good = true;
  std::set<std::string> folders{home + "/plugins"};
  if (!failed) folders.insert((self.parent_path().parent_path() / "lib/kith/plugins").string());
  for (const auto& folder : folders) {
    for (const auto& name : names_in(folder, ".so")) {
      const std::string path = fs::path(folder) / name;
      struct stat about {};
      if (::stat(path.c_str(), &about) != 0) continue;
      ++seen;
      if ((about.st_mode & others_write) == 0) continue;
      good = false;
      out.bad("plugin " + name, path + " has mode " + mode_text(about.st_mode) + ": others may change what runs with your rights",
              "chmod go-w '" + path + "'");
    }
  }
  if (good && seen > 0) out.ok("plugin files", std::to_string(seen) + ", nobody else may write them");
}

void check_room(Checkup& out, const std::string& home) {
  struct statvfs about {};
  if (::statvfs(home.c_str(), &about) != 0) return;
  const std::uint64_t room = std::uint64_t{about.f_bavail} * about.f_frsize;
  const std::string found = std::to_string(room / mebibyte) + " MiB free";
  if (room < no_room) {
    out.bad("disk", found, "make room: nothing can be saved on a full disk");
  } else if (room < little_room) {
    out.warn("disk", found, "make room before it is full");
  } else {
    out.ok("disk", found);
  }
}

} // namespace

std::uint16_t remembered_port(const std::string& home) {
  std::ifstream file(home + "/port");
  unsigned port = 0;
  return file >> port && port <= 65535 ? static_cast<std::uint16_t>(port) : std::uint16_t{0};
}

void check_files(Checkup& out, const std::string& home) {
  check_home(out, home);
  check_keys(out, home);
  check_pairs(out, home);
  check_socket(out, home);
  check_plugins(out, home);
  check_room(out, home);
}

} // namespace kith::cli
