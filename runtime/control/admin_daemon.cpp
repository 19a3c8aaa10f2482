// SPDX-License-Identifier: GPL-3.0-or-later
// status, stop, pool.*
#include "control/admin.hpp"

#include "control/path_json.hpp"

#include <algorithm>
#include <set>
#include <unistd.h>

namespace kith::control {
namespace {

protocol::ObjectWriter pool_fields(const node::Status& status) {
  std::size_t connections = 0;
  for (const auto& identity : status.identities) connections += identity.connections.size();
  protocol::ObjectWriter out;
  out.number("connections", connections);
  out.number("handshakes", status.pool.handshakes_dialed + status.pool.handshakes_accepted);
  out.number("reuses", status.pool.reuses).number("failed", status.pool.failures);
  return out;
}

std::string connected_json(const node::IdentityStatus& identity) {
  std::vector<std::string> items;
  std::set<PeerId> seen;
  std::vector<const node::ConnectionStatus*> rows;
  for (const auto& each : identity.connections) {
    if (each.confirmed) rows.push_back(&each);
  }
  std::stable_sort(rows.begin(), rows.end(), [](const auto* a, const auto* b) { return a->current > b->current; });
  for (const auto* row : rows) {
    if (!seen.insert(row->peer).second) continue;
    items.push_back(protocol::ObjectWriter()
                        .text("id", row->peer.text())
                        .text("name", row->peer_name)
                        .text("address", row->remote.text())
                        .number("rtt_us", microseconds(row->rtt))
                        .number("streams", row->streams)
                        .flag("dialed", row->dialer)
                        .finish());
  }
  return json_list(items);
}

std::uint64_t seconds(Duration time) { return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(time).count()); }

std::string traffic_json(const std::vector<node::Traffic>& traffic) {
  std::vector<std::string> rows;
  for (const auto& row : traffic) {
    rows.push_back(protocol::ObjectWriter()
                       .text("protocol", row.protocol)
                       .text("alias", row.alias)
                       .flag("ours", row.ours)
                       .number("opened", row.opened)
                       .number("sent", row.sent)
                       .number("received", row.received)
                       .finish());
  }
  return json_list(rows);
}

} // namespace

void Admin::status(Ask& ask, const Tell& tell) {
  if (const auto good = ask.fields.only({"id", "type"}); !good) return tell(good.error());
  const node::Status status = parts_.node.status();
  std::vector<std::string> identities;
  for (const auto& [name, identity] : parts_.roster.identities()) {
    protocol::ObjectWriter one = identity_fields(*identity, status);
    one.raw("bindings", bindings_json(*identity, status, false));
    std::string peers = "[]";
    for (const auto& each : status.identities) {
      if (identity->loaded && each.id == identity->id) peers = connected_json(each);
    }
    identities.push_back(one.raw("peers", peers).finish());
  }
  std::vector<std::string> plugins;
  for (const auto& entry : parts_.plugins.registry().all()) {
    plugins.push_back(protocol::ObjectWriter()
                          .text("protocol", entry.protocol->name)
                          .text("version", entry.protocol->version)
                          .text("file", entry.library->file.string())
                          .finish());
  }
  protocol::ObjectWriter out;
  out.number("pid", static_cast<std::uint64_t>(::getpid())).text("version", parts_.version).text("home", parts_.home.path());
  out.number("started", static_cast<std::uint64_t>(started_unix_));
  out.number("uptime_s", static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(parts_.world.now() - started_).count()));
  if (stopping_) out.flag("stopping", true);
  out.texts("listen", address_texts(status.listen)).raw("identities", json_list(identities)).raw("pool", pool_fields(status).finish());
  out.raw("plugins", json_list(plugins)).raw("errors", errors_json(problems()));
  tell(out.finish());
}

// --- stop and pool

void Admin::stop(Ask& ask, const Tell& tell) {
  std::string drain = "background";
  Fields read(ask.fields);
  read.only({"id", "type", "drain"}).text("drain", drain);
  if (drain != "background" && drain != "now") read.fail("\"drain\" must be \"background\" or \"now\"");
  if (read.error()) return tell(*read.error());
  tell(std::string());
  parts_.stop(parts_.world.now() + (drain == "now" ? Duration(0) : parts_.settings.drain_deadline));
}

void Admin::pool_list(Ask& ask, const Tell& tell) {
  if (const auto good = ask.fields.only({"id", "type", "identity"}); !good) return tell(good.error());
  std::optional<PeerId> only;
  if (ask.fields.raw("identity")) {
    const auto identity = good_identity_of(ask.fields);
    if (!identity) return tell(identity.error());
    only = (*identity)->id;
  }
  const node::Status status = parts_.node.status();
  std::vector<std::string> rows;
  for (const auto& identity : status.identities) {
    if (only && identity.id != *only) continue;
    for (const auto& each : identity.connections) {
      rows.push_back(protocol::ObjectWriter()
                         .text("identity", identity.name)
                         .text("peer", each.peer.text())
                         .text("name", each.peer_name)
                         .text("address", each.remote.text())
                         .text("local", each.local.text())
                         .text("alpn", each.alpn)
                         .flag("dialed", each.dialer)
                         .text("state", !each.confirmed ? "dialing"
                                        : each.draining ? "retiring"
                                                        : "up")
                         .number("age_s", seconds(each.age))
                         .number("idle_s", seconds(each.idle))
                         .number("rtt_us", microseconds(each.rtt))
                         .number("mtu", each.mtu)
                         .number("cwnd", each.congestion_window)
                         .number("in_flight", each.in_flight)
                         .number("sent", each.bytes_sent)
                         .number("received", each.bytes_received)
                         .number("lost", each.packets_lost)
                         .number("streams", each.streams)
                         .number("opened", each.opened)
                         .raw("bindings", traffic_json(each.traffic))
                         .finish());
    }
  }
  tell(protocol::ObjectWriter().raw("connections", json_list(rows)).raw("counters", pool_fields(status).finish()).finish());
}

void Admin::pool_close(Ask& ask, const Tell& tell) {
  std::string peer;
  Fields read(ask.fields);
  read.only({"id", "type", "identity", "peer"}).need_text("peer", peer);
  if (read.error()) return tell(*read.error());
  const auto identity = good_identity_of(ask.fields);
  if (!identity) return tell(identity.error());
  const auto id = parts_.roster.find_peer(**identity, peer);
  if (!id) return tell(id.error());
  const std::size_t closed = parts_.node.close_peer((*identity)->id, *id, "this daemon's owner closed the connection");
  tell(protocol::ObjectWriter().number("closed", closed).finish());
}

} // namespace kith::control
