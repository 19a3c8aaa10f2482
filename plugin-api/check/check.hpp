// SPDX-License-Identifier: Apache-2.0
// The conformance check of a plugin file: what kith-plugin-check prints.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace kith::check {

/// Each finding is one line for people; none: the file conforms. Loads the plugin and runs its code. `work_folder` is an empty folder of the caller's.
std::vector<std::string> check_plugin(const std::filesystem::path& file, const std::filesystem::path& work_folder);

/// What is wrong with a config_schema as such; empty: nothing.
std::string schema_problem(std::string_view schema);

/// Only the symbols, by reading the file: exactly kith_plugin_entry, nothing unique (two versions in one process would share it).
std::vector<std::string> check_symbols(const std::filesystem::path& file);

} // namespace kith::check
