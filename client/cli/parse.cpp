// SPDX-License-Identifier: Apache-2.0
// The only file that sees CLI11 (it costs many seconds to compile). The command word is found first, then CLI11 reads the options of that one command.
#include "command.hpp"

#include "base/name.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

namespace kith::cli {
namespace {

using Words = std::vector<std::string>;

constexpr std::size_t most_shown = 64; ///< Of what is no command, in the text that says so.

std::string try_help(const Command* command) {
  return "\nTry `kith " + (command != nullptr ? std::string(command->name) + " " : std::string()) + "--help`.";
}

std::string did_you_mean(std::string_view typed, const std::vector<std::string_view>& known) {
  const std::string_view near = nearest_name(typed, known);
  return near.empty() ? "" : "; did you mean `" + std::string(near) + "`?";
}

using Commands = std::vector<const Command*>;

const Command* find(const Commands& commands, std::string_view name) {
  const auto found = std::find_if(commands.begin(), commands.end(), [&](const Command* command) { return command->name == name; });
  return found == commands.end() ? nullptr : *found;
}

Commands verbs_of(const Commands& commands, std::string_view noun) {
  Commands verbs;
  for (const Command* command : commands) {
    if (command->name.starts_with(std::string(noun) + " ")) verbs.push_back(command);
  }
  return verbs;
}

Error unknown_command(const Commands& commands, const std::string& typed, const std::optional<Error>& not_asked) {
  std::vector<std::string_view> names;
  for (const Command* command : commands) {
    if (command->protocol.empty()) names.push_back(command->name);
    names.push_back(command->name.substr(0, command->name.find(' ')));
  }
  const std::string plugins = not_asked ? "\nPlugins may have it, but they could not be asked: " + not_asked->text : "";
  const std::string shown = typed.size() > most_shown ? typed.substr(0, most_shown) + "…" : typed;
  return bad_request("there is no command `" + shown + "`" + did_you_mean(typed, names) + plugins + "\nAll commands: `kith --help`.");
}

/// A noun's verbs, when a noun stands without a good verb.
Error unknown_verb(const Commands& commands, const std::string& noun, const std::string& verb) {
  std::vector<std::string_view> verbs;
  std::string list;
  for (const Command* command : commands) {
    verbs.push_back(command->name.substr(noun.size() + 1));
    list += (list.empty() ? "`" : ", `") + std::string(command->name) + "`";
  }
  const std::string what = verb.empty() ? "`" + noun + "` needs a verb" : "there is no command `" + noun + " " + verb + "`";
  return bad_request(what + did_you_mean(verb, verbs) + (verbs.size() == 1 ? "\nThere is " : "\nThere are ") + list + ".");
}

/// The first from there that is no option; the value of --home is none either.
Words::iterator next_word(Words& arguments, Words::iterator from) {
  while (from != arguments.end() && from->starts_with('-')) from += *from == "--home" ? std::min<std::ptrdiff_t>(2, arguments.end() - from) : 1;
  return from;
}

/// Where the command's first word stands.
Words::iterator first_word(Words& arguments) { return next_word(arguments, arguments.begin()); }

bool asks_help(const Words& arguments) {
  return std::any_of(arguments.begin(), arguments.end(), [](const std::string& word) { return word == "--help" || word == "-h"; });
}

/// Of an option that is looked at before all others.
std::optional<std::string> value_of(const Words& arguments, const std::string& option) {
  const std::string joined = option + "=";
  std::optional<std::string> value;
  for (auto word = arguments.begin(); word != arguments.end(); ++word) {
    if (word->starts_with(joined)) value = word->substr(joined.size());
    if (*word == option && word + 1 != arguments.end()) value = *(word + 1);
  }
  return value;
}

/// The table, and what plugins add when the first word is not there.
Commands known_commands(Words& arguments, const MoreCommands& more, std::optional<Error>& not_asked) {
  Commands commands;
  for (const Command& command : command_table()) commands.push_back(&command);
  const auto first = first_word(arguments);
  if (!more || first == arguments.end() || find(commands, *first) != nullptr || !verbs_of(commands, *first).empty()) return commands;
  Options options;
  options.home = value_of(arguments, "--home");
  options.timeout = value_of(arguments, "--timeout");
  if (options.home && options.home->empty()) return commands; // wrong usage
  const auto added = more(options);
  if (added) {
    for (const Command& command : *added) commands.push_back(&command);
  } else if (added.error().code != Code::unreachable) { // without a daemon there are only kith's own
    not_asked = added.error();
  }
  return commands;
}

/// Takes the command's word or words out of the arguments. Null when there is none, or a noun whose help is asked for.
Result<void> take_command(Words& arguments, const MoreCommands& more, Parsed& parsed) {
  std::optional<Error> not_asked;
  const Commands commands = known_commands(arguments, more, not_asked);
  auto word = first_word(arguments);
  if (word == arguments.end()) return {};
  const std::string first = *word;
  word = next_word(arguments, arguments.erase(word));
  parsed.command = find(commands, first);
  Commands verbs = verbs_of(commands, first);
  if (verbs.empty()) return parsed.command != nullptr ? Result<void>() : unknown_command(commands, first, not_asked);
  if (word != arguments.end()) {
    parsed.command = find(verbs, first + " " + *word);
    if (parsed.command == nullptr) return unknown_verb(verbs, first, *word);
    arguments.erase(word);
  } else if (asks_help(arguments)) {
    if (const Command* alone = std::exchange(parsed.command, nullptr)) verbs.insert(verbs.begin(), alone);
    parsed.verbs = std::move(verbs);
  } else if (parsed.command == nullptr) {
    return unknown_verb(verbs, first, "");
  }
  return {};
}

void add_option(CLI::App& app, const OptionSpec& spec, Options& options) {
  const std::string names(spec.names);
  if (const auto* flag = std::get_if<bool Options::*>(&spec.target)) {
    app.add_flag(names, options.**flag);
  } else if (const auto* one = std::get_if<std::optional<std::string> Options::*>(&spec.target)) {
    app.add_option_function<std::string>(names, [&options, one = *one](const std::string& value) { options.*one = value; });
  } else {
    app.add_option(names, options.*std::get<std::vector<std::string> Options::*>(spec.target))->allow_extra_args(false);
  }
}

bool is_option(std::string_view word) { return word.size() > 1 && word[0] == '-' && (word[1] < '0' || word[1] > '9'); }

Error unknown_option(const std::string& word, const Command* command) {
  const std::string typed = word.substr(0, word.find('='));
  std::vector<std::string_view> known;
  const auto add = [&](const OptionSpec* spec) { known.push_back(spec->names.substr(std::min(spec->names.find("--"), spec->names.size()))); };
  std::for_each(global_options().begin(), global_options().end(), add);
  if (command != nullptr) std::for_each(command->options.begin(), command->options.end(), add);
  const std::string hint = typed == "-v" ? "; did you mean `--version`?" : did_you_mean(typed, known);
  return bad_request("unknown option " + typed + hint + try_help(command));
}

/// "PEER and ROLE are missing"
std::string missing_words(const Command& command, std::size_t given, std::size_t least) {
  std::vector<std::string_view> all;
  if (command.identity == IdentityWord::needed) all.emplace_back("IDENTITY");
  all.insert(all.end(), command.words.begin(), command.words.end());
  std::string names;
  for (std::size_t i = given; i < least; ++i) names += (names.empty() ? "" : " and ") + std::string(all[i]);
  return names + (least - given == 1 ? " is missing" : " are missing");
}

Result<void> check_words(const Command& command, const Words& words) {
  const std::size_t least = command.least_words() + (command.identity == IdentityWord::needed ? 1 : 0);
  const std::size_t most = command.words.size() + (command.identity == IdentityWord::none ? 0 : 1);
  const bool last_is_free = least < command.words.size(); // a request may well be empty, what names something may not
  const bool empty =
      std::any_of(words.begin(), words.end() - (last_is_free && !words.empty() ? 1 : 0), [](const auto& word) { return word.empty(); });
  if (words.size() >= least && words.size() <= most && !empty) return {};
  const std::string what = words.size() < least  ? missing_words(command, words.size(), least)
                           : words.size() > most ? "too many words (`" + words[most] + "`)"
                                                 : "a word is empty";
  // Whoever writes `add-protocol alice Echo` means the option of that name.
  const bool wants_protocol =
      words.size() > most && std::any_of(command.options.begin(), command.options.end(), [](const auto* o) { return o->names == "--protocol"; });
  const std::string hint = wants_protocol ? "; did you mean `--protocol " + words[most] + "`?" : "";
  return bad_request(what + ": `" + usage_line(command) + "`" + hint + try_help(&command));
}

} // namespace

Result<Parsed> parse_command_line(const std::vector<std::string>& arguments, const MoreCommands& more) {
  const auto separator = std::find(arguments.begin(), arguments.end(), "--");
  Words before(arguments.begin(), separator);
  if (const auto first = first_word(before); first != before.end()) {
    if (*first == "help") *first = "--help"; // `kith help peer add`
    if (*first == "version") *first = "--version";
  }
  Parsed parsed;
  if (const auto taken = take_command(before, more, parsed); !taken) return taken.error();
  const Command* command = parsed.command;
  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  for (const OptionSpec* spec : global_options()) add_option(app, *spec, parsed.options);
  if (command != nullptr) {
    for (const OptionSpec* spec : command->options) add_option(app, *spec, parsed.options);
  }
  try {
    std::reverse(before.begin(), before.end()); // CLI11 takes them from the back
    app.parse(before);
  } catch (const CLI::ArgumentMismatch& error) {
    const std::string_view name = std::string_view(error.what()).substr(0, std::string_view(error.what()).find(':'));
    return bad_request(std::string(name) + " takes one value" + try_help(command));
  } catch (const CLI::ParseError& error) {
    return bad_request(std::string(error.what()) + try_help(command));
  }
  for (const std::string& word : app.remaining()) {
    if (is_option(word)) return unknown_option(word, command);
    parsed.options.words.push_back(word);
  }
  if (separator != arguments.end()) parsed.options.words.insert(parsed.options.words.end(), separator + 1, arguments.end());
  if (parsed.options.help || parsed.options.version || command == nullptr) return parsed;
  if (const auto checked = check_words(*command, parsed.options.words); !checked) return checked.error();
  return parsed;
}

Result<std::uint64_t> parse_duration_ms(std::string_view text, std::uint64_t least) {
  constexpr std::uint64_t longest = 3'600'000;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  const std::uint64_t factor = unit == "ms" ? 1 : unit == "s" || unit.empty() ? 1000 : unit == "m" ? 60'000 : unit == "h" ? 3'600'000 : 0;
  if (error != std::errc() || factor == 0 || number > longest / factor || number * factor < least) {
    return bad_request("`" + std::string(text) + "` is not a time from " + std::to_string(least) + "ms to 1h: write 10s, 500ms or 2m");
  }
  return number * factor;
}

} // namespace kith::cli
