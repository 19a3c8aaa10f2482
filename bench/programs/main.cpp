// SPDX-License-Identifier: GPL-3.0-or-later
// program-bench: the rows through the Unix sockets of two daemons. `program-bench run HOME PROTOCOL MILLISECONDS ROW` measures from the only identity of a home
// to its peer called "peer"; `program-bench serve HOME IDENTITY PROTOCOL` is the program at the other end; `program-bench ask HOME SELF PEER ALIAS MILLISECONDS
// ROW` has the BenchDial plugin of identity SELF measure against identity PEER (ids).
#include "programs/ask.hpp"
#include "programs/driver.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

int main(int argc, char** argv) {
  using namespace kith::bench;
  end_with_stdin();
  if (argc == 5 && std::strcmp(argv[1], "serve") == 0) provide(argv[2], argv[3], argv[4]);
  if (argc == 8 && std::strcmp(argv[1], "ask") == 0) {
    ask(argv[2], argv[3], argv[4], argv[5], std::chrono::milliseconds(std::atoi(argv[6])), argv[7]);
    return 0;
  }
  if (argc != 6 || std::strcmp(argv[1], "run") != 0) {
    std::fprintf(stderr, "usage: program-bench run HOME PROTOCOL MILLISECONDS ROW | program-bench serve HOME IDENTITY PROTOCOL |\n"
                         "       program-bench ask HOME SELF PEER ALIAS MILLISECONDS ROW\n");
    return 2;
  }
  ProgramDriver driver(argv[2], argv[3]);
  if (!run_row(driver, argv[5], std::chrono::milliseconds(std::atoi(argv[4])))) die(std::string("no such row: ") + argv[5]);
  ::_exit(0);
}
