// SPDX-License-Identifier: GPL-3.0-or-later
// ping, health: what one wants to know when something does not work.
#include "control/admin.hpp"

#include "control/path_json.hpp"

#include <algorithm>
#include <filesystem>
#include <sys/resource.h>

namespace kith::control {
namespace {

constexpr std::uint64_t default_ping_ms = 2000;
constexpr std::uint64_t longest_ping_ms = 60'000;

/// Descriptors that this process has open.
std::uint64_t open_files() {
  std::error_code failed;
  std::uint64_t count = 0;
  for (std::filesystem::directory_iterator at("/proc/self/fd", failed), end; !failed && at != end; at.increment(failed)) ++count;
  return count > 0 ? count - 1 : 0; // the one of the listing itself
}

std::string files_json() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return protocol::ObjectWriter().number("used", open_files()).number("limit", static_cast<std::uint64_t>(limit.rlim_cur)).finish();
}

} // namespace

std::uint64_t microseconds(Duration time) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(std::chrono::duration_cast<std::chrono::microseconds>(time).count(), 0));
}

protocol::ObjectWriter path_json(const Roster& roster, const PeerId& identity, const PeerId& peer, const node::Path& path) {
  std::string identity_name;
  std::string peer_name;
  for (const auto& [name, known] : roster.identities()) {
    if (!known->loaded || known->id != identity) continue;
    identity_name = name;
    if (const auto row = known->peers.find(peer); row != known->peers.end()) peer_name = row->second.name;
  }
  protocol::ObjectWriter out;
  out.text("identity", identity_name).text("peer", peer.text()).text("name", peer_name);
  out.text("address", path.remote.text()).text("local", path.local.text()).flag("dialed", path.dialer).flag("direct", true);
  out.number("mtu", path.mtu).flag("new", path.fresh);
  if (path.fresh) out.number("dial_us", microseconds(path.dialing));
  return out;
}

void Admin::ping(Ask& ask, const Tell& tell) {
  std::string peer;
  std::uint64_t patience = default_ping_ms;
  Fields read(ask.fields);
  read.only({"id", "type", "identity", "peer", "timeout_ms"}).need_text("peer", peer);
  read.number_within("timeout_ms", 1, longest_ping_ms, patience);
  if (read.error()) return tell(*read.error());
  const auto identity = good_identity_of(ask.fields);
  if (!identity) return tell(identity.error());
  const auto id = parts_.roster.find_peer(**identity, peer);
  if (!id) return tell(id.error());
  const PeerId own = (*identity)->id;
  parts_.node.ping(own, *id, std::chrono::milliseconds(patience), [this, own, id = *id, tell](const Result<node::PingReport>& report) {
    if (!report) return tell(parts_.roster.explain(own, id, {false, report.error(), false, 0, 0}));
    protocol::ObjectWriter out = path_json(parts_.roster, own, id, report->path);
    out.flag("answered", report->rtt.has_value());
    if (report->rtt) out.number("rtt_us", microseconds(*report->rtt));
    tell(out.finish());
  });
}

void Admin::health(Ask& ask, const Tell& tell) {
  if (const auto good = ask.fields.only({"id", "type"}); !good) return tell(good.error());
  std::vector<std::string> plugins;
  const auto& registry = parts_.plugins.registry();
  for (const auto& entry : registry.all()) {
    plugins.push_back(protocol::ObjectWriter()
                          .text("protocol", entry.protocol->name)
                          .text("version", entry.protocol->version)
                          .text("file", entry.library->file.string())
                          .text("abi", std::to_string(KITH_ABI_MAJOR) + "." + std::to_string(entry.library->descriptor.minor_needed))
                          .finish());
  }
  std::vector<std::string> problems;
  for (const auto& problem : registry.problems()) problems.push_back(problem.text);
  const node::Status status = parts_.node.status();
  protocol::ObjectWriter out;
  out.text("version", parts_.version).number("unix", static_cast<std::uint64_t>(parts_.world.unix_now()));
  out.texts("listen", address_texts(status.listen)).flag("gso", status.max_train > 1).number("train", status.max_train);
  out.number("max_packet", parts_.settings.max_packet);
  out.text("abi", std::to_string(KITH_ABI_MAJOR) + "." + std::to_string(KITH_ABI_MINOR))
      .raw("files", files_json())
      .raw("plugins", json_list(plugins))
      .texts("plugin_problems", problems);
  tell(out.finish());
}

} // namespace kith::control
