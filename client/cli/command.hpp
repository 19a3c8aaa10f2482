// SPDX-License-Identifier: Apache-2.0
// What the command line can say: one table of commands, from which parsing, help and "did you mean" are made.
#pragma once

#include "base/error.hpp"

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace kith::cli {

class Context;

/// Everything that any command may be told.
struct Options {
  std::vector<std::string> words; ///< What is not an option, in order, without the command itself.
  std::optional<std::string> home, protocol, alias, config, config_file, command, timeout, role, lines, count, interval, qlog, length;
  std::vector<std::string> listen, addresses, remove, access;
  bool json = false, help = false, version = false, online = false, yes = false, wait = false, now = false, detach = false, follow = false,
       purge = false, bytes = false, enable = false, disable = false, no_access = false, provider = false;
};

struct OptionSpec {
  std::string_view names; ///< "-f,--follow"
  std::string_view value; ///< "NAME"; empty for a flag.
  std::string_view help;
  std::variant<bool Options::*, std::optional<std::string> Options::*, std::vector<std::string> Options::*> target;
  bool needed = false; ///< There is no default: it stands in the usage line.
};

/// Whether the first word is an identity.
enum class IdentityWord { none, may_be_left_out, needed };

struct Command {
  std::string_view name; ///< One word or two: "peer add".
  std::string_view group;
  std::string_view summary;
  IdentityWord identity = IdentityWord::none;
  std::vector<std::string_view> words; ///< After the identity; "[DATA]" may be left out.
  std::vector<const OptionSpec*> options;
  std::vector<std::string_view> examples;
  int (*run)(Context&) = nullptr; ///< The exit code.
  std::string_view details = {};
  std::string_view protocol = {}; ///< Of a plugin's command: whose it is; the verb is the protocol's command.

  std::size_t least_words() const noexcept;
};

std::span<const Command> command_table();
std::span<const OptionSpec* const> global_options();

struct Parsed {
  const Command* command = nullptr;  ///< Null: nothing to run (help, version).
  std::vector<const Command*> verbs; ///< Of a noun whose help was asked for.
  Options options;
};

/// Commands besides the table's: plugins', which only the daemon knows. Of the options home and timeout are read. Errors: why it could not be asked.
using MoreCommands = std::function<Result<std::span<const Command>>(const Options& options)>;

/// Reads the command line, without the program's name. `more` is asked when the first word is no command of the table, and keeps what it gives. Errors:
/// bad_request with a text for people that says what was meant, perhaps; the exit code is 2.
Result<Parsed> parse_command_line(const std::vector<std::string>& arguments, const MoreCommands& more = {});

/// The help of one command; of all when null.
std::string help_text(const Command* command);
/// The help of a noun: its verbs.
std::string noun_help(std::span<const Command* const> verbs);
std::string usage_line(const Command& command);

/// "10s", "500ms", "2m", "1h", or seconds without a unit, in milliseconds; `least` to 1 h. Errors: bad_request.
Result<std::uint64_t> parse_duration_ms(std::string_view text, std::uint64_t least = 1);

} // namespace kith::cli
