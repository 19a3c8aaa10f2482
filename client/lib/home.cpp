// SPDX-License-Identifier: Apache-2.0
#include "kith/home.hpp"

#include "protocol/fd_passing.hpp"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <pwd.h>
#include <sstream>
#include <sys/file.h>
#include <unistd.h>

namespace kith::client {

std::string resolve_home(const std::string& option) {
  std::filesystem::path home = option;
  if (home.empty()) {
    const char* set = std::getenv("KITH_HOME"); // NOLINT(concurrency-mt-unsafe): nobody changes the environment of these programs
    if (set != nullptr) home = set;
  }
  if (home.empty()) {
    const char* user = std::getenv("HOME"); // NOLINT(concurrency-mt-unsafe)
    if (user == nullptr || *user == '\0') {
      const passwd* about = ::getpwuid(::geteuid()); // NOLINT(concurrency-mt-unsafe): what `~` is to a shell
      user = about != nullptr ? about->pw_dir : "/";
    }
    home = std::filesystem::path(user) / ".kith";
  }
  std::error_code ignored; // the path then stays as it was given
  const auto absolute = std::filesystem::absolute(home, ignored).lexically_normal();
  std::string text = ignored ? home.string() : absolute.string();
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

std::string home_option(const std::string& home) { return home == resolve_home("") ? "" : " --home '" + home + "'"; }
std::string socket_path(const std::string& home) { return home + "/daemon.sock"; }
std::string lock_path(const std::string& home) { return home + "/daemon.lock"; }
std::string log_path(const std::string& home) { return home + "/logs/kithd.log"; }

LockHolder lock_holder(const std::string& home) {
  const protocol::Fd file(::open(lock_path(home).c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 64> words{};
  if (!file || ::read(file.get(), words.data(), words.size() - 1) <= 0) return {};
  std::istringstream text(words.data());
  LockHolder holder;
  std::string state;
  if (!(text >> holder.pid) || holder.pid <= 0) return {};
  holder.stopping = text >> state && state == "stopping";
  if (::flock(file.get(), LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK) holder.pid = 0; // its words are left behind
  return holder;
}

} // namespace kith::client
