// SPDX-License-Identifier: GPL-3.0-or-later
#include "control_support.hpp"

namespace kith::control {
namespace {

constexpr auto first = static_cast<StreamKey>(1);

TEST_F(ControlTest, ACallsOctetsGoOutAsTheyCame) {
  connect();
  send("{\"id\":\"1\",\"type\":\"call\",\"target\":\"bob\",\"protocol\":\"Echo\",\"command\":\"c\",\"data\":{\"b\":1.50,\"a\":[1e2],\"a\":2}}\n");
  run_until([&] { return !backend.opened.empty(); });
  const auto& opened = stream(1);
  EXPECT_EQ(opened.request.protocol, "Echo");
  EXPECT_EQ(opened.request.command, "c");
  EXPECT_EQ(opened.request.content_type, "json");
  EXPECT_EQ(as_text(opened.out->peek()), R"({"b":1.50,"a":[1e2],"a":2})");
  EXPECT_TRUE(opened.out->finished());
}

TEST_F(ControlTest, AReplyWithLineFeedsBetweenItsTokensStaysOneLine) {
  connect();
  send(call_line);
  run_until([&] { return !backend.opened.empty(); });
  backend.reply(first, "json", "{\n\"x\":1}\r\n");
  EXPECT_EQ(read_line(), R"({"id":"1","status":"ok","data":{ "x":1}  })");
}

TEST_F(ControlTest, AReplyThatOnlyClaimsToBeJsonArrivesAsOctets) {
  connect();
  for (const std::string_view reply : {"{\"x\":1}\n{\"id\":\"2\"}", "{", "", "\"\xff\"", "{} x"}) {
    send(call_line);
    const auto before = backend.opened.size();
    run_until([&] { return backend.opened.size() > before; });
    backend.reply(backend.opened.rbegin()->first, "json", reply);
    EXPECT_EQ(read_line(), R"({"id":"1","status":"ok","bytes":)" + std::to_string(reply.size()) + "}");
    while (received.size() < reply.size()) received += take();
    EXPECT_EQ(received.substr(0, reply.size()), reply);
    received.erase(0, reply.size());
  }
}

TEST_F(ControlTest, AReplyInManyPiecesIsPutTogetherAndGivesCredit) {
  connect();
  send(call_line);
  run_until([&] { return !backend.opened.empty(); });
  auto& one = stream(1);
  one.user->replied(first, std::string());
  std::string whole;
  for (int i = 0; i < 10; ++i) {
    const std::string piece(50'000, static_cast<char>('a' + i));
    whole += piece;
    one.in->write(as_bytes(piece));
    one.user->readable(first);
  }
  EXPECT_GT(one.consumed, 0U);
  one.in->finish();
  one.user->readable(first);
  one.user->closed(first, {true, {}, false, 0, whole.size()});
  EXPECT_EQ(read_line(), R"({"id":"1","status":"ok","bytes":500000})");
  while (received.size() < whole.size()) {
    poll();
    received += take();
  }
  EXPECT_EQ(received, whole);
}

TEST_F(ControlTest, LongJsonIsCheckedElsewhereAndAnswered) {
  connect();
  send(call_line);
  run_until([&] { return !backend.opened.empty(); });
  const std::string reply = "[\"" + std::string(200'000, 'x') + "\"]";
  backend.reply(first, "json", reply);
  EXPECT_EQ(read_line(), R"({"id":"1","status":"ok","data":)" + reply + "}");
}

TEST_F(ControlTest, ErrorsOfTheNodeAndOfTheProtocol) {
  connect();
  send(call_line);
  run_until([&] { return !backend.opened.empty(); });
  stream(1).user->replied(first, Error{Code::denied, "no"});
  stream(1).user->closed(first, {false, {Code::denied, "no"}, true, 0, 0});
  EXPECT_EQ(read_line(), R"({"id":"1","status":"error","code":"denied","data":"bob (0810…): no"})");
  send(call_line);
  run_until([&] { return backend.opened.size() == 2; });
  stream(2).user->closed(static_cast<StreamKey>(2), {false, {static_cast<Code>(1001), "no\nway"}, true, 0, 0});
  EXPECT_EQ(read_line(), R"({"id":"1","status":"app_error","code":1001,"data":"no\nway"})");
}

TEST_F(ControlTest, WhomThePeerRefusesHearsWhoDecidesWhateverTheCloseSays) {
  connect();
  const std::string id = (*roster.find_identity("alice"))->peers.begin()->first.text();
  for (const std::string_view words : {"the peer closed the connection (denied)", "not today"}) {
    send(call_line);
    const auto before = backend.opened.size();
    run_until([&] { return backend.opened.size() > before; });
    const auto key = backend.opened.rbegin()->first;
    stream(static_cast<std::uint64_t>(key))
        .user->closed(key, {false, {Code::denied, "no connection to " + id + ": 192.0.2.7:1: " + std::string(words)}, true, 0, 0});
    const std::string line = read_line();
    EXPECT_NE(line.find("no connection to bob (0810…): 192.0.2.7:1: " + std::string(words) + "; its owner decides"), std::string::npos) << line;
  }
}

TEST_F(ControlTest, AClientThatVanishesCancelsItsCallsAndTheSessionWaitsForTheirEnd) {
  connect();
  send(call_line);
  run_until([&] { return !backend.opened.empty(); });
  client.reset();
  run_until([&] { return stream(1).reset.has_value(); });
  EXPECT_EQ(stream(1).reset->code, Code::cancelled);
  EXPECT_EQ(server->clients(), 1U);
  stream(1).user->closed(first, {false, *stream(1).reset, false, 0, 0});
  run_until([&] { return server->clients() == 0; });
}

TEST_F(ControlTest, AnAnsweredCallsIdIsFreeBeforeItsStreamIsClosed) {
  connect();
  send(call_line);
  run_until([&] { return !backend.opened.empty(); });
  auto& one = stream(1);
  one.user->replied(first, std::string());
  one.in->finish();
  one.user->readable(first);
  EXPECT_EQ(read_line(), R"({"id":"1","status":"ok","bytes":0})");
  send(call_line);
  run_until([&] { return backend.opened.size() == 2; });
  client.reset();
  run_until([&] { return stream(2).reset.has_value(); });
  stream(2).user->closed(static_cast<StreamKey>(2), {false, *stream(2).reset, false, 0, 0});
  EXPECT_FALSE(one.reset.has_value());
  one.user->closed(first, {true, {}, false, 0, 0});
  run_until([&] { return server->clients() == 0; });
}

TEST_F(ControlTest, ReadingStopsAtTheRequestsLimitAndGoesOn) {
  context.limits.max_requests = 3;
  connect();
  std::string lines;
  for (int i = 0; i < 10; ++i) lines += "{\"id\":\"" + std::to_string(i) + "\",\"type\":\"call\",\"target\":\"bob\",\"protocol\":\"Echo\"}\n";
  send(lines);
  run_until([&] { return backend.opened.size() >= 3; });
  poll();
  EXPECT_EQ(backend.opened.size(), 3U);
  for (std::uint64_t key = 1; key <= 10; ++key) {
    run_until([&] { return backend.opened.size() >= key; });
    backend.reply(static_cast<StreamKey>(key), "", "");
    EXPECT_EQ(read_line(), "{\"id\":\"" + std::to_string(key - 1) + "\",\"status\":\"ok\",\"bytes\":0}");
  }
}

TEST_F(ControlTest, OctetsOfOpenCallsCountAsQueued) {
  context.limits.max_queue = 100'000;
  connect();
  const std::string octets(60'000, 'x');
  for (int i = 0; i < 4; ++i) {
    send("{\"id\":\"" + std::to_string(i) + "\",\"type\":\"call\",\"target\":\"bob\",\"protocol\":\"Echo\",\"bytes\":60000}\n" + octets);
    poll();
  }
  poll();
  EXPECT_EQ(backend.opened.size(), 2U);
  backend.reply(first, "", "");
  run_until([&] { return backend.opened.size() >= 3; });
}

TEST_F(ControlTest, AClientThatTakesNothingIsClosed) {
  context.limits.stall_timeout = std::chrono::milliseconds(1);
  context.limits.max_queue = 1 << 20;
  connect();
  std::string lines;
  for (int i = 0; i < 1000; ++i) lines += "{\"id\":\"x\",\"type\":\"hello\"}\n";
  while (server->clients() > 0) { // more and more answers, none of which is read
    static_cast<void>(protocol::send_with_fds(client.get(), lines, {}));
    world.reactor().turn(std::chrono::seconds(60));
  }
}

TEST_F(ControlTest, AProgramThatOnlyStoppedWritingStillGetsItsAnswers) {
  connect();
  send(call_line);
  ::shutdown(client.get(), SHUT_WR);
  run_until([&] { return !backend.opened.empty(); });
  poll();
  EXPECT_FALSE(stream(1).reset.has_value());
  backend.reply(first, "", "ok");
  EXPECT_EQ(read_line(), R"({"id":"1","status":"ok","bytes":2})");
  run_until([&] { return server->clients() == 0; });
}

TEST_F(ControlTest, ASubscriberThatIsTooSlowHearsWhatItLost) {
  context.limits.max_queue = 64 << 20;
  connect();
  send("{\"id\":\"s\",\"type\":\"subscribe\",\"topics\":[\"peers\"]}\n");
  EXPECT_EQ(read_line(), R"({"id":"s","status":"ok"})");
  const std::string data = "\"" + std::string(50'000, 'x') + "\"";
  for (int i = 0; i < 100; ++i) topics.publish("peers", data);
  topics.publish("identities", "1"); // nobody asked
  std::string all;
  const auto drain = [&] {
    poll();
    const std::string some = take();
    all += some;
    return some.empty();
  };
  while (!drain() || all.back() != '\n') {}
  topics.publish("peers", "7");
  while (!all.ends_with("\"data\":7}\n")) drain();
  EXPECT_NE(all.find(R"({"id":"s","event":"lagged","dropped":)"), std::string::npos);
}

} // namespace
} // namespace kith::control
