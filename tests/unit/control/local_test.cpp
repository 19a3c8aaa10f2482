// SPDX-License-Identifier: GPL-3.0-or-later
// The request `local`, and what a subscriber hears of bindings.
#include "control_support.hpp"

namespace kith::control {
namespace {

using namespace std::string_literals;

constexpr auto first = static_cast<StreamKey>(1);

TEST_F(ControlTest, ALocalCommandIsACallToABindingHere) {
  connect();
  send("{\"id\":\"1\",\"type\":\"local\",\"protocol\":\"Notes\",\"command\":\"add\",\"timeout_ms\":5000,\"data\":{\"b\":1.50,\"b\":2}}\n");
  run_until([&] { return !backend.opened.empty(); });
  const auto& opened = stream(1);
  EXPECT_EQ(opened.local.identity, (*roster.find_identity("alice"))->id);
  EXPECT_EQ(opened.local.protocol, "Notes");
  EXPECT_EQ(opened.local.alias, "default");
  EXPECT_EQ(opened.local.command, "add");
  EXPECT_EQ(opened.local.content_type, "json");
  EXPECT_EQ(opened.local.kind, StreamKind::call);
  EXPECT_NE(opened.local.deadline, never);
  EXPECT_EQ(as_text(opened.out->peek()), R"({"b":1.50,"b":2})");
  EXPECT_TRUE(opened.out->finished());
  backend.reply(first, "json", "{\n\"n\":1}");
  EXPECT_EQ(read_line(), R"({"id":"1","status":"ok","data":{ "n":1}})");
}

TEST_F(ControlTest, ALocalCommandWithOctetsBothWays) {
  connect();
  send("{\"id\":\"1\",\"type\":\"local\",\"identity\":\"alice\",\"protocol\":\"Notes\",\"alias\":\"\",\"command\":\"add\",\"bytes\":3}\n\0\n\xff"s);
  run_until([&] { return !backend.opened.empty(); });
  EXPECT_EQ(stream(1).local.content_type, "");
  EXPECT_EQ(stream(1).local.alias, "default");
  EXPECT_EQ(as_text(stream(1).out->peek()), "\0\n\xff"s);
  backend.reply(first, "", "ab");
  EXPECT_EQ(read_line(), R"({"id":"1","status":"ok","bytes":2})");
}

TEST_F(ControlTest, ALocalCommandThatIsCancelledAndOneWhoseClientVanishes) {
  connect();
  const std::string line = "{\"id\":\"1\",\"type\":\"local\",\"protocol\":\"Notes\",\"command\":\"sleep\"}\n";
  send(line + "{\"id\":\"2\",\"type\":\"cancel\",\"request\":\"1\"}\n");
  EXPECT_EQ(read_line(), R"({"id":"2","status":"ok"})");
  ASSERT_TRUE(stream(1).reset);
  EXPECT_EQ(stream(1).reset->code, Code::cancelled);
  stream(1).user->closed(first, {false, *stream(1).reset, false, 0, 0});
  EXPECT_NE(read_line().find(R"("id":"1","status":"error","code":"cancelled")"), std::string::npos);
  send(line);
  run_until([&] { return backend.opened.size() == 2; });
  client.reset();
  run_until([&] { return stream(2).reset.has_value(); });
  stream(2).user->closed(static_cast<StreamKey>(2), {false, *stream(2).reset, false, 0, 0});
}

TEST_F(ControlTest, LocalCommandsThatAreWrong) {
  connect();
  const std::pair<const char*, const char*> wrong[] = {
      {R"("protocol":"Notes")", "bad_request"},
      {R"("command":"add")", "bad_request"},
      {R"("protocol":"Notes","command":"add","identity":"zoe")", "unknown_identity"},
      {R"("protocol":"Notes","command":"add","timeout_ms":0)", "bad_request"},
      {R"("protocol":"Notes","command":"add","target":"bob")", "bad_request"},
      {R"("protocol":"Notes","command":"add","fds":1)", "bad_request"},
  };
  for (const auto& [fields, code] : wrong) {
    send(R"({"id":"1","type":"local",)" + std::string(fields) + "}\n");
    const std::string answer = read_line();
    EXPECT_NE(answer.find(std::string(R"("code":")") + code + '"'), std::string::npos) << fields << " " << answer;
  }
  EXPECT_TRUE(backend.opened.empty());
}

TEST_F(ControlTest, TopicsThatThereAreNot) {
  connect();
  for (const char* topic : {"peer", "", "instance:", "instance:alice", "instance:alice/", "instance:/Notes", "instance:alice/Notes/",
                            "instance:alice/Notes/a/b", "instance:alice/../x", "knock"}) {
    send(R"({"id":"1","type":"subscribe","topics":[")" + std::string(topic) + "\"]}\n");
    const std::string answer = read_line();
    EXPECT_NE(answer.find("bad_request"), std::string::npos) << topic << " " << answer;
    EXPECT_NE(answer.find("instance:IDENTITY/PROTOCOL[/ALIAS]"), std::string::npos) << answer;
  }
}

TEST_F(ControlTest, ASubscriberHearsOfItsBindingAlone) {
  connect();
  send("{\"id\":\"1\",\"type\":\"subscribe\",\"topics\":[\"instance:alice/Notes\",\"knocks\"]}\n");
  EXPECT_EQ(read_line(), R"({"id":"1","status":"ok"})");
  topics.publish(instance_topic("alice", "Notes", "other"), "1");
  topics.publish(instance_topic("alice", "Notes", "default"), "2");
  EXPECT_EQ(read_line(), R"({"id":"1","event":"topic","topic":"instance:alice/Notes/default","data":2})");
}

} // namespace
} // namespace kith::control
