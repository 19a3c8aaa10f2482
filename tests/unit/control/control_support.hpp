// SPDX-License-Identifier: GPL-3.0-or-later
// Sessions over socketpairs, with a backend that only takes notes.
#pragma once

#include "control/context.hpp"
#include "control/roster.hpp"
#include "control/server.hpp"
#include "control/session.hpp"
#include "control/subscription.hpp"
#include "io/loop.hpp"
#include "protocol/fd_passing.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <sys/socket.h>
#include <vector>

namespace kith::control {

class QuietLog final : public Log {
public:
  void write(LogLevel, std::string_view, std::string_view) override {}
  bool enabled(LogLevel) const noexcept override { return false; }
};

/// Node's part in a test: streams are opened, and the test says what becomes of them.
class FakeBackend final : public Backend, public StreamControl {
public:
  struct Opened {
    node::OpenRequest request;
    node::LocalRequest local = {};
    StreamUser* user = nullptr;
    PipePtr in = nullptr;
    PipePtr out = nullptr;
    std::optional<Error> reset = std::nullopt;
    std::size_t consumed = 0;
    bool wants_room = false;
  };

  node::OpenedStream open(const node::OpenRequest& request, StreamUser& user) override {
    const auto key = static_cast<StreamKey>(++last_);
    opened[key] = Opened{request, {}, &user, std::make_shared<Pipe>(slabs), std::make_shared<Pipe>(slabs)};
    return {key, opened[key].in, opened[key].out};
  }
  node::OpenedStream open_local(const node::LocalRequest& request, StreamUser& user) override {
    const auto key = static_cast<StreamKey>(++last_);
    opened[key] = Opened{{}, request, &user, std::make_shared<Pipe>(slabs), std::make_shared<Pipe>(slabs)};
    return {key, opened[key].in, opened[key].out};
  }
  node::Service* provider = nullptr;
  StreamControl& control() override { return *this; }
  Result<void> attach_provider(const PeerId&, std::string_view, std::string_view, node::Service& service) override {
    provider = &service;
    return {};
  }
  void detach_provider(const PeerId&, std::string_view, std::string_view) override {}
  Result<void> start_trace(const PeerId&, const PeerId&, std::shared_ptr<quic::TraceSink> to, std::function<void(Result<node::Path>)> then) override {
    sink = std::move(to);
    connected = std::move(then);
    return {};
  }
  void stop_trace(const PeerId&, const PeerId&) override { ++traces_stopped; }

  void accept(StreamKey, std::string_view) override {}
  void reject(StreamKey, Code, std::string_view) override {}
  void produced(StreamKey) override {}
  void consumed(StreamKey key) override { ++opened.at(key).consumed; }
  void reset(StreamKey key, Code code, std::string_view text) override { opened.at(key).reset = Error{code, std::string(text)}; }
  void want_writable(StreamKey key) override { opened.at(key).wants_room = true; }
  void set_urgency(StreamKey, std::uint8_t) override {}

  /// The peer's whole reply, and the end of the stream.
  void reply(StreamKey key, std::string_view content_type, std::string_view content) {
    Opened& one = opened.at(key);
    one.user->replied(key, std::string(content_type));
    one.in->write(as_bytes(content));
    one.in->finish();
    one.user->readable(key);
    one.user->closed(key, {true, {}, false, 0, content.size()});
  }

  SlabPool slabs;
  std::map<StreamKey, Opened> opened;
  std::shared_ptr<quic::TraceSink> sink;
  std::function<void(Result<node::Path>)> connected;
  int traces_stopped = 0;

private:
  std::uint64_t last_ = 0;
};

class NoAdministration final : public Administration {
public:
  bool knows(std::string_view) const override { return false; }
  void handle(std::unique_ptr<Ask>, Tell) override {}
};

class ControlTest : public ::testing::Test {
protected:
  ControlTest() {
    KnownIdentity& alice = roster.add("alice");
    alice.id.bytes.fill(1);
    auto key = identity::SecretKey::from_seed(std::array<std::uint8_t, identity::seed_size>{});
    alice.loaded = std::make_shared<const home::LoadedIdentity>(home::LoadedIdentity{"alice", {}, std::move(key), ""});
    store::PeerRow bob;
    bob.name = "bob";
    bob.id.bytes.fill(2);
    roster.put_peer(alice, bob);
  }
  ~ControlTest() override {
    if (server) server->close_all();
    poll();
  }

  /// Does all that there is to do, without waiting.
  void poll() {
    while (world.reactor().turn({}) > 0) {}
  }
  /// Takes one end of a socketpair into the server; the other one is the client.
  void connect() {
    if (!server) server = std::make_unique<Server>(context);
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()), 0);
    server->accept(io::UniqueFd(ends[0]));
    client = protocol::Fd(ends[1]);
  }
  /// Lets the loop run until the condition holds. A test that fails here hangs until ctest's timeout.
  template <class Condition> void run_until(Condition condition) {
    while (!condition()) world.reactor().turn(std::chrono::seconds(60));
  }
  void send(std::string_view text) {
    while (!text.empty()) {
      const protocol::Io io = protocol::send_with_fds(client.get(), text, {});
      ASSERT_EQ(io.error, 0);
      ASSERT_FALSE(io.ended);
      text.remove_prefix(io.count);
      if (io.would_block) world.reactor().turn(std::chrono::seconds(60));
    }
  }
  /// What has come, without waiting.
  std::string take() {
    std::array<std::uint8_t, 65536> buffer;
    std::string out;
    for (;;) {
      const protocol::Io io = protocol::receive_with_fds(client.get(), buffer, fds);
      ended = ended || io.ended;
      if (io.count == 0) return out;
      out.append(as_text(ByteView(buffer).first(io.count)));
    }
  }
  std::string read_line() {
    while (received.find('\n') == std::string::npos) {
      received += take();
      if (received.find('\n') == std::string::npos) world.reactor().turn(std::chrono::seconds(60));
    }
    const std::size_t end = received.find('\n');
    std::string line = received.substr(0, end);
    received.erase(0, end + 1);
    return line;
  }
  FakeBackend::Opened& stream(std::uint64_t key) { return backend.opened.at(static_cast<StreamKey>(key)); }

  QuietLog log;
  io::RealWorld world{log};
  FakeBackend backend;
  Roster roster;
  Topics topics;
  NoAdministration administration;
  Context context{world, world.reactor(), backend, roster, topics, administration, {}, "0", "/home"};
  std::unique_ptr<Server> server;
  protocol::Fd client;
  protocol::FdQueue fds;
  std::string received;
  bool ended = false;
};

inline constexpr std::string_view call_line = R"({"id":"1","type":"call","target":"bob","protocol":"Echo","data":{}})"
                                              "\n";

} // namespace kith::control
