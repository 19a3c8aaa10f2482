// SPDX-License-Identifier: Apache-2.0
#include "commands.hpp"

#include <boost/json.hpp>
#include <iostream>

namespace kith::cli {
namespace {

constexpr std::uint64_t microseconds_of_a_second = 1'000'000;

std::string name_of(const boost::json::value& connection) {
  const std::string name = text_of(connection, "name");
  return name.empty() ? text_of(connection, "peer") : name;
}

std::string seconds_text(const boost::json::value& item, std::string_view member) {
  const auto seconds = number_of(item, member);
  return seconds == 0 ? "0 s" : duration_us(seconds * microseconds_of_a_second);
}

void show_connections(Context& context, const boost::json::value& data) {
  Table table({"IDENTITY", "PEER", "ADDRESS", "STATE", "DIALED BY", "UP", "IDLE", "RTT", "CWND", "LOST", "STREAMS", "SENT", "RECEIVED"});
  Table traffic({"IDENTITY", "PEER", "BINDING", "OF", "STREAMS", "SENT", "RECEIVED"});
  for (const auto& item : items_of(data, "connections")) {
    const std::string identity = text_of(item, "identity");
    const std::string peer = name_of(item);
    table.add({identity, peer, text_of(item, "address"), text_of(item, "state"), flag_of(item, "dialed") ? "us" : "them", seconds_text(item, "age_s"),
               seconds_text(item, "idle_s"), duration_us(number_of(item, "rtt_us")), std::to_string(number_of(item, "cwnd")),
               std::to_string(number_of(item, "lost")),
               std::to_string(number_of(item, "streams")) + " of " + std::to_string(number_of(item, "opened")),
               std::to_string(number_of(item, "sent")), std::to_string(number_of(item, "received"))});
    for (const auto& row : items_of(item, "bindings")) {
      const std::string protocol = text_of(row, "protocol");
      traffic.add({identity, peer, protocol.empty() ? "others" : protocol + "/" + text_of(row, "alias"), flag_of(row, "ours") ? "us" : "them",
                   std::to_string(number_of(row, "opened")), std::to_string(number_of(row, "sent")), std::to_string(number_of(row, "received"))});
    }
  }
  if (table.empty()) {
    context.io.err << "no connections\n";
    return;
  }
  context.io.out << table.text(context.io.out_terminal);
  if (!traffic.empty()) context.io.out << '\n' << traffic.text(context.io.out_terminal);
}

} // namespace

int pool_list(Context& context) {
  auto fields = context.identity_field();
  if (!fields) return context.fail(fields.error());
  return context.ask("pool.list", *fields, [&](const auto& data) { show_connections(context, data); });
}

int pool_close(Context& context) {
  auto fields = context.identity_field();
  if (!fields) return context.fail(fields.error());
  const std::string peer = context.word(0);
  return context.ask("pool.close", fields->text("peer", peer), [&](const auto& data) {
    const auto closed = number_of(data, "closed");
    if (closed == 0) {
      context.io.err << "there was no connection to " << printable(peer) << '\n';
    } else {
      context.io.out << "closed " << closed << '\n';
    }
  });
}

} // namespace kith::cli
