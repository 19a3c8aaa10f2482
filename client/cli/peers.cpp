// SPDX-License-Identifier: Apache-2.0
#include "commands.hpp"

#include "base/address.hpp"
#include "base/name.hpp"
#include "base/role.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <charconv>
#include <iostream>
#include <netdb.h>

namespace kith::cli {
namespace {

Result<void> check_role(const std::string& role) {
  if (parse_role(role)) return {};
  const std::string_view near = nearest_name(role, role_names);
  return bad_request("there is no role `" + role + "`" + (near.empty() ? "" : "; did you mean `" + std::string(near) + "`?") +
                     "; roles are public, viewer, member, admin, owner");
}

/// The addresses of HOST:PORT as texts: itself, or what the system's resolver finds for the name, once and now; the daemon looks nothing up.
Result<std::vector<std::string>> addresses_of(const std::string& where) {
  if (parse_address(where)) return std::vector{where};
  const std::size_t colon = where.rfind(':');
  const std::string host = where.substr(0, colon);
  const std::string port = colon == std::string::npos ? "" : where.substr(colon + 1);
  std::uint16_t number = 0;
  const auto [end, wrong] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (host.empty() || host.find_first_of(":[]") != std::string::npos || port.empty() || wrong != std::errc() || end != port.data() + port.size() ||
      number == 0)
    return bad_request("`" + where + "` is not HOST:PORT, as 192.0.2.7:4433, [2001:db8::1]:4433 or example.org:4433");
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (const int failed = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found); failed != 0)
    return Error{Code::unreachable, "the host `" + host + "` of --addr was not found: " + ::gai_strerror(failed)};
  std::vector<std::string> texts;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    std::array<char, NI_MAXHOST> text{};
    if (::getnameinfo(each->ai_addr, each->ai_addrlen, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST) != 0) continue;
    std::string address(text.data());
    if (each->ai_family == AF_INET6) address.insert(0, "[").append("]");
    address.append(":").append(port);
    if (std::find(texts.begin(), texts.end(), address) == texts.end()) texts.push_back(address);
  }
  ::freeaddrinfo(found);
  return texts;
}

/// The same of each --addr.
Result<std::vector<std::string>> given_addresses(const Options& options) {
  std::vector<std::string> addresses;
  for (const std::string& where : options.addresses) {
    const auto found = addresses_of(where);
    if (!found) return found.error();
    addresses.insert(addresses.end(), found->begin(), found->end());
  }
  return addresses;
}

void show_peer(Context& context, const boost::json::value& peer) {
  auto& out = context.io.out;
  const Terminal& terminal = context.io.out_terminal;
  out << printable(text_of(peer, "name")) << "  " << text_of(peer, "id") << "  " << text_of(peer, "role") << '\n';
  out << folded(terminal, "  addresses: " + printable(items_of(peer, "addresses").empty() ? "none known" : list_of(peer, "addresses"))) << '\n';
  if (flag_of(peer, "connected")) {
    out << folded(terminal, "  connected: " + printable(text_of(peer, "address")) + ", RTT " + duration_us(number_of(peer, "rtt_us")) + ", " +
                                std::to_string(number_of(peer, "streams")) + " streams")
        << '\n';
  }
}

int show_after(Context& context, std::string_view type, const client::ObjectWriter& fields) {
  return context.ask(type, fields, [&](const auto& data) { show_peer(context, data); });
}

} // namespace

int ticket(Context& context) {
  const auto fields = context.identity_field();
  if (!fields) return context.fail(fields.error());
  return context.ask("ticket", *fields, [&](const auto& data) {
    context.io.out << text_of(data, "ticket") << '\n';
    if (items_of(data, "addresses").empty())
      context.io.err << "kith: this ticket has no address: whoever gets it must be told one (peer add --addr)\n";
    if (!items_of(data, "left_out").empty())
      context.io.err << "kith: not in this ticket, which is full: " + printable(list_of(data, "left_out")) + "\n";
  });
}

int peer_add(Context& context) {
  auto fields = context.identity_field();
  if (!fields) return context.fail(fields.error());
  fields->text("name", context.word(0)).text("peer", context.word(1));
  const auto addresses = given_addresses(context.options);
  if (!addresses) return context.fail(addresses.error());
  if (!addresses->empty()) fields->texts("addresses", *addresses);
  if (context.options.role) {
    if (const auto role = check_role(*context.options.role); !role) return context.usage(role.error().text);
    fields->text("role", *context.options.role);
  }
  return context.ask("peer.add", *fields, [&](const auto& data) {
    show_peer(context, data);
    if (!items_of(data, "left_out").empty())
      context.io.err << "kith: left out: " + printable(list_of(data, "left_out")) +
                            ", for that is all a peer may have; `kith peer addresses` takes stale ones away\n";
  });
}

int peer_list(Context& context) {
  const auto fields = context.identity_field();
  if (!fields) return context.fail(fields.error());
  return context.ask("peer.list", *fields, [&](const auto& data) {
    Table table({"NAME", "ROLE", "CONNECTED", "RTT", "ID", "ADDRESSES"});
    for (const auto& peer : items_of(data, "peers")) {
      const bool connected = flag_of(peer, "connected");
      table.add({text_of(peer, "name"), text_of(peer, "role"), connected ? text_of(peer, "address") : "no",
                 connected ? duration_us(number_of(peer, "rtt_us")) : "", text_of(peer, "id"), list_of(peer, "addresses")});
    }
    if (table.empty()) {
      context.io.err << printable(text_of(data, "identity")) << " knows no peers yet: kith peer add NAME TICKET\n";
    } else {
      context.io.out << table.text(context.io.out_terminal);
    }
  });
}

int peer_show(Context& context) {
  auto fields = context.identity_field();
  if (!fields) return context.fail(fields.error());
  return show_after(context, "peer.show", fields->text("peer", context.word(0)));
}

int peer_role(Context& context) {
  auto fields = context.identity_field();
  if (!fields) return context.fail(fields.error());
  if (const auto role = check_role(context.word(1)); !role)
    return context.usage(role.error().text + "\nThe order is: " + usage_line(context.command));
  return show_after(context, "peer.role", fields->text("peer", context.word(0)).text("role", context.word(1)));
}

int peer_rename(Context& context) {
  auto fields = context.identity_field();
  if (!fields) return context.fail(fields.error());
  return show_after(context, "peer.rename", fields->text("peer", context.word(0)).text("name", context.word(1)));
}

int peer_addresses(Context& context) {
  if (context.options.addresses.empty() == context.options.remove.empty())
    return context.usage("either --remove, an address that the peer no longer has, or --addr, all that it has");
  const auto addresses = given_addresses(context.options);
  if (!addresses) return context.fail(addresses.error());
  auto fields = context.identity_field();
  if (!fields) return context.fail(fields.error());
  fields->text("peer", context.word(0));
  return show_after(context, "peer.addresses",
                    addresses->empty() ? fields->texts("remove", context.options.remove) : fields->texts("addresses", *addresses));
}

int peer_remove(Context& context) {
  auto fields = context.identity_field();
  if (!fields) return context.fail(fields.error());
  return context.ask("peer.remove", fields->text("peer", context.word(0)), [&](const auto& data) {
    context.io.out << "removed " << printable(text_of(data, "name"));
    if (!items_of(data, "bindings").empty()) context.io.out << ", also from the access of " << printable(list_of(data, "bindings"));
    context.io.out << '\n';
  });
}

} // namespace kith::cli
