// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/options.hpp"

#include <filesystem>

namespace kith::daemon {

const std::string_view usage = R"(kithd - the kith daemon

  kithd [--home DIR] [--listen ADDRESS:PORT]... [--detach] [--json]
  kithd [--home DIR] --check [--json]

  --home DIR              where keys, identities and state are (default: $KITH_HOME, else ~/.kith)
  --listen ADDRESS:PORT   listen there in this run, not where kith.yaml says; may be repeated; port 0 picks one
  --detach                return as soon as the daemon is ready
  --json                  when ready one JSON object on standard output, errors as JSON on standard error; of --check what `kith config check --json` prints
  --check                 start nothing: say line by line what in the home would keep the daemon from starting; the exit code is then 1
  --version, --help

The command is `kith` (kith daemon starts this program).
)";

Result<Options> parse_options(std::span<const std::string_view> arguments, std::string_view environment_home, std::string_view user_home) {
  Options options;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    std::string_view name = arguments[i];
    std::string value;
    const auto take_value = [&]() -> bool {
      if (const std::size_t equals = name.find('='); equals != std::string_view::npos) {
        value = name.substr(equals + 1);
        name = name.substr(0, equals);
      } else if (i + 1 < arguments.size()) {
        value = arguments[++i];
      }
      return !value.empty();
    };
    if (name == "--help" || name == "-h") {
      options.help = true;
    } else if (name == "--version") {
      options.version = true;
    } else if (name == "--json") {
      options.json = true;
    } else if (name == "--check") {
      options.check = true;
    } else if (name == "--detach") {
      options.detach = true;
    } else if (name == "--home" || name.starts_with("--home=")) {
      if (!take_value()) return bad_request("--home needs a folder");
      options.home = value;
    } else if (name == "--listen" || name.starts_with("--listen=")) {
      if (!take_value()) return bad_request("--listen needs an address and a port, as in 127.0.0.1:4433 or [::1]:4433");
      const auto address = parse_address(value);
      if (!address) return bad_request("--listen: " + address.error().text);
      options.listen.push_back(*address);
    } else {
      return bad_request("unknown argument " + std::string(name) + " (kithd --help)");
    }
  }
  if (options.home.empty()) options.home = environment_home;
  if (options.home.empty()) {
    if (user_home.empty()) return bad_request("neither --home nor $KITH_HOME nor $HOME says where the home is");
    options.home = std::string(user_home) + "/.kith";
  }
  std::error_code ignored; // the path then stays as it was given
  const auto absolute = std::filesystem::absolute(options.home, ignored).lexically_normal();
  if (!ignored) options.home = absolute.string();
  while (options.home.size() > 1 && options.home.back() == '/') options.home.pop_back();
  return options;
}

} // namespace kith::daemon
