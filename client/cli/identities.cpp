// SPDX-License-Identifier: Apache-2.0
#include "commands.hpp"

#include <boost/json.hpp>
#include <cerrno>
#include <fcntl.h>
#include <iostream>
#include <poll.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace kith::cli {
namespace {

constexpr std::chrono::seconds drain_patience{60}; ///< The daemon's own deadline (10 s unless the settings say more) comes first.

std::string reason() { return std::generic_category().message(errno); }

/// Takes the identity, adds it to the request, asks and shows its state.
int change(Context& context, std::string_view type, client::ObjectWriter more = {}, std::chrono::milliseconds patience = client::default_patience) {
  const auto identity = context.take_identity();
  if (!identity) return context.fail(identity.error());
  client::ObjectWriter fields;
  if (!identity->empty()) fields.text("identity", *identity);
  return context.ask(
      type, fields.all(more), [&](const auto& data) { show_state(context, data); }, patience);
}

/// Reads one line of an answer to a question from a terminal.
std::string read_answer(int fd) {
  std::string answer;
  char c = 0;
  while (::read(fd, &c, 1) == 1 && c != '\n') answer.push_back(c);
  return answer;
}

} // namespace

void show_state(Context& context, const boost::json::value& identity) {
  const std::string state = text_of(identity, "state");
  const Terminal& terminal = context.io.out_terminal;
  context.io.out << printable(text_of(identity, "name")) << "  " << text_of(identity, "id") << "  "
                 << (state == "online"   ? terminal.green(state)
                     : state == "failed" ? terminal.red(state)
                                         : state)
                 << '\n';
  if (const std::string error = text_of(identity, "error"); !error.empty()) context.io.err << "kith: " << printable(error) << '\n';
}

int create_identity(Context& context) {
  return context.ask("identity.create", client::ObjectWriter().text("name", context.word(0)).flag("online", context.options.online),
                     [&](const auto& data) { show_state(context, data); });
}

int list_identities(Context& context) {
  return context.ask("identity.list", {}, [&](const auto& data) {
    Table table({"NAME", "STATE", "ID", "ERROR"});
    for (const auto& identity : items_of(data, "identities")) {
      table.add({text_of(identity, "name"), text_of(identity, "state"), text_of(identity, "id"), text_of(identity, "error")});
    }
    if (table.empty()) {
      context.io.err << "no identities yet: kith create-identity NAME --online\n";
    } else {
      context.io.out << table.text(context.io.out_terminal);
    }
  });
}

int show_identity(Context& context) {
  const auto identity = context.take_identity();
  if (!identity) return context.fail(identity.error());
  client::ObjectWriter fields;
  if (!identity->empty()) fields.text("identity", *identity);
  return context.ask("identity.show", fields, [&](const auto& data) {
    show_state(context, data);
    context.io.out << "peers known: " << number_of(data, "peers") << '\n';
    const Table table = bindings_table(data);
    if (!table.empty()) context.io.out << '\n' << table.text(context.io.out_terminal);
    for (const auto& item : items_of(data, "bindings")) {
      const auto* config = item.as_object().if_contains("config");
      if (config == nullptr || (config->is_object() && config->as_object().empty())) continue;
      context.io.out << printable("config of " + text_of(item, "protocol") + "/" + text_of(item, "alias") + ": " + boost::json::serialize(*config))
                     << '\n';
    }
  });
}

int rename_identity(Context& context) {
  const auto identity = context.take_identity();
  if (!identity) return context.fail(identity.error());
  client::ObjectWriter fields;
  if (!identity->empty()) fields.text("identity", *identity);
  return context.ask("identity.rename", fields.text("name", context.word(0)), [&](const auto& data) { show_state(context, data); });
}

int delete_identity(Context& context) {
  const auto identity = context.take_identity();
  if (!identity) return context.fail(identity.error());
  if (!context.options.yes) {
    if (!context.io.in_is_terminal) return context.usage("deleting an identity needs --yes where nobody can be asked");
    context.io.err << "Delete " << printable(*identity) << "? Its key and data move aside; nobody reaches it any more. Type its name: " << std::flush;
    if (read_answer(context.io.in_fd) != *identity) return context.usage("not deleted");
  }
  return context.ask("identity.delete", client::ObjectWriter().text("identity", *identity), [&](const auto& data) {
    context.io.out << "deleted " << printable(text_of(data, "name")) << "; its key and data are in " << printable(text_of(data, "moved_to")) << '\n';
  });
}

int identity_online(Context& context) { return change(context, "identity.online"); }

int identity_offline(Context& context) {
  const Options& options = context.options;
  if (options.wait && options.now) return context.usage("--wait and --now exclude each other");
  client::ObjectWriter drain;
  if (options.wait || options.now) drain.text("drain", options.wait ? "wait" : "now");
  return change(context, "identity.offline", drain, drain_patience);
}

int export_identity(Context& context) {
  const auto identity = context.take_identity();
  if (!identity) return context.fail(identity.error());
  if (auto connected = context.daemon(); !connected) return context.fail(connected.error()); // before a file is made
  const std::string path = context.word(0);
  const client::Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR));
  if (!file) {
    const std::string hint = errno == EEXIST ? ": choose a name that is free, a key never replaces a file" : "";
    return context.fail(bad_request(path + ": " + reason() + hint));
  }
  client::ObjectWriter fields;
  if (!identity->empty()) fields.text("identity", *identity);
  const int fd = file.get();
  const int code = context.ask("identity.export", fields,
                               [&](const auto& data) {
                                 context.io.out << "wrote the key of " << printable(text_of(data, "name")) << " to " << printable(path)
                                                << ": keep it secret\n";
                               },
                               client::default_patience, {&fd, 1});
  if (code != 0) ::unlink(path.c_str());
  return code;
}

int import_identity(Context& context) {
  const std::string path = context.word(1);
  const client::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return context.fail(bad_request(path + ": " + reason()));
  const int fd = file.get();
  struct stat info {}; // the daemon looks too, but does not know the path
  if (::fstat(fd, &info) == 0 && !S_ISREG(info.st_mode)) return context.fail(bad_request(path + ": is not a file"));
  if (::fstat(fd, &info) == 0 && (info.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return context.fail(bad_request("others may read " + path + ", which is secret; run: chmod 600 '" + path + "'"));
  }
  return context.ask("identity.import", client::ObjectWriter().text("name", context.word(0)).flag("online", context.options.online),
                     [&](const auto& data) { show_state(context, data); }, client::default_patience, {&fd, 1});
}

} // namespace kith::cli
