// SPDX-License-Identifier: GPL-3.0-or-later
// A program that serves a binding over the socket, as node sees it: a service.
#pragma once

#include "control/bridge.hpp"
#include "control/session.hpp"
#include "node/service.hpp"

#include <unordered_map>

namespace kith::control {

class Provider final : public Operation, public node::Service, private StreamUser {
public:
  Provider(Session& session, std::string id) : session_(session), id_(std::move(id)) {}

  Result<void> start(const protocol::Request& request);
  void cancel() override;
  /// A reply or a reject for a call that this provider was offered.
  Result<void> answer(const protocol::Request& request, ByteView octets);

  // node::Service
  StreamUser& user() override { return *this; }
  node::CommandScope command(std::string_view name, Role& least) const override;
  void reconfigure(const std::string& config_json, std::function<void(Result<void>)> done) override;
  void drain(TimePoint deadline) override;
  void stop(std::function<void()> done) override;
  node::BindingState state() const override { return {node::BindingState::running}; }

private:
  /// A call or stream from a peer.
  struct Offer {
    IncomingStream stream;
    std::string call;     ///< Its name on the socket; empty until it is offered.
    std::string gathered; ///< A call's request.
    std::shared_ptr<Bridge> bridge;
    StreamEnd end;
    bool complete = false; ///< The request is whole.
    bool answered = false;
    bool accepted = false;
    bool closed = false;
  };
  using OfferPtr = std::shared_ptr<Offer>;

  void opened(IncomingStream stream) override;
  void replied(StreamKey, const Result<std::string>&) override {}
  void readable(StreamKey key) override;
  void writable(StreamKey key) override;
  void closed(StreamKey key, const StreamEnd& end) override;

  void offer_call(const OfferPtr& offer);
  void send_call(Offer& offer, bool is_json);
  void offer_stream(Offer& offer);
  protocol::IncomingEvent event_of(const Offer& offer) const;
  Result<void> reply(Offer& offer, const protocol::Request& request, ByteView octets);
  void settle(Offer& offer);
  void forget(StreamKey key);
  void send_closed(const Offer& offer);
  StreamControl& control() { return session_.context().backend.control(); }

  Session& session_;
  std::string id_;
  PeerId identity_;
  std::string protocol_;
  std::string alias_;
  std::size_t max_in_flight_ = protocol::default_max_in_flight;
  std::unordered_map<StreamKey, OfferPtr> offers_;
  std::unordered_map<std::string, StreamKey> keys_; ///< By call.
  std::function<void()> stopped_;
  bool attached_ = false;
  bool cancelled_ = false;
};

} // namespace kith::control
