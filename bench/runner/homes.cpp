// SPDX-License-Identifier: GPL-3.0-or-later
#include "runner/homes.hpp"

#include "rows.hpp"
#include "runner/child.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <fstream>
#include <thread>

namespace kith::bench {
namespace {
constexpr auto patience = std::chrono::seconds(20);
constexpr const char* pooled_alias = "pooled";

std::string kith(const std::filesystem::path& bin, const std::string& home, std::vector<std::string> words) {
  words.insert(words.begin(), {(bin / "kith").string(), "--home", home});
  Child child(words);
  const std::string printed = child.rest(patience);
  if (!child.ended_well(patience)) die("this failed: kith --home " + home + " " + words[3]);
  return printed.substr(0, printed.find('\n'));
}

/// One line to the daemon's socket and one back; false when there is nobody.
bool says_hello(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, path.data(), std::min(path.size(), sizeof name.sun_path - 1));
  constexpr const char* hello = "{\"id\":\"0\",\"type\":\"hello\"}\n";
  std::array<char, 256> answer{};
  const bool heard = ::connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0 &&
                     ::send(fd, hello, std::strlen(hello), MSG_NOSIGNAL) > 0 && ::recv(fd, answer.data(), answer.size(), 0) > 0;
  ::close(fd);
  return heard;
}

/// Says `inline: false` in the bindings with that alias, which no command does; gives the identity's id.
std::string make_pooled(const std::string& file) {
  std::ifstream in(file);
  std::string text;
  std::string id;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("id: ")) id = line.substr(4);
    text += line + "\n";
    if (const std::size_t at = line.find(std::string("alias: ") + pooled_alias); at != std::string::npos)
      text += std::string(at, ' ') + "inline: false\n";
  }
  in.close();
  std::ofstream(file) << text;
  return id;
}

/// A UDP port of 127.0.0.1 that nobody has now.
std::string free_address() {
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof name;
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0 || ::getsockname(fd, reinterpret_cast<sockaddr*>(&name), &length) != 0) {
    die("no UDP socket on 127.0.0.1");
  }
  ::close(fd);
  return "127.0.0.1:" + std::to_string(ntohs(name.sin_port));
}
} // namespace

void Homes::wait_until_ready(const std::string& home, std::chrono::milliseconds limit) {
  const auto until = Clock::now() + limit;
  while (!says_hello(home + "/daemon.sock")) {
    if (Clock::now() > until) die("the daemon of " + home + " did not start");
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
}

Homes::Homes(const std::filesystem::path& bin, std::size_t identities, const std::string& settings) : listen_(free_address()) {
  std::string pattern = (std::filesystem::temp_directory_path() / "kith-bench.XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) die("no temporary folder");
  folder_ = pattern;
  const auto daemon = [&](const std::string& home, const std::string& address) {
    return std::vector<std::string>{(bin / "kithd").string(), "--home", home, "--listen", address};
  };
  for (const std::string& home : {accepting(), dialing()}) {
    std::filesystem::create_directories(home + "/plugins");
    for (const std::string& folder : {home, home + "/plugins"}) std::filesystem::permissions(folder, std::filesystem::perms::owner_all);
    if (!settings.empty()) std::ofstream(home + "/kith.yaml") << settings;
    for (const char* name : {"Bench.so", "BenchDial.so"}) {
      const std::string plugin = home + "/plugins/" + name;
      std::filesystem::copy_file(bin.parent_path() / "bench/plugins" / name, plugin);
      std::filesystem::permissions(plugin, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    }
  }
  Child accepting_daemon(daemon(accepting(), listen_));
  wait_until_ready(accepting(), patience);
  kith(bin, accepting(), {"create-identity", "acceptor", "--online"});
  for (std::size_t i = 1; i < identities; ++i) kith(bin, accepting(), {"create-identity", "other" + std::to_string(i), "--online"});
  kith(bin, accepting(), {"add-protocol", "acceptor", "--protocol", "Bench", "--access", "public"});
  kith(bin, accepting(), {"add-protocol", "acceptor", "--protocol", "Bench", "--alias", pooled_alias, "--access", "public"});
  kith(bin, accepting(), {"add-protocol", "acceptor", "--protocol", "Program", "--provider", "--access", "public"});
  kith(bin, accepting(), {"add-protocol", "other1", "--protocol", "Bench"});
  const std::string ticket = kith(bin, accepting(), {"ticket", "acceptor"});
  Child dialing_daemon(daemon(dialing(), "127.0.0.1:0"));
  wait_until_ready(dialing(), patience);
  kith(bin, dialing(), {"create-identity", "dialer", "--online"});
  kith(bin, dialing(), {"peer", "add", "dialer", "peer", ticket});
  kith(bin, dialing(), {"add-protocol", "dialer", "--protocol", "BenchDial", "--access", "public"});
  kith(bin, dialing(), {"add-protocol", "dialer", "--protocol", "BenchDial", "--alias", pooled_alias, "--access", "public"});
  kith(bin, dialing(), {"stop"});
  kith(bin, accepting(), {"stop"});
  acceptor_ = make_pooled(accepting() + "/identities/acceptor.yaml");
  member_only_ = make_pooled(accepting() + "/identities/other1.yaml");
  dialer_ = make_pooled(dialing() + "/identities/dialer.yaml");
}

Homes::~Homes() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

} // namespace kith::bench
