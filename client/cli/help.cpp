// SPDX-License-Identifier: Apache-2.0
#include "command.hpp"

#include <algorithm>

namespace kith::cli {
namespace {

std::string padded(std::string_view text, std::size_t width) {
  std::string out(text);
  if (out.size() < width) out.resize(width, ' ');
  return out;
}

std::string option_lines(std::span<const OptionSpec* const> options) {
  std::string out;
  for (const OptionSpec* spec : options) {
    std::string names(spec->names);
    if (const auto comma = names.find(','); comma != std::string::npos) names.insert(comma + 1, " ");
    if (!spec->value.empty()) names += " " + std::string(spec->value);
    out += "  " + padded(names, 22) + " " + std::string(spec->help) + "\n";
  }
  return out;
}

std::string all_commands() {
  std::string out = "kith: one daemon for all your identities and peers\n\nUsage: kith COMMAND …     help: kith COMMAND --help\n";
  std::string_view group;
  for (const Command& command : command_table()) {
    if (command.group != group) out += "\n" + std::string(group = command.group) + ":\n";
    out += "  " + padded(command.name, 20) + " " + std::string(command.summary) + "\n";
  }
  out += "\nEverywhere:\n" + option_lines(global_options());
  out += "\nPlugins have commands of their own, kith NOUN VERB …: `kith list-protocols` shows them.\n";
  out +=
      "\nExit codes: 0 done, 1 the protocol said no, 2 wrong usage, 100 + code otherwise (109 denied, 110 offline, 113 unreachable, 121 timeout, …:\n"
      "docs/control-socket.md). KITH_HOME is the home where --home is not given; NO_COLOR turns colours off.\n";
  return out;
}

} // namespace

std::size_t Command::least_words() const noexcept {
  return static_cast<std::size_t>(std::count_if(words.begin(), words.end(), [](std::string_view word) { return !word.starts_with('['); }));
}

std::string usage_line(const Command& command) {
  std::string line = "kith " + std::string(command.name);
  if (command.identity == IdentityWord::may_be_left_out) line += " [IDENTITY]";
  if (command.identity == IdentityWord::needed) line += " IDENTITY";
  for (const std::string_view word : command.words) line += " " + std::string(word);
  for (const OptionSpec* option : command.options) {
    if (option->needed) line += " " + std::string(option->names) + " " + std::string(option->value);
  }
  return line;
}

std::string help_text(const Command* command) {
  if (command == nullptr) return all_commands();
  std::string out = std::string(command->summary) + "\n\nUsage: " + usage_line(*command) + (command->options.empty() ? "" : " [OPTIONS]") + "\n";
  if (!command->details.empty()) out += "\n" + std::string(command->details) + "\n";
  if (command->identity == IdentityWord::may_be_left_out) out += "\nIDENTITY may be left out when there is one and the first word is not its name.\n";
  if (!command->options.empty()) out += "\nOptions:\n" + option_lines(command->options);
  out += "\nEverywhere:\n" + option_lines(global_options()) + "\nExamples:\n";
  for (const std::string_view example : command->examples) out += "  " + std::string(example) + "\n";
  return out;
}

std::string noun_help(std::span<const Command* const> verbs) {
  const std::string_view noun = verbs.front()->name.substr(0, verbs.front()->name.find(' '));
  std::string out = "Usage: kith " + std::string(noun) + " VERB …     help: kith " + std::string(noun) + " VERB --help\n\n";
  std::string examples;
  for (const Command* verb : verbs) {
    out += "  " + padded(verb->name, 20) + " " + std::string(verb->summary) + "\n";
    examples += "  " + std::string(verb->examples.front()) + "\n";
  }
  return out + "\nEverywhere:\n" + option_lines(global_options()) + "\nExamples:\n" + examples;
}

} // namespace kith::cli
