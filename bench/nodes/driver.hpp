// SPDX-License-Identifier: GPL-3.0-or-later
// The dialing end of the node rows: kith::node over kith::io, driven as an inline plugin instance that dials would drive it.
#pragma once

#include "base/log.hpp"
#include "io/loop.hpp"
#include "node/node.hpp"
#include "nodes/service.hpp"
#include "rows.hpp"

#include <memory>
#include <unordered_map>

namespace kith::bench {

class StderrLog final : public Log {
public:
  void write(LogLevel level, std::string_view module, std::string_view text) override;
  bool enabled(LogLevel level) const noexcept override { return level >= LogLevel::warn; }
};

/// A node on loopback with `identities` identities, whose keys follow from `side` and their number: both processes know all of them.
class BenchNode : public node::Observer {
public:
  BenchNode(std::uint8_t side, std::size_t identities);
  static PeerId identity(std::uint8_t side, std::size_t n);
  /// Adds the identities, online, each knowing the other side's at `port`.
  void start(std::size_t peers, std::uint16_t port);
  std::uint16_t listen();

  void peer_changed(const PeerId&, const PeerId&, bool) override {}
  void address_worked(const PeerId&, const PeerId&, const Address&) override {}
  void refused(const PeerId&, const PeerId&, std::string_view, std::string_view) override {}
  void binding_changed(const PeerId&, std::string_view, std::string_view, const node::BindingState&) override {}

  StderrLog log;
  io::RealWorld world;
  BenchFactory factory;
  std::unique_ptr<node::Node> node;

private:
  std::uint8_t side_;
  std::size_t identities_;
};

class Driver final : public LoopLink, public StreamUser {
public:
  Driver(BenchNode& node, std::size_t identities) : node_(node), identities_(identities) {}

  void set_events(Events& events) override { events_ = &events; }
  void call(std::size_t connection, std::uint64_t tag) override;
  void upload(std::size_t connection, Clock::time_point until, std::uint64_t tag) override;
  void download(std::size_t connection, std::chrono::milliseconds time, std::uint64_t tag) override;
  void messages(std::size_t connection, Clock::time_point until, std::uint64_t tag, bool each) override;
  void hang_up(std::size_t connection) override;
  void run() override { node_.world.run(); }
  void stop() override { node_.world.stop(); }

  void opened(IncomingStream) override {}
  void replied(StreamKey, const Result<std::string>& answer) override;
  void readable(StreamKey key) override;
  void writable(StreamKey key) override;
  void closed(StreamKey key, const StreamEnd& end) override;

private:
  struct Open {
    node::OpenedStream stream;
    std::uint64_t tag = 0;
    Mode mode{};
    Clock::time_point until{};
    std::string reply;
    std::uint64_t received = 0;
    bool done = false;
  };

  Open& open(std::size_t connection, Mode mode, std::uint64_t tag);
  void produce(Open& open);

  BenchNode& node_;
  std::size_t identities_; ///< Of each side: connection c is for our identity c % identities, their identity c / identities.
  Events* events_ = nullptr;
  std::unordered_map<StreamKey, Open> streams_;
};

} // namespace kith::bench
