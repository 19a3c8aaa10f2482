// SPDX-License-Identifier: Apache-2.0
#include "commands.hpp"

#include <boost/json.hpp>
#include <iostream>

namespace kith::cli {
namespace {

void show_peers(Context& context, const boost::json::value& identity) {
  Table table({"PEER", "ADDRESS", "RTT", "STREAMS"});
  for (const auto& peer : items_of(identity, "peers")) {
    const std::string name = text_of(peer, "name");
    table.add({name.empty() ? text_of(peer, "id") : name, text_of(peer, "address"), duration_us(number_of(peer, "rtt_us")),
               std::to_string(number_of(peer, "streams"))});
  }
  if (!table.empty()) context.io.out << table.text(context.io.out_terminal);
}

void show_status(Context& context, const boost::json::value& data) {
  auto& out = context.io.out;
  out << context.io.out_terminal.bold("kithd " + printable(text_of(data, "version"))) << ", pid " << number_of(data, "pid") << ", up "
      << (number_of(data, "uptime_s") == 0 ? "0 s" : duration_us(number_of(data, "uptime_s") * 1'000'000)) << '\n';
  out << "home    " << printable(text_of(data, "home")) << '\n';
  out << "listen  " << printable(list_of(data, "listen")) << '\n';
  if (const auto* pool = data.as_object().if_contains("pool")) {
    out << "pool    " << number_of(*pool, "connections") << " connections, " << number_of(*pool, "handshakes") << " handshakes, "
        << number_of(*pool, "reuses") << " reuses, " << number_of(*pool, "failed") << " failed dials\n";
  }
  for (const auto& identity : items_of(data, "identities")) {
    out << '\n';
    show_state(context, identity);
    const Table bindings = bindings_table(identity);
    if (!bindings.empty()) out << bindings.text(context.io.out_terminal);
    show_peers(context, identity);
  }
  if (items_of(data, "identities").empty()) out << "\nno identities yet: kith create-identity NAME --online\n";
  show_file_errors(context, data);
}

} // namespace

int status(Context& context) {
  return context.ask("status", {}, [&](const auto& data) { show_status(context, data); });
}

} // namespace kith::cli
