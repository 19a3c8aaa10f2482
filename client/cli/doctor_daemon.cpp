// SPDX-License-Identifier: Apache-2.0
#include "doctor.hpp"

#include "commands.hpp"
#include "kith/home.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <sys/stat.h>

namespace kith::cli {
namespace {

constexpr std::uint64_t least_mtu = 1200; ///< Octets of UDP payload that QUIC needs (RFC 9000 §14).
constexpr std::uint64_t usual_mtu = 1350;
constexpr std::uint64_t enough_to_probe = 100'000; ///< Octets sent: a connection of a few calls is not probed.

Result<boost::json::value> ask(client::Client& daemon, std::string_view type, const client::ObjectWriter& fields = {}) {
  const auto answer = daemon.request(type, fields);
  if (!answer) return answer.error();
  return parse_answer(answer->payload.bytes);
}

std::string named(const boost::json::value& item) {
  const std::string name = text_of(item, "name");
  return name.empty() ? text_of(item, item.as_object().contains("peer") ? "peer" : "id") : name;
}

void check_version(Checkup& out, const client::Hello& hello) {
  const std::string found = "kithd " + hello.version + ", pid " + std::to_string(hello.pid);
  if (hello.version == KITH_VERSION) return out.ok("daemon", found);
  out.warn("daemon", found + "; this program is " KITH_VERSION, "restart the daemon: kith stop, kith daemon --detach");
}

void check_port(Checkup& out, const boost::json::value& health, const std::string& home) {
  const std::string listening = list_of(health, "listen");
  if (listening.empty()) return out.bad("port", "the daemon listens nowhere", "kith logs says why; `listen` in kith.yaml");
  const auto port = remembered_port(home);
  const auto has_port = [&](const boost::json::value& address) { return address.as_string().ends_with(":" + std::to_string(port)); };
  const auto& addresses = items_of(health, "listen");
  const bool same = port == 0 || std::any_of(addresses.begin(), addresses.end(), has_port);
  if (same) return out.ok("port", listening);
  out.warn("port", listening + ", not the remembered port " + std::to_string(port),
           "tickets that others have name the old port: give them new ones, or free the port and restart");
}

void check_process(Checkup& out, const boost::json::value& health) {
  if (flag_of(health, "gso")) {
    out.ok("GSO of the daemon", std::to_string(number_of(health, "train")) + " datagrams at once");
  } else {
    out.warn("GSO of the daemon", "it sends datagram by datagram",
             "everything works, slower; a driver or the kernel refused UDP_SEGMENT (kith logs)");
  }
  const auto& files = health.at("files");
  const auto used = number_of(files, "used");
  const auto limit = number_of(files, "limit");
  const std::string found = std::to_string(used) + " of " + std::to_string(limit);
  if (10 * used > 9 * limit) return out.bad("open files of the daemon", found, "max_open_files in kith.yaml, LimitNOFILE= of the service");
  out.ok("open files of the daemon", found);
}

void check_plugins(Checkup& out, const boost::json::value& health) {
  for (const auto& plugin : items_of(health, "plugins")) {
    out.ok("plugin " + text_of(plugin, "protocol"),
           text_of(plugin, "version") + ", ABI " + text_of(plugin, "abi") + " of " + text_of(health, "abi") + ", " + text_of(plugin, "file"));
  }
  for (const auto& problem : items_of(health, "plugin_problems"))
    out.bad("plugin", std::string(problem.as_string()), "mend or remove that file, and restart");
}

/// "group:friends" of a binding's lists, with commas.
std::string groups_of(const boost::json::value& binding) {
  std::string groups;
  for (const char* list : {"access", "deny"}) {
    for (const auto& entry : items_of(binding, list)) {
      const std::string text = entry.is_string() ? std::string(entry.as_string()) : "group:" + text_of(entry, "group");
      if (text.starts_with("group:") && text != "group:") groups += (groups.empty() ? "" : ", ") + text;
    }
  }
  return groups;
}

void check_identities(Checkup& out, const boost::json::value& status, const std::string& home) {
  std::vector<std::string> failed; // these errors have a row of their own
  for (const auto& check : out.checks()) failed.push_back(check.found);
  std::vector<std::string> told; // these files had one before
  for (const auto& identity : items_of(status, "identities")) {
    if (text_of(identity, "state") == "failed") failed.push_back(text_of(identity, "error"));
    const std::string name = text_of(identity, "name");
    if (out.has("identity " + name)) told.push_back(std::string(home).append("/identities/").append(name).append(".yaml: "));
  }
  for (const std::string& text : file_errors(status, failed)) {
    if (std::none_of(told.begin(), told.end(), [&](const std::string& file) { return text.starts_with(file); }))
      out.bad("file", text, "mend it, kith config check, kith reload");
  }
  for (const auto& identity : items_of(status, "identities")) {
    const std::string name = text_of(identity, "name");
    const std::string state = text_of(identity, "state");
    if (out.has("identity " + name)) continue;
    if (state == "failed") {
      out.bad("identity " + name, text_of(identity, "error"), "mend what it names, then kith reload");
      continue;
    }
    out.ok("identity " + name, state);
    for (const auto& binding : items_of(identity, "bindings")) {
      const std::string what = name + " " + text_of(binding, "protocol") + "/" + text_of(binding, "alias");
      const std::string binding_state = text_of(binding, "state");
      if (const std::string groups = groups_of(binding); !groups.empty())
        out.warn(what, groups + ": nobody, for this version knows no groups", "name the peers instead: peer:NAME");
      if (binding_state == "failed") {
        out.bad(what, text_of(binding, "error"), "kith configure-protocol changes it, kith logs has more");
      } else if (binding_state == "waiting") {
        out.warn(what, "no program serves it now", "start the program, or remove the binding");
      }
    }
  }
}

void check_path(Checkup& out, const std::string& identity, const boost::json::value& peer) {
  const std::string what = identity + " → " + named(peer);
  const auto& addresses = items_of(peer, "addresses");
  const std::string first = addresses.empty() ? "" : std::string(addresses.front().as_string());
  if (flag_of(peer, "connected")) {
    out.ok(what, "connected at " + text_of(peer, "address") + ", RTT " + duration_us(number_of(peer, "rtt_us")));
  } else if (first.empty()) {
    out.warn(what, "not connected, no address known", "kith peer add " + identity + " " + named(peer) + " TICKET, or wait until it calls");
  } else {
    out.ok(what, "not connected; " + first + " is tried first; kith ping " + identity + " " + named(peer) + " tries it");
  }
}

Result<void> check_peers(Checkup& out, client::Client& daemon, const boost::json::value& status) {
  for (const auto& identity : items_of(status, "identities")) {
    if (text_of(identity, "state") == "failed") continue;
    const std::string name = text_of(identity, "name");
    const auto peers = ask(daemon, "peer.list", client::ObjectWriter().text("identity", name));
    if (!peers) return peers.error();
    for (const auto& peer : items_of(*peers, "peers")) check_path(out, name, peer);
  }
  return {};
}

bool same_folder(const std::string& one, const std::string& other) {
  struct stat first {};
  struct stat second {};
  return ::stat(one.c_str(), &first) == 0 && ::stat(other.c_str(), &second) == 0 && first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

Result<void> check_mtu(Checkup& out, client::Client& daemon, std::uint64_t max_packet) {
  const auto pool = ask(daemon, "pool.list");
  if (!pool) return pool.error();
  for (const auto& connection : items_of(*pool, "connections")) {
    const auto mtu = number_of(connection, "mtu");
    const std::string what = "MTU " + text_of(connection, "identity") + " → " + named(connection);
    const std::string found = std::to_string(mtu) + " octets of UDP payload";
    const bool at_most = max_packet != 0 && mtu >= max_packet;                                                    // an older daemon does not say
    const bool probed = number_of(connection, "sent") >= enough_to_probe && number_of(connection, "age_s") >= 10; // probes take a while
    if (mtu >= usual_mtu || at_most || !probed) {
      out.ok(what, found + (at_most ? ", which is max_packet" : mtu < usual_mtu ? ", so far: more is tried when there is more to send" : ""));
    } else {
      out.warn(what, found + (mtu <= least_mtu ? ", the least that there is" : ""), "a tunnel on the way, or a firewall that swallows large packets");
    }
  }
  return {};
}

} // namespace

void check_absence(Checkup& out, const Error& error, const std::string& home) {
  const client::LockHolder holder = client::lock_holder(home);
  const std::string start = "kith daemon" + client::home_option(home) + " --detach";
  const std::string pid = holder.pid > 0 ? std::to_string(holder.pid) : "PID";
  switch (error.code) {
    case Code::timeout:
      return out.bad("daemon", error.text,
                     "kith logs; when it stays like this: kill -9 " + pid + " (" + client::lock_path(home) + " names it), then " + start);
    case Code::denied: return out.bad("daemon", error.text, "do what it says, run kith as that user, or choose a --home of your own");
    case Code::busy:
      return out.bad("daemon", error.text, "end programs that hold the socket, or raise max_clients in kith.yaml; kill -HUP " + pid + " is a reload");
    case Code::bad_request: return out.bad("daemon", error.text, "another --home");
    case Code::unreachable:
      if (holder.pid != 0 && holder.stopping) return out.warn("daemon", error.text, "wait until pid " + pid + " is gone, then " + start);
      if (holder.pid != 0) return out.bad("daemon", error.text, "wait a moment; else kill -HUP " + pid + ", which makes the socket again");
      return out.warn("daemon", error.text, start + "; what only it knows was not looked at");
    default: return out.bad("daemon", error.text, "kith logs");
  }
}

Result<void> check_daemon(Checkup& out, client::Client& daemon, const std::string& home) {
  check_version(out, daemon.hello());
  const auto health = ask(daemon, "health");
  if (!health) return health.error();
  const auto status = ask(daemon, "status");
  if (!status) return status.error();
  if (const std::string theirs = text_of(*status, "home"); !same_folder(theirs, home))
    out.bad("daemon's home", theirs + " is where it writes, and that is not " + home + " (any more)",
            "move the folder back; or kith stop, and start the daemon where the folder is now");
  if (flag_of(*status, "stopping"))
    out.warn("daemon", "it is stopping: what runs may end first, nothing new begins", "wait, or at once: kith stop --now");
  check_port(out, *health, home);
  check_process(out, *health);
  check_plugins(out, *health);
  check_identities(out, *status, home);
  if (auto done = check_peers(out, daemon, *status); !done) return done;
  return check_mtu(out, daemon, number_of(*health, "max_packet"));
}

} // namespace kith::cli
