// SPDX-License-Identifier: Apache-2.0
#include "commands.hpp"

#include "interrupt.hpp"

#include <array>
#include <boost/json.hpp>
#include <cerrno>
#include <fcntl.h>
#include <iostream>
#include <system_error>
#include <unistd.h>

namespace kith::cli {
namespace {

using std::chrono::milliseconds;

/// The folder, which this program may write into.
Result<client::Fd> open_folder(const std::string& path) {
  client::Fd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return bad_request("can't open the folder " + path + ": " + std::generic_category().message(errno));
  if (::faccessat(folder.get(), ".", W_OK | X_OK, AT_EACCESS) != 0) {
    return bad_request("can't write into the folder " + path + ": " + std::generic_category().message(errno));
  }
  return folder;
}

/// The answer to `id`; at Ctrl-C the trace is cancelled first.
Result<client::Answer> wait_answer(client::Client& daemon, Interrupt& interrupt, const std::string& id) {
  if (interrupt.wait(daemon.fd(), client::default_patience) == Interrupt::Woken::interrupted) {
    if (auto sent = daemon.submit("cancel", client::ObjectWriter().text("request", id)); !sent) return sent.error();
  }
  return daemon.wait(id);
}

Result<protocol::TracedEvent> wait_end(client::Client& daemon, Interrupt& interrupt, const std::string& id) {
  bool cancelled = false;
  for (;;) {
    const auto event = daemon.next_event(cancelled ? client::default_patience : milliseconds(0));
    if (event && event->id == id && event->event == "traced") {
      const auto line = protocol::Object::parse(event->line);
      return line ? protocol::TracedEvent::decode(*line) : Result<protocol::TracedEvent>(line.error());
    }
    if (event) continue;
    if (cancelled || event.error().code != Code::timeout) return event.error();
    if (interrupt.wait(daemon.fd(), client::forever) != Interrupt::Woken::interrupted) continue;
    cancelled = true;
    if (const auto sent = daemon.submit("cancel", client::ObjectWriter().text("request", id)); !sent) return sent.error();
  }
}

void show_begin(Context& context, const boost::json::value& data, std::uint64_t length_ms) {
  const std::string name = text_of(data, "name");
  context.io.err << "tracing " << printable(name.empty() ? text_of(data, "peer") : name) << " at " << printable(text_of(data, "address"))
                 << ", a new connection, there after " << duration_us(number_of(data, "dial_us")) << "; for " << duration_us(length_ms * 1000)
                 << ", Ctrl-C ends it\n"
                 << std::flush;
}

} // namespace

int trace(Context& context) {
  if (!context.options.qlog) return context.usage("where to? --qlog DIR names a folder");
  std::uint64_t length = protocol::default_trace_ms;
  if (context.options.length) {
    const auto parsed = parse_duration_ms(*context.options.length, protocol::min_trace_ms);
    if (!parsed) return context.usage(parsed.error().text);
    length = *parsed;
  }
  const auto folder = open_folder(*context.options.qlog);
  if (!folder) return context.fail(folder.error());
  auto fields = context.identity_field();
  if (!fields) return context.fail(fields.error());
  auto daemon = context.daemon();
  if (!daemon) return context.fail(daemon.error());
  fields->text("peer", context.word(0)).number("for_ms", length);
  Interrupt interrupt;
  const std::array<int, 1> fds{folder->get()};
  const auto id = (*daemon)->submit("trace", *fields, nullptr, fds);
  if (!id) return context.fail(id.error());
  const auto begun = wait_answer(**daemon, interrupt, *id);
  if (!begun) return context.fail(begun.error());
  if (!context.options.json) show_begin(context, parse_answer(begun->payload.bytes), length);
  const auto end = wait_end(**daemon, interrupt, *id);
  if (!end) return context.fail({end.error().code, end.error().text + "; what was recorded until then is in " + *context.options.qlog});
  if (end->error) return context.fail(*end->error);
  if (context.options.json) {
    client::ObjectWriter out;
    out.texts("files", end->files).number("written", end->written).number("events", end->events).number("dropped", end->dropped);
    context.io.out << out.finish() << '\n';
    return 0;
  }
  for (const auto& file : end->files) context.io.out << printable(*context.options.qlog + "/" + file) << '\n';
  context.io.err << end->events << " events, " << end->written << " octets\n";
  if (end->dropped > 0) context.io.err << end->dropped << " events are missing: the disk was too slow for them\n";
  return 0;
}

} // namespace kith::cli
