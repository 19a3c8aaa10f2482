// SPDX-License-Identifier: GPL-3.0-or-later
// Every row, with what it is set beside and what it is to reach (docs of the goals: bench/README.md).
#include "runner/goals.hpp"

namespace kith::bench {
namespace {

std::function<double(const Medians&)> times(double factor, const char* of) {
  return [factor, of](const Medians& m) { return factor * m(of); };
}
std::function<double(const Medians&)> fixed(double value) {
  return [value](const Medians&) { return value; };
}

} // namespace

const std::vector<Group>& groups() {
  static const std::vector<Group> all{
      {"Plugin to plugin",
       {
           {"plugin", "bulk1", "bulk, 1 stream, Gbit/s", "raw.bulk1", true, "0.85 of raw", times(0.85, "raw.bulk1")},
           {"plugin", "bulk8", "bulk, 8 streams, Gbit/s", "raw.bulk8", true, "0.85 of raw", times(0.85, "raw.bulk8")},
           {"plugin", "both", "bulk both ways, sum, Gbit/s", "raw.both", true, "0.85 of raw", times(0.85, "raw.both")},
           {"plugin", "call_p50", "call of 100 bytes, p50, us", "raw.call_p50", false, "1.2 of raw", times(1.2, "raw.call_p50")},
           {"plugin", "call_p99", "call of 100 bytes, p99, us", "raw.call_p99", false, "3 times its p50", times(3, "plugin.call_p50")},
           {"plugin", "calls16", "calls, 16 in flight, thousands/s", "raw.calls16", true, "0.6 of raw", times(0.6, "raw.calls16")},
           {"plugin", "calls64", "calls, 64 in flight, thousands/s", "raw.calls64", true, "0.6 of raw", times(0.6, "raw.calls64")},
           {"plugin", "calls256", "calls, 256 in flight, thousands/s", "raw.calls256", true, "0.6 of raw", times(0.6, "raw.calls256")},
           {"plugin", "messages", "100-byte messages, buffered, millions/s", "raw.messages", true, "5", fixed(5)},
           {"plugin", "cold", "cold: no connection to first reply, ms", "raw.cold", false, "1.2 of raw", times(1.2, "raw.cold")},
           {"library", "dials", "new connections with a call, thousands/s (library)", "raw.dials", true, "0.9 of raw", times(0.9, "raw.dials")},
           {"plugin", "beside_p99", "call beside a saturating transfer, p99, us", "raw.beside_p99", false, "10 times unloaded",
            times(10, "plugin.call_p99")},
           {"library", "idle_kb", "idle connection, resident KB a side (library)", "raw.idle_kb", false, "40", fixed(40)},
           {"library", "idle_wakes", "wake-ups/s, 2,000 idle connections (library)", "raw.idle_wakes", false, "1", fixed(1)},
       }},
      {"Plugin to plugin, with packets of one size",
       {
           {"plugin-ethernet", "bulk1", "bulk, 1 stream, Ethernet's packets, Gbit/s", "raw.bulk1", true, "", nullptr},
           {"plugin-ethernet", "bulk8", "bulk, 8 streams, Ethernet's packets, Gbit/s", "raw.bulk8", true, "", nullptr},
           {"plugin-ethernet", "both", "bulk both ways, sum, Ethernet's packets, Gbit/s", "raw.both", true, "", nullptr},
           {"plugin", "bulk1", "bulk, 1 stream, packets of 16 KiB, Gbit/s", "raw-large.bulk1", true, "", nullptr},
           {"plugin", "bulk8", "bulk, 8 streams, packets of 16 KiB, Gbit/s", "raw-large.bulk8", true, "", nullptr},
           {"plugin", "both", "bulk both ways, sum, packets of 16 KiB, Gbit/s", "raw-large.both", true, "", nullptr},
       }},
      {"Through the sockets",
       {
           {"to-plugin", "call_p50", "call, program to plugin, p50, us", "raw.call_p50", false, "raw + 1.1 Unix round trips",
            [](const Medians& m) { return m("raw.call_p50") + 1.1 * m("unix.unix_p50"); }},
           {"to-plugin", "call_p99", "call, program to plugin, p99, us", "raw.call_p99", false, "3 times its p50", times(3, "to-plugin.call_p50")},
           {"to-plugin", "calls16", "calls, 16 in flight, program to plugin, thousands/s", "raw.calls16", true, "", nullptr},
           {"to-plugin", "calls64", "calls, 64 in flight, program to plugin, thousands/s", "raw.calls64", true, "100", fixed(100)},
           {"to-plugin", "calls256", "calls, 256 in flight, program to plugin, thousands/s", "raw.calls256", true, "150", fixed(150)},
           {"to-plugin", "messages", "100-byte messages, buffered, program to plugin, millions/s", "raw.messages", true, "3", fixed(3)},
           {"to-plugin", "writes", "100-byte messages, one write(2) each, program to plugin, millions/s", "unix.unix_messages", true,
            "0.6 of a socketpair", times(0.6, "unix.unix_messages")},
           {"to-plugin", "cold", "cold, program to plugin, ms", "raw.cold", false, "1.2 of raw + 0.2",
            [](const Medians& m) { return 1.2 * m("raw.cold") + 0.2; }},
           {"to-plugin", "beside_p99", "call beside a saturating transfer, program to plugin, p99, us", "raw.beside_p99", false, "10 times unloaded",
            times(10, "to-plugin.call_p99")},
           {"to-plugin", "bulk1", "bulk, 1 stream, program to plugin, Gbit/s", "raw.bulk1", true, "", nullptr},
           {"to-program", "bulk1", "bulk, 1 stream, program to program, Gbit/s", "raw.bulk1", true, "0.65 of raw", times(0.65, "raw.bulk1")},
           {"to-program", "bulk8", "bulk, 8 streams, program to program, Gbit/s", "raw.bulk8", true, "0.65 of raw", times(0.65, "raw.bulk8")},
           {"to-program", "both", "bulk both ways, sum, program to program, Gbit/s", "raw.both", true, "0.50 of raw", times(0.5, "raw.both")},
           {"to-program", "call_p50", "call, program to program, p50, us", "raw.call_p50", false, "raw + 2.2 Unix round trips",
            [](const Medians& m) { return m("raw.call_p50") + 2.2 * m("unix.unix_p50"); }},
           {"to-program", "call_p99", "call, program to program, p99, us", "raw.call_p99", false, "3 times its p50", times(3, "to-program.call_p50")},
           {"to-program", "calls64", "calls, 64 in flight, program to program, thousands/s", "raw.calls64", true, "", nullptr},
           {"to-program", "calls256", "calls, 256 in flight, program to program, thousands/s", "raw.calls256", true, "", nullptr},
           {"to-program", "messages", "100-byte messages, buffered, program to program, millions/s", "raw.messages", true, "3", fixed(3)},
           {"to-program", "writes", "100-byte messages, one write(2) each, program to program, millions/s", "unix.unix_messages", true,
            "0.6 of a socketpair", times(0.6, "unix.unix_messages")},
           {"to-program", "beside_p99", "call beside a saturating transfer, program to program, p99, us", "raw.beside_p99", false,
            "10 times unloaded", times(10, "to-program.call_p99")},
           {"unix", "unix_p50", "a bare Unix socket: round trip, p50, us", nullptr, false, "", nullptr},
           {"unix", "unix_messages", "a bare Unix socket: 100-byte writes, millions/s", nullptr, true, "", nullptr},
       }},
      {"The daemon",
       {
           {"daemon", "start3", "kithd, 3 identities online: start to ready, ms", nullptr, false, "10", fixed(10)},
           {"daemon", "start100", "kithd, 100 identities online: start to ready, ms", nullptr, false, "50", fixed(50)},
           {"daemon", "idle_mb", "kithd, 3 identities online: resident memory, MB", nullptr, false, "12", fixed(12)},
           {"daemon", "idle_wakes", "kithd, 3 identities online: wake-ups/s", nullptr, false, "1", fixed(1)},
       }},
      {"Under a flood",
       {
           {"strangers", "flooded", "bulk, 1 stream, under 10,000 spoofed Initials/s, Gbit/s", "strangers.undisturbed", true, "0.8 of undisturbed",
            times(0.8, "strangers.undisturbed")},
       }},
      {"Pooled instances, and kith as a library",
       {
           {"pooled", "bulk1", "bulk, 1 stream, pooled, Gbit/s", "raw.bulk1", true, "", nullptr},
           {"pooled", "bulk8", "bulk, 8 streams, pooled, Gbit/s", "raw.bulk8", true, "", nullptr},
           {"pooled", "both", "bulk both ways, sum, pooled, Gbit/s", "raw.both", true, "", nullptr},
           {"pooled", "call_p50", "call, pooled, p50, us", "raw.call_p50", false, "", nullptr},
           {"pooled", "call_p99", "call, pooled, p99, us", "raw.call_p99", false, "", nullptr},
           {"pooled", "calls16", "calls, 16 in flight, pooled, thousands/s", "raw.calls16", true, "", nullptr},
           {"pooled", "calls64", "calls, 64 in flight, pooled, thousands/s", "raw.calls64", true, "", nullptr},
           {"pooled", "calls256", "calls, 256 in flight, pooled, thousands/s", "raw.calls256", true, "", nullptr},
           {"pooled", "messages", "100-byte messages, buffered, pooled, millions/s", "raw.messages", true, "", nullptr},
           {"pooled", "cold", "cold, pooled, ms", "raw.cold", false, "", nullptr},
           {"pooled", "beside_p99", "call beside a saturating transfer, pooled, p99, us", "raw.beside_p99", false, "", nullptr},
           {"library", "bulk1", "bulk, 1 stream, library, Gbit/s", "raw.bulk1", true, "", nullptr},
           {"library", "bulk8", "bulk, 8 streams, library, Gbit/s", "raw.bulk8", true, "", nullptr},
           {"library", "both", "bulk both ways, sum, library, Gbit/s", "raw.both", true, "", nullptr},
           {"library", "call_p50", "call, library, p50, us", "raw.call_p50", false, "", nullptr},
           {"library", "call_p99", "call, library, p99, us", "raw.call_p99", false, "", nullptr},
           {"library", "calls16", "calls, 16 in flight, library, thousands/s", "raw.calls16", true, "", nullptr},
           {"library", "calls64", "calls, 64 in flight, library, thousands/s", "raw.calls64", true, "", nullptr},
           {"library", "calls256", "calls, 256 in flight, library, thousands/s", "raw.calls256", true, "", nullptr},
           {"library", "messages", "100-byte messages, buffered, library, millions/s", "raw.messages", true, "", nullptr},
           {"library", "cold", "cold, library, ms", "raw.cold", false, "", nullptr},
           {"library", "beside_p99", "call beside a saturating transfer, library, p99, us", "raw.beside_p99", false, "", nullptr},
       }},
  };
  return all;
}

const std::vector<Cost>& costs() {
  static const std::vector<Cost> all{
      {"garbage", "garbage, 100 octets"},
      {"unknown_connection", "a packet of an unknown connection, beyond the resets of a second"},
      {"reset", "a packet of an unknown connection, answered with a stateless reset"},
      {"undecryptable", "an Initial that does not decrypt"},
      {"retry", "an Initial under load, answered with a Retry"},
      {"unknown_name", "a client with an unknown server name"},
      {"wrong_alpn", "a client with a wrong ALPN"},
      {"denied", "a client denied after a whole handshake"},
  };
  return all;
}

} // namespace kith::bench
