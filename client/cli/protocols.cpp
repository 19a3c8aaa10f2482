// SPDX-License-Identifier: Apache-2.0
#include "commands.hpp"

#include "base/name.hpp"
#include "base/role.hpp"
#include "protocol/envelope.hpp"
#include "protocol/scanner.hpp"

#include <boost/json.hpp>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <system_error>

namespace kith::cli {
namespace {

/// identity, protocol and alias of a binding; a usage error's text when something is missing.
Result<client::ObjectWriter> binding(Context& context) {
  if (!context.options.protocol) return bad_request("which protocol? --protocol NAME");
  const auto identity = context.take_identity();
  if (!identity) return identity.error();
  client::ObjectWriter fields;
  if (!identity->empty()) fields.text("identity", *identity);
  fields.text("protocol", *context.options.protocol);
  return fields.text("alias", context.options.alias.value_or(std::string(default_alias)));
}

Result<std::string> read_file(const std::string& path) {
  std::error_code trouble;
  if (std::filesystem::is_directory(path, trouble)) return bad_request(path + ": is a directory");
  std::ifstream file(path, std::ios::binary);
  if (!file) return bad_request(path + ": " + std::generic_category().message(errno));
  std::string text(protocol::max_config + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.empty()) return bad_request(path + ": is empty; for the protocol's defaults: --config '{}'");
  if (text.size() > protocol::max_config) {
    return bad_request(path + ": is longer than " + std::to_string(protocol::max_config) + " octets");
  }
  return text;
}

constexpr std::string_view of_a_peer = "peer:";
constexpr std::string_view of_a_group = "group:";

/// One --access: a role, group:NAME, peer:NAME or peer:NAME=ROLE.
Result<void> append_access(std::string& list, const std::string& entry) {
  if (list.size() > 1) list.push_back(',');
  const bool peer = entry.starts_with(of_a_peer);
  const auto equals = peer ? entry.rfind('=') : std::string::npos;
  const std::string name = peer ? entry.substr(of_a_peer.size(), equals - of_a_peer.size()) : "";
  if (peer && name.empty()) return bad_request("--access `" + entry + "` names no peer: peer:NAME or peer:NAME=ROLE");
  if (equals == std::string::npos) {
    protocol::append_string(list, entry);
    return {};
  }
  const std::string role = entry.substr(equals + 1);
  if (!parse_role(role))
    return bad_request("--access `" + entry + "`: there is no role `" + role + "`; roles are public, viewer, member, admin, owner");
  list += client::ObjectWriter().text("peer", name).text("as", role).finish();
  return {};
}

/// As it is typed: "admin, peer:bob=viewer"; "nobody".
std::string access_of(const boost::json::value& binding) {
  std::string out;
  for (const auto& entry : items_of(binding, "access")) {
    if (!out.empty()) out += ", ";
    if (entry.is_string()) {
      out += entry.as_string();
    } else {
      const std::string peer = text_of(entry, "peer");
      out += (peer.empty() ? std::string(of_a_group) + text_of(entry, "group") : std::string(of_a_peer) + peer) + "=" + text_of(entry, "as");
    }
  }
  return out.empty() ? "nobody" : out;
}

/// Adds config and access, as far as they were given.
Result<void> add_settings(const Options& options, client::ObjectWriter& fields) {
  if (options.config && options.config_file) return bad_request("--config and --config-file exclude each other");
  if (options.config) {
    if (const auto scan = protocol::check_json(*options.config); !scan.ok()) {
      return bad_request("--config is not JSON: " + std::string(scan.fault) + " at character " + std::to_string(scan.end + 1) +
                         "; YAML goes into a --config-file");
    }
    fields.raw("config", *options.config);
  }
  if (options.config_file) {
    const auto text = read_file(*options.config_file);
    if (!text) return text.error();
    fields.text("config_yaml", *text).text("config_name", std::filesystem::path(*options.config_file).filename().string());
  }
  if (options.no_access && !options.access.empty()) return bad_request("--access and --no-access exclude each other");
  if (options.no_access || !options.access.empty()) {
    std::string list = "[";
    for (const std::string& entry : options.access) {
      if (const auto added = append_access(list, entry); !added) return added.error();
    }
    fields.raw("access", list + "]");
  }
  return {};
}

/// "running", or "running, denies peer:alice".
std::string state_of(const boost::json::value& binding) {
  const std::string denied = list_of(binding, "deny");
  return text_of(binding, "state") + (denied.empty() ? "" : ", denies " + denied);
}

void show_binding(Context& context, const boost::json::value& data) {
  auto& out = context.io.out;
  out << printable(text_of(data, "identity") + ": " + text_of(data, "protocol") + "/" + text_of(data, "alias") + " is " + state_of(data))
      << ", access: " << printable(access_of(data)) << '\n';
  if (access_of(data).find(of_a_group) != std::string::npos) context.io.err << "kith: no command makes groups yet: a group in `access` is nobody\n";
  for (const auto& grant : items_of(data, "grants")) out << "  may " << printable(std::string(grant.as_string())) << '\n';
  if (const std::string error = text_of(data, "error"); !error.empty()) context.io.err << "kith: " + printable(error) + "\n";
}

int send(Context& context, std::string_view type, const client::ObjectWriter& fields) {
  return context.ask(type, fields, [&](const auto& data) { show_binding(context, data); });
}

/// What went wrong before the daemon was asked for anything is wrong usage.
int refuse(Context& context, const Error& error) { return error.code == Code::bad_request ? context.usage(error.text) : context.fail(error); }

} // namespace

Table bindings_table(const boost::json::value& identity) {
  Table table({"PROTOCOL", "ALIAS", "STATE", "ACCESS", "ERROR"});
  for (const auto& item : items_of(identity, "bindings")) {
    table.add({text_of(item, "protocol"), text_of(item, "alias"), state_of(item), access_of(item), text_of(item, "error")});
  }
  return table;
}

int add_protocol(Context& context) {
  auto fields = binding(context);
  if (!fields) return refuse(context, fields.error());
  if (const auto added = add_settings(context.options, *fields); !added) return refuse(context, added.error());
  if (context.options.provider) fields->flag("provider", true);
  return send(context, "binding.add", *fields);
}

int configure_protocol(Context& context) {
  const Options& options = context.options;
  if (options.enable && options.disable) return context.usage("--enable and --disable exclude each other");
  client::ObjectWriter settings;
  if (const auto added = add_settings(options, settings); !added) return refuse(context, added.error());
  const bool switches = options.enable || options.disable;
  if (settings.empty() && !switches)
    return context.usage("nothing to change: give --config, --config-file, --access, --no-access, --enable or --disable");
  if (!settings.empty() && switches) return context.usage("--enable and --disable go without other changes");
  auto fields = binding(context);
  if (!fields) return refuse(context, fields.error());
  return send(context, options.enable ? "binding.enable" : options.disable ? "binding.disable" : "binding.configure", fields->all(settings));
}

int remove_protocol(Context& context) {
  auto fields = binding(context);
  if (!fields) return refuse(context, fields.error());
  return context.ask("binding.remove", fields->flag("purge", context.options.purge), [&](const auto& data) {
    context.io.out << printable(text_of(data, "identity") + ": removed " + text_of(data, "protocol") + "/" + text_of(data, "alias"))
                   << (flag_of(data, "purged") ? " and its data" : "; its data stays (--purge deletes it)") << '\n';
  });
}

int list_protocols(Context& context) {
  return context.ask("protocol.list", {}, [&](const auto& data) {
    Table table({"PROTOCOL", "VERSION", "SUMMARY", "COMMANDS"}); // the longest comes last, where it widens no other row
    for (const auto& protocol : items_of(data, "protocols")) {
      std::string commands;
      for (const auto& command : items_of(protocol, "commands")) {
        const std::string noun = text_of(command, "scope") == "remote" ? "" : text_of(protocol, "noun");
        commands += (commands.empty() ? "" : ", ") + (noun.empty() ? "" : noun + " ") + text_of(command, "name");
      }
      table.add({text_of(protocol, "protocol"), text_of(protocol, "version"), text_of(protocol, "summary"), commands});
    }
    context.io.out << table.text(context.io.out_terminal);
  });
}

} // namespace kith::cli
