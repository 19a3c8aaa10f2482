// SPDX-License-Identifier: Apache-2.0
#include "plugin_commands.hpp"

#include "commands.hpp"

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <exception>

namespace kith::cli {

Result<std::span<const Command>> PluginCommands::ask(const Options& options) try {
  auto daemon = connect(options);
  if (!daemon) return daemon.error();
  const auto answer = daemon->request("protocol.list", {}, patience_for(options));
  if (!answer) return answer.error();
  const auto data = parse_answer(answer->payload.bytes);
  for (const auto& protocol : items_of(data, "protocols")) {
    const std::string noun = text_of(protocol, "noun");
    for (const auto& command : items_of(protocol, "commands")) {
      if (noun.empty() || text_of(command, "scope") == "remote") continue;
      const std::string_view name = keep(noun + " " + text_of(command, "name"));
      Command own{name, "Plugins", keep(printable(text_of(command, "summary"))), IdentityWord::may_be_left_out, {"[DATA]"}, local_options(),
                  {},   &local};
      own.protocol = keep(text_of(protocol, "protocol"));
      own.examples = {keep("kith " + std::string(name)), keep("kith " + std::string(name) + " alice '{}'")};
      own.details = keep("A command of " + std::string(own.protocol) +
                         " for its owner, on this machine. DATA is JSON; `-` reads standard input, and left out\nit is {}.");
      commands_.push_back(std::move(own));
    }
  }
  return std::span<const Command>(commands_);
} catch (const std::exception& error) {
  return Error{Code::unsupported_version, std::string("the daemon's answer can't be read, it is of another version: ") + error.what()};
}

} // namespace kith::cli
