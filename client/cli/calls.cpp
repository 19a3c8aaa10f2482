// SPDX-License-Identifier: Apache-2.0
#include "commands.hpp"

#include "protocol/scanner.hpp"
#include "pump.hpp"

#include <array>
#include <cerrno>
#include <iostream>
#include <system_error>
#include <unistd.h>

namespace kith::cli {
namespace {

Result<std::string> read_all(int fd, std::size_t most) {
  std::string text;
  std::array<char, 64 * 1024> chunk{};
  while (true) {
    const ssize_t got = ::read(fd, chunk.data(), chunk.size());
    if (got == 0) return text;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return bad_request("reading the input: " + std::generic_category().message(errno));
    text.append(chunk.data(), static_cast<std::size_t>(got));
    if (text.size() > most)
      return Error{Code::too_large, "the input is longer than max_call_bytes (" + std::to_string(most) + "): use `kith stream`"};
  }
}

/// PEER PROTOCOL and the options; the identity is taken off the words first.
Result<client::Target> target_of(Context& context) {
  client::Target target;
  auto identity = context.take_identity();
  if (!identity) return identity.error();
  target.from = std::move(*identity);
  target.target = context.word(0);
  target.protocol = context.word(1);
  if (context.options.alias) target.alias = *context.options.alias;
  if (context.options.command) target.command = *context.options.command;
  if (context.options.timeout) target.timeout_ms = parse_duration_ms(*context.options.timeout).value();
  return target;
}

void watch_dial(const Context& context, client::Client& daemon, const client::Target& target) {
  if (context.is_watched()) daemon.when_slow(context.io.dial_notice, [&] { context.tell_of_dial(target.from, target.target); });
}

/// Checked before anything is sent.
Result<void> check_options(const Options& options) {
  if (!options.timeout) return {};
  const auto timeout = parse_duration_ms(*options.timeout);
  return timeout ? Result<void>() : Result<void>(timeout.error());
}

/// What was meant, perhaps, by what is not JSON: only what does not begin like JSON may be a bare text.
std::string json_hint(std::string_view data) {
  if (!protocol::is_utf8(data)) return "; octets need --bytes";
  const auto begin = data.substr(protocol::skip_space(data, 0));
  if (begin.starts_with('{') || begin.starts_with('[') || begin.starts_with('"')) return "";
  return "; a text needs quotes ('\"hello\"'), other octets --bytes";
}

/// DATA as it was typed, `-`: standard input. An exit code when it is no good; `read_as`: what the words were taken for, where that may be the mistake.
std::optional<int> read_payload(Context& context, const client::Client& daemon, std::string data, client::Payload& into,
                                const std::string& read_as = "") {
  if (data == "-") {
    if (context.io.in_is_terminal) context.io.err << "kith: the request is read from this terminal; Ctrl-D ends it\n";
    auto input = read_all(context.io.in_fd, daemon.hello().max_call_bytes);
    if (!input) return context.fail(input.error());
    data = std::move(*input);
    if (data.empty() && !context.options.bytes)
      return context.usage("standard input is empty, and it was to be the request: give DATA, or --bytes for none" + read_as);
  }
  into = {!context.options.bytes, std::move(data)};
  if (!into.json) return std::nullopt;
  const auto scan = protocol::check_json(into.bytes);
  if (scan.ok()) return std::nullopt;
  return context.usage("the data is not JSON: " + std::string(scan.fault) + " at octet " + std::to_string(scan.end + 1) + json_hint(into.bytes));
}

std::string base64(std::string_view octets) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t at = 0; at < octets.size(); at += 3) {
    const std::string_view group = octets.substr(at, 3);
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 3; ++i) bits = bits << 8U | (i < group.size() ? static_cast<unsigned char>(group[i]) : 0U);
    for (std::size_t i = 0; i < 4; ++i) out.push_back(i <= group.size() ? digits[bits >> (18U - 6U * i) & 63U] : '=');
  }
  return out;
}

void print_reply(Context& context, const client::Payload& reply) {
  if (reply.json) {
    context.print_json(reply.bytes);
  } else if (context.options.json) {
    context.print_json(client::ObjectWriter().text("base64", base64(reply.bytes)).finish());
  } else if (context.io.out_terminal.is_terminal) {
    context.io.out << printable(reply.bytes) << '\n';
  } else {
    context.io.out << reply.bytes;
  }
}

} // namespace

int call(Context& context) {
  if (const auto checked = check_options(context.options); !checked) return context.usage(checked.error().text);
  const auto target = target_of(context);
  if (!target) return context.fail(target.error());
  auto daemon = context.daemon();
  if (!daemon) return context.fail(daemon.error());
  client::Payload payload;
  const std::string read_as =
      " (peer `" + target->target + "`, protocol `" + target->protocol + "`" + (target->from.empty() ? "" : ", from `" + target->from + "`") + ")";
  const std::string data = context.options.words.size() > 2 ? context.word(2) : "-";
  if (const auto code = read_payload(context, **daemon, data, payload, read_as)) return *code;
  watch_dial(context, **daemon, *target);
  const auto reply = (*daemon)->call(*target, payload);
  if (!reply) return context.fail_as_said(reply.error());
  print_reply(context, *reply);
  return 0;
}

int local(Context& context) {
  if (const auto checked = check_options(context.options); !checked) return context.usage(checked.error().text);
  auto identity = context.take_identity();
  if (!identity) return context.fail(identity.error());
  auto daemon = context.daemon();
  if (!daemon) return context.fail(daemon.error());
  protocol::LocalRequest request;
  request.identity = std::move(*identity);
  request.protocol = context.command.protocol;
  request.command = context.command.name.substr(context.command.name.find(' ') + 1);
  if (context.options.alias) request.alias = *context.options.alias;
  if (context.options.timeout) request.timeout_ms = parse_duration_ms(*context.options.timeout).value();
  client::Payload payload;
  const std::string data = context.options.words.empty() && !context.options.bytes ? "{}" : context.word(0);
  if (const auto code = read_payload(context, **daemon, data, payload)) return *code;
  const auto reply = (*daemon)->local(request, payload);
  if (!reply) return context.fail_as_said(reply.error());
  print_reply(context, *reply);
  return 0;
}

int stream(Context& context) {
  if (const auto checked = check_options(context.options); !checked) return context.usage(checked.error().text);
  const auto target = target_of(context);
  if (!target) return context.fail(target.error());
  auto daemon = context.daemon();
  if (!daemon) return context.fail(daemon.error());
  watch_dial(context, **daemon, *target);
  auto opened = (*daemon)->open_stream(*target);
  if (!opened) return context.fail_as_said(opened.error());
  const auto closed = pump(**daemon, *opened, context.io.in_fd, context.io.out_fd);
  if (!closed) return context.fail(closed.error());
  if (closed->error) return context.fail_as_said(*closed->error);
  return 0;
}

} // namespace kith::cli
