// SPDX-License-Identifier: Apache-2.0
#include "rows.hpp"

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <utility>
#include <vector>

namespace kith::bench {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t warm_calls = 200;
constexpr std::size_t cold_calls = 150;
constexpr std::size_t dials_in_flight = 16;

double seconds(Clock::duration d) { return std::chrono::duration<double>(d).count(); }

[[gnu::format(printf, 1, 2)]] std::string format(const char* pattern, ...) {
  std::array<char, 256> out{};
  va_list arguments;
  va_start(arguments, pattern);
  std::vsnprintf(out.data(), out.size(), pattern, arguments);
  va_end(arguments);
  return out.data();
}

double percentile(std::vector<double>& values, double p) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[std::min(values.size() - 1, static_cast<std::size_t>(static_cast<double>(values.size()) * p))];
}

/// Uploads and downloads at once: octets that arrived, by the time until the last of them ended.
class Bulk final : public Row {
public:
  Bulk(Link& link, std::string name, std::size_t up, std::size_t down, milliseconds time)
      : Row(link, 1), name_(std::move(name)), up_(up), down_(down), time_(time) {}

private:
  void begin() override {
    left_ = up_ + down_;
    start_ = Clock::now();
    for (std::size_t i = 0; i < up_; ++i) link().upload(0, start_ + time_, i);
    for (std::size_t i = 0; i < down_; ++i) link().download(0, time_, up_ + i);
  }
  void step(std::uint64_t, std::uint64_t count) override {
    total_ += count;
    if (--left_ == 0) over(format("{\"%s\":%.3f}", name_.c_str(), static_cast<double>(total_) * 8 / seconds(Clock::now() - start_) / 1e9));
  }

  std::string name_;
  std::size_t up_;
  std::size_t down_;
  milliseconds time_;
  std::size_t left_ = 0;
  std::uint64_t total_ = 0;
  Clock::time_point start_;
};

class Messages final : public Row {
public:
  Messages(Link& link, bool each, milliseconds time) : Row(link, 1), each_(each), time_(time) {}

private:
  void begin() override {
    start_ = Clock::now();
    link().messages(0, start_ + time_, 0, each_);
  }
  void step(std::uint64_t, std::uint64_t count) override {
    over(format("{\"%s\":%.3f}", each_ ? "writes" : "messages", static_cast<double>(count) / seconds(Clock::now() - start_) / 1e6));
  }

  bool each_;
  milliseconds time_;
  Clock::time_point start_;
};

/// One call at a time, alone or beside an upload.
class Latency final : public Row {
public:
  Latency(Link& link, bool beside_bulk, milliseconds time) : Row(link, warm_calls), beside_(beside_bulk), time_(time), bulk_over_(!beside_bulk) {}

private:
  static constexpr std::uint64_t bulk_tag = 1;

  void begin() override {
    end_ = Clock::now() + time_;
    if (beside_) link().upload(0, end_, bulk_tag);
    sent_ = Clock::now();
    link().call(0, 0);
  }
  void step(std::uint64_t tag, std::uint64_t) override {
    if (tag == bulk_tag) {
      bulk_over_ = true;
    } else {
      const auto now = Clock::now();
      times_.push_back(seconds(now - sent_) * 1e6);
      sent_ = now;
      calls_over_ = now >= end_;
      if (!calls_over_) link().call(0, 0);
    }
    if (!bulk_over_ || !calls_over_) return;
    const char* name = beside_ ? "beside" : "call";
    over(format("{\"%s_p50\":%.2f,\"%s_p99\":%.2f}", name, percentile(times_, 0.5), name, percentile(times_, 0.99)));
  }

  bool beside_;
  milliseconds time_;
  bool bulk_over_;
  bool calls_over_ = false;
  std::vector<double> times_;
  Clock::time_point sent_;
  Clock::time_point end_;
};

class InFlight final : public Row {
public:
  InFlight(Link& link, std::size_t width, milliseconds time) : Row(link, warm_calls), width_(width), time_(time) {}

private:
  void begin() override {
    live_ = width_;
    start_ = Clock::now();
    for (std::size_t i = 0; i < width_; ++i) link().call(0, i);
  }
  void step(std::uint64_t tag, std::uint64_t) override {
    ++total_;
    if (Clock::now() - start_ < time_) {
      link().call(0, tag);
    } else if (--live_ == 0) {
      over(format("{\"calls%zu\":%.2f}", width_, static_cast<double>(total_) / seconds(Clock::now() - start_) / 1e3));
    }
  }

  std::size_t width_;
  milliseconds time_;
  std::size_t live_ = 0;
  std::uint64_t total_ = 0;
  Clock::time_point start_;
};

/// One call on a connection that is not there yet, again and again.
class Cold final : public Row {
public:
  explicit Cold(Link& link) : Row(link, 0) {}

private:
  void begin() override {
    sent_ = Clock::now();
    link().call(connection_, 0);
  }
  void step(std::uint64_t, std::uint64_t) override {
    times_.push_back(seconds(Clock::now() - sent_) * 1e3);
    link().hang_up(connection_);
    connection_ = (connection_ + 1) % dials_in_flight;
    if (times_.size() == cold_calls) {
      over(format("{\"cold\":%.4f}", percentile(times_, 0.5)));
    } else {
      begin();
    }
  }

  std::vector<double> times_;
  std::size_t connection_ = 0;
  Clock::time_point sent_;
};

/// The time of a single call, whatever it takes: whoever asks has closed the connection before.
class Once final : public Row {
public:
  explicit Once(Link& link) : Row(link, 0) {}

private:
  void begin() override {
    sent_ = Clock::now();
    link().call(0, 0);
  }
  void step(std::uint64_t, std::uint64_t) override { over(format("{\"once\":%.4f}", seconds(Clock::now() - sent_) * 1e3)); }

  Clock::time_point sent_;
};

class Dials final : public Row {
public:
  Dials(Link& link, milliseconds time) : Row(link, 0), time_(time) {}

private:
  void begin() override {
    start_ = Clock::now();
    for (std::size_t i = 0; i < dials_in_flight; ++i) link().call(i, i);
  }
  void step(std::uint64_t tag, std::uint64_t) override {
    ++total_;
    link().hang_up(static_cast<std::size_t>(tag));
    if (Clock::now() - start_ < time_) {
      link().call(static_cast<std::size_t>(tag), tag);
    } else if (--live_ == 0) {
      over(format("{\"dials\":%.3f}", static_cast<double>(total_) / seconds(Clock::now() - start_) / 1e3));
    }
  }

  milliseconds time_;
  std::size_t live_ = dials_in_flight;
  std::uint64_t total_ = 0;
  Clock::time_point start_;
};

/// VmRSS of this process.
double resident_kb() {
  std::ifstream in("/proc/self/status");
  for (std::string text; std::getline(in, text);) {
    if (text.starts_with("VmRSS:")) return std::strtod(text.c_str() + 6, nullptr);
  }
  return 0;
}

/// A call on each of `count` connections, 16 at a time; then nothing.
class Idle final : public Row {
public:
  Idle(Link& link, std::size_t count) : Row(link, 0), count_(count), before_(resident_kb()) {}

private:
  void begin() override {
    while (next_ < std::min(count_, dials_in_flight)) link().call(next_++, 0);
  }
  void step(std::uint64_t, std::uint64_t) override {
    if (++finished_ == count_) {
      over(format("{\"idle\":%zu,\"resident_kb\":%.0f}", count_, before_));
    } else if (next_ < count_) {
      link().call(next_++, 0);
    }
  }

  std::size_t count_;
  double before_;
  std::size_t next_ = 0;
  std::size_t finished_ = 0;
};

} // namespace

std::unique_ptr<Row> Row::make(const std::string& name, Link& link, milliseconds time) {
  if (name == "bulk1") return std::make_unique<Bulk>(link, name, 1, 0, time);
  if (name == "bulk8") return std::make_unique<Bulk>(link, name, 8, 0, time);
  if (name == "both") return std::make_unique<Bulk>(link, name, 1, 1, time);
  if (name == "messages" || name == "writes") return std::make_unique<Messages>(link, name == "writes", time);
  if (name == "call" || name == "beside") return std::make_unique<Latency>(link, name == "beside", time);
  if (name == "calls16" || name == "calls64" || name == "calls256") {
    return std::make_unique<InFlight>(link, static_cast<std::size_t>(std::atoi(name.c_str() + 5)), time);
  }
  if (name == "cold") return std::make_unique<Cold>(link);
  if (name == "once") return std::make_unique<Once>(link);
  if (name == "dials") return std::make_unique<Dials>(link, time);
  if (name.starts_with("idle-")) return std::make_unique<Idle>(link, static_cast<std::size_t>(std::max(1, std::atoi(name.c_str() + 5))));
  return nullptr;
}

void Row::start(std::function<void(const std::string&)> on_line) {
  on_line_ = std::move(on_line);
  link_.set_events(*this);
  if (warm_left_ == 0) {
    begin();
  } else {
    link_.call(0, 0);
  }
}

void Row::done(std::uint64_t tag, std::uint64_t count) {
  if (warm_left_ == 0) {
    step(tag, count);
  } else if (--warm_left_ == 0) {
    begin();
  } else {
    link_.call(0, 0);
  }
}

} // namespace kith::bench
