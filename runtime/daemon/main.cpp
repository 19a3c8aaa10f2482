// SPDX-License-Identifier: GPL-3.0-or-later
// kithd: builds every object and hands it down.
#include "base/standard_fds.hpp"
#include "base/utf8.hpp"
#include "daemon/daemon.hpp"
#include "daemon/log.hpp"
#include "protocol/error_object.hpp"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

namespace {

using namespace kith;

std::string environment(const char* name) {
  const char* value = std::getenv(name); // NOLINT(concurrency-mt-unsafe): there is one thread yet
  return value != nullptr ? value : "";
}

/// What `~` is to a shell, and to the command.
std::string user_home() {
  std::string home = environment("HOME");
  if (!home.empty()) return home;
  const passwd* about = ::getpwuid(::geteuid()); // NOLINT(concurrency-mt-unsafe): as above
  return about != nullptr ? about->pw_dir : "/";
}

int fail(const Error& error, bool json) {
  std::cerr << (json ? protocol::error_object(error) : "kithd: " + escape_line(error.text)) + "\n"; // unbuffered, and in one write
  return exit_code(error.code);
}

int check(const daemon::Options& options) {
  const auto problems = daemon::find_problems(options);
  if (options.json) std::cout << daemon::problems_json(options, problems) << '\n';
  for (const Error& problem : problems) {
    if (!options.json) std::cout << escape_line(problem.text) << '\n';
  }
  return problems.empty() ? 0 : 1;
}

int serve(const daemon::Options& options) {
  daemon::Readiness readiness;
  std::signal(SIGHUP, SIG_IGN); // until start() takes it: a start reads the files anyway
  if (options.detach) {
    auto detached = daemon::Readiness::detach();
    if (!detached) return fail(detached.error(), options.json);
    readiness = std::move(*detached);
  }
  auto ground = daemon::prepare(options);
  if (!ground) return fail(ground.error(), options.json);
  auto log = daemon::open_log({ground->home.path() + "/logs/kithd.log", ground->settings.log_file_size, ground->settings.log_files,
                               ground->settings.log_level, !options.detach});
  if (!log) return fail(log.error(), options.json);
  auto& running = *new daemon::Daemon(std::move(*ground), std::move(*log), options); // never destroyed: a plugin may be stuck in its thread
  if (const auto started = running.start(); !started) {
    const int code = fail(started.error(), options.json);
    ::_exit(code);
  }
  ::_exit(running.run(std::move(readiness)));
}

} // namespace

int main(int argc, char** argv) {
  ::umask(077);
  open_standard_fds();
  const std::vector<std::string_view> arguments(argv + 1, argv + argc);
  const auto options = daemon::parse_options(arguments, environment("KITH_HOME"), user_home());
  if (!options) {
    fail(options.error(), std::find(arguments.begin(), arguments.end(), "--json") != arguments.end());
    return exit_usage;
  }
  if (options->help) {
    std::cout << daemon::usage;
    return 0;
  }
  if (options->version) {
    std::cout << "kithd " << KITH_VERSION << '\n';
    return 0;
  }
  if (options->check) return check(*options);
  return serve(*options);
}
