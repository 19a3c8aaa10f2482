// SPDX-License-Identifier: GPL-3.0-or-later
// raw-quic: the limit that kith is held to. `raw-quic serve` prints its port; `raw-quic run PORT MILLISECONDS ROW…` measures against it.
// `--packets OCTETS` before either: UDP payloads of that size instead of Ethernet's.
#include "raw/endpoint.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>

int main(int argc, char** argv) {
  using namespace kith::bench;
  std::uint16_t packets = 0;
  if (argc > 3 && std::strcmp(argv[1], "--packets") == 0) {
    packets = static_cast<std::uint16_t>(std::atoi(argv[2]));
    argv += 2;
    argc -= 2;
  }
  if (argc == 2 && std::strcmp(argv[1], "serve") == 0) {
    Endpoint endpoint(true, 0, packets);
    std::printf("{\"ready\":%u}\n", static_cast<unsigned>(endpoint.port()));
    std::fflush(stdout);
    end_with_stdin();
    endpoint.run();
    return 0;
  }
  if (argc < 5 || std::strcmp(argv[1], "run") != 0) {
    std::fprintf(stderr, "usage: raw-quic [--packets OCTETS] serve | raw-quic [--packets OCTETS] run PORT MILLISECONDS ROW...\n");
    return 2;
  }
  end_with_stdin();
  for (int i = 4; i < argc; ++i) {
    Endpoint endpoint(false, static_cast<std::uint16_t>(std::atoi(argv[2])), packets);
    if (!run_row(endpoint, argv[i], std::chrono::milliseconds(std::atoi(argv[3])))) die(std::string("no such row: ") + argv[i]);
  }
  return 0;
}
