// SPDX-License-Identifier: GPL-3.0-or-later
#include "plugin/load.hpp"
#include "plugin_host/instance_host.hpp"
#include "thread_world.hpp"

#include <fcntl.h>
#include <map>
#include <sys/stat.h>
#include <unistd.h>

namespace kith::test {
namespace {

using plugin_host::InstanceHost;

// The node's side: takes notes, and ends a stream when both directions have ended or one side said so.
class FakeNode final : public StreamControl, public plugin_host::Dialer {
public:
  struct Open {
    PipePtr in;
    PipePtr out;
    std::string got;
    std::string content_type;
    bool accepted = false;
    bool rejected = false;
    bool was_reset = false;
    Code code = Code::internal;
    bool wants_room = false;
    bool closed = false;
  };

  FakeNode(ThreadWorld& world, SlabPool& pool) : slabs(pool), world_(world) {}
  void attach(InstanceHost& host) { host_ = &host; }

  StreamKey open(StreamKind kind, std::string content_type = {}, std::string command = {}, std::uint64_t window = 0) {
    const auto key = static_cast<StreamKey>(next_++);
    Open& stream = streams[key];
    stream.in = std::make_shared<Pipe>(slabs);
    stream.out = std::make_shared<Pipe>(slabs);
    if (window != 0) stream.out->set_limit(window);
    IncomingStream info;
    info.key = key;
    info.role = Role::member;
    info.kind = kind;
    info.content_type = std::move(content_type);
    info.command = std::move(command);
    info.in = stream.in;
    info.out = stream.out;
    if (!first.empty()) {
      stream.in->write(as_bytes(first));
      stream.in->finish();
    }
    host_->opened(info);
    return key;
  }

  // What the plugin dialed; the first octet is the node's to read, as a reply's header is.
  StreamKey open(const PeerId&, StreamRequest&&, PipePtr in, PipePtr out, StreamUser&) override {
    dialed = static_cast<StreamKey>(next_++);
    streams[dialed].in = std::move(in);
    streams[dialed].out = std::move(out);
    streams[dialed].in->write(as_bytes(std::string_view("h")));
    return dialed;
  }

  void send(StreamKey key, std::string_view bytes, bool fin) {
    streams[key].in->write(as_bytes(bytes));
    if (fin) streams[key].in->finish();
    host_->readable(key);
  }

  void close(StreamKey key, const StreamEnd& end) {
    if (std::exchange(streams[key].closed, true)) return;
    world_.network().post([this, key, end] { host_->closed(key, end); });
  }

  void accept(StreamKey key, std::string_view content_type) override {
    streams[key].accepted = true;
    streams[key].content_type = content_type;
  }
  void reject(StreamKey key, Code code, std::string_view text) override {
    streams[key].rejected = true;
    streams[key].code = code;
    close(key, StreamEnd{false, {code, std::string(text)}, false, 0, 0});
  }
  void reset(StreamKey key, Code code, std::string_view text) override {
    streams[key].was_reset = true;
    streams[key].code = code;
    close(key, StreamEnd{false, {code, std::string(text)}, false, 0, 0});
  }
  void produced(StreamKey key) override { pump(key); }
  void consumed(StreamKey) override {}
  void want_writable(StreamKey key) override {
    streams[key].wants_room = true;
    pump(key);
  }
  void set_urgency(StreamKey, std::uint8_t) override {}

  SlabPool& slabs;
  std::string first; ///< What comes with the next streams' openings, and their ends.
  std::map<StreamKey, Open> streams;
  StreamKey dialed = StreamKey::none;

private:
  // Everything is acknowledged at once, and room is told from the loop, as a node would.
  void pump(StreamKey key) {
    Open& stream = streams[key];
    for (ByteView piece = stream.out->peek(); !piece.empty(); piece = stream.out->peek()) {
      stream.got += as_text(piece);
      stream.out->consume(piece.size());
    }
    if (std::exchange(stream.wants_room, false)) world_.network().post([this, key] { host_->writable(key); });
    if (stream.out->at_end() && stream.in->finished()) close(key, StreamEnd{true, {}, false, stream.got.size(), 0});
  }

  ThreadWorld& world_;
  InstanceHost* host_ = nullptr;
  std::uint64_t next_ = 1;
};

class Instance : public testing::TestWithParam<bool> {
protected:
  void load(const std::string& file, std::string config = "{}") {
    auto loaded = hosting::load_library(file, load_options(folder_));
    ASSERT_TRUE(loaded) << loaded.error().text;
    plugin_host::InstanceOptions options;
    options.library = *loaded;
    options.protocol = &(*loaded)->descriptor.protocols[0];
    options.label = "alice/Test/default";
    options.alias = "default";
    options.config = std::move(config);
    options.data_folder = folder_.path() / "data";
    options.run_inline = GetParam();
    options.steady_time = [this] { return steady_ += step_; };
    options.preemptions = [this] { return preempted_ ? ++preemptions_ : 0; };
    host_ = InstanceHost::make(world_, node_, node_.slabs, &node_, std::move(options));
    node_.attach(*host_);
  }

  Result<void> start() {
    std::optional<Result<void>> out;
    host_->start([&](const Result<void>& result) { out = result; });
    world_.run_until([&] { return out.has_value(); });
    return *out;
  }

  Result<void> reconfigure(std::string config) {
    std::optional<Result<void>> out;
    host_->reconfigure(std::move(config), [&](const Result<void>& result) { out = result; });
    world_.run_until([&] { return out.has_value(); });
    return *out;
  }

  void stop() {
    bool done = false;
    host_->stop(world_.now() + std::chrono::seconds(1), {Code::going_away, "stopped"}, [&](const Result<void>&) { done = true; });
    world_.advance(std::chrono::seconds(1));
    world_.run_until([&] { return done; });
    EXPECT_EQ(host_->status().streams, 0U);
  }

  FakeNode::Open& finish(StreamKey key) {
    world_.run_until([&] { return node_.streams[key].closed; });
    return node_.streams[key];
  }

  // What "stuck" of Misbehaving waits for: until its writer goes.
  std::string make_fifo() {
    std::string fifo = (folder_.path() / "fifo").string();
    EXPECT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    ::setenv("KITH_TEST_FIFO", fifo.c_str(), 1);
    return fifo;
  }

  Duration steady_{};
  Duration step_{};
  bool preempted_ = false;
  std::uint64_t preemptions_ = 0;
  TemporaryFolder folder_;
  SlabPool slabs_; // outlives the threads
  ThreadWorld world_;
  FakeNode node_{world_, slabs_};
  std::shared_ptr<InstanceHost> host_;
};

INSTANTIATE_TEST_SUITE_P(Both, Instance, testing::Bool(), [](const auto& tested) { return tested.param ? "inline" : "pooled"; });

TEST_P(Instance, Calls) {
  load(KITH_ECHO);
  ASSERT_TRUE(start());
  EXPECT_EQ(host_->status().state, hosting::State::running);
  std::vector<StreamKey> keys;
  for (int i = 0; i < 200; ++i) {
    keys.push_back(node_.open(StreamKind::call, "json"));
    node_.send(keys.back(), "{\"message\":\"" + std::to_string(i) + "\"}", true);
  }
  for (std::size_t i = 0; i < keys.size(); ++i) EXPECT_EQ(finish(keys[i]).got, "{\"echoed\":\"" + std::to_string(i) + "\"}");
  stop();
  EXPECT_EQ(host_->status().state, hosting::State::stopped);
  EXPECT_EQ(host_->status().misuses, 0U);
}

TEST_P(Instance, AStreamUnderBackPressureLosesNothing) {
  load(KITH_ECHO);
  ASSERT_TRUE(start());
  const StreamKey key = node_.open(StreamKind::stream, {}, {}, 3000);
  std::string sent;
  for (int i = 0; i < 100; ++i) {
    const std::string piece(static_cast<std::size_t>(i) * 97, static_cast<char>('a' + i % 26));
    sent += piece;
    node_.send(key, piece, i == 99);
  }
  EXPECT_EQ(finish(key).got, sent);
  stop();
}

TEST_P(Instance, ApplicationErrorsReachTheNode) {
  load(KITH_ECHO);
  ASSERT_TRUE(start());
  const StreamKey key = node_.open(StreamKind::call, "json");
  node_.send(key, "nonsense", true);
  EXPECT_TRUE(finish(key).rejected);
  EXPECT_EQ(static_cast<int>(node_.streams[key].code), 1000);
  stop();
}

TEST_P(Instance, ReconfigureWhileRunning) {
  load(KITH_ECHO);
  ASSERT_TRUE(start());
  const auto refused = reconfigure(R"({"max_length":0})");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::bad_request);
  EXPECT_TRUE(reconfigure(R"({"max_length":1})"));
  const StreamKey key = node_.open(StreamKind::call, "json");
  node_.send(key, R"({"message":"hi"})", true);
  EXPECT_EQ(static_cast<int>(finish(key).code), 1003);
  stop();
}

TEST_P(Instance, StopResetsWhatIsLeftAtTheDeadline) {
  load(KITH_ECHO);
  ASSERT_TRUE(start());
  const StreamKey key = node_.open(StreamKind::stream);
  stop();
  EXPECT_TRUE(node_.streams[key].was_reset);
  EXPECT_EQ(node_.streams[key].code, Code::going_away);
  const StreamKey late = node_.open(StreamKind::stream);
  EXPECT_TRUE(finish(late).rejected);
  EXPECT_EQ(node_.streams[late].code, Code::going_away);
}

TEST_P(Instance, AFailureToStartHasTheTextOfThePlugin) {
  load(KITH_MISBEHAVING, R"({"refuse":1})");
  const auto result = start();
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().text.find("refused by configure"), std::string::npos);
  EXPECT_EQ(host_->status().state, hosting::State::failed);
  stop();
}

TEST_P(Instance, AnExceptionFailsTheInstance) {
  load(KITH_MISBEHAVING);
  ASSERT_TRUE(start());
  const StreamKey key = node_.open(StreamKind::stream, {}, "throws");
  EXPECT_TRUE(finish(key).was_reset);
  world_.run_until([&] { return host_->status().state == hosting::State::failed; });
  EXPECT_NE(host_->status().failure.find("thrown by on_opened"), std::string::npos);
  const StreamKey next = node_.open(StreamKind::stream);
  EXPECT_EQ(finish(next).code, Code::plugin_failed);
  stop();
}

TEST_P(Instance, OverrunsOfInlineCallbacksAreCounted) {
  load(KITH_ECHO);
  step_ = std::chrono::milliseconds(2); // long enough to be logged at once
  ASSERT_TRUE(start());
  const StreamKey key = node_.open(StreamKind::call);
  node_.send(key, "x", true);
  finish(key);
  stop();
  EXPECT_EQ(host_->status().overruns > 0, GetParam());
  EXPECT_EQ(world_.log_text().find("of the network thread") != std::string::npos, GetParam());
}

TEST_P(Instance, WhatTheSystemTookFromACallbackIsNoOverrun) {
  load(KITH_ECHO);
  step_ = std::chrono::microseconds(150);
  preempted_ = true;
  ASSERT_TRUE(start());
  const StreamKey key = node_.open(StreamKind::call);
  node_.send(key, "x", true);
  finish(key);
  stop();
  EXPECT_EQ(host_->status().overruns, 0U);
}

TEST_P(Instance, ADialedStreamIsThePluginsToReadAfterTheReplyOnly) {
  load(KITH_MISBEHAVING);
  ASSERT_TRUE(start());
  const StreamKey asker = node_.open(StreamKind::stream, {}, "dials");
  world_.run_until([&] { return node_.dialed != StreamKey::none && !node_.streams[asker].got.empty(); });
  EXPECT_EQ(node_.streams[asker].got, "-");
  FakeNode::Open& dialed = node_.streams[node_.dialed];
  dialed.in->consume(dialed.in->readable());
  host_->replied(node_.dialed, std::string());
  node_.send(node_.dialed, "x", false);
  world_.run_until([&] { return node_.streams[asker].got.size() > 1; });
  EXPECT_EQ(node_.streams[asker].got, "-x");
  stop();
}

// The node tells of no octets that were there when it told of the beginning.
TEST_P(Instance, WhatCameWithTheOpeningIsToldWithIt) {
  load(KITH_ECHO);
  ASSERT_TRUE(start());
  node_.first = "{\"message\":\"x\"}";
  EXPECT_EQ(finish(node_.open(StreamKind::call, "json")).got, "{\"echoed\":\"x\"}");
  stop();
}

TEST_P(Instance, WhatCameWithTheReplyIsToldWithIt) {
  load(KITH_MISBEHAVING);
  ASSERT_TRUE(start());
  const StreamKey asker = node_.open(StreamKind::stream, {}, "dials");
  world_.run_until([&] { return node_.dialed != StreamKey::none && !node_.streams[asker].got.empty(); });
  FakeNode::Open& dialed = node_.streams[node_.dialed];
  dialed.in->consume(dialed.in->readable());
  dialed.in->write(as_bytes(std::string_view("x")));
  host_->replied(node_.dialed, std::string());
  world_.run_until([&] { return node_.streams[asker].got.size() > 1; });
  EXPECT_EQ(node_.streams[asker].got, "-x");
  stop();
}

TEST_P(Instance, AfterARefusalNothingIsToBeRead) {
  load(KITH_MISBEHAVING);
  ASSERT_TRUE(start());
  const StreamKey asker = node_.open(StreamKind::stream, {}, "dials");
  world_.run_until([&] { return node_.dialed != StreamKey::none && !node_.streams[asker].got.empty(); });
  host_->replied(node_.dialed, Error{Code::denied, "no"}); // the reply's header stands in the pipe
  host_->closed(node_.dialed, StreamEnd{false, {Code::denied, "no"}, true, 0, 0});
  stop();
  EXPECT_EQ(node_.streams[asker].got, "-") << "on_readable ran after an error";
}

TEST_P(Instance, AStuckWorkerIsFenced) {
  if (GetParam()) return; // an inline one would hold the network thread itself
  const std::string fifo = make_fifo();
  load(KITH_MISBEHAVING);
  ASSERT_TRUE(start());
  const StreamKey key = node_.open(StreamKind::stream, {}, "stuck");
  const int fd = ::open(fifo.c_str(), O_WRONLY); // returns when the plugin has it open too
  world_.advance(std::chrono::seconds(4));
  EXPECT_EQ(host_->status().state, hosting::State::running);
  world_.advance(std::chrono::seconds(2));
  EXPECT_EQ(host_->status().state, hosting::State::failed);
  EXPECT_NE(host_->status().failure.find("for 5 s (plugin_fence_after)"), std::string::npos);
  EXPECT_EQ(finish(key).code, Code::plugin_failed);
  const StreamKey next = node_.open(StreamKind::stream);
  EXPECT_EQ(finish(next).code, Code::plugin_failed);
  stop();
  ::close(fd); // now the callback returns, and finds itself alone
}

TEST_P(Instance, AnInstanceThatHangsWhileItStartsIsFenced) {
  if (GetParam()) return;
  const std::string fifo = make_fifo();
  load(KITH_MISBEHAVING, R"({"stuck":1})");
  std::optional<Result<void>> started;
  host_->start([&](const Result<void>& result) { started = result; });
  int ran = 0;
  world_.run_until([&] { return ran++ == 1; }); // the disk has handed over to the instance, and asked for it to be watched
  const int fd = ::open(fifo.c_str(), O_WRONLY);
  world_.advance(std::chrono::seconds(6));
  ASSERT_TRUE(started);
  ASSERT_FALSE(*started);
  EXPECT_EQ(started->error().code, Code::plugin_failed);
  EXPECT_EQ(host_->status().state, hosting::State::failed);
  stop();
  ::close(fd);
}

TEST_P(Instance, AHangIsSeenAlthoughTheWatchCameBetweenTwoCallbacks) {
  if (GetParam()) return;
  const std::string fifo = make_fifo();
  load(KITH_MISBEHAVING);
  ASSERT_TRUE(start());
  world_.hold_clock(); // the batch has begun, and its callback not yet
  node_.open(StreamKind::stream, {}, "stuck");
  world_.wait_until_one_is_held();
  world_.advance(std::chrono::seconds(5));
  world_.release_clock();
  const int fd = ::open(fifo.c_str(), O_WRONLY);
  world_.advance(std::chrono::seconds(6));
  EXPECT_EQ(host_->status().state, hosting::State::failed);
  stop();
  ::close(fd);
}

} // namespace
} // namespace kith::test
