// SPDX-License-Identifier: Apache-2.0
#include "doctor.hpp"

#include "protocol/fd_passing.hpp"

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

namespace kith::cli {
namespace {

constexpr int receive_buffer = 16 << 20; ///< Octets; what kithd asks for.
constexpr int send_buffer = 8 << 20;
constexpr std::time_t first_year = 1'700'000'000; ///< 2023: before this version was written.
constexpr std::time_t last_year = 7'258'118'400;  ///< 2200
constexpr std::time_t clock_tolerance = 3600;     ///< Seconds that a file may be newer than now.
constexpr rlim_t few_files = 1024;

std::string size_text(int octets) { return std::to_string(octets / 1024) + " KiB"; }

/// What the kernel gives of a buffer that is asked for as the daemon does.
int granted(int socket, int force, int plain, int wanted) {
  if (::setsockopt(socket, SOL_SOCKET, force, &wanted, sizeof wanted) != 0) ::setsockopt(socket, SOL_SOCKET, plain, &wanted, sizeof wanted);
  int value = 0;
  socklen_t size = sizeof value;
  ::getsockopt(socket, SOL_SOCKET, plain, &value, &size);
  return value / 2; // the kernel tells twice what it gives (socket(7))
}

void check_buffer(Checkup& out, const std::string& what, int given, int wanted, const std::string& setting) {
  if (given >= wanted) return out.ok(what, size_text(given));
  out.warn(what, size_text(given) + " of " + size_text(wanted), "for fast transfers: sysctl -w " + setting + "=" + std::to_string(wanted));
}

void check_udp(Checkup& out) {
  const protocol::Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return out.bad("UDP", "this system gives no UDP socket", "kith needs one: look for a sandbox that forbids it");
  check_buffer(out, "UDP receive buffer", granted(socket.get(), SO_RCVBUFFORCE, SO_RCVBUF, receive_buffer), receive_buffer, "net.core.rmem_max");
  check_buffer(out, "UDP send buffer", granted(socket.get(), SO_SNDBUFFORCE, SO_SNDBUF, send_buffer), send_buffer, "net.core.wmem_max");
  const auto takes = [&](int option, int value) { return ::setsockopt(socket.get(), IPPROTO_UDP, option, &value, sizeof value) == 0; };
  const bool gso = takes(UDP_SEGMENT, 0); // 0 only asks whether the option exists
  const bool gro = takes(UDP_GRO, 1);
  if (gso && gro) return out.ok("GSO and GRO", "this kernel has both");
  out.warn("GSO and GRO",
           std::string("this kernel has no ") + (gso   ? "GRO"
                                                 : gro ? "GSO"
                                                       : "GSO and no GRO"),
           "everything works, slower; Linux 5.0 and later have both");
}

/// The newest of what the daemon writes; 0: nothing.
std::time_t newest_file(const std::string& home) {
  std::time_t newest = 0;
  for (const char* name : {"/kith.yaml", "/port", "/state.db", "/state.db-wal", "/logs/kithd.log"}) {
    struct stat about {};
    if (::stat((home + name).c_str(), &about) == 0) newest = std::max(newest, about.st_mtime);
  }
  return newest;
}

void check_clock(Checkup& out, const std::string& home) {
  const std::time_t now = std::time(nullptr);
  const std::time_t newest = newest_file(home);
  if (now < first_year || now > last_year) {
    out.bad("clock", "it is " + std::to_string(now) + " s after 1970, it says", "set the clock: tickets and invites have dates");
  } else if (newest > now + clock_tolerance) {
    out.warn("clock", "files of the home are " + std::to_string((newest - now) / 60) + " minutes newer than now", "look at the clock: it went back");
  } else {
    out.ok("clock", "plausible");
  }
}

void check_limits(Checkup& out) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const std::string found = limit.rlim_max == RLIM_INFINITY ? "no limit" : std::to_string(limit.rlim_max) + " at most";
  if (limit.rlim_max < few_files) return out.warn("open files", found, "raise it: ulimit -Hn, or LimitNOFILE= of the service");
  out.ok("open files", found);
}

} // namespace

void check_system(Checkup& out, const std::string& home) {
  check_udp(out);
  check_clock(out, home);
  check_limits(out);
}

} // namespace kith::cli
