// SPDX-License-Identifier: Apache-2.0
#include "run.hpp"

#include "plugin_commands.hpp"

#include <algorithm>
#include <iostream>

namespace kith::cli {

int run(const std::vector<std::string>& arguments, Streams& streams) {
  const std::vector<std::string> words = arguments.empty() ? std::vector<std::string>{"--help"} : arguments;
  PluginCommands plugins;
  auto parsed = parse_command_line(words, [&](const Options& options) { return plugins.ask(options); });
  if (!parsed) {
    const auto options_end = std::find(words.begin(), words.end(), "--");
    const bool json = std::find(words.begin(), options_end, "--json") != options_end;
    return report(streams, json, parsed.error(), exit_usage);
  }
  if (parsed->options.home && parsed->options.home->empty())
    return report(streams, parsed->options.json, bad_request("--home needs a folder; it was given an empty text"), exit_usage);
  if (parsed->options.version) {
    streams.out << (parsed->options.json ? R"({"version":")" KITH_VERSION R"("})" : "kith " KITH_VERSION) << '\n';
    return 0;
  }
  if (parsed->options.help) {
    streams.out << folded(streams.out_terminal, parsed->verbs.empty() ? help_text(parsed->command) : noun_help(parsed->verbs));
    return 0;
  }
  if (parsed->command == nullptr) return report(streams, parsed->options.json, bad_request("which command? All of them: `kith --help`."), exit_usage);
  Context context(*parsed->command, std::move(parsed->options), streams);
  return parsed->command->run(context);
}

} // namespace kith::cli
