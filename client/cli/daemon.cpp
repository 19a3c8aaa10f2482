// SPDX-License-Identifier: Apache-2.0
#include "commands.hpp"

#include "protocol/scanner.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <iostream>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

namespace kith::cli {
namespace {

constexpr std::chrono::seconds stop_patience{60}; ///< The daemon's drain deadline comes first.

/// kithd lies beside this program, wherever both were moved to.
std::string daemon_program() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return "kithd";
  return (self.parent_path() / "kithd").string();
}

/// Waits until a process is gone. False when it is still there after the patience.
bool wait_for_exit(int pidfd, std::chrono::milliseconds patience) {
  pollfd entry{pidfd, POLLIN, 0};
  return ::poll(&entry, 1, static_cast<int>(patience.count())) == 1;
}

} // namespace

int daemon(Context& context) {
  std::vector<std::string> arguments{daemon_program(), "--home", context.home};
  for (const std::string& listen : context.options.listen) arguments.insert(arguments.end(), {"--listen", listen});
  if (context.options.json) arguments.emplace_back("--json");
  if (context.options.detach) arguments.emplace_back("--detach");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  ::execv(argv[0], argv.data());
  return context.fail(
      {Code::internal, "can't start " + arguments[0] + ": " + std::generic_category().message(errno) + "; it is installed beside kith"});
}

Result<std::string> check_start(const std::string& home) {
  std::array<std::string, 5> arguments{daemon_program(), "--home", home, "--check", "--json"};
  const Error failed{Code::internal, "can't run " + arguments[0] + " --check; it is installed beside kith"};
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return failed;
  const client::Fd reader(ends[0]);
  client::Fd writer(ends[1]);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, writer.get(), STDOUT_FILENO);
  std::array<char*, arguments.size() + 1> argv{};
  std::ranges::transform(arguments, argv.begin(), [](std::string& argument) { return argument.data(); });
  pid_t child = 0;
  const int error = ::posix_spawn(&child, argv[0], &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return failed;
  writer = {};
  std::string text;
  std::array<char, 4096> part{};
  for (ssize_t got = 1; got > 0;) {
    got = ::read(reader.get(), part.data(), part.size());
    if (got > 0) text.append(part.data(), static_cast<std::size_t>(got));
    if (got < 0 && errno == EINTR) got = 1;
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {}
  if (!WIFEXITED(status) || !text.ends_with('\n') || !protocol::check_json(text).ok()) return failed;
  text.pop_back();
  return text;
}

int stop(Context& context) {
  auto connected = context.daemon();
  if (!connected) return context.fail(connected.error());
  client::Client& daemon = **connected;
  const client::Fd process(static_cast<int>(::syscall(SYS_pidfd_open, daemon.hello().pid, 0)));
  client::ObjectWriter fields;
  if (context.options.now) fields.text("drain", "now");
  if (const auto answer = daemon.request("stop", fields); !answer && answer.error().code != Code::connection_lost)
    return context.fail(answer.error());
  if (const auto ended = daemon.wait_end(stop_patience); !ended) return context.fail({Code::timeout, "the daemon still drains: see `kith status`"});
  if (process && !wait_for_exit(process.get(), stop_patience))
    return context.fail({Code::timeout, "the daemon has closed its socket, but still runs"});
  context.io.out << (context.options.json ? "{}" : "stopped") << '\n';
  return 0;
}

std::vector<std::string> file_errors(const boost::json::value& answer, std::span<const std::string> shown) {
  std::vector<std::string> texts;
  for (const auto& error : items_of(answer, "errors")) {
    std::string place = text_of(error, "file");
    for (const char* member : {"line", "column"}) {
      if (const auto number = number_of(error, member); number > 0) place += ":" + std::to_string(number);
    }
    std::string text = text_of(error, "text");
    if (!place.empty() && text.find(place) == std::string::npos) text.insert(0, place + ": "); // some name the file in their words, some have none
    const bool told = std::any_of(shown.begin(), shown.end(), [&](const std::string& row) { return row.starts_with(text); }); // "… (and 1 more: …)"
    if (!told) texts.push_back(std::move(text));
  }
  return texts;
}

void show_file_errors(Context& context, const boost::json::value& answer, std::span<const std::string> shown) {
  for (const std::string& text : file_errors(answer, shown)) report(context.io, false, bad_request(text), 0);
}

/// Files with errors: the exit code of bad_request, with --json too.
static int ask_about_files(Context& context, std::string_view type, const client::ObjectWriter& fields,
                           const std::function<void(const boost::json::value&)>& show) {
  auto connected = context.daemon();
  if (!connected) return context.fail(connected.error());
  const auto answer = (*connected)->request(type, fields);
  if (!answer) return context.fail(answer.error());
  const int code = context.print(*answer, [&](const boost::json::value& data) {
    show(data);
    show_file_errors(context, data);
  });
  if (code != 0) return code;
  return items_of(parse_answer(answer->payload.bytes), "errors").empty() ? 0 : exit_code(Code::bad_request);
}

int reload(Context& context) {
  return ask_about_files(context, "reload", {}, [&](const boost::json::value& data) {
    bool any = false;
    const auto tell = [&](const std::string& heading, std::string_view member) {
      const std::string list = list_of(data, member);
      if (list.empty()) return;
      any = true;
      context.io.out << heading << ": " << printable(list) << '\n';
    };
    tell("changed", "changed");
    tell("settings now in force", "settings");
    tell("new protocols", "loaded");
    if (!any) context.io.out << "nothing changed\n";
    tell("after a restart", "restart");
  });
}

/// What a start would say of the home: all that is known while no daemon runs.
static int check_alone(Context& context, Error no_daemon) {
  const auto answer = check_start(context.home);
  if (!answer) return context.fail(no_daemon);
  const auto data = parse_answer(*answer);
  if (items_of(data, "errors").empty()) {
    no_daemon.text += "; nothing in the home keeps it from starting, and the identities' files are checked when it runs";
    return context.fail(no_daemon);
  }
  if (context.options.json) context.print_json(*answer);
  else show_file_errors(context, data);
  return exit_code(Code::bad_request);
}

int config_check(Context& context) {
  if (!context.options.words.empty() && context.word(0).empty())
    return context.usage("FILE is empty; without FILE all files of the home are checked");
  if (auto connected = context.daemon(); !connected) {
    if (connected.error().code == Code::unreachable && context.word(0).empty()) return check_alone(context, connected.error());
    return context.fail(connected.error());
  }
  client::ObjectWriter fields;
  if (const std::string file = context.word(0); !file.empty()) fields.text("file", std::filesystem::absolute(file).lexically_normal().string());
  return ask_about_files(context, "config.check", fields, [&](const boost::json::value& data) {
    const std::size_t files = items_of(data, "files").size();
    if (items_of(data, "errors").empty())
      context.io.out << "good: " << (files == 1 ? printable(list_of(data, "files")) : std::to_string(files) + " files") << '\n';
  });
}

} // namespace kith::cli
