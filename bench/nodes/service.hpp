// SPDX-License-Identifier: GPL-3.0-or-later
// The accepting end of the node rows: a service that echoes, counts and sends, straight on the pipes, as a plugin's inline instance does.
#pragma once

#include "base/stream.hpp"
#include "node/service.hpp"
#include "nodes/streams.hpp"

#include <memory>
#include <string>
#include <unordered_map>

namespace kith::bench {

inline constexpr const char* protocol_name = "Bench";

class BenchService final : public node::Service, public StreamUser {
public:
  explicit BenchService(StreamControl& control) : control_(control) {}

  StreamUser& user() override { return *this; }
  node::CommandScope command(std::string_view, Role& least) const override {
    least = Role::public_;
    return node::CommandScope::remote;
  }
  void reconfigure(const std::string&, std::function<void(Result<void>)> done) override { done({}); }
  void drain(TimePoint) override {}
  void stop(std::function<void()> done) override { done(); }
  node::BindingState state() const override { return {node::BindingState::running}; }

  void opened(IncomingStream stream) override;
  void replied(StreamKey, const Result<std::string>&) override {}
  void readable(StreamKey key) override;
  void writable(StreamKey key) override;
  void closed(StreamKey key, const StreamEnd&) override { streams_.erase(key); }

private:
  struct Served {
    PipePtr in;
    PipePtr out;
    Mode mode{};
    Counter counter;
    Clock::time_point until{};
    std::string request;
    bool ended = false;
  };

  void read(StreamKey key, Served& served);
  void answer(StreamKey key, Served& served);

  StreamControl& control_;
  std::unordered_map<StreamKey, Served> streams_;
};

class BenchFactory final : public node::ServiceFactory {
public:
  Result<node::ProtocolInfo> describe(std::string_view) override { return node::ProtocolInfo{"1.0.0", "bench", "member", true}; }
  void start(const node::ServiceSpec&, StreamControl& control, std::function<void(Result<std::unique_ptr<node::Service>>)> done) override {
    done(std::unique_ptr<node::Service>(std::make_unique<BenchService>(control)));
  }
};

} // namespace kith::bench
