// SPDX-License-Identifier: Apache-2.0
#include "commands.hpp"

#include "interrupt.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <iostream>

namespace kith::cli {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::uint64_t default_interval_ms = 1000;
constexpr std::uint64_t most_pings = 1'000'000'000;

/// Another try may have another outcome: it counts as lost, and the next one goes out.
bool is_loss(Code code) {
  return code == Code::unreachable || code == Code::connection_lost || code == Code::going_away || code == Code::timeout || code == Code::busy;
}

class Pinger {
public:
  Pinger(Context& context, std::string identity, std::uint64_t count, milliseconds interval)
      : context_(context), identity_(std::move(identity)), count_(count), interval_(interval) {}

  int run(client::Client& daemon, const client::ObjectWriter& fields) {
    std::optional<Error> fatal;
    while (sent_ < count_ && context_.io.out && !interrupt_.interrupted()) {
      const auto started = Clock::now();
      const auto id = daemon.submit("ping", fields);
      if (!id) fatal = id.error();
      if (fatal) break;
      ++sent_;
      if (wait_for(daemon.fd()) == Interrupt::Woken::interrupted) {
        --sent_; // nobody waited for it
        break;
      }
      fatal = take(daemon.wait(*id));
      if (sent_ == count_ || fatal) break;
      interrupt_.wait(-1, std::max(milliseconds(0), interval_ - std::chrono::duration_cast<milliseconds>(Clock::now() - started)));
    }
    if (!context_.io.out) return output_failed(context_.io);
    if (fatal && !said_) return context_.fail(*fatal);
    summary();
    if (fatal) return context_.fail(*fatal);
    return answered_ > 0 ? 0 : exit_code(Code::unreachable);
  }

private:
  Interrupt::Woken wait_for(int answer) {
    if (sent_ == 1 && context_.is_watched()) {
      const auto woken = interrupt_.wait(answer, context_.io.dial_notice);
      if (woken != Interrupt::Woken::timeout) return woken;
      context_.tell_of_dial(identity_, context_.word(0));
    }
    return interrupt_.wait(answer, client::default_patience);
  }

  /// An error that another try would meet as well.
  std::optional<Error> take(const Result<client::Answer>& answer) {
    if (!answer && !is_loss(answer.error().code)) return answer.error();
    if (!said_ && count_ == most_pings && context_.is_watched()) context_.io.err << "kith: Ctrl-C ends it; --count N ends it after so many\n";
    if (!answer) {
      failed(answer.error());
    } else {
      try {
        show(answer->payload.bytes, parse_answer(answer->payload.bytes));
      } catch (const std::exception& error) {
        return Error{Code::unsupported_version, std::string("the daemon's answer can't be read, it is of another version: ") + error.what()};
      }
    }
    context_.io.out << std::flush;
    said_ = true;
    return std::nullopt;
  }

  void failed(const Error& error) {
    if (context_.options.json) {
      const auto inner = client::ObjectWriter().text("code", code_name(error.code)).text("text", error.text).finish();
      context_.io.out << client::ObjectWriter().number("seq", sent_).raw("error", inner).finish() << '\n';
    } else {
      context_.io.out << sent_ << ": no answer: " << printable(error.text) << '\n';
    }
  }

  void show(const std::string& raw, const boost::json::value& data) {
    const bool answered = flag_of(data, "answered");
    if (answered) {
      const std::uint64_t rtt = number_of(data, "rtt_us");
      least_ = answered_ == 0 ? rtt : std::min(least_, rtt);
      most_ = std::max(most_, rtt);
      sum_ += rtt;
      ++answered_;
    }
    if (context_.options.json) {
      context_.io.out << client::ObjectWriter().number("seq", sent_).raw("ping", raw).finish() << '\n';
      return;
    }
    show_path(data);
    context_.io.out << sent_ << ": " << (answered ? duration_us(number_of(data, "rtt_us")) : "no answer") << '\n';
  }

  /// Once, and again when it is another one.
  void show_path(const boost::json::value& data) {
    const std::string name = text_of(data, "name");
    const std::string path = (name.empty() ? text_of(data, "peer") : name) + " at " + text_of(data, "address") + " from " + text_of(data, "local") +
                             (flag_of(data, "direct") ? ", direct, " : ", ") + (flag_of(data, "dialed") ? "dialed by us" : "dialed by the peer");
    if (flag_of(data, "new")) {
      context_.io.out << printable(path) << "; a new connection, there after " << duration_us(number_of(data, "dial_us")) << '\n';
    } else if (path != path_) {
      context_.io.out << printable(path) << '\n';
    }
    path_ = path;
  }

  void summary() {
    const std::uint64_t mean = answered_ == 0 ? 0 : sum_ / answered_;
    if (context_.options.json) {
      client::ObjectWriter inner;
      inner.number("sent", sent_).number("answered", answered_);
      if (answered_ > 0) inner.number("min_us", least_).number("avg_us", mean).number("max_us", most_);
      context_.io.out << client::ObjectWriter().raw("summary", inner.finish()).finish() << '\n' << std::flush;
      return;
    }
    context_.io.out << sent_ << " sent, " << answered_ << " answered, " << (sent_ == 0 ? 0 : 100 * (sent_ - answered_) / sent_) << " % lost";
    if (answered_ > 0) context_.io.out << "; min/avg/max " << duration_us(least_) << " / " << duration_us(mean) << " / " << duration_us(most_);
    context_.io.out << '\n' << std::flush;
  }

  Context& context_;
  std::string identity_;
  Interrupt interrupt_;
  std::uint64_t count_;
  milliseconds interval_;
  std::string path_;
  bool said_ = false; ///< There is something to sum up.
  std::uint64_t sent_ = 0, answered_ = 0, least_ = 0, most_ = 0, sum_ = 0;
};

} // namespace

int ping(Context& context) {
  std::uint64_t count = most_pings;
  if (const auto& text = context.options.count) {
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), count);
    if (error != std::errc() || end != text->data() + text->size() || count == 0 || count > most_pings) {
      return context.usage("--count takes a number from 1 on");
    }
  }
  std::uint64_t interval = default_interval_ms;
  if (context.options.interval) {
    const auto parsed = parse_duration_ms(*context.options.interval);
    if (!parsed) return context.usage(parsed.error().text);
    interval = *parsed;
  }
  const auto identity = context.take_identity();
  if (!identity) return context.fail(identity.error());
  auto daemon = context.daemon();
  if (!daemon) return context.fail(daemon.error());
  client::ObjectWriter fields;
  if (!identity->empty()) fields.text("identity", *identity);
  fields.text("peer", context.word(0));
  return Pinger(context, *identity, count, milliseconds(interval)).run(**daemon, fields);
}

} // namespace kith::cli
