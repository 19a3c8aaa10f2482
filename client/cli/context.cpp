// SPDX-License-Identifier: Apache-2.0
#include "context.hpp"

#include "kith/home.hpp"
#include "protocol/error_object.hpp"

#include <algorithm>
#include <boost/json/value.hpp>
#include <ostream>

namespace kith::cli {

Context::Context(const Command& of, Options given, Streams& streams)
    : command(of), options(std::move(given)), io(streams), home(client::resolve_home(options.home.value_or(""))) {}

int report(Streams& io, bool json, const Error& error, int code) {
  std::string text;
  if (json) {
    text = protocol::error_object(error);
    if (io.err_terminal.is_terminal) text = printable_json(text);
  } else {
    text = printable(error.text.empty() && !is_app_code(error.code) ? code_name(error.code) : error.text);
    if (is_app_code(error.code))
      text += (text.empty() ? "" : " ") + std::string("(code ") + std::to_string(static_cast<std::uint64_t>(error.code)) + ")";
    text.insert(0, io.err_terminal.red("kith:") + " ");
  }
  io.err << text + "\n"; // in one write: the lines of several on one terminal stay whole
  return code;
}

int output_failed(Streams& io) { return report(io, false, {Code::internal, "the output can't be written"}, exit_code(Code::internal)); }

int Context::fail(const Error& error) const { return report(io, options.json, error, exit_code(error.code)); }

int Context::fail_as_said(Error error) const {
  for (std::size_t at = 0; !options.json && (at = error.text.find('\n', at)) != std::string::npos;) error.text.replace(at, 1, "\\x0a");
  return fail(error);
}

int Context::usage(const std::string& text) const {
  return report(io, options.json, bad_request(text + "\nTry `kith " + std::string(command.name) + " --help`."), exit_usage);
}

std::chrono::milliseconds patience_for(const Options& options) {
  if (!options.timeout) return client::default_patience;
  const auto timeout = parse_duration_ms(*options.timeout);
  return timeout ? std::chrono::milliseconds(*timeout) + client::patience_margin : client::default_patience;
}

Result<client::Client> connect(const Options& options) {
  return client::Client::connect(client::resolve_home(options.home.value_or("")), std::min(client::connect_patience, patience_for(options)));
}

Result<client::Client*> Context::daemon() {
  if (!client_) {
    auto connected = connect(options);
    if (!connected) return connected.error();
    client_.emplace(std::move(*connected));
  }
  return &*client_;
}

Result<std::string> Context::take_identity() {
  if (command.identity == IdentityWord::none) return std::string();
  auto& words = options.words;
  const auto take = [&] {
    std::string identity = words.front();
    words.erase(words.begin());
    return identity;
  };
  if (command.identity == IdentityWord::needed || words.size() > command.words.size()) return take();
  if (words.size() <= command.least_words()) return std::string();
  // Between least and most: the first word is an identity, or a last one that may be left out was given.
  auto connected = daemon();
  if (!connected) return connected.error();
  const auto answer = (*connected)->request("identity.list", {}, patience_for(options));
  if (!answer) return answer.error();
  const auto data = parse_answer(answer->payload.bytes);
  for (const auto& identity : data.at("identities").as_array()) {
    if (identity.at("name").as_string() == words.front() || identity.at("id").as_string() == words.front()) return take();
  }
  return std::string();
}

Result<client::ObjectWriter> Context::identity_field() {
  const auto identity = take_identity();
  if (!identity) return identity.error();
  client::ObjectWriter fields;
  if (!identity->empty()) fields.text("identity", *identity);
  return fields;
}

void Context::tell_of_dial(const std::string& identity, const std::string& peer) const {
  auto daemon = connect(options);
  client::ObjectWriter fields;
  if (!identity.empty()) fields.text("identity", identity);
  fields.text("peer", peer);
  const auto answer = daemon ? daemon->request("peer.show", fields, client::patience_margin) : daemon.error();
  if (!answer) return; // it is another identity of this daemon, or an id alone: the outcome will say what there is to say
  const auto data = parse_answer(answer->payload.bytes);
  if (flag_of(data, "connected")) return;
  const std::string known = list_of(data, "addresses"); // the dial may have more: a ticket's, a hint's
  io.err << "kith: no answer from " + printable(text_of(data, "name")) + " yet; still dialing" +
                (known.empty() ? "" : " (known addresses: " + printable(known) + ")") + "\n";
}

int Context::ask(std::string_view type, const client::ObjectWriter& fields, const std::function<void(const boost::json::value&)>& show,
                 std::chrono::milliseconds patience, std::span<const int> fds) {
  auto connected = daemon();
  if (!connected) return fail(connected.error());
  auto answer = (*connected)->request(type, fields, nullptr, fds, patience);
  if (!answer) return fail(answer.error());
  return print(*answer, show);
}

int Context::print(const client::Answer& answer, const std::function<void(const boost::json::value&)>& show) const {
  if (options.json) {
    print_json(answer.payload.json ? answer.payload.bytes : "{}");
    return 0;
  }
  try {
    show(answer.payload.json ? parse_answer(answer.payload.bytes) : boost::json::value(boost::json::object_kind));
  } catch (const std::exception& error) { // a member that this version expects is not there
    return fail({Code::unsupported_version, std::string("the daemon's answer can't be read, it is of another version: ") + error.what()});
  }
  return 0;
}

void Context::print_json(std::string_view json) const { io.out << (io.out_terminal.is_terminal ? printable_json(json) : std::string(json)) << '\n'; }

} // namespace kith::cli
