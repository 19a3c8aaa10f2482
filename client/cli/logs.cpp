// SPDX-License-Identifier: Apache-2.0
// `kith logs` reads the daemon's log file by itself: it works when no daemon runs, and that is when it is needed most.
#include "commands.hpp"

#include "kith/home.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <fcntl.h>
#include <filesystem>
#include <iostream>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

namespace kith::cli {
namespace {

constexpr std::size_t default_lines = 50;
constexpr off_t most_looked_back = 4 * 1024 * 1024; ///< How far from its end the file is read at first.

client::Fd open_log(const std::string& path) { return client::Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC)); }

std::string read_on(int fd) {
  std::string text;
  std::array<char, 64 * 1024> chunk{};
  for (ssize_t got = 0; (got = ::read(fd, chunk.data(), chunk.size())) > 0;) text.append(chunk.data(), static_cast<std::size_t>(got));
  return text;
}

std::string_view last_lines(std::string_view text, std::size_t count) {
  if (count == 0) return {};
  std::size_t from = text.size();
  for (std::size_t seen = 0; from > 0 && seen <= count; --from) {
    if (text[from - 1] == '\n' && from != text.size() && ++seen == count) break;
    if (text[from - 1] == '\n' && from == text.size()) continue;
  }
  return text.substr(from);
}

void show(Context& context, std::string_view text) {
  context.io.out << (context.io.out_terminal.is_terminal ? printable(text) : std::string(text)) << std::flush;
}

/// The lines as a list of texts.
std::string as_json(const std::string& path, std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return client::ObjectWriter().text("file", path).texts("lines", lines).finish();
}

/// Prints what is added, over rotations, until the program is interrupted.
int follow(Context& context, const std::string& path, client::Fd file) {
  const client::Fd watch(::inotify_init1(IN_CLOEXEC));
  const std::string folder = std::filesystem::path(path).parent_path().string();
  if (::inotify_add_watch(watch.get(), folder.c_str(), IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0)
    return context.fail({Code::internal, "can't watch " + folder});
  alignas(inotify_event) std::array<char, 4096> events{};
  while (context.io.out.good()) {
    show(context, read_on(file.get()));
    struct stat open_one {};
    struct stat named {};
    if (::fstat(file.get(), &open_one) == 0 && ::stat(path.c_str(), &named) == 0 && open_one.st_ino != named.st_ino) {
      if (client::Fd next = open_log(path)) { // rotated
        show(context, read_on(file.get()));   // what was added since, before it was put away
        file = std::move(next);
        continue;
      }
    }
    std::array<pollfd, 2> waiting{pollfd{watch.get(), POLLIN, 0}, pollfd{context.io.out_fd, 0, 0}};
    if (::poll(waiting.data(), waiting.size(), -1) < 0 || waiting[1].revents != 0) break; // nobody reads any more
    if (::read(watch.get(), events.data(), events.size()) <= 0) break;
  }
  return 0;
}

} // namespace

int logs(Context& context) {
  if (context.options.follow && context.options.json) return context.usage("--follow has no end, --json is one value: leave out one of them");
  std::size_t count = default_lines;
  if (context.options.lines) {
    const std::string& text = *context.options.lines;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (error != std::errc() || end != text.data() + text.size()) return context.usage("-n, --lines, takes a number");
  }
  const std::string path = client::log_path(context.home);
  client::Fd file = open_log(path);
  if (!file) return context.fail(bad_request("no log at " + path + ": has a daemon run with this home?"));
  const off_t size = ::lseek(file.get(), 0, SEEK_END);
  ::lseek(file.get(), std::max<off_t>(0, size - most_looked_back), SEEK_SET);
  const std::string text = read_on(file.get());
  if (context.options.json) {
    context.print_json(as_json(path, last_lines(text, count)));
    return 0;
  }
  show(context, last_lines(text, count));
  return context.options.follow ? follow(context, path, std::move(file)) : 0;
}

} // namespace kith::cli
