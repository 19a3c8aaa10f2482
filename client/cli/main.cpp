// SPDX-License-Identifier: Apache-2.0
#include "run.hpp"

#include <exception>
#include <fcntl.h>
#include <iostream>
#include <unistd.h>

int main(int argc, char** argv) {
  using namespace kith::cli;
  // Started with a standard descriptor closed, the next one opened would take its number, and our own socket would be read as standard input.
  for (int fd = ::open("/dev/null", O_RDWR); fd >= 0; fd = ::open("/dev/null", O_RDWR)) {
    if (fd > STDERR_FILENO) {
      ::close(fd);
      break;
    }
  }
  std::ios::sync_with_stdio(false);
  Streams streams{
      std::cout, std::cerr, STDIN_FILENO, STDOUT_FILENO, terminal_of(STDOUT_FILENO), terminal_of(STDERR_FILENO), ::isatty(STDIN_FILENO) == 1};
  try {
    const int code = run(std::vector<std::string>(argv + 1, argv + argc), streams);
    std::cout.flush();
    if (code == 0 && !std::cout) {
      std::cerr << "kith: the output can't be written\n";
      return kith::exit_code(kith::Code::internal);
    }
    return code;
  } catch (const std::exception& error) {
    std::cerr << "kith: " << error.what() << '\n';
    return kith::exit_code(kith::Code::internal);
  }
}
