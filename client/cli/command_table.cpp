// SPDX-License-Identifier: Apache-2.0
#include "commands.hpp"

#include <array>

namespace kith::cli {
namespace {

// --- options
const OptionSpec home{"--home", "DIR", "the daemon's home (default: KITH_HOME, else ~/.kith)", &Options::home};
const OptionSpec json{"--json", "", "output for programs (docs/control-socket.md)", &Options::json};
const OptionSpec help{"-h,--help", "", "this help", &Options::help};
const OptionSpec version{"--version", "", "the version of this program", &Options::version};
const std::array<const OptionSpec*, 4> everywhere{&home, &json, &help, &version};

const OptionSpec online{"--online", "", "go online at once", &Options::online};
const OptionSpec yes{"-y,--yes", "", "don't ask", &Options::yes};
const OptionSpec wait{"--wait", "", "return when running streams have ended (10 s at most)", &Options::wait};
const OptionSpec now{"--now", "", "reset running streams", &Options::now};
const OptionSpec stop_now{"--now", "", "reset running streams instead of letting them end", &Options::now};
const OptionSpec detach{"--detach", "", "return when the daemon is ready; it goes on in the background", &Options::detach};
const OptionSpec listen{"--listen", "ADDR:PORT", "UDP address to listen on in this run (for good: listen in kith.yaml); may be repeated",
                        &Options::listen};
const OptionSpec follow_log{"-f,--follow", "", "go on with what is added", &Options::follow};
const OptionSpec lines{"-n,--lines", "N", "how many of the last lines (default 50)", &Options::lines};
const OptionSpec protocol{"--protocol", "NAME", "the protocol, such as Echo", &Options::protocol, true};
const OptionSpec alias{"--alias", "NAME", "which binding of that protocol (default: default)", &Options::alias};
const OptionSpec config{"--config", "JSON", "its configuration", &Options::config};
const OptionSpec config_file{"--config-file", "FILE", "its configuration, from a YAML or JSON file", &Options::config_file};
const OptionSpec access{"--access", "WHO", "a least role, or peer:NAME or group:NAME, alone or with =ROLE; may be repeated", &Options::access};
const OptionSpec no_access{"--no-access", "", "nobody may use it", &Options::no_access};
const OptionSpec provider{"--provider", "", "a program serves it over the socket, no plugin", &Options::provider};
const OptionSpec enable{"--enable", "", "serve it again", &Options::enable};
const OptionSpec disable{"--disable", "", "stop serving it, keep its settings and data", &Options::disable};
const OptionSpec purge{"--purge", "", "delete its data too", &Options::purge};
const OptionSpec addr{"--addr", "HOST:PORT", "where the peer can be reached (a name is looked up once, now); may be repeated", &Options::addresses};
const OptionSpec only_addr{"--addr", "HOST:PORT", "where it can be reached, and nowhere else; may be repeated", &Options::addresses};
const OptionSpec remove_addr{"--remove", "ADDR:PORT", "one that it no longer has; may be repeated", &Options::remove};
const OptionSpec role{"--role", "ROLE", "public, viewer, member, admin or owner (default: public)", &Options::role};
const OptionSpec command{"--command", "NAME", "the protocol's command (default: its main one)", &Options::command};
const OptionSpec timeout{"--timeout", "TIME", "give up after 10s, 500ms, 2m (default 30s)", &Options::timeout};
const OptionSpec count{"--count", "N", "stop after so many (default: at Ctrl-C)", &Options::count};
const OptionSpec interval{"--interval", "TIME", "from one to the next (default 1s)", &Options::interval};
const OptionSpec qlog{"--qlog", "DIR", "the folder to write into", &Options::qlog, true};
const OptionSpec length{"--for", "TIME", "how long, up to 1h (default 10s)", &Options::length};
const OptionSpec bytes{"--bytes", "", "the data is octets, not JSON", &Options::bytes};

constexpr auto none = IdentityWord::none;
constexpr auto may = IdentityWord::may_be_left_out;
constexpr auto needed = IdentityWord::needed;

constexpr std::string_view call_details =
    "Calls PROTOCOL of PEER and prints the reply, and nothing else, on standard output. PEER is a name (kith peer list) or an id.\n"
    "DATA is JSON; `-` or nothing reads standard input. With four words the first is IDENTITY, with two it is left out; with three the\n"
    "first is IDENTITY if an identity here has that name.";
constexpr std::string_view export_details =
    "FILE is new and private (0600): a file that is there is not replaced. `-` is standard output, unless that is a terminal; what is meant is\n"
    "a pipe to a program that encrypts.";
constexpr std::string_view import_details =
    "FILE is private (0600) and stays where it is. `-` is standard input; what is meant is a pipe from a program that decrypts.";
constexpr std::string_view check_details =
    "Without FILE all files of the home. FILE may lie anywhere; its name tells what it is: kith.yaml has settings, any other an identity.\n"
    "The daemon does the check; where none runs, only what would keep it from starting is told.";
constexpr std::string_view remove_details =
    "What runs is reset at once; `kith configure-protocol … --disable` lets it end first. A provider stays connected and is told nothing.";
constexpr std::string_view delete_details =
    "Its key, file and data move to a folder of deleted/. import-identity brings the key back, and with it the id; bindings and data have to be\n"
    "moved back by hand, and its peers and their roles are forgotten.";
constexpr std::string_view logs_details = "Reads the file KITH_HOME/logs/kithd.log; no daemon need run.";
constexpr std::string_view stream_details =
    "Standard input goes to the peer, what the peer sends to standard output. The end of the input ends that direction only; the command\n"
    "ends when both have. Exit code 0 means that both ended well, anything else that the stream was reset.";

constexpr std::string_view addresses_details =
    "`kith peer add` with its id adds an address and keeps the others, up to 16 in all. The one that worked last is tried first.";
constexpr std::string_view ping_details =
    "Round trips to PEER, measured by QUIC PINGs: no protocol and no access are needed, only a connection, which is dialed when there is none.\n"
    "A PING without an answer for 2 s is lost. Exit code 0 when one was answered, 113 when none was.";
constexpr std::string_view trace_details =
    "Writes DIR/TIME-ID.sqlog for each connection to PEER that is dialed while the trace runs (qlog, which qvis draws). A connection\n"
    "can't be recorded from its middle on: the trace dials a new one, and new streams use that. Streams that run end on the old one, undisturbed.\n"
    "The files have addresses, connection ids, packets and times; no keys, and nothing of what streams carry.";
constexpr std::string_view doctor_details = "Looks at files, the system and, when it runs, the daemon; changes nothing. Exit code 1 when something "
                                            "is bad, 0 when all is ok or only worth a look.";

// --- commands
const std::vector<Command>& commands() {
  static const std::vector<Command> table{
      {"daemon",
       "Daemon",
       "run the daemon",
       none,
       {},
       {&listen, &detach},
       {"kith daemon", "kith daemon --detach", "kith daemon --listen 0.0.0.0:4433 --listen '[::]:4433'"},
       &daemon},
      {"stop", "Daemon", "stop the daemon and wait until it is gone", none, {}, {&stop_now}, {"kith stop", "kith stop --now"}, &stop},
      {"status", "Daemon", "what runs, who is connected", none, {}, {}, {"kith status", "kith status --json"}, &status},
      {"reload", "Daemon", "read the files again", none, {}, {}, {"kith reload"}, &reload},
      {"config check",
       "Daemon",
       "look for mistakes in the files, change nothing",
       none,
       {"[FILE]"},
       {},
       {"kith config check", "kith config check ~/.kith/identities/alice.yaml"},
       &config_check,
       check_details},
      {"logs",
       "Daemon",
       "what the daemon wrote",
       none,
       {},
       {&follow_log, &lines},
       {"kith logs", "kith logs -f", "kith logs -n 1000 --json"},
       &logs,
       logs_details},
      {"doctor",
       "Daemon",
       "look for what is wrong, and say what to do",
       none,
       {},
       {},
       {"kith doctor", "kith doctor --json"},
       &doctor,
       doctor_details},

      {"create-identity",
       "Identities",
       "make a new key under a name",
       none,
       {"NAME"},
       {&online},
       {"kith create-identity alice --online"},
       &create_identity},
      {"list-identities", "Identities", "all identities of this daemon", none, {}, {}, {"kith list-identities"}, &list_identities},
      {"show-identity", "Identities", "one identity and its protocols", may, {}, {}, {"kith show-identity alice"}, &show_identity},
      {"rename-identity",
       "Identities",
       "give it another name; key, peers and data stay",
       may,
       {"NEWNAME"},
       {},
       {"kith rename-identity alice ann"},
       &rename_identity},
      {"delete-identity",
       "Identities",
       "take it away; key and data move aside",
       needed,
       {},
       {&yes},
       {"kith delete-identity alice", "kith delete-identity alice --yes"},
       &delete_identity,
       delete_details},
      {"identity-online", "Identities", "accept and make connections", may, {}, {}, {"kith identity-online alice"}, &identity_online},
      {"identity-offline",
       "Identities",
       "refuse everything new and let running streams end",
       may,
       {},
       {&wait, &now},
       {"kith identity-offline alice", "kith identity-offline alice --now"},
       &identity_offline},
      {"export-identity",
       "Identities",
       "write the secret key to a new file",
       may,
       {"FILE"},
       {},
       {"kith export-identity alice alice.key", "kith export-identity alice - | age --encrypt -r RECIPIENT > alice.key.age"},
       &export_identity,
       export_details},
      {"import-identity",
       "Identities",
       "take a key from a file",
       none,
       {"NAME", "FILE"},
       {&online},
       {"kith import-identity alice alice.key --online", "age --decrypt -i KEYS alice.key.age | kith import-identity alice -"},
       &import_identity,
       import_details},

      {"add-protocol",
       "Protocols",
       "serve a protocol",
       may,
       {},
       {&protocol, &alias, &config, &config_file, &access, &no_access, &provider},
       {"kith add-protocol alice --protocol Echo --access public",
        "kith add-protocol alice --protocol Echo --alias short --config '{\"max_length\": 10}'"},
       &add_protocol},
      {"configure-protocol",
       "Protocols",
       "change, enable or disable one, while it runs",
       may,
       {},
       {&protocol, &alias, &config, &config_file, &access, &no_access, &enable, &disable},
       {"kith configure-protocol alice --protocol Echo --config '{\"max_length\": 500}'",
        "kith configure-protocol alice --protocol Echo --access member --access peer:bob=admin",
        "kith configure-protocol alice --protocol Echo --disable"},
       &configure_protocol},
      {"remove-protocol",
       "Protocols",
       "stop serving a protocol",
       may,
       {},
       {&protocol, &alias, &purge},
       {"kith remove-protocol alice --protocol Echo", "kith remove-protocol alice --protocol Echo --purge"},
       &remove_protocol,
       remove_details},
      {"list-protocols",
       "Protocols",
       "the protocols that there are plugins for, and their commands",
       none,
       {},
       {},
       {"kith list-protocols"},
       &list_protocols},

      {"ticket", "Peers", "one line by which others reach an identity", may, {}, {}, {"kith ticket alice"}, &ticket},
      {"peer add",
       "Peers",
       "know a peer by a name",
       may,
       {"NAME", "TICKET-OR-ID"},
       {&addr, &role},
       {"kith peer add alice bob kith:04g…",
        "kith peer add alice bob 35vmm8v1di2j5hlbp0sfljauku4rs33mma906d03jft8mf9mhlgg --addr 192.0.2.7:4433 --role member"},
       &peer_add},
      {"peer list", "Peers", "the peers of an identity", may, {}, {}, {"kith peer list alice"}, &peer_list},
      {"peer show", "Peers", "one peer", may, {"PEER"}, {}, {"kith peer show alice bob"}, &peer_show},
      {"peer role", "Peers", "what a peer may do, at once", may, {"PEER", "ROLE"}, {}, {"kith peer role alice bob member"}, &peer_role},
      {"peer rename", "Peers", "call a peer something else", may, {"PEER", "NEWNAME"}, {}, {"kith peer rename alice bob robert"}, &peer_rename},
      {"peer addresses",
       "Peers",
       "where a peer is dialed: take addresses away, or give all anew",
       may,
       {"PEER"},
       {&remove_addr, &only_addr},
       {"kith peer addresses alice bob --remove 192.0.2.7:4433", "kith peer addresses alice bob --addr 192.0.2.8:4433 --addr '[2001:db8::1]:4433'"},
       &peer_addresses,
       addresses_details},
      {"peer remove", "Peers", "forget a peer; its rights end", may, {"PEER"}, {}, {"kith peer remove alice bob"}, &peer_remove},

      {"call",
       "Talking",
       "one request, one reply",
       may,
       {"PEER", "PROTOCOL", "[DATA]"},
       {&alias, &command, &timeout, &bytes},
       {"kith call bob alice Echo '{\"message\":\"hi\"}'", "echo '{\"message\":\"hi\"}' | kith call alice Echo",
        "kith call alice Echo --bytes < picture.jpg > back.jpg"},
       &call,
       call_details},
      {"stream",
       "Talking",
       "bytes both ways",
       may,
       {"PEER", "PROTOCOL"},
       {&alias, &command, &timeout},
       {"kith stream bob alice Echo < file > copy"},
       &stream,
       stream_details},

      {"ping",
       "Connections",
       "round-trip time, path and loss to a peer",
       may,
       {"PEER"},
       {&count, &interval},
       {"kith ping alice bob", "kith ping bob --count 5 --interval 200ms"},
       &ping,
       ping_details},
      {"trace",
       "Connections",
       "record the packets to a peer, as qlog",
       may,
       {"PEER"},
       {&qlog, &length},
       {"kith trace alice bob --qlog /tmp", "kith trace bob --qlog . --for 1m"},
       &trace,
       trace_details},
      {"pool list",
       "Connections",
       "connections of one identity, or of all",
       may,
       {},
       {},
       {"kith pool list", "kith pool list alice --json"},
       &pool_list},
      {"pool", "Connections", "all connections, of every identity", none, {}, {}, {"kith pool", "kith pool --json"}, &pool_list},
      {"pool close",
       "Connections",
       "close those to one peer; the next call dials anew",
       may,
       {"PEER"},
       {},
       {"kith pool close alice bob"},
       &pool_close},
  };
  return table;
}

} // namespace

std::span<const Command> command_table() { return commands(); }
std::span<const OptionSpec* const> global_options() { return everywhere; }
std::vector<const OptionSpec*> local_options() { return {&alias, &timeout, &bytes}; }

} // namespace kith::cli
