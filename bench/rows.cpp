// SPDX-License-Identifier: GPL-3.0-or-later
#include "rows.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

namespace kith::bench {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t warm_calls = 200;
constexpr std::size_t cold_calls = 150;
constexpr std::size_t dials_in_flight = 16;

double seconds(Clock::duration d) { return std::chrono::duration<double>(d).count(); }

/// One row's answer to done(), given as a function.
class Row : public Events {
public:
  Row(Link& link, std::function<void(std::uint64_t, std::uint64_t)> on_done) : on_done_(std::move(on_done)) { link.set_events(*this); }
  void done(std::uint64_t tag, std::uint64_t count) override { on_done_(tag, count); }

private:
  std::function<void(std::uint64_t, std::uint64_t)> on_done_;
};

void warm(Link& link, std::size_t calls) {
  std::size_t left = calls;
  Row row(link, [&](std::uint64_t, std::uint64_t) {
    if (--left == 0) {
      link.stop();
    } else {
      link.call(0, 0);
    }
  });
  link.call(0, 0);
  link.run();
}

double percentile(std::vector<double>& sorted, double p) {
  std::sort(sorted.begin(), sorted.end());
  return sorted.empty() ? 0 : sorted[std::min(sorted.size() - 1, static_cast<std::size_t>(static_cast<double>(sorted.size()) * p))];
}

/// `up` uploads and `down` downloads at once: octets that arrived, by the time until the last of them ended.
double bulk(Link& link, std::size_t up, std::size_t down, milliseconds time) {
  warm(link, 1);
  std::size_t left = up + down;
  std::uint64_t total = 0;
  Row row(link, [&](std::uint64_t, std::uint64_t count) {
    total += count;
    if (--left == 0) link.stop();
  });
  const auto start = Clock::now();
  for (std::size_t i = 0; i < up; ++i) link.upload(0, start + time, i);
  for (std::size_t i = 0; i < down; ++i) link.download(0, time, up + i);
  link.run();
  return static_cast<double>(total) * 8 / seconds(Clock::now() - start) / 1e9;
}

double messages(Link& link, milliseconds time, bool each) {
  warm(link, 1);
  std::uint64_t total = 0;
  Row row(link, [&](std::uint64_t, std::uint64_t count) {
    total = count;
    link.stop();
  });
  const auto start = Clock::now();
  link.messages(0, start + time, 0, each);
  link.run();
  return static_cast<double>(total) / seconds(Clock::now() - start) / 1e6;
}

void latency(Link& link, milliseconds time, bool beside_bulk) {
  warm(link, warm_calls);
  constexpr std::uint64_t bulk_tag = 1;
  std::vector<double> times;
  const auto end = Clock::now() + time;
  auto sent = Clock::now();
  bool bulk_over = !beside_bulk;
  bool calls_over = false;
  Row row(link, [&](std::uint64_t tag, std::uint64_t) {
    if (tag == bulk_tag) {
      bulk_over = true;
    } else {
      const auto now = Clock::now();
      times.push_back(seconds(now - sent) * 1e6);
      sent = now;
      calls_over = now >= end;
      if (!calls_over) link.call(0, 0);
    }
    if (bulk_over && calls_over) link.stop();
  });
  if (beside_bulk) link.upload(0, end, bulk_tag);
  link.call(0, 0);
  link.run();
  if (beside_bulk) {
    std::printf("{\"beside_p50\":%.2f,\"beside_p99\":%.2f}\n", percentile(times, 0.5), percentile(times, 0.99));
  } else {
    std::printf("{\"call_p50\":%.2f,\"call_p99\":%.2f}\n", percentile(times, 0.5), percentile(times, 0.99));
  }
}

double in_flight(Link& link, std::size_t width, milliseconds time) {
  warm(link, warm_calls);
  std::uint64_t total = 0;
  std::size_t live = width;
  const auto start = Clock::now();
  Row row(link, [&](std::uint64_t tag, std::uint64_t) {
    ++total;
    if (Clock::now() - start < time) {
      link.call(0, tag);
    } else if (--live == 0) {
      link.stop();
    }
  });
  for (std::size_t i = 0; i < width; ++i) link.call(0, i);
  link.run();
  return static_cast<double>(total) / seconds(Clock::now() - start) / 1e3;
}

double cold(Link& link) {
  std::vector<double> times;
  auto sent = Clock::now();
  std::size_t connection = 0;
  Row row(link, [&](std::uint64_t, std::uint64_t) {
    times.push_back(seconds(Clock::now() - sent) * 1e3);
    link.hang_up(connection);
    connection = (connection + 1) % dials_in_flight;
    if (times.size() == cold_calls) {
      link.stop();
      return;
    }
    sent = Clock::now();
    link.call(connection, 0);
  });
  link.call(connection, 0);
  link.run();
  return percentile(times, 0.5);
}

double connections(Link& link, milliseconds time) {
  std::uint64_t total = 0;
  std::size_t live = dials_in_flight;
  const auto start = Clock::now();
  Row row(link, [&](std::uint64_t tag, std::uint64_t) {
    ++total;
    link.hang_up(static_cast<std::size_t>(tag));
    if (Clock::now() - start < time) {
      link.call(static_cast<std::size_t>(tag), tag);
    } else if (--live == 0) {
      link.stop();
    }
  });
  for (std::size_t i = 0; i < dials_in_flight; ++i) link.call(i, i);
  link.run();
  return static_cast<double>(total) / seconds(Clock::now() - start) / 1e3;
}

/// VmRSS of this process.
double resident_kb() {
  std::ifstream in("/proc/self/status");
  for (std::string text; std::getline(in, text);) {
    if (text.starts_with("VmRSS:")) return std::strtod(text.c_str() + 6, nullptr);
  }
  return 0;
}

/// A call on each of `count` connections, 16 at a time; then nothing.
void idle(Link& link, std::size_t count) {
  std::size_t next = 0;
  std::size_t finished = 0;
  const double before = resident_kb();
  Row row(link, [&](std::uint64_t, std::uint64_t) {
    if (++finished == count) {
      std::printf("{\"idle\":%zu,\"resident_kb\":%.0f}\n", count, before);
      std::fflush(stdout);
    } else if (next < count) {
      link.call(next++, 0);
    }
  });
  while (next < std::min(count, dials_in_flight)) link.call(next++, 0);
  link.run();
}

} // namespace

bool run_row(Link& link, const std::string& row, milliseconds time) {
  if (row == "bulk1") {
    std::printf("{\"bulk1\":%.3f}\n", bulk(link, 1, 0, time));
  } else if (row == "bulk8") {
    std::printf("{\"bulk8\":%.3f}\n", bulk(link, 8, 0, time));
  } else if (row == "both") {
    std::printf("{\"both\":%.3f}\n", bulk(link, 1, 1, time));
  } else if (row == "messages" || row == "writes") {
    std::printf("{\"%s\":%.3f}\n", row.c_str(), messages(link, time, row == "writes"));
  } else if (row == "call") {
    latency(link, time, false);
  } else if (row == "beside") {
    latency(link, time, true);
  } else if (row == "calls16" || row == "calls64" || row == "calls256") {
    std::printf("{\"%s\":%.2f}\n", row.c_str(), in_flight(link, static_cast<std::size_t>(std::atoi(row.c_str() + 5)), time));
  } else if (row == "cold") {
    std::printf("{\"cold\":%.4f}\n", cold(link));
  } else if (row == "dials") {
    std::printf("{\"dials\":%.3f}\n", connections(link, time));
  } else if (row.starts_with("idle-")) {
    idle(link, static_cast<std::size_t>(std::max(1, std::atoi(row.c_str() + 5))));
  } else {
    return false;
  }
  std::fflush(stdout);
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
