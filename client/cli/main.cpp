// SPDX-License-Identifier: Apache-2.0
#include "run.hpp"

#include "base/standard_fds.hpp"

#include <exception>
#include <iostream>
#include <unistd.h>

int main(int argc, char** argv) {
  using namespace kith::cli;
  kith::open_standard_fds();
  std::ios::sync_with_stdio(false);
  Streams streams{
      std::cout, std::cerr, STDIN_FILENO, STDOUT_FILENO, terminal_of(STDOUT_FILENO), terminal_of(STDERR_FILENO), ::isatty(STDIN_FILENO) == 1};
  try {
    const int code = run(std::vector<std::string>(argv + 1, argv + argc), streams);
    std::cout.flush();
    return code == 0 && !std::cout ? output_failed(streams) : code;
  } catch (const std::exception& error) {
    return report(streams, false, {kith::Code::internal, error.what()}, kith::exit_code(kith::Code::internal));
  }
}
