// SPDX-License-Identifier: GPL-3.0-or-later
#include "nodes/driver.hpp"

#include "identity/keys.hpp"

#include <array>
#include <cstdio>
#include <vector>

namespace kith::bench {
namespace {
std::array<std::uint8_t, 32> seed_of(std::uint8_t side, std::size_t n) {
  std::array<std::uint8_t, 32> seed{side, static_cast<std::uint8_t>(n), static_cast<std::uint8_t>(n >> 8)};
  return seed;
}
} // namespace

void StderrLog::write(LogLevel level, std::string_view module, std::string_view text) {
  if (!enabled(level)) return;
  std::fprintf(stderr, "%.*s: %.*s\n", static_cast<int>(module.size()), module.data(), static_cast<int>(text.size()), text.data());
}

BenchNode::BenchNode(std::uint8_t side, std::size_t identities) : world(log), side_(side), identities_(identities) {
  quic::Secrets secrets;
  world.random().fill(secrets.reset);
  world.random().fill(secrets.retry);
  world.random().fill(secrets.hash);
  node = std::make_unique<node::Node>(world, node::Settings{}, secrets, factory, *this);
}

PeerId BenchNode::identity(std::uint8_t side, std::size_t n) {
  static std::array<std::vector<PeerId>, 2> known; // a key from its seed costs 20 microseconds
  if (n >= known[side].size()) known[side].resize(n + 1);
  PeerId& id = known[side][n];
  if (id == PeerId{}) id = identity::SecretKey::from_seed(seed_of(side, n)).id();
  return id;
}

std::uint16_t BenchNode::listen() {
  const auto bound = node->listen(make_v4({127, 0, 0, 1}, 0));
  if (!bound) die(bound.error().text);
  return bound->port;
}

void BenchNode::start(std::size_t peers, std::uint16_t port) {
  for (std::size_t i = 0; i < identities_; ++i) {
    node::IdentitySpec spec;
    spec.id = identity(side_, i);
    spec.name = "bench" + std::to_string(i);
    spec.seed = seed_of(side_, i);
    node::BindingSpec binding;
    binding.protocol = protocol_name;
    spec.bindings.push_back(binding);
    for (std::size_t k = 0; k < peers; ++k) {
      node::PeerSpec peer;
      peer.id = identity(side_ == 0 ? 1 : 0, k);
      peer.name = "peer" + std::to_string(k);
      if (port != 0) peer.addresses.push_back(make_v4({127, 0, 0, 1}, port));
      spec.peers.push_back(peer);
    }
    const auto added = node->add_identity(spec);
    if (!added) die(added.error().text);
    const auto online = node->set_online(spec.id);
    if (!online) die(online.error().text);
  }
}

Driver::Open& Driver::open(std::size_t connection, Mode mode, std::uint64_t tag) {
  node::OpenRequest request;
  request.identity = BenchNode::identity(1, connection % identities_);
  request.peer = BenchNode::identity(0, connection / identities_);
  request.kind = mode == Mode::echo ? StreamKind::call : StreamKind::stream;
  request.protocol = protocol_name;
  request.command = static_cast<char>(mode);
  const node::OpenedStream stream = node_.node->open(request, *this);
  Open& made = streams_[stream.key];
  made.stream = stream;
  made.tag = tag;
  made.mode = mode;
  return made;
}

void Driver::call(std::size_t connection, std::uint64_t tag) {
  Open& made = open(connection, Mode::echo, tag);
  static const std::string request(call_size, 'x');
  made.stream.out->write(as_bytes(request));
  made.stream.out->finish();
  node_.node->control().produced(made.stream.key);
}

void Driver::upload(std::size_t connection, Clock::time_point until, std::uint64_t tag) {
  Open& made = open(connection, Mode::sink, tag);
  made.until = until;
  produce(made);
}

void Driver::messages(std::size_t connection, Clock::time_point until, std::uint64_t tag, bool /*each*/) {
  Open& made = open(connection, Mode::messages, tag);
  made.until = until;
  produce(made);
}

void Driver::download(std::size_t connection, std::chrono::milliseconds time, std::uint64_t tag) {
  Open& made = open(connection, Mode::source, tag);
  made.stream.out->write(as_bytes(number(static_cast<std::uint64_t>(time.count()), 4)));
  made.stream.out->finish();
  node_.node->control().produced(made.stream.key);
}

void Driver::produce(Open& open) {
  StreamControl& control = node_.node->control();
  if (fill(*open.stream.out, open.mode == Mode::messages, open.until)) control.want_writable(open.stream.key);
  control.produced(open.stream.key);
}

void Driver::hang_up(std::size_t connection) {
  node_.node->close_peer(BenchNode::identity(1, connection % identities_), BenchNode::identity(0, connection / identities_), "hung up");
}

void Driver::replied(StreamKey key, const Result<std::string>& answer) {
  if (!answer) die("a call failed: " + answer.error().text);
  readable(key);
}

void Driver::readable(StreamKey key) {
  const auto at = streams_.find(key);
  if (at == streams_.end()) return;
  Open& open = at->second;
  const bool finished = open.stream.in->finished();
  for (ByteView piece = open.stream.in->peek(); !piece.empty(); piece = open.stream.in->peek()) {
    open.received += piece.size();
    if (open.reply.size() < 2 * call_size) open.reply.append(reinterpret_cast<const char*>(piece.data()), std::min(piece.size(), call_size));
    open.stream.in->consume(piece.size());
  }
  node_.node->control().consumed(key);
  if (!finished || open.done) return;
  open.done = true;
  const bool counted = open.mode == Mode::sink || open.mode == Mode::messages;
  events_->done(open.tag, counted ? read_number(open.reply) : open.received);
}

void Driver::writable(StreamKey key) {
  const auto at = streams_.find(key);
  if (at != streams_.end() && (at->second.mode == Mode::sink || at->second.mode == Mode::messages)) produce(at->second);
}

void Driver::closed(StreamKey key, const StreamEnd& end) {
  const auto at = streams_.find(key);
  if (at == streams_.end()) return;
  if (!end.ok && !at->second.done) die("a stream failed: " + end.error.text);
  streams_.erase(at);
}

} // namespace kith::bench
