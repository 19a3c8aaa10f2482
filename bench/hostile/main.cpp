// SPDX-License-Identifier: GPL-3.0-or-later
// stranger-bench: traffic that a daemon is to turn away, on loopback alone. `stranger-bench KIND PORT ID COUNT RATE` prepares, prints {"ready":1}, waits for a line on
// standard input, sends, and prints {"sent":N,"answered":M,"seconds":S}. Ends by itself, and when its standard input does.
//   garbage             100 random octets in the long form
//   unknown-connection  100 octets in the short form, for a connection that nobody has; answered: by a stateless reset
//   undecryptable       an Initial of 1,200 octets with one octet changed
//   initial             an Initial with a ClientHello for identity ID, from an address that never answers; answered: by a Retry
//   spoofed             the same, and nobody listens for the answers
//   unknown-name, wrong-alpn, denied    clients that go on until they are closed; answered: closed with that reason. RATE says nothing for them
#include "hostile/flood.hpp"
#include "hostile/visits.hpp"
#include "raw/tls.hpp"
#include "rows.hpp"

#include <arpa/inet.h>
#include <sys/random.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <thread>

namespace kith::bench {
namespace {

constexpr std::size_t max_count = 100'000;
constexpr double max_rate = 20'000;
constexpr std::size_t small_packet = 100;
constexpr std::size_t warm_packets = 300; // enough that the daemon asks for Retry
constexpr std::size_t warm_visits = 10;
constexpr auto settle = std::chrono::milliseconds(300);
constexpr const char* alpn = "kith/1";

std::string server_name(const std::string& id) { return id + ".iroh.invalid"; }

/// An id that nobody has: another first character.
std::string unknown(std::string id) {
  if (!id.empty()) id[0] = id[0] == '1' ? '2' : '1';
  return id;
}

Octets random_packet(std::uint8_t form) {
  Octets out(small_packet);
  if (::getrandom(out.data(), out.size(), 0) != static_cast<ssize_t>(out.size())) die("getrandom");
  out[0] = static_cast<std::uint8_t>((out[0] & 0x3f) | form);
  return out;
}

std::vector<Octets> make_packets(const std::string& kind, const std::string& id, const sockaddr_in& remote, std::size_t count) {
  WOLFSSL_CTX* const context = make_context(false);
  std::vector<Octets> out;
  out.reserve(count);
  while (out.size() < count) {
    if (kind == "garbage") {
      out.push_back(random_packet(0xc0)); // long, and a version that nobody speaks
    } else if (kind == "unknown-connection") {
      out.push_back(random_packet(0x40)); // short, with the fixed bit
    } else {
      out.push_back(Stranger(context, server_name(id), alpn, remote).write());
      if (kind == "undecryptable") out.back().back() ^= 1;
    }
  }
  return out;
}

void wait_for_go() {
  std::printf("{\"ready\":1}\n");
  std::fflush(stdout);
  std::string line;
  if (!std::getline(std::cin, line)) std::exit(0);
  end_with_stdin();
}

void report(std::size_t sent, std::size_t answered, Clock::time_point start, Clock::time_point end) {
  std::printf("{\"sent\":%zu,\"answered\":%zu,\"seconds\":%.3f}\n", sent, answered, std::chrono::duration<double>(end - start).count());
}

void flood(const std::string& kind, const std::string& id, const sockaddr_in& remote, std::size_t count, double rate) {
  const bool warm = kind == "initial" || kind == "spoofed";
  const std::size_t before = warm ? warm_packets : 0;
  const std::vector<Octets> packets = make_packets(kind, id, remote, before + count);
  Flood flood(remote, kind != "spoofed");
  flood.send(packets, 0, before, rate);
  if (warm) std::this_thread::sleep_for(settle);
  flood.take_answers();
  wait_for_go();
  const auto start = Clock::now();
  const std::size_t sent = flood.send(packets, before, packets.size(), rate);
  const auto end = Clock::now();
  std::this_thread::sleep_for(settle);
  const Flood::Answers answers = flood.take_answers();
  report(sent, warm ? answers.retries : answers.others, start, end);
}

int run(int argc, char** argv) {
  const std::map<std::string, Visits> visits{
      {"unknown-name", {server_name(argc > 3 ? unknown(argv[3]) : ""), alpn, {false, 0x170}}}, // alert 112, RFC 9001 §4.8
      {"wrong-alpn", {server_name(argc > 3 ? argv[3] : ""), "other/1", {false, 0x178}}},       // alert 120
      {"denied", {server_name(argc > 3 ? argv[3] : ""), alpn, {true, 9}}},
  };
  const std::string kind = argc == 6 ? argv[1] : "";
  const bool floods = kind == "garbage" || kind == "unknown-connection" || kind == "undecryptable" || kind == "initial" || kind == "spoofed";
  if (!floods && !visits.contains(kind)) {
    std::fprintf(
        stderr, "usage: stranger-bench garbage|unknown-connection|undecryptable|initial|spoofed|unknown-name|wrong-alpn|denied PORT ID COUNT RATE\n");
    return 2;
  }
  sockaddr_in remote{};
  remote.sin_family = AF_INET;
  remote.sin_port = htons(static_cast<std::uint16_t>(std::atoi(argv[2])));
  remote.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const std::size_t count = std::min(max_count, static_cast<std::size_t>(std::max(1, std::atoi(argv[4]))));
  if (floods) {
    flood(kind, argv[3], remote, count, std::clamp(std::atof(argv[5]), 1.0, max_rate));
    return 0;
  }
  visit(visits.at(kind), warm_visits, remote);
  wait_for_go();
  const auto start = Clock::now();
  const std::size_t refused = visit(visits.at(kind), count, remote);
  report(count, refused, start, Clock::now());
  return 0;
}

} // namespace
} // namespace kith::bench

int main(int argc, char** argv) { return kith::bench::run(argc, argv); }
