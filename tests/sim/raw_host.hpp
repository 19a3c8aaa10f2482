// SPDX-License-Identifier: GPL-3.0-or-later
// A peer of nodes that keeps to QUIC and to nothing above it: whoever drives it writes the octets of streams itself.
#pragma once

#include "identity/keys.hpp"
#include "quic/endpoint.hpp"
#include "support/sim.hpp"
#include "support/sim_network.hpp"
#include "support/sim_world.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace kith::testing {

/// One stream of a raw host, either side's.
struct RawStream {
  quic::StreamPtr quic;
  std::string got;
  bool ended = false;   ///< FIN.
  bool reset = false;   ///< With quic->reset_code().
  bool stopped = false; ///< With quic->stop_code().
  bool closed = false;

  void write(ByteView bytes, bool finish = false) const {
    quic->out()->write(bytes);
    if (finish) quic->out()->finish();
    quic->produced();
  }
};

class RawHost : public UdpReceiver {
  SlabPool slabs_; // outlives `streams`

public:
  RawHost(Sim& sim, SimNetwork& network, std::uint8_t n, const quic::Settings& settings = {})
      : ip(make_v4({10, 0, 0, n}, 4433)), sim_(sim), world_(sim, network, "raw" + std::to_string(n), {ip}), timer_(world_.make_timer([this] {
          endpoint_->on_deadline(sim_.now());
          pump();
        })) {
    std::array<std::uint8_t, 32> seed{};
    seed.fill(n);
    credentials_.id = id = identity::SecretKey::from_seed(seed).id();
    credentials_.seed = seed;
    endpoint_ = std::make_unique<quic::Endpoint>(settings, quic::Secrets{}, world_.random(), slabs_);
    if (!(endpoint_->add_key(credentials_) && endpoint_->serve(credentials_.id, {"kith/1"}))) std::abort();
    socket_ = world_.udp().open(make_v4({0, 0, 0, 0}, 4433), *this).value();
  }
  ~RawHost() override { world_.udp().close(socket_); }
  RawHost(const RawHost&) = delete;
  RawHost& operator=(const RawHost&) = delete;

  quic::ConnectionId dial(const PeerId& peer, const Address& at, bool named = true, std::string alpn = "kith/1") {
    quic::Dial dial;
    dial.identity = id;
    dial.peer = peer;
    dial.alpn = std::move(alpn);
    dial.socket = socket_;
    dial.remote = at;
    dial.send_name = named;
    const auto connection = endpoint_->connect(dial, sim_.now());
    pump();
    return connection.value();
  }

  /// A stream with these octets on it; null when the node gives none.
  RawStream* open(quic::ConnectionId connection, ByteView bytes, bool finish = false) {
    auto in = std::make_shared<Pipe>(slabs_);
    auto out = std::make_shared<Pipe>(slabs_);
    out->set_limit(1 << 30);
    return add(endpoint_->open_stream(connection, std::move(in), out), out, bytes, finish);
  }
  RawStream* open_uni(quic::ConnectionId connection, ByteView bytes) {
    auto out = std::make_shared<Pipe>(slabs_);
    out->set_limit(1 << 30);
    return add(endpoint_->open_uni_stream(connection, out), out, bytes, false);
  }

  void close(quic::ConnectionId connection, Code code) {
    endpoint_->close(connection, code, "", sim_.now());
    pump();
  }

  void received(std::span<const Datagram> datagrams) override {
    for (const Datagram& datagram : datagrams) endpoint_->receive(datagram, sim_.now());
    pump();
  }
  void sendable(SocketId) override { pump(); }

  /// Sends what there is to send, after streams were written to.
  void pump() {
    quic::Event event;
    bool more = true;
    while (more) {
      more = false;
      while (endpoint_->next_event(event)) on_event(event);
      while (const auto datagram = endpoint_->transmit(
                 buffer_, [](SocketId) { return std::size_t{10}; }, sim_.now())) {
        world_.udp().send(*datagram);
        more = true;
      }
    }
    timer_->arm(endpoint_->next_deadline());
  }

  bool is_ready(quic::ConnectionId connection) const {
    const auto info = endpoint_->info(connection);
    return info && info->ready;
  }
  const quic::CloseReason* ending(quic::ConnectionId connection) const {
    const auto at = endings_.find(connection);
    return at == endings_.end() ? nullptr : &at->second;
  }

  PeerId id;
  Address ip;
  std::vector<std::unique_ptr<RawStream>> streams;                         ///< All there ever were, in the order of their opening.
  std::vector<quic::ConnectionId> connections;                             ///< That became ready.
  std::function<void(quic::ConnectionId, RawStream&)> on_stream = nullptr; ///< The node opened one, or sent more on it.
  std::function<void(quic::ConnectionId)> on_ready = nullptr;

private:
  RawStream* add(Result<quic::StreamPtr> opened, const PipePtr& out, ByteView bytes, bool finish) {
    if (!opened) return nullptr;
    streams.push_back(std::make_unique<RawStream>());
    streams.back()->quic = *opened;
    out->write(bytes);
    if (finish) out->finish();
    (*opened)->start_sending({});
    return streams.back().get();
  }

  void on_event(const quic::Event& event) {
    if (event.kind == quic::Event::Kind::closed) endings_[event.connection] = event.reason;
    if (event.kind == quic::Event::Kind::ready) {
      connections.push_back(event.connection);
      if (on_ready) on_ready(event.connection);
    }
    if (event.kind != quic::Event::Kind::stream) return;
    if (event.signals.opened) {
      streams.push_back(std::make_unique<RawStream>());
      streams.back()->quic = event.stream;
      if (event.stream->bidirectional()) event.stream->start_sending({});
    }
    for (const auto& stream : streams) {
      if (stream->quic == event.stream) on_signals(event, *stream);
    }
  }

  void on_signals(const quic::Event& event, RawStream& stream) {
    if (event.signals.readable && stream.quic->in()) {
      for (ByteView piece = stream.quic->in()->peek(); !piece.empty(); piece = stream.quic->in()->peek()) {
        stream.got.append(as_text(piece));
        stream.quic->in()->consume(piece.size());
      }
      stream.quic->consumed();
      stream.ended = stream.quic->in()->finished();
    }
    stream.reset |= event.signals.reset;
    stream.stopped |= event.signals.stopped;
    stream.closed |= event.signals.closed;
    if (on_stream && !stream.quic->local()) on_stream(event.connection, stream);
  }

  Sim& sim_;
  SimWorld world_;
  std::unique_ptr<Timer> timer_;
  quic::Credentials credentials_;
  std::unique_ptr<quic::Endpoint> endpoint_;
  SocketId socket_{};
  std::map<quic::ConnectionId, quic::CloseReason> endings_;
  std::array<std::uint8_t, 65536> buffer_{};
};

} // namespace kith::testing
