// SPDX-License-Identifier: Apache-2.0
#include "commands.hpp"

#include <array>
#include <boost/json.hpp>
#include <cerrno>
#include <fcntl.h>
#include <iostream>
#include <sys/mman.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace kith::cli {
namespace {

constexpr std::chrono::seconds drain_patience{60}; ///< The daemon's own deadline (10 s unless the settings say more) comes first.

constexpr int most_chunks = 16; ///< Of 4096 octets: longer is no key.

std::string reason() { return std::generic_category().message(errno); }

/// Asks for a change of the identity and shows its state.
int change(Context& context, std::string_view type, const client::ObjectWriter& more = {},
           std::chrono::milliseconds patience = client::default_patience) {
  auto fields = context.identity_field();
  if (!fields) return context.fail(fields.error());
  return context.ask(
      type, fields->all(more), [&](const auto& data) { show_state(context, data); }, patience);
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
  const Terminal& terminal = context.io.out_terminal;
  const std::string name = printable(text_of(identity, "name"));
  const std::string state = text_of(identity, "state");
  context.io.out << name << "  " << text_of(identity, "id") << "  "
                 << (state == "online"   ? terminal.green(state)
                     : state == "failed" ? terminal.red(state)
                                         : state)
                 << '\n';
  if (const std::string listen = list_of(identity, "listen"); !listen.empty()) context.io.out << folded(terminal, "  listens on " + listen) << '\n';
  if (const std::string error = text_of(identity, "error"); !error.empty()) context.io.out << folded(terminal, "  " + printable(error)) << '\n';
}

int create_identity(Context& context) {
  return context.ask("identity.create", client::ObjectWriter().text("name", context.word(0)).flag("online", context.options.online),
                     [&](const auto& data) {
                       show_state(context, data);
                       if (context.options.online || !context.io.err_terminal.is_terminal) return;
                       context.io.err << "Nobody reaches it yet: kith identity-online " << printable(text_of(data, "name")) << '\n';
                     });
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
  const auto fields = context.identity_field();
  if (!fields) return context.fail(fields.error());
  return context.ask("identity.show", *fields, [&](const auto& data) {
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
  return change(context, "identity.rename", client::ObjectWriter().text("name", context.options.words.back()));
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

namespace {

/// A key on its way from standard input or to standard output lies in memory: the daemon takes a private file, not a pipe.
client::Fd memory_file() {
  client::Fd file(::memfd_create("key", MFD_CLOEXEC));
  if (file && ::fchmod(file.get(), S_IRUSR | S_IWUSR) != 0) file.reset();
  return file;
}

/// Both from where they stand to the end of `from`. False: errno says why.
bool copy(int from, int to) {
  std::array<char, 4096> chunk{};
  for (int chunks = 0; chunks < most_chunks; ++chunks) {
    const ssize_t got = ::read(from, chunk.data(), chunk.size());
    if (got == 0) return true;
    for (ssize_t at = 0, put = 0; at < got; at += put) {
      put = ::write(to, chunk.data() + at, static_cast<std::size_t>(got - at));
      if (put < 0) return false;
    }
    if (got < 0) return false;
  }
  errno = EFBIG;
  return false;
}

/// To standard output, and nothing else there.
int export_to_output(Context& context, const client::ObjectWriter& fields) {
  if (context.io.out_terminal.is_terminal) return context.usage("a secret key is not shown on a terminal: name a file, or pipe the output somewhere");
  if (context.options.json) return context.usage("`-` gives the key on standard output, where --json has no room: name a file");
  const client::Fd file = memory_file();
  if (!file) return context.fail({Code::internal, "no memory for the key: " + reason()});
  const int fd = file.get();
  const int code = context.ask("identity.export", fields, [](const auto&) {}, client::default_patience, {&fd, 1});
  if (code != 0) return code;
  if (::lseek(fd, 0, SEEK_SET) < 0 || !copy(fd, context.io.out_fd)) return output_failed(context.io);
  return 0;
}

/// A file as the daemon wants it: private, and no folder. Standard input for `-`.
Result<client::Fd> open_key(const Context& context, const std::string& path) {
  if (path == "-") {
    client::Fd file = memory_file();
    if (!file || !copy(context.io.in_fd, file.get()) || ::lseek(file.get(), 0, SEEK_SET) < 0) return bad_request("reading the key: " + reason());
    return file;
  }
  client::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return bad_request(path + ": " + reason());
  struct stat info {}; // the daemon looks too, but does not know the path
  if (::fstat(file.get(), &info) == 0 && !S_ISREG(info.st_mode)) return bad_request(path + ": is not a file");
  if (::fstat(file.get(), &info) == 0 && (info.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return bad_request("others may read " + path + ", which is secret; run: chmod 600 '" + path + "'");
  }
  return file;
}

} // namespace

int export_identity(Context& context) {
  const auto fields = context.identity_field();
  if (!fields) return context.fail(fields.error());
  if (auto connected = context.daemon(); !connected) return context.fail(connected.error()); // before a file is made
  const std::string path = context.word(0);
  if (path == "-") return export_to_output(context, *fields);
  const client::Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR));
  if (!file) {
    const std::string hint = errno == EEXIST ? ": choose a name that is free, a key never replaces a file" : "";
    return context.fail(bad_request(path + ": " + reason() + hint));
  }
  const int fd = file.get();
  const int code = context.ask("identity.export", *fields,
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
  const auto file = open_key(context, path);
  if (!file) return context.fail(file.error());
  const int fd = file->get();
  client::ObjectWriter fields;
  fields.text("name", context.word(0)).flag("online", context.options.online).text("file_name", path == "-" ? "standard input" : path);
  return context.ask("identity.import", fields, [&](const auto& data) { show_state(context, data); }, client::default_patience, {&fd, 1});
}

} // namespace kith::cli
