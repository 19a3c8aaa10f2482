// SPDX-License-Identifier: GPL-3.0-or-later
// Whole nodes in a simulated network: hosts with one identity each, an echo service written straight on streams, and programs that call.
#pragma once

#include "identity/keys.hpp"
#include "node/node.hpp"
#include "support/sim.hpp"
#include "support/sim_network.hpp"
#include "support/sim_world.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace kith::testing {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// A number from the environment: scripts/sim sets KITH_SIM_SEED (one seed), or KITH_SIM_FIRST and KITH_SIM_SEEDS (how many).
inline std::uint64_t setting(const char* name, std::uint64_t fallback) {
  const char* value = std::getenv(name);
  return value != nullptr ? std::strtoull(value, nullptr, 10) : fallback;
}

/// Counts octets and hashes them in their order (FNV-1a), so that what was lost, doubled or swapped shows.
struct Digest {
  std::uint64_t count = 0;
  std::uint64_t hash = 0xcbf29ce484222325U;
  void add(ByteView bytes) noexcept {
    count += bytes.size();
    for (const auto octet : bytes) hash = (hash ^ octet) * 0x100000001b3U;
  }
  std::string text() const { return std::to_string(count) + " " + std::to_string(hash); }
};

/// Echoes calls and streams; can be told to leave what arrives unread, never to answer, to end at once (hurry), or to answer with the Digest alone.
class EchoService : public node::Service, public StreamUser {
public:
  /// `ran`: what requests start with, up to their first ';'.
  EchoService(StreamControl& control, std::set<std::string>& ran) : control_(control), ran_(ran) {}

  StreamUser& user() override { return *this; }
  node::CommandScope command(std::string_view name, Role& least) const override {
    least = Role::public_;
    if (name == "secret") least = Role::admin;
    if (name.starts_with("inner")) return node::CommandScope::local;
    if (name == "unknown") return node::CommandScope::unknown;
    return name.starts_with("outer") ? node::CommandScope::remote : node::CommandScope::both;
  }
  void reconfigure(const std::string&, std::function<void(Result<void>)> done) override { done({}); }
  void drain(TimePoint) override {}
  void stop(std::function<void()> done) override { done(); }
  node::BindingState state() const override { return {failure.empty() ? node::BindingState::running : node::BindingState::failed, failure}; }

  void opened(IncomingStream stream) override {
    ++calls;
    last = stream;
    last.in = last.out = nullptr;
    if (arrived) arrived();
    if (stream.command == "refuse") {
      control_.reject(stream.key, static_cast<Code>(1001), "no such thing");
      return;
    }
    streams_[stream.key] = stream;
    if (leaves(stream)) return;
    control_.accept(stream.key, stream.content_type);
    if (stream.command == "hurry") {
      stream.out->finish();
      control_.produced(stream.key);
    }
    pump(stream.key);
  }
  void replied(StreamKey, const Result<std::string>&) override {}
  void readable(StreamKey key) override { pump(key); }
  void writable(StreamKey key) override { pump(key); }
  void closed(StreamKey key, const StreamEnd& end) override {
    EXPECT_EQ(streams_.erase(key), last.command == "refuse" ? 0U : 1U);
    sums_.erase(key);
    ++ends;
    last_end = end;
  }

  std::size_t live() const { return streams_.size(); }
  bool has_of(const PeerId& peer) const {
    return std::ranges::any_of(streams_, [&](const auto& entry) { return entry.second.peer == peer; });
  }
  std::string failure; ///< It has failed for this reason, once changed() tells of it.
  std::function<void()> changed;
  std::function<void()> arrived; ///< With each stream.
  std::size_t calls = 0;
  std::size_t ends = 0;
  IncomingStream last;
  StreamEnd last_end;

private:
  /// Neither read nor answered.
  static bool leaves(const IncomingStream& stream) {
    return stream.command == "silent" || stream.command == "unread" || stream.command == "inner.silent";
  }

  void pump(StreamKey key) {
    const auto at = streams_.find(key);
    if (at == streams_.end() || leaves(at->second) || at->second.command == "hurry") return;
    IncomingStream& stream = at->second;
    const bool finished = stream.in->finished();
    if (stream.command == "digest") return digest(stream, finished);
    if (const std::string_view text = as_text(stream.in->peek()); text.starts_with("job")) ran_.emplace(text.substr(0, text.find(';') + 1));
    for (ByteView piece = stream.in->peek(); !piece.empty(); piece = stream.in->peek()) {
      const std::size_t count = std::min<std::size_t>(piece.size(), static_cast<std::size_t>(stream.out->room()));
      if (count == 0) {
        control_.produced(key);
        control_.consumed(key);
        control_.want_writable(key);
        return;
      }
      stream.out->write(piece.first(count));
      stream.in->consume(count);
    }
    if (finished) stream.out->finish();
    control_.consumed(key);
    control_.produced(key);
  }

  void digest(IncomingStream& stream, bool finished) {
    Digest& sum = sums_[stream.key];
    for (ByteView piece = stream.in->peek(); !piece.empty(); piece = stream.in->peek()) {
      sum.add(piece);
      stream.in->consume(piece.size());
    }
    control_.consumed(stream.key);
    if (!finished) return;
    stream.out->write(as_bytes(sum.text()));
    stream.out->finish();
    sums_.erase(stream.key);
    control_.produced(stream.key);
  }

  StreamControl& control_;
  std::set<std::string>& ran_;
  std::map<StreamKey, IncomingStream> streams_;
  std::map<StreamKey, Digest> sums_;
};

class EchoFactory : public node::ServiceFactory {
public:
  Result<node::ProtocolInfo> describe(std::string_view protocol) override {
    if (protocol != "Echo") return Error{Code::unknown_protocol, "no plugin for " + std::string(protocol) + "; known: Echo"};
    return node::ProtocolInfo{"1.0.0", "echo", "member", true};
  }
  void start(const node::ServiceSpec& spec, StreamControl& control, std::function<void(Result<std::unique_ptr<node::Service>>)> done) override {
    if (auto known = describe(spec.protocol); !known) {
      done(known.error());
      return;
    }
    auto service = std::make_unique<EchoService>(control, ran);
    echo = service.get();
    echo->changed = spec.changed;
    if (slow) {
      started.push_back([done, late = std::make_shared<std::unique_ptr<node::Service>>(std::move(service))] { done(std::move(*late)); });
      return;
    }
    done(std::unique_ptr<node::Service>(std::move(service)));
  }
  bool slow = false; ///< Starts are answered when a test calls `started`.
  std::vector<std::function<void()>> started;
  EchoService* echo = nullptr;
  std::set<std::string> ran; ///< Outlives the services: across restarts too.
};

/// One outgoing call or stream.
class Program : public StreamUser {
public:
  explicit Program(node::Node& node) : node_(node) {}
  void call(const node::OpenRequest& request, std::string_view octets, bool finish = true) {
    stream = node_.open(request, *this);
    stream.out->write(as_bytes(octets));
    if (finish) stream.out->finish();
    node_.control().produced(stream.key);
  }
  void local(const node::LocalRequest& request, std::string_view octets, bool finish = true) {
    stream = node_.open_local(request, *this);
    stream.out->write(as_bytes(octets));
    if (finish) stream.out->finish();
    node_.control().produced(stream.key);
  }
  void opened(IncomingStream) override { ADD_FAILURE(); }
  void replied(StreamKey key, const Result<std::string>& answer) override {
    EXPECT_FALSE(reply);
    reply = answer;
    if (answer) readable(key);
  }
  void readable(StreamKey key) override {
    if (leave_unread) return;
    for (ByteView piece = stream.in->peek(); !piece.empty(); piece = stream.in->peek()) {
      body.append(as_text(piece));
      stream.in->consume(piece.size());
    }
    node_.control().consumed(key);
    ended = stream.in->finished();
  }
  void writable(StreamKey) override { ++writables; }
  void closed(StreamKey, const StreamEnd& how) override {
    EXPECT_FALSE(end) << "closed comes once";
    end = how;
  }
  bool ok() const { return end && end->ok; }

  node::OpenedStream stream;
  std::optional<Result<std::string>> reply;
  std::optional<StreamEnd> end;
  std::string body;
  bool ended = false;
  bool leave_unread = false;
  int writables = 0;

private:
  node::Node& node_;
};

class Host : public node::Observer {
public:
  Host(Sim& sim, SimNetwork& network, std::uint8_t n, const node::Settings& settings = {})
      : name("host" + std::to_string(n)), ip(make_v4({10, 0, 0, n}, 4433)), sim_(sim), network_(network), settings_(settings) {
    seed_.fill(n);
    id = identity::SecretKey::from_seed(seed_).id();
    secrets_.reset.fill(n);
    secrets_.retry.fill(n);
    start();
  }

  void start() {
    world = std::make_unique<SimWorld>(sim_, network_, name, std::vector<Address>{ip});
    node = std::make_unique<node::Node>(*world, settings_, secrets_, factory, *this);
    EXPECT_TRUE(node->listen(make_v4({0, 0, 0, 0}, 4433)));
    node::IdentitySpec spec;
    spec.id = id;
    spec.name = name;
    spec.seed = seed_;
    spec.bindings = bindings;
    for (const auto& [peer_id, peer] : peers) spec.peers.push_back(peer);
    EXPECT_TRUE(node->add_identity(spec));
    EXPECT_TRUE(node->set_online(id));
  }

  void crash() {
    node.reset();
    world.reset();
  }

  /// Another network: the address changes, the port stays, and the machine tells the node (netlink does).
  void move(const Address& to) {
    ip = to;
    world->udp().set_addresses({ip});
    node->addresses_changed();
  }

  void know(const Host& other, Role role = Role::member) {
    node::PeerSpec peer;
    peer.id = other.id;
    peer.name = other.name;
    peer.role = role;
    peer.addresses = {other.ip};
    peers[peer.id] = peer;
    node->put_peer(id, peer);
  }

  node::OpenRequest request(const Host& to, StreamKind kind = StreamKind::call, std::string command = {}) const {
    node::OpenRequest out;
    out.identity = id;
    out.peer = to.id;
    out.kind = kind;
    out.protocol = "Echo";
    out.command = std::move(command);
    return out;
  }

  std::unique_ptr<Program> call(const Host& to, std::string_view body = "hi", std::string command = {}) {
    auto program = std::make_unique<Program>(*node);
    program->call(request(to, StreamKind::call, std::move(command)), body);
    return program;
  }
  std::unique_ptr<Program> open(const Host& to, std::string_view body, std::string command = {}) {
    auto program = std::make_unique<Program>(*node);
    program->call(request(to, StreamKind::stream, std::move(command)), body, false);
    return program;
  }

  std::unique_ptr<Program> local(std::string command, std::string_view body = "hi", StreamKind kind = StreamKind::call) {
    auto program = std::make_unique<Program>(*node);
    program->local({id, "Echo", "default", std::move(command), kind, "json", never}, body, kind == StreamKind::call);
    return program;
  }

  std::uint64_t handshakes() const {
    const auto status = node->status();
    return status.pool.handshakes_dialed + status.pool.handshakes_accepted;
  }
  std::size_t connections() const { return node->status().identities.at(0).connections.size(); }

  void peer_changed(const PeerId&, const PeerId& peer, bool connected) override { presence.emplace_back(peer, connected); }
  void address_worked(const PeerId&, const PeerId&, const Address&) override {}
  void refused(const PeerId&, const PeerId&, std::string_view, std::string_view) override { ++refusals; }
  void binding_changed(const PeerId&, std::string_view, std::string_view, const node::BindingState& state) override { states.push_back(state); }

  std::string name;
  Address ip;
  PeerId id;
  std::vector<node::BindingSpec> bindings = [] {
    node::BindingSpec echo;
    echo.protocol = "Echo";
    return std::vector<node::BindingSpec>{echo};
  }();
  std::map<PeerId, node::PeerSpec> peers;
  EchoFactory factory;
  std::unique_ptr<SimWorld> world;
  std::unique_ptr<node::Node> node;
  int refusals = 0;
  std::vector<std::pair<PeerId, bool>> presence; ///< As it was told.
  std::vector<node::BindingState> states;        ///< That Echo's binding went through.

private:
  Sim& sim_;
  SimNetwork& network_;
  node::Settings settings_;
  std::array<std::uint8_t, 32> seed_{};
  quic::Secrets secrets_;
};

/// alice and bob, who know each other.
struct Two {
  explicit Two(std::uint64_t seed = 1, const node::Settings& settings = {})
      : sim(seed), network(sim), alice(sim, network, 1, settings), bob(sim, network, 2, settings) {
    alice.know(bob);
    bob.know(alice);
  }
  bool run(const std::function<bool()>& until, Duration limit = seconds(30)) { return sim.run_until(until, limit); }

  Sim sim;
  SimNetwork network;
  Host alice;
  Host bob;
};

} // namespace kith::testing
