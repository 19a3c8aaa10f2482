// SPDX-License-Identifier: Apache-2.0
#include "run.hpp"

#include "plugin_commands.hpp"

#include <iostream>
#include <kith/home.hpp>

namespace kith::cli {

int run(const std::vector<std::string>& arguments, Streams& streams) {
  const std::string first = arguments.empty() ? "--help" : arguments.front();
  std::vector<std::string> words = arguments;
  if (first == "help" || arguments.empty()) { // `kith help peer add` is `kith peer add --help`
    if (!words.empty()) words.erase(words.begin());
    words.emplace_back("--help");
  }
  PluginCommands plugins;
  auto parsed = parse_command_line(words, [&](const auto& home) { return plugins.ask(client::resolve_home(home.value_or(""))); });
  if (!parsed) {
    streams.err << streams.err_terminal.red("kith:") << ' ' << printable(parsed.error().text) << '\n';
    return exit_usage;
  }
  if (parsed->options.version) {
    streams.out << "kith " KITH_VERSION "\n";
    return 0;
  }
  if (parsed->options.help) {
    streams.out << (parsed->verbs.empty() ? help_text(parsed->command) : noun_help(parsed->verbs));
    return 0;
  }
  if (parsed->command == nullptr) {
    streams.err << "kith: which command? All of them: `kith --help`.\n";
    return exit_usage;
  }
  Context context(*parsed->command, std::move(parsed->options), streams);
  return parsed->command->run(context);
}

} // namespace kith::cli
