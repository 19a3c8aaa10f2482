// SPDX-License-Identifier: Apache-2.0
// The commands of plugins: `kith NOUN VERB [IDENTITY] [DATA]`, as the daemon tells them.
#pragma once

#include "command.hpp"

#include <deque>
#include <span>
#include <string>
#include <vector>

namespace kith::cli {

/// Commands borrow their texts from here.
class PluginCommands {
public:
  /// Asks the daemon. Errors: those of the client.
  Result<std::span<const Command>> ask(const Options& options);

private:
  std::string_view keep(std::string text) { return texts_.emplace_back(std::move(text)); }

  std::deque<std::string> texts_;
  std::vector<Command> commands_;
};

} // namespace kith::cli
