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

/// "3 handshakes", "1 handshake"
std::string counted(const boost::json::value& object, std::string_view member, std::string_view one) {
  const auto number = number_of(object, member);
  return std::to_string(number) + " " + std::string(one) + (number == 1 ? "" : "s");
}

/// "Echo 1.0.0, Mail 0.2.0"
std::string plugins_text(const boost::json::value& data) {
  std::string out;
  for (const auto& plugin : items_of(data, "plugins")) {
    out += (out.empty() ? "" : ", ") + text_of(plugin, "protocol") + " " + text_of(plugin, "version");
  }
  return out.empty() ? "none" : printable(out);
}

void show_status(Context& context, const boost::json::value& data) {
  auto& out = context.io.out;
  const auto line = [&](const std::string& text) { out << folded(context.io.out_terminal, text) << '\n'; };
  out << context.io.out_terminal.bold("kithd " + printable(text_of(data, "version"))) << ", pid " << number_of(data, "pid") << ", up "
      << (number_of(data, "uptime_s") == 0 ? "0 s" : duration_us(number_of(data, "uptime_s") * 1'000'000))
      << (flag_of(data, "stopping") ? ", stopping (at once: kith stop --now)" : "") << '\n';
  line("home     " + printable(text_of(data, "home")));
  line("listen   " + printable(list_of(data, "listen")));
  if (const auto* pool = data.as_object().if_contains("pool")) {
    line("pool     " + counted(*pool, "connections", "connection") + ", " + counted(*pool, "handshakes", "handshake") + ", " +
         counted(*pool, "reuses", "reuse") + ", " + counted(*pool, "failed", "failed dial"));
  }
  line("plugins  " + plugins_text(data));
  std::vector<std::string> shown;
  for (const auto& identity : items_of(data, "identities")) {
    out << '\n';
    show_state(context, identity);
    shown.push_back(text_of(identity, "error"));
    const Table bindings = bindings_table(identity);
    if (!bindings.empty()) out << bindings.text(context.io.out_terminal);
    show_peers(context, identity);
  }
  if (items_of(data, "identities").empty()) out << "\nno identities yet: kith create-identity NAME --online\n";
  show_file_errors(context, data, shown);
}

} // namespace

int status(Context& context) {
  return context.ask("status", {}, [&](const auto& data) { show_status(context, data); });
}

} // namespace kith::cli
