// SPDX-License-Identifier: GPL-3.0-or-later
// kithd: builds every object and hands it down.
#include "daemon/daemon.hpp"
#include "daemon/log.hpp"

#include <cstdlib>
#include <fcntl.h>
#include <iostream>
#include <sys/stat.h>
#include <unistd.h>

namespace {

using namespace kith;

std::string environment(const char* name) {
  const char* value = std::getenv(name); // NOLINT(concurrency-mt-unsafe): there is one thread yet
  return value != nullptr ? value : "";
}

int fail(const Error& error) {
  std::cerr << "kithd: " << error.text << std::endl; // NOLINT(performance-avoid-endl): the process ends
  return exit_code(error.code);
}

int serve(const daemon::Options& options) {
  daemon::Readiness readiness;
  if (options.detach) {
    auto detached = daemon::Readiness::detach();
    if (!detached) return fail(detached.error());
    readiness = std::move(*detached);
  }
  auto ground = daemon::prepare(options);
  if (!ground) return fail(ground.error());
  auto log = daemon::open_log({ground->home.path() + "/logs/kithd.log", ground->settings.log_file_size, ground->settings.log_files,
                               ground->settings.log_level, !options.detach});
  if (!log) return fail(log.error());
  auto& running = *new daemon::Daemon(std::move(*ground), std::move(*log), options); // never destroyed: a plugin may be stuck in its thread
  if (const auto started = running.start(); !started) {
    const int code = fail(started.error());
    ::_exit(code);
  }
  ::_exit(running.run(std::move(readiness)));
}

} // namespace

int main(int argc, char** argv) {
  ::umask(077);
  // No socket of ours takes the number of a standard descriptor that was closed.
  for (int fd = ::open("/dev/null", O_RDWR); fd >= 0; fd = ::open("/dev/null", O_RDWR)) {
    if (fd > STDERR_FILENO) {
      ::close(fd);
      break;
    }
  }
  const std::vector<std::string_view> arguments(argv + 1, argv + argc);
  const auto options = daemon::parse_options(arguments, environment("KITH_HOME"), environment("HOME"));
  if (!options) {
    std::cerr << "kithd: " << options.error().text << '\n';
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
  return serve(*options);
}
