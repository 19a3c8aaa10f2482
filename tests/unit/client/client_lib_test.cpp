// SPDX-License-Identifier: Apache-2.0
#include "fake_daemon.hpp"

#include <array>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <kith/client.hpp>
#include <kith/home.hpp>
#include <poll.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace kith::test {
namespace {

using client::Client;
using client::Payload;
using protocol::Answer;
using protocol::Body;
using protocol::Request;
using Seen = FakeDaemon::Seen;
using Peer = FakeDaemon::Peer;

void no_requests(Peer&, const Request& request, Seen&) { ADD_FAILURE() << request.type; }

TEST(ClientLib, SaysHowToStartADaemon) {
  const auto client = Client::connect("/nonexistent/home");
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error(), (Error{Code::unreachable, "no daemon at /nonexistent/home: start it with `kith daemon --home '/nonexistent/home'`"}));
}

TEST(ClientLib, WithoutHomeTheUsersHomeIsTheSystems) {
  const auto home_with = [](const char* value) {
    const char* before = ::getenv("HOME");
    const std::string kept = before != nullptr ? before : "";
    value != nullptr ? ::setenv("HOME", value, 1) : ::unsetenv("HOME");
    std::string home = client::resolve_home("");
    before != nullptr ? ::setenv("HOME", kept.c_str(), 1) : ::unsetenv("HOME");
    return home;
  };
  if (::getenv("KITH_HOME") != nullptr) GTEST_SKIP() << "KITH_HOME is set";
  ::unsetenv("KITH_HOME");
  const passwd* user = ::getpwuid(::geteuid());
  const std::string theirs = std::string(user != nullptr ? user->pw_dir : "") + "/.kith";
  EXPECT_EQ(home_with(nullptr), theirs);
  EXPECT_EQ(home_with(""), theirs);
  EXPECT_EQ(home_with("/h"), "/h/.kith");
}

TEST(ClientLib, ADaemonWithoutASocketIsNamed) {
  const std::string home = FakeDaemon(no_requests).home(); // a folder without a socket: it is closed again
  const auto said = [&](const std::string& lock, bool held) {
    std::filesystem::create_directory(home);
    std::ofstream(client::lock_path(home)) << lock;
    const protocol::Fd holder(::open(client::lock_path(home).c_str(), O_RDONLY | O_CLOEXEC));
    EXPECT_TRUE(!held || ::flock(holder.get(), LOCK_EX) == 0);
    const auto client = Client::connect(home);
    std::filesystem::remove_all(home);
    return client ? "connected" : client.error().text;
  };
  const std::string way_out = "start it with `kith daemon --home '" + home + "'`";
  const std::string pid = std::to_string(::getpid());
  EXPECT_EQ(said(pid + "\nstopping\n", true), "the daemon at " + home + " (pid " + pid + ") is stopping: when it is gone, " + way_out);
  const std::string none = "no daemon at " + home + ": " + way_out;
  EXPECT_EQ(said(pid + "\nstopping\n", false), none) << "it was killed in its drain, and the pid is somebody else's by now";
  for (const std::string& lock : {std::string("stopping"), std::string("-1 stopping")}) EXPECT_EQ(said(lock, true), none) << lock;
  EXPECT_EQ(said(pid + "\n", true), "the daemon at " + home + " (pid " + pid +
                                        ") has no socket: it is starting, or somebody deleted daemon.sock; then `kill -HUP " + pid +
                                        "` brings it back (`kill` without -HUP ends the daemon)");
}

TEST(ClientLib, ADaemonThatTakesNobodyInIsNotWaitedForForEver) {
  const std::string home = FakeDaemon(no_requests).home(); // a folder without a socket: it is closed again
  std::filesystem::create_directory(home);
  const protocol::Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  client::socket_path(home).copy(name.sun_path, sizeof name.sun_path - 1);
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
  ASSERT_EQ(::listen(listener.get(), 0), 0);
  for (const char* what : {"one is let into the queue and gets no hello", "the queue is full"}) {
    const auto client = Client::connect(home, std::chrono::milliseconds(1));
    ASSERT_FALSE(client) << what;
    EXPECT_EQ(client.error(), (Error{Code::timeout, "the daemon does not answer: see `kith logs` and `kith doctor`"})) << what;
  }
  std::filesystem::remove_all(home);
}

TEST(ClientLib, HearsWhyTheDaemonClosedTheSocket) {
  FakeDaemon daemon([](Peer& peer, const Request&, Seen&) {
    peer.send(Answer::failed("", {Code::busy, "full"}).encode());
    peer.hang_up();
  });
  auto client = *Client::connect(daemon.home());
  ASSERT_TRUE(client.submit("first", {}));
  pollfd end{client.fd(), 0, 0};
  ASSERT_EQ(::poll(&end, 1, 30'000), 1); // it has closed its end: what is sent now fails
  const auto sent = client.submit("second", {});
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error(), (Error{Code::busy, "full"}));
}

TEST(ClientLib, RefusesAHomeThatIsTooLong) {
  const auto client = Client::connect("/" + std::string(100, 'x'));
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().code, Code::bad_request);
  EXPECT_NE(client.error().text.find("107 at most"), std::string::npos) << client.error().text;
}

TEST(ClientLib, RefusesAnotherApi) {
  FakeDaemon daemon(no_requests);
  daemon.hello_data = R"({"api":2})";
  const auto client = Client::connect(daemon.home());
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().code, Code::unsupported_version);
}

TEST(ClientLib, CallDataAndOctetsArriveAsTheyWere) {
  FakeDaemon daemon([](Peer& peer, const Request& request, Seen& seen) {
    if (request.body.kind == Body::Kind::json) {
      peer.send(Answer::ok(request.id, request.body).encode());
    } else {
      peer.send(Answer::ok(request.id, Body::of_octets(seen.octets.size())).encode(), seen.octets);
    }
  });
  auto client = *Client::connect(daemon.home());
  const std::string json = R"({"b":1.50,"a":[1e2],"a":2})";
  const auto reply = client.call({"alice", "bob", "Echo"}, Payload::of_json(json));
  ASSERT_TRUE(reply) << reply.error().text;
  EXPECT_TRUE(reply->json);
  EXPECT_EQ(reply->bytes, json);
  const std::string octets(300'000, '\n');
  const auto back = client.call({"", "bob", "Echo"}, Payload::of_octets(octets));
  ASSERT_TRUE(back) << back.error().text;
  EXPECT_FALSE(back->json);
  EXPECT_EQ(back->bytes, octets);
  EXPECT_FALSE(client.call({"", "bob", "Echo"}, Payload::of_json("{")));
  EXPECT_EQ(client.call({"", "bob", "Echo"}, Payload::of_octets(std::string(1024 * 1024 + 1, 'x'))).error().code, Code::too_large);
}

TEST(ClientLib, AnswersInAnyOrderFindTheirRequests) {
  std::vector<std::string> ids;
  FakeDaemon daemon([&](Peer& peer, const Request& request, Seen&) {
    ids.push_back(request.id);
    if (ids.size() < 3) return;
    for (auto id = ids.rbegin(); id != ids.rend(); ++id) peer.send(Answer::ok(*id, Body::of_json("\"" + *id + "\"")).encode());
  });
  auto client = *Client::connect(daemon.home());
  std::vector<std::string> sent;
  for (int i = 0; i < 3; ++i) sent.push_back(*client.submit("status", {}));
  for (const std::string& id : sent) EXPECT_EQ(client.wait(id)->payload.bytes, "\"" + id + "\"");
}

TEST(ClientLib, AStreamIsADescriptorAndAnEnd) {
  FakeDaemon daemon([](Peer& peer, const Request& request, Seen&) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    protocol::Fd ours(ends[0]);
    const protocol::Fd theirs(ends[1]);
    ASSERT_EQ(::write(ours.get(), "hello", 5), 5);
    ours.reset();
    peer.send(Answer::stream(request.id, 1).encode(), {}, theirs.get());
    peer.send(protocol::ClosedEvent{request.id, "", Error{Code::connection_lost, "gone"}, 3, 5}.encode());
  });
  auto client = *Client::connect(daemon.home());
  const auto stream = client.open_stream({"", "bob", "Echo"});
  ASSERT_TRUE(stream) << stream.error().text;
  std::array<char, 8> buffer{};
  EXPECT_EQ(::read(stream->fd.get(), buffer.data(), buffer.size()), 5);
  const auto closed = client.wait_closed(*stream);
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->error, (Error{Code::connection_lost, "gone"}));
  EXPECT_EQ(closed->received, 5U);
  EXPECT_FALSE(client.wait_closed(*stream)) << "the end is told once";
}

TEST(ClientLib, EventsComeWithWhatTheyCarry) {
  FakeDaemon daemon([](Peer& peer, const Request& request, Seen&) {
    protocol::IncomingEvent incoming;
    incoming.id = request.id;
    incoming.call = "c1";
    incoming.peer = "p";
    incoming.body = Body::of_octets(3);
    peer.send(incoming.encode(), "a\nb");
    peer.send(Answer::ok(request.id).encode());
  });
  auto client = *Client::connect(daemon.home());
  ASSERT_TRUE(client.request("serve", protocol::ServeRequest{"", "Chat"}.fields()));
  const auto event = client.next_event();
  ASSERT_TRUE(event);
  EXPECT_EQ(event->event, "incoming");
  EXPECT_EQ(event->octets, "a\nb");
}

TEST(ClientLib, ADaemonThatGoesAwayIsAnError) {
  FakeDaemon daemon([](Peer& peer, const Request&, Seen&) { peer.hang_up(); });
  auto client = *Client::connect(daemon.home());
  EXPECT_EQ(client.request("status", {}).error().code, Code::connection_lost);
}

TEST(ClientLib, ADaemonThatWasKilledIsNotLookedForInItsLog) {
  FakeDaemon daemon([](Peer& peer, const Request&, Seen&) { peer.hang_up(); });
  const auto said = [&](bool held) {
    std::ofstream(client::lock_path(daemon.home())) << ::getpid() << '\n';
    const protocol::Fd holder(::open(client::lock_path(daemon.home()).c_str(), O_RDONLY | O_CLOEXEC));
    EXPECT_TRUE(!held || ::flock(holder.get(), LOCK_EX) == 0);
    return Client::connect(daemon.home())->request("status", {}).error().text;
  };
  EXPECT_EQ(said(true), "the daemon closed the connection: see `kith logs` for why");
  EXPECT_EQ(said(false), "the daemon is gone: it was killed, or it crashed");
}

TEST(ClientLib, PatienceEnds) {
  FakeDaemon daemon([](Peer&, const Request&, Seen&) {});
  auto client = *Client::connect(daemon.home());
  EXPECT_EQ(client.request("status", {}, std::chrono::milliseconds(1)).error().code, Code::timeout);
}

} // namespace
} // namespace kith::test
