// SPDX-License-Identifier: GPL-3.0-or-later
#include "runner/child.hpp"

#include "rows.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

namespace kith::bench {
namespace {
using std::chrono::milliseconds;

/// The value of "NAME:\t…" in a file of /proc.
double proc_value(const std::filesystem::path& file, const std::string& name) {
  std::ifstream in(file);
  for (std::string text; std::getline(in, text);) {
    if (text.starts_with(name + ":")) return std::strtod(text.c_str() + name.size() + 1, nullptr);
  }
  return 0;
}
} // namespace

Numbers parse_numbers(const std::string& line) {
  Numbers out;
  for (std::size_t at = line.find('"'); at != std::string::npos; at = line.find('"', at)) {
    const std::size_t end = line.find('"', at + 1);
    const std::size_t colon = end == std::string::npos ? end : line.find(':', end);
    if (colon == std::string::npos) break;
    out[line.substr(at + 1, end - at - 1)] = std::strtod(line.c_str() + colon + 1, nullptr);
    at = colon;
  }
  return out;
}

Child::Child(const std::vector<std::string>& command) {
  std::array<int, 2> in{};
  std::array<int, 2> out{};
  if (::pipe2(in.data(), O_CLOEXEC) != 0 || ::pipe2(out.data(), O_CLOEXEC) != 0) die("no pipes");
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) {
    ::dup2(in[0], STDIN_FILENO);
    ::dup2(out[1], STDOUT_FILENO);
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() == parent) ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  ::close(in[0]);
  ::close(out[1]);
  in_ = in[1];
  out_ = out[0];
  if (pid_ < 0) die("no process for " + command[0]);
}

Child::~Child() {
  ::close(in_);
  if (!reap(milliseconds(200))) {
    ::kill(pid_, SIGTERM);
    if (!reap(milliseconds(5000))) {
      ::kill(pid_, SIGKILL);
      reap(milliseconds(5000));
    }
  }
  ::close(out_);
}

bool Child::reap(milliseconds patience) {
  const auto until = Clock::now() + patience;
  while (!reaped_) {
    reaped_ = ::waitpid(pid_, &status_, WNOHANG) == pid_;
    if (!reaped_ && Clock::now() >= until) return false;
    if (!reaped_) std::this_thread::sleep_for(milliseconds(2));
  }
  return true;
}

std::optional<std::string> Child::line(milliseconds patience) {
  const auto until = Clock::now() + patience;
  for (;;) {
    if (const std::size_t end = buffer_.find('\n'); end != std::string::npos) {
      std::string out = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return out;
    }
    const auto left = std::chrono::duration_cast<milliseconds>(until - Clock::now()).count();
    pollfd waiting{out_, POLLIN, 0};
    if (left <= 0 || ::poll(&waiting, 1, static_cast<int>(left)) <= 0) return std::nullopt;
    std::array<char, 4096> bytes{};
    const ssize_t got = ::read(out_, bytes.data(), bytes.size());
    if (got <= 0) return std::nullopt;
    buffer_.append(bytes.data(), static_cast<std::size_t>(got));
  }
}

std::string Child::rest(milliseconds patience) {
  std::string out;
  while (const auto next = line(patience)) out += *next + "\n";
  return out;
}

bool Child::ended_well(milliseconds patience) { return reap(patience) && WIFEXITED(status_) && WEXITSTATUS(status_) == 0; }

void Child::say(const std::string& line) {
  const std::string text = line + "\n";
  if (::write(in_, text.data(), text.size()) != static_cast<ssize_t>(text.size())) die("a program does not listen");
}

double Child::cpu_us() const {
  clockid_t clock{};
  timespec used{};
  if (::clock_getcpuclockid(pid_, &clock) != 0 || ::clock_gettime(clock, &used) != 0) die("no CPU clock of a program");
  return static_cast<double>(used.tv_sec) * 1e6 + static_cast<double>(used.tv_nsec) / 1e3;
}

double Child::resident_kb() const { return proc_value("/proc/" + std::to_string(pid_) + "/status", "VmRSS"); }

double Child::voluntary_switches() const {
  double total = 0;
  std::error_code ignored;
  for (const auto& task : std::filesystem::directory_iterator("/proc/" + std::to_string(pid_) + "/task", ignored)) {
    total += proc_value(task.path() / "status", "voluntary_ctxt_switches");
  }
  return total;
}

} // namespace kith::bench
