// SPDX-License-Identifier: GPL-3.0-or-later
#include "home/home.hpp"

#include "home/files.hpp"

#include "base/name.hpp"

#include <algorithm>
#include <charconv>
#include <fcntl.h>
#include <filesystem>
#include <iterator>
#include <sys/stat.h>
#include <unistd.h>

namespace kith::home {
namespace {

constexpr std::array<std::string_view, 6> folders{"identities", "keys", "data", "deleted", "plugins", "logs"};
constexpr std::size_t max_port_file_size = 16;

Result<std::string> instance_folder(const std::string& home, const PeerId& id, std::string_view protocol, std::string_view alias) {
  if (const auto ok = check_name(protocol, "protocol"); !ok) return ok.error();
  if (const auto ok = check_name(alias, "alias"); !ok) return ok.error();
  return home + "/data/" + id.text() + '/' + std::string(protocol) + '/' + std::string(alias);
}

} // namespace

Result<Home> Home::at(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  if (path.empty() || path.front() != '/') return bad_request("KITH_HOME must be an absolute path, not '" + path + "'");
  Home home(std::move(path));
  if (const std::size_t size = home.socket_path().size(); size > max_socket_path_size) {
    return bad_request("the path of the socket, " + home.socket_path() + ", has " + std::to_string(size) + " bytes; at most " +
                       std::to_string(max_socket_path_size) + " are possible: choose a shorter --home");
  }
  return home;
}

Result<Home> Home::open(std::string path) {
  auto named = at(std::move(path));
  if (!named) return named;
  const Home& home = *named;
  if (const auto ok = make_private_folder(home.path_); !ok) return ok.error();
  for (const std::string_view folder : folders) {
    if (const auto ok = make_private_folder(home.path_ + '/' + std::string(folder)); !ok) return ok.error();
  }
  if (!exists(home.settings_path())) {
    if (const auto ok = create_file(home.settings_path(), config::default_daemon_text()); !ok) return ok.error();
  }
  return named;
}

std::vector<Error> Home::problems() const {
  std::vector<Error> out;
  const auto look = [&](const auto& result) {
    if (!result) out.push_back(result.error());
  };
  if (!exists(path_)) return out;
  const auto own = check_private_folder(path_);
  look(own);
  if (own && ::faccessat(AT_FDCWD, path_.c_str(), R_OK | W_OK | X_OK, AT_EACCESS) != 0) {
    const bool closed = errno == EACCES; // and not a file system that is read-only
    Error error = system_error("write in the folder", path_);
    if (closed) error.text += "; run: chmod 700 '" + path_ + "'";
    out.push_back(std::move(error));
  }
  for (const std::string_view folder : folders) {
    const std::string path = path_ + '/' + std::string(folder);
    if (exists(path)) look(check_private_folder(path));
  }
  const std::string lock = path_ + "/daemon.lock";
  if (exists(lock) && !Fd(::open(lock.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW)).valid()) out.push_back(system_error("open", lock));
  struct stat about {};
  if (const std::string socket = socket_path(); ::lstat(socket.c_str(), &about) == 0 && !S_ISSOCK(about.st_mode)) {
    out.push_back({Code::internal, socket + " is not a socket: move it away, the daemon needs this name"});
  }
  bool asks_for_port = true;
  if (exists(settings_path())) {
    const auto text = read_file(settings_path(), config::max_text_size);
    look(text);
    if (text) std::ranges::move(config::check_daemon(*text, settings_path()), std::back_inserter(out));
    const auto settings = text ? config::parse_daemon(*text, settings_path()) : text.error();
    asks_for_port = settings && settings->listen.empty();
  }
  if (exists(secret_path())) look(read_secret());
  if (asks_for_port) look(remembered_port());
  return out;
}

Result<config::DaemonConfig> Home::load_settings() const {
  const auto text = read_file(settings_path(), config::max_text_size);
  if (!text) return text.error();
  return config::parse_daemon(*text, settings_path());
}

Result<std::string> Home::data_folder(const PeerId& id, std::string_view protocol, std::string_view alias) const {
  auto folder = instance_folder(path_, id, protocol, alias);
  if (!folder) return folder;
  const std::string of_identity = path_ + "/data/" + id.text();
  for (const std::string& part : {of_identity, of_identity + '/' + std::string(protocol), *folder}) {
    if (const auto ok = make_private_folder(part); !ok) return ok.error();
  }
  return folder;
}

Result<void> Home::purge_data(const PeerId& id, std::string_view protocol, std::string_view alias) const {
  const auto folder = instance_folder(path_, id, protocol, alias);
  if (!folder) return folder.error();
  std::error_code failed;
  std::filesystem::remove_all(*folder, failed);
  if (failed) return Error{Code::internal, "can't delete all of " + *folder + ": " + failed.message()};
  return {};
}

Result<std::optional<std::uint16_t>> Home::remembered_port() const {
  const std::string file = path_ + "/port";
  if (!exists(file)) return std::optional<std::uint16_t>();
  const auto text = read_file(file, max_port_file_size);
  if (!text) return text.error();
  std::uint16_t port = 0;
  const auto [end, failed] = std::from_chars(text->data(), text->data() + text->size(), port);
  const std::string_view rest(end, static_cast<std::size_t>(text->data() + text->size() - end));
  if (failed != std::errc{} || port == 0 || !(rest.empty() || rest == "\n")) {
    return bad_request(file + " must have one number from 1 to 65535; delete it, and a new port is chosen");
  }
  return std::optional(port);
}

Result<void> Home::remember_port(std::uint16_t port) const { return replace_file(path_ + "/port", std::to_string(port) + "\n"); }

Result<std::array<std::uint8_t, daemon_secret_size>> Home::daemon_secret(Random& random) const {
  if (exists(secret_path())) return read_secret();
  std::array<std::uint8_t, daemon_secret_size> secret{};
  random.fill(secret);
  if (const auto ok = create_file(secret_path(), as_text(secret)); !ok) return ok.error();
  return secret;
}

Result<std::array<std::uint8_t, daemon_secret_size>> Home::read_secret() const {
  const std::string file = secret_path();
  std::array<std::uint8_t, daemon_secret_size> secret{};
  auto text = read_private_file(file, max_key_file_size);
  if (!text) return text.error();
  if (text->size() != secret.size()) {
    return bad_request(file + " must have " + std::to_string(secret.size()) +
                       " bytes; delete it, and a new one is made (peers then reconnect a little later)");
  }
  std::ranges::copy(as_bytes(*text), secret.begin());
  identity::wipe({reinterpret_cast<std::uint8_t*>(text->data()), text->size()});
  return secret;
}

} // namespace kith::home
