// SPDX-License-Identifier: Apache-2.0
// What the benchmark's programs share, beyond the rows themselves.
#include "rows.hpp"

#include <unistd.h>

#include <cstdio>
#include <thread>

namespace kith::bench {

bool run_row(LoopLink& link, const std::string& name, std::chrono::milliseconds time) {
  const std::unique_ptr<Row> row = Row::make(name, link, time);
  if (!row) return false;
  const bool stays = name.starts_with("idle-");
  row->start([&](const std::string& line) {
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
    if (!stays) link.stop();
  });
  link.run();
  return true;
}

void end_with_stdin() {
  std::thread([] {
    char ignored[64];
    while (::read(STDIN_FILENO, ignored, sizeof ignored) > 0) {}
    ::_exit(0);
  }).detach();
}

void die(const std::string& text) {
  std::fprintf(stderr, "%s\n", text.c_str());
  ::_exit(1);
}

} // namespace kith::bench
