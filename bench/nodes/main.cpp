// SPDX-License-Identifier: GPL-3.0-or-later
// node-bench: kith's transport between two processes, as a plugin in the daemon's process sees it. `node-bench serve IDENTITIES` prints its port;
// `node-bench run PORT IDENTITIES MILLISECONDS ROW` measures against it.
#include "nodes/driver.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

int main(int argc, char** argv) {
  using namespace kith::bench;
  const bool serve = argc == 3 && std::strcmp(argv[1], "serve") == 0;
  if (!serve && (argc != 6 || std::strcmp(argv[1], "run") != 0)) {
    std::fprintf(stderr, "usage: node-bench serve IDENTITIES | node-bench run PORT IDENTITIES MILLISECONDS ROW\n");
    return 2;
  }
  end_with_stdin();
  const auto identities = static_cast<std::size_t>(std::max(1, std::atoi(argv[serve ? 2 : 3])));
  BenchNode node(serve ? 0 : 1, identities);
  const unsigned port = node.listen();
  node.start(identities, serve ? std::uint16_t{0} : static_cast<std::uint16_t>(std::atoi(argv[2])));
  if (serve) {
    std::printf("{\"ready\":%u}\n", port);
    std::fflush(stdout);
    node.world.run();
  } else {
    Driver driver(node, identities);
    if (!run_row(driver, argv[5], std::chrono::milliseconds(std::atoi(argv[4])))) die(std::string("no such row: ") + argv[5]);
  }
  ::_exit(0); // without tearing down thousands of connections
}
