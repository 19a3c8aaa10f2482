// SPDX-License-Identifier: Apache-2.0
// kith-plugin-check FILE.so: 0 conforms, 1 findings (one a line), 2 usage.
#include "check/check.hpp"

#include <cstdlib>
#include <iostream>

int main(int argc, char** argv) {
  if (argc != 2 || argv[1][0] == '-') {
    std::cerr << "usage: kith-plugin-check FILE.so\nLoads a plugin, runs it in a fake host and says what breaks the plugin ABI's rules "
                 "(docs/plugin-guide.md).\n";
    return 2;
  }
  std::string folder = (std::filesystem::temp_directory_path() / "kith-plugin-check.XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) {
    std::cerr << folder << ": can't be made\n";
    return 1;
  }
  const auto findings = kith::check::check_plugin(std::filesystem::absolute(argv[1]), folder);
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  for (const std::string& finding : findings) std::cout << argv[1] << ": " << finding << '\n';
  if (findings.empty()) std::cout << argv[1] << ": conforms\n";
  return findings.empty() ? 0 : 1;
}
