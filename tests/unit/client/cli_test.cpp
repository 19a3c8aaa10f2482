// SPDX-License-Identifier: Apache-2.0
#include "base/name.hpp"
#include "cli/context.hpp"
#include "cli/doctor.hpp"
#include "cli/run.hpp"
#include "fake_daemon.hpp"
#include "protocol/scanner.hpp"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <mutex>
#include <sstream>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace kith::test {
namespace {

using protocol::Answer;
using protocol::Body;
using protocol::Request;
using Seen = FakeDaemon::Seen;
using Peer = FakeDaemon::Peer;

struct Outcome {
  int code = 0;
  std::string out, err, written; ///< `written`: to the output descriptor.
};

/// Runs a command with `input` on its standard input.
Outcome run(const std::vector<std::string>& arguments, const std::string& input = "", bool err_is_terminal = false) {
  std::ostringstream out, err;
  std::array<int, 2> in{};
  std::array<int, 2> back{};
  EXPECT_EQ(::pipe2(in.data(), O_CLOEXEC), 0);
  EXPECT_EQ(::pipe2(back.data(), O_CLOEXEC), 0);
  const protocol::Fd in_read(in[0]);
  protocol::Fd in_write(in[1]);
  const protocol::Fd back_read(back[0]);
  protocol::Fd back_write(back[1]);
  EXPECT_EQ(::write(in_write.get(), input.data(), input.size()), static_cast<ssize_t>(input.size()));
  in_write.reset();
  cli::Streams streams{out, err, in_read.get(), back_write.get(), {}, {err_is_terminal, false, 0}, false};
  streams.dial_notice = std::chrono::milliseconds(1);
  Outcome outcome;
  outcome.code = cli::run(arguments, streams);
  back_write.reset();
  std::array<char, 4096> chunk{};
  for (ssize_t got = 0; (got = ::read(back_read.get(), chunk.data(), chunk.size())) > 0;)
    outcome.written.append(chunk.data(), static_cast<std::size_t>(got));
  outcome.out = out.str();
  outcome.err = err.str();
  return outcome;
}

/// Identities alice and bob; echoes calls; answers everything else with an empty object.
void two_identities(Peer& peer, const Request& request, Seen& seen) {
  if (request.type == "identity.list") {
    const char* list =
        R"({"identities":[{"name":"alice","id":"i1","online":true,"state":"online"},{"name":"bob","id":"i2","online":false,"state":"offline"}]})";
    peer.send(Answer::ok(request.id, Body::of_json(list)).encode());
  } else if (request.body.kind == Body::Kind::json) {
    peer.send(Answer::ok(request.id, request.body).encode());
  } else if (request.body.kind == Body::Kind::octets) {
    peer.send(Answer::ok(request.id, Body::of_octets(seen.octets.size())).encode(), seen.octets);
  } else {
    peer.send(Answer::ok(request.id, Body::of_json("{}")).encode());
  }
}

TEST(Cli, WrongUsageIsCodeTwoAndSaysWhatWasMeant) {
  EXPECT_EQ(run({"--home", "/nonexistent/kith", "cal"}).code, 2) << "no daemon knows better";
  EXPECT_NE(run({"cal", "--home=/nonexistent/kith"}).err.find("there is no command `cal`; did you mean `call`?"), std::string::npos);
  EXPECT_NE(run({"peer", "ad"}).err.find("did you mean `add`?"), std::string::npos);
  EXPECT_NE(run({"call", "--alais", "x", "bob", "Echo"}).err.find("did you mean `--alias`?"), std::string::npos);
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{{"peer"},
                                                                                         {"--home=nowhere"},
                                                                                         {"--home", "", "status"},
                                                                                         {"status", "--home="},
                                                                                         {"--home", "", "note"},
                                                                                         {"call"},
                                                                                         {"call", "bob"},
                                                                                         {"call", "a", "b", "c", "d", "e"},
                                                                                         {"call", "b", "E", "--timeout", "0s"},
                                                                                         {"call", "b", "E", "--timeout"},
                                                                                         {"status", "x"},
                                                                                         {"config", "check", ""},
                                                                                         {"delete-identity"},
                                                                                         {"delete-identity", "x"},
                                                                                         {"add-protocol", "alice"},
                                                                                         {"peer", "role", "a", "b", "membr"},
                                                                                         {"add-protocol", "a", "--protocol", "E", "--config", "{"},
                                                                                         {"configure-protocol", "a", "--protocol", "E"},
                                                                                         {"identity-offline", "a", "--wait", "--now"},
                                                                                         {"logs", "--lines", "x"}}) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, 2) << arguments.front() << ": " << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_TRUE(outcome.err.starts_with("kith: ")) << outcome.err;
  }
}

TEST(Cli, ADialThatTakesLongIsToldOnATerminal) {
  std::mutex guard;
  std::condition_variable asked;
  std::string shown; // what peer.show answers; a call, a stream and a ping wait until it was asked for
  bool was_asked = false;
  bool is_due = true; // else they wait for a moment, in which a notice that is not due would come
  FakeDaemon daemon([&](Peer& peer, const Request& request, Seen&) {
    std::unique_lock lock(guard);
    if (request.type == "peer.show") {
      peer.send(Answer::ok(request.id, Body::of_json(shown)).encode());
      was_asked = true;
      asked.notify_all();
    } else {
      asked.wait_for(lock, std::chrono::milliseconds(is_due ? 30'000 : 50), [&] { return was_asked; });
      peer.send(Answer::failed(request.id, {Code::unreachable, "no connection"}).encode());
    }
  });
  const auto said = [&](std::vector<std::string> words, const std::string& show, bool terminal = true, bool due = true) {
    shown = show;
    is_due = due;
    was_asked = false;
    words.insert(words.begin(), {"--home", daemon.home()});
    const Outcome outcome = run(words, "", terminal);
    EXPECT_EQ(outcome.code, 113) << outcome.err;
    return outcome.err;
  };
  const std::string away = R"({"name":"bob","addresses":["192.0.2.7:4433","192.0.2.8:4433"],"connected":false})";
  const std::string notice = "kith: no answer from bob yet; still dialing (known addresses: 192.0.2.7:4433, 192.0.2.8:4433)\n";
  const std::vector<std::string> call{"call", "alice", "bob", "Echo", "{}"};
  for (const auto& words : {call, {"stream", "alice", "bob", "Echo"}, {"ping", "alice", "bob", "--count", "1"}})
    EXPECT_TRUE(said(words, away).starts_with(notice)) << words.front();
  EXPECT_EQ(said(call, R"({"name":"bob","addresses":["192.0.2.7:4433"],"connected":true})"), "kith: no connection\n") << "it is served";
  EXPECT_EQ(said(call, R"({"name":"bob","addresses":[],"connected":false})"), "kith: no answer from bob yet; still dialing\nkith: no connection\n");
  for (const auto& words : {call, {"ping", "alice", "bob", "--count", "1"}})
    EXPECT_EQ(said(words, away, false, false).find("dialing"), std::string::npos) << "a script";
  EXPECT_EQ(said({"call", "alice", "bob", "Echo", "{}", "--json"}, away, true, false),
            "{\"error\":{\"code\":\"unreachable\",\"text\":\"no connection\"}}\n");
}

TEST(Cli, APingWithoutAnEndSaysHowToEndItOnATerminal) {
  FakeDaemon daemon([pings = 0](Peer& peer, const Request& request, Seen&) mutable {
    const char* answer = R"({"name":"bob","address":"192.0.2.7:4433","local":"192.0.2.8:4433","answered":true,"rtt_us":7})";
    if (++pings % 2 == 1) peer.send(Answer::ok(request.id, Body::of_json(answer)).encode());
    else peer.send(Answer::failed(request.id, {Code::unknown_peer, "alice knows no peer bob"}).encode()); // which does end it
  });
  const auto said = [&](std::vector<std::string> more, bool terminal) {
    std::vector<std::string> words{"--home", daemon.home(), "ping", "alice", "bob", "--interval", "1ms"};
    words.insert(words.end(), more.begin(), more.end());
    return run(words, "", terminal).err;
  };
  const std::string end = "kith: alice knows no peer bob\n";
  EXPECT_EQ(said({}, true), "kith: Ctrl-C ends it; --count N ends it after so many\n" + end);
  EXPECT_EQ(said({"--count", "9"}, true), end);
  EXPECT_EQ(said({}, false), end);
}

TEST(Cli, EveryCommandHasHelpWithExamples) {
  for (const cli::Command& command : cli::command_table()) {
    std::vector<std::string> arguments;
    std::istringstream words{std::string(command.name)};
    for (std::string word; words >> word;) arguments.push_back(word);
    arguments.emplace_back("--help");
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, 0) << command.name;
    EXPECT_NE(outcome.out.find("Examples:\n  "), std::string::npos) << command.name;
    EXPECT_NE(outcome.out.find(cli::usage_line(command)), std::string::npos) << command.name;
  }
  EXPECT_EQ(run({}).code, 0);
  EXPECT_EQ(run({"help", "peer", "add"}).out, run({"peer", "add", "--help"}).out);
  EXPECT_TRUE(run({"--version"}).out.starts_with("kith "));
  EXPECT_EQ(run({"version"}).out, run({"--version"}).out);
  EXPECT_NE(run({"-v"}).err.find("did you mean `--version`?"), std::string::npos);
}

TEST(Cli, WhatIsNoJsonGetsTheHintThatFits) {
  FakeDaemon daemon(two_identities);
  const auto said = [&](const std::string& data) { return run({"--home", daemon.home(), "call", "alice", "bob", "Echo", data}).err; };
  for (const char* text : {"hello", "tree", ""})
    EXPECT_NE(said(text).find("a text needs quotes ('\"hello\"'), other octets --bytes\n"), std::string::npos) << text;
  for (const std::string& text : {std::string(1000, '['), std::string("\"\\ud800\""), std::string("{\"a\":}")})
    EXPECT_EQ(said(text).find("needs quotes"), std::string::npos) << text;
  EXPECT_NE(said("\"\xff\"").find("; octets need --bytes\n"), std::string::npos);
}

TEST(Cli, DoctorTakesNoOlderDaemonsSilenceForMaxPacket) {
  const auto mtu = [](const std::string& max_packet) {
    FakeDaemon daemon([&](Peer& peer, const Request& request, Seen&) {
      const std::string answer =
          request.type == "health"
              ? R"({"listen":["127.0.0.1:1"],"gso":true,"train":1,"files":{"used":1,"limit":9},"abi":"1.0","plugins":[],"plugin_problems":[])" +
                    max_packet + "}"
          : request.type == "status" ? R"({"home":"/","stopping":false,"identities":[],"errors":[]})"
                                     : R"({"connections":[{"identity":"alice","name":"bob","peer":"x","mtu":1200,"sent":1000000,"age_s":60}]})";
      peer.send(Answer::ok(request.id, Body::of_json(answer)).encode());
    });
    auto client = client::Client::connect(daemon.home());
    cli::Checkup checkup;
    EXPECT_TRUE(client && cli::check_daemon(checkup, *client, daemon.home()));
    return checkup.checks().back();
  };
  EXPECT_EQ(mtu("").state, cli::Health::warn);
  EXPECT_EQ(mtu("").found, "1200 octets of UDP payload, the least that there is");
  EXPECT_EQ(mtu(R"(,"max_packet":1200)").state, cli::Health::ok);
}

TEST(Cli, DoctorHasACureForEachReasonWhyNoDaemonAnswers) {
  const std::string pid = std::to_string(::getpid());
  const auto advice = [&](Code code, const std::string& lock) {
    FakeDaemon home(two_identities);
    std::ofstream(home.home() + "/daemon.lock") << lock;
    const protocol::Fd holder(::open((home.home() + "/daemon.lock").c_str(), O_RDONLY | O_CLOEXEC));
    EXPECT_EQ(::flock(holder.get(), LOCK_EX), 0);
    cli::Checkup checkup;
    cli::check_absence(checkup, {code, ""}, home.home());
    const cli::Check& check = checkup.checks().front();
    return (check.state == cli::Health::bad ? "bad: " : "warn: ") + check.advice;
  };
  EXPECT_TRUE(advice(Code::timeout, pid + "\n").starts_with("bad: kith logs; when it stays like this: kill -9 " + pid + " "));
  EXPECT_TRUE(advice(Code::unreachable, pid + "\nstopping\n").starts_with("warn: wait until pid " + pid + " is gone"));
  EXPECT_EQ(advice(Code::unreachable, pid + "\n"), "bad: wait a moment; else kill -HUP " + pid + ", which makes the socket again");
  EXPECT_TRUE(advice(Code::unreachable, "").starts_with("warn: kith daemon --home '"));
  EXPECT_TRUE(advice(Code::busy, pid + "\n").ends_with("kill -HUP " + pid + " is a reload"));
  EXPECT_NE(advice(Code::denied, "").find("as that user"), std::string::npos);
}

TEST(Cli, UsageNamesTheOptionsThatAreNeeded) {
  EXPECT_NE(run({"trace", "--help"}).out.find("Usage: kith trace [IDENTITY] PEER --qlog DIR [OPTIONS]\n"), std::string::npos);
  EXPECT_NE(run({"add-protocol", "--help"}).out.find("Usage: kith add-protocol [IDENTITY] --protocol NAME [OPTIONS]\n"), std::string::npos);
}

TEST(Cli, AHomeThatIsNoFolderIsNotToBeStarted) {
  const Outcome outcome = run({"--home", "/etc/passwd", "status"});
  EXPECT_EQ(outcome.code, 101);
  EXPECT_EQ(outcome.err, "kith: /etc/passwd is not a folder: choose another --home\n");
}

TEST(Cli, NoPluginMayTakeTheWordOfACommand) {
  for (const cli::Command& command : cli::command_table()) {
    const std::string_view word = command.name.substr(0, command.name.find(' '));
    EXPECT_TRUE(is_command_word(word)) << word << " is missing in base/name.cpp";
  }
  EXPECT_FALSE(is_command_word("note"));
}

/// two_identities, with a plugin that has commands.
void with_notes(Peer& peer, const Request& request, Seen& seen) {
  if (request.type != "protocol.list") return two_identities(peer, request, seen);
  const char* list = R"({"protocols":[
{"protocol":"Echo","version":"1","summary":"","file":"","noun":"","commands":[{"name":"x","scope":"local","summary":""}]},
{"protocol":"Notes","version":"1","summary":"keeps notes","file":"","noun":"note","commands":[
{"name":"add","scope":"local","summary":"keeps one"},{"name":"count","scope":"both","summary":"how many"},{"name":"push","scope":"remote","summary":""}]}]})";
  std::string line(list);
  std::replace(line.begin(), line.end(), '\n', ' ');
  peer.send(Answer::ok(request.id, Body::of_json(line)).encode());
}

TEST(Cli, CommandsOfPluginsGoToTheirProtocols) {
  FakeDaemon daemon(with_notes);
  const auto line = [&](std::vector<std::string> words, const std::string& input = "") {
    words.insert(words.begin(), {"--home", daemon.home()});
    const Outcome outcome = run(words, input);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return daemon.lines().back();
  };
  const auto sent = [](int id, const std::string& fields) { return R"({"id":")" + std::to_string(id) + R"(","type":"local",)" + fields + "}"; };
  EXPECT_EQ(line({"note", "add"}), sent(2, R"("protocol":"Notes","alias":"default","command":"add","data":{})"));
  EXPECT_EQ(line({"note", "add", "alice"}), sent(3, R"("identity":"alice","protocol":"Notes","alias":"default","command":"add","data":{})"));
  EXPECT_EQ(line({"note", "add", "[1.0]"}), sent(3, R"("protocol":"Notes","alias":"default","command":"add","data":[1.0])"));
  EXPECT_EQ(line({"note", "count", "bob", "-", "--alias", "x", "--timeout", "2s"}, "7"),
            sent(2, R"("identity":"bob","protocol":"Notes","alias":"x","command":"count","timeout_ms":2000,"data":7)"));
  EXPECT_EQ(run({"note", "add", "alice", "--bytes", "--home", daemon.home()}).code, 0);
  EXPECT_EQ(run({"note", "add", "alice", "{", "--home", daemon.home()}).code, 2) << "not JSON";
  EXPECT_EQ(run({"note", "add", "alice", "{}", "more", "--home", daemon.home()}).code, 2);
}

TEST(Cli, WhoAsksForPluginsCommandsKeepsTheTimeout) {
  std::vector<cli::Options> asked;
  const auto silent = [&](const cli::Options& options) -> Result<std::span<const cli::Command>> {
    asked.push_back(options);
    return Error{Code::timeout, "the daemon does not answer"};
  };
  const auto parsed = cli::parse_command_line({"note", "add", "--timeout", "2s", "--home=/h"}, silent);
  ASSERT_EQ(asked.size(), 1U);
  EXPECT_EQ(asked[0].home, "/h");
  EXPECT_EQ(cli::patience_for(asked[0]), std::chrono::milliseconds(2000) + client::patience_margin);
  ASSERT_FALSE(parsed);
  EXPECT_NE(parsed.error().text.find("they could not be asked: the daemon does not answer\n"), std::string::npos) << parsed.error().text;

  EXPECT_EQ(cli::patience_for({}), client::default_patience);
  for (const auto& [text, patience] : {std::pair("1ms", 1), {"1h", 3'600'000}}) {
    cli::Options options;
    options.timeout = text;
    EXPECT_EQ(cli::patience_for(options), std::chrono::milliseconds(patience) + client::patience_margin) << text;
  }
}

TEST(Cli, NounsOfPluginsHaveHelp) {
  FakeDaemon daemon(with_notes);
  const auto said = [&](std::vector<std::string> words) {
    words.insert(words.end(), {"--home", daemon.home()});
    return run(words);
  };
  EXPECT_NE(said({"note", "--help"}).out.find("note add             keeps one\n"), std::string::npos) << said({"note", "--help"}).out;
  EXPECT_EQ(said({"note", "--help"}).out.find("push"), std::string::npos) << "is for peers";
  EXPECT_EQ(said({"help", "note", "add"}).out, said({"note", "add", "--help"}).out);
  EXPECT_NE(said({"note", "add", "--help"}).out.find("Usage: kith note add [IDENTITY] [DATA] [OPTIONS]"), std::string::npos);
  const Outcome verb = said({"note", "ad"});
  EXPECT_EQ(verb.code, 2);
  EXPECT_NE(verb.err.find("did you mean `add`?\nThere are `note add`, `note count`."), std::string::npos) << verb.err;
  EXPECT_NE(said({"note"}).err.find("`note` needs a verb"), std::string::npos);
  EXPECT_NE(said({"notr", "add"}).err.find("there is no command `notr`; did you mean `note`?"), std::string::npos) << said({"notr", "add"}).err;
  EXPECT_NE(said({"peer", "--help"}).out.find("peer rename"), std::string::npos) << "kith's own nouns have it too";
}

TEST(Cli, AccessIsShownAsItIsTypedAndHalfAnEntryIsWrongUsage) {
  FakeDaemon daemon([](Peer& peer, const Request& request, Seen&) {
    peer.send(Answer::ok(request.id, Body::of_json(R"({"identity":"bob","protocol":"Slow","alias":"default","state":"running","deny":[],)"
                                                   R"("access":["admin",{"peer":"alice","as":"viewer"},{"group":"x","as":"owner"}]})"))
                  .encode());
  });
  const auto said = [&](const std::string& access) {
    return run({"--home", daemon.home(), "configure-protocol", "bob", "--protocol", "Slow", "--access", access});
  };
  EXPECT_EQ(said("public").out, "bob: Slow/default is running, access: admin, peer:alice=viewer, group:x=owner\n");
  EXPECT_NE(said("public").err.find("a group in `access` is nobody"), std::string::npos);
  for (const char* half : {"peer:", "peer:=admin", "peer:alice=", "peer:alice=king"}) {
    EXPECT_EQ(said(half).code, 2) << half;
    EXPECT_NE(said(half).err.find(half), std::string::npos) << said(half).err;
  }
}

TEST(Cli, WithoutADaemonTheWayOutIsTold) {
  const Outcome outcome = run({"--home", "/nonexistent/kith", "status"});
  EXPECT_EQ(outcome.code, 113);
  EXPECT_EQ(outcome.err, "kith: no daemon at /nonexistent/kith: start it with `kith daemon --home '/nonexistent/kith'`\n");
  EXPECT_EQ(
      run({"status", "--home=/nonexistent/kith", "--json"}).err,
      "{\"error\":{\"code\":\"unreachable\",\"text\":\"no daemon at /nonexistent/kith: start it with `kith daemon --home '/nonexistent/kith'`\"}}\n");
}

TEST(Cli, TheFirstWordIsAnIdentityWhenItMustOrCan) {
  FakeDaemon daemon(two_identities);
  const auto from = [&](std::vector<std::string> words, const std::string& input = "1") {
    words.insert(words.begin(), {"--home", daemon.home(), "call"});
    EXPECT_EQ(run(words, input).code, 0);
    const auto line = *protocol::Object::parse(daemon.lines().back());
    return line.text("from").value().value_or("-") + "|" + *line.text("target").value() + "|" + *line.text("protocol").value() + "|" +
           std::string(*line.raw("data"));
  };
  EXPECT_EQ(from({"bob", "alice", "Echo", "{}"}), "bob|alice|Echo|{}");
  EXPECT_EQ(from({"alice", "Echo"}), "-|alice|Echo|1") << "two words: no identity";
  EXPECT_EQ(from({"carol", "Echo", "[1.0]"}), "-|carol|Echo|[1.0]") << "three words, the first is no identity";
  EXPECT_EQ(from({"bob", "carol", "Echo"}), "bob|carol|Echo|1") << "three words, the first is one";
  EXPECT_EQ(from({"i2", "carol", "Echo", "-"}, "2"), "i2|carol|Echo|2");
  EXPECT_EQ(from({"carol", "Echo", "--", "-5"}), "-|carol|Echo|-5");
}

TEST(Cli, TheReplyAloneIsOnStandardOutput) {
  FakeDaemon daemon(two_identities);
  const Outcome json = run(
      {"call", "bob", "carol", "Echo", R"({"b":1.50,"a":1,"a":2})", "--home", daemon.home(), "--alias", "x", "--command", "c", "--timeout", "2m"});
  EXPECT_EQ(json.out, "{\"b\":1.50,\"a\":1,\"a\":2}\n");
  EXPECT_EQ(json.err, "");
  EXPECT_EQ(
      daemon.lines().back(),
      R"({"id":"2","type":"call","from":"bob","target":"carol","protocol":"Echo","alias":"x","command":"c","timeout_ms":120000,"data":{"b":1.50,"a":1,"a":2}})");
  const std::string octets("\0\n\xFFz", 4);
  EXPECT_EQ(run({"call", "carol", "Echo", "--bytes", "--home", daemon.home()}, octets).out, octets);
  EXPECT_EQ(run({"call", "carol", "Echo", "--home", daemon.home()}, "hello").code, 2) << "not JSON";
}

TEST(Cli, ExitCodesAreThoseOfTheTable) {
  Error error;
  FakeDaemon daemon([&](Peer& peer, const Request& request, Seen&) { peer.send(Answer::failed(request.id, error).encode()); });
  for (const CodeInfo& row : code_table()) {
    error = {row.code, "because \x1b[31m"};
    const Outcome outcome = run({"ticket", "--home", daemon.home()});
    EXPECT_EQ(outcome.code, 100 + static_cast<int>(row.code));
    EXPECT_EQ(outcome.err, "kith: because \\x1b[31m\n");
  }
  error = {Code{1001}, "too long"};
  EXPECT_EQ(run({"ticket", "--home", daemon.home()}).code, 1);
}

TEST(Cli, RequestsSayWhatTheCommandSaid) {
  FakeDaemon daemon(two_identities);
  const auto line = [&](std::vector<std::string> words) {
    words.insert(words.end(), {"--home", daemon.home(), "--json"});
    const Outcome outcome = run(words);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return daemon.lines().back();
  };
  EXPECT_EQ(line({"create-identity", "alice", "--online"}), R"({"id":"2","type":"identity.create","name":"alice","online":true})");
  EXPECT_EQ(line({"identity-offline", "alice", "--now"}), R"({"id":"2","type":"identity.offline","identity":"alice","drain":"now"})");
  EXPECT_EQ(line({"rename-identity", "alice", "ann"}), R"({"id":"2","type":"identity.rename","identity":"alice","name":"ann"})");
  EXPECT_EQ(line({"delete-identity", "alice", "-y"}), R"({"id":"2","type":"identity.delete","identity":"alice"})");
  EXPECT_EQ(
      line({"add-protocol", "alice", "--protocol", "Echo", "--config", "{\"a\": 1.0}", "--access", "public", "--access", "peer:bob=admin"}),
      R"({"id":"2","type":"binding.add","identity":"alice","protocol":"Echo","alias":"default","config":{"a": 1.0},"access":["public",{"peer":"bob","as":"admin"}]})");
  EXPECT_EQ(line({"configure-protocol", "--protocol", "Echo", "--disable"}),
            R"({"id":"2","type":"binding.disable","protocol":"Echo","alias":"default"})");
  EXPECT_EQ(line({"remove-protocol", "alice", "--protocol", "Echo", "--alias", "x", "--purge"}),
            R"({"id":"2","type":"binding.remove","identity":"alice","protocol":"Echo","alias":"x","purge":true})");
  EXPECT_EQ(
      line({"peer", "add", "alice", "bob", "kith:x", "--addr", "192.0.2.1:1", "--addr", "[2001:db8::1]:2", "--role", "member"}),
      R"({"id":"2","type":"peer.add","identity":"alice","name":"bob","peer":"kith:x","addresses":["192.0.2.1:1","[2001:db8::1]:2"],"role":"member"})");
  EXPECT_EQ(line({"peer", "role", "bob", "owner"}), R"({"id":"2","type":"peer.role","peer":"bob","role":"owner"})");
  EXPECT_EQ(line({"pool", "close", "alice", "bob"}), R"({"id":"2","type":"pool.close","identity":"alice","peer":"bob"})");
  EXPECT_EQ(line({"pool"}), R"({"id":"2","type":"pool.list"})");
}

TEST(Cli, AKeyLeavesIntoANewPrivateFileOnly) {
  bool fail = false;
  FakeDaemon daemon([&](Peer& peer, const Request& request, Seen& seen) {
    if (fail) return peer.send(Answer::failed(request.id, {Code::internal, "no"}).encode());
    ASSERT_EQ(seen.fds.size(), 1U);
    EXPECT_EQ(::write(seen.fds[0].get(), "KEY", 3), 3);
    peer.send(Answer::ok(request.id, Body::of_json(R"({"name":"alice"})")).encode());
  });
  const std::string path = daemon.home() + "/alice.key";
  EXPECT_EQ(run({"export-identity", "alice", path, "--home", daemon.home()}).code, 0);
  struct stat info {};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  EXPECT_EQ(info.st_size, 3);
  EXPECT_EQ(run({"export-identity", "alice", path, "--home", daemon.home()}).code, 101) << "never replaces a file";
  fail = true;
  EXPECT_EQ(run({"export-identity", "alice", path + "2", "--home", daemon.home()}).code, 120);
  EXPECT_FALSE(std::filesystem::exists(path + "2")) << "an export that failed leaves nothing";
  ASSERT_EQ(::chmod(path.c_str(), 0644), 0);
  const Outcome open = run({"import-identity", "ann", path, "--home", daemon.home()});
  EXPECT_EQ(open.code, 101);
  EXPECT_NE(open.err.find("chmod 600 '" + path + "'"), std::string::npos) << open.err;
}

TEST(Cli, AStreamEndsByItselfAndTellsAResetByItsCode) {
  std::optional<Error> end;
  FakeDaemon daemon([&](Peer& peer, const Request& request, Seen&) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    protocol::Fd ours(ends[0]);
    protocol::Fd theirs(ends[1]);
    peer.send(Answer::stream(request.id, 1).encode(), {}, theirs.get());
    theirs.reset();
    std::string all;
    std::array<char, 4096> chunk{};
    for (ssize_t got = 0; (got = ::read(ours.get(), chunk.data(), chunk.size())) > 0;) all.append(chunk.data(), static_cast<std::size_t>(got));
    EXPECT_EQ(::write(ours.get(), all.data(), all.size()), static_cast<ssize_t>(all.size()));
    ours.reset();
    peer.send(protocol::ClosedEvent{request.id, "", end, all.size(), all.size()}.encode());
  });
  const std::string text(50'000, 'q');
  const Outcome good = run({"stream", "bob", "alice", "Echo", "--home", daemon.home()}, text);
  EXPECT_EQ(good.code, 0) << good.err;
  EXPECT_EQ(good.written, text);
  end = Error{Code::connection_lost, "lost"};
  EXPECT_EQ(run({"stream", "bob", "alice", "Echo", "--home", daemon.home()}, "x").code, 118);
  end = Error{Code{1002}, "disk full"};
  EXPECT_EQ(run({"stream", "bob", "alice", "Echo", "--home", daemon.home()}, "x").code, 1);
}

TEST(Cli, LogsReadTheFileWithoutADaemon) {
  FakeDaemon daemon(two_identities);
  EXPECT_EQ(run({"logs", "--home", daemon.home()}).code, 101);
  std::filesystem::create_directory(daemon.home() + "/logs");
  std::ofstream(daemon.home() + "/logs/kithd.log") << "one\ntwo\nthree\n";
  EXPECT_EQ(run({"logs", "--home", daemon.home()}).out, "one\ntwo\nthree\n");
  EXPECT_EQ(run({"logs", "-n", "2", "--home", daemon.home()}).out, "two\nthree\n");
}

TEST(Cli, AnswersMayBeAsDeepAsTheSocketAllows) {
  const std::size_t outside = 2; // the answer, and the object that `data` is
  std::string config = "1";
  for (std::size_t i = outside; i < protocol::max_json_depth; ++i) config.insert(0, R"({"a":)").append("}");
  FakeDaemon daemon([&](Peer& peer, const Request& request, Seen&) {
    const std::string data = R"({"identity":"alice","protocol":"P","alias":"default","state":"offline","access":[],"config":)" + config + "}";
    peer.send(Answer::ok(request.id, Body::of_json(data)).encode());
  });
  const Outcome added = run({"add-protocol", "--protocol", "P", "--config", "{}", "--home", daemon.home()});
  EXPECT_EQ(added.code, 0) << added.err;
}

TEST(Cli, AnAnswerOfAnotherVersionIsAnErrorNotACrash) {
  FakeDaemon daemon(
      [](Peer& peer, const Request& request, Seen&) { peer.send(Answer::ok(request.id, Body::of_json(R"({"identities":7,"pid":"x"})")).encode()); });
  EXPECT_EQ(run({"list-identities", "--home", daemon.home()}).code, 102);
  EXPECT_EQ(run({"status", "--home", daemon.home()}).code, 102);
}

} // namespace
} // namespace kith::test
