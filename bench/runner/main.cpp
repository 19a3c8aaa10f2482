// SPDX-License-Identifier: GPL-3.0-or-later
// kith-bench: kith beside the least program over the same libraries, in turn, several times, on loopback (bench/README.md).
#include "runner/report.hpp"
#include "runner/runner.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace {

constexpr const char* usage = "usage: kith-bench [--json] [--quick] [--rounds N] [--time MILLISECONDS] [--only PLACE]...\n"
                              "PLACE: raw library plugin packets pooled to-plugin to-program unix strangers idle daemon\n";

kith::bench::Options parse(int argc, char** argv) {
  kith::bench::Options out;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--json") {
      out.json = true;
    } else if (word == "--quick") {
      out.quick = true;
      out.rounds = 1;
      out.time = 50;
    } else if (word == "--rounds" && i + 1 < argc) {
      out.rounds = std::max(1, std::atoi(argv[++i]));
    } else if (word == "--time" && i + 1 < argc) {
      out.time = std::max(50, std::atoi(argv[++i]));
    } else if (word == "--only" && i + 1 < argc && std::strstr(usage, (std::string(" ") + argv[i + 1]).c_str()) != nullptr) {
      out.only.insert(argv[++i]);
    } else {
      std::fputs(usage, stderr);
      std::exit(2);
    }
  }
  return out;
}

} // namespace

int main(int argc, char** argv) {
  using namespace kith::bench;
  const Options options = parse(argc, argv);
  Runner runner(options, std::filesystem::read_symlink("/proc/self/exe").parent_path());
  runner.run();
  std::fputs((options.json ? json(runner.measured()) : table(runner.measured())).c_str(), stdout);
  return 0;
}
