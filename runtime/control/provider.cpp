// SPDX-License-Identifier: GPL-3.0-or-later
#include "control/provider.hpp"

#include "control/roster.hpp"
#include "protocol/scanner.hpp"

#include <algorithm>

namespace kith::control {

using protocol::Body;
using protocol::Request;

// --- serving

Result<void> Provider::start(const Request& request) {
  const auto wanted = protocol::ServeRequest::decode(request);
  if (!wanted) return wanted.error();
  Context& context = session_.context();
  const auto identity = context.roster.find_identity(wanted->identity);
  if (!identity) return identity.error();
  identity_ = (*identity)->id;
  protocol_ = wanted->protocol;
  alias_ = wanted->alias;
  max_in_flight_ = wanted->max_in_flight;
  if (const auto done = context.backend.attach_provider(identity_, protocol_, alias_, *this); !done) return done.error();
  attached_ = true;
  session_.answer(protocol::Answer::ok(id_));
  session_.settle();
  return {};
}

/// The binding is without a provider from now on; node ends what is open, and the last of it ends this.
void Provider::cancel() {
  if (std::exchange(cancelled_, true)) return;
  std::erase_if(offers_, [](const auto& each) { return each.second->closed; }); // those whose last octets nobody wants now
  for (auto& [key, offer] : offers_) {
    if (offer->bridge) offer->bridge->drop();
    control().reset(key, Code::plugin_failed, "the program that served it is gone");
  }
  if (std::exchange(attached_, false)) session_.context().backend.detach_provider(identity_, protocol_, alias_);
  if (offers_.empty()) session_.ended(id_);
}

node::CommandScope Provider::command(std::string_view, Role& least) const {
  least = Role::public_; // the binding's access list decides, and the program sees peer, role and command: kith knows no list of its commands
  return node::CommandScope::both;
}

void Provider::reconfigure(const std::string&, std::function<void(Result<void>)> done) { done({}); }

void Provider::drain(TimePoint) {}

void Provider::stop(std::function<void()> done) {
  stopped_ = std::move(done);
  std::vector<StreamKey> keys;
  for (const auto& [key, offer] : offers_) keys.push_back(key);
  for (const StreamKey key : keys) control().reset(key, Code::shutting_down, "the binding was stopped");
  if (offers_.empty()) session_.context().world.network().post(std::exchange(stopped_, nullptr));
}

// --- what peers ask

void Provider::opened(IncomingStream stream) {
  if (cancelled_) return control().reject(stream.key, Code::plugin_failed, "the provider has gone");
  const OfferPtr offer = std::make_shared<Offer>();
  const StreamKey key = stream.key;
  offer->stream = std::move(stream);
  const bool full = offers_.size() >= max_in_flight_;
  offers_.emplace(key, offer);
  if (full) {
    offer->answered = true;
    return control().reject(key, Code::busy, "the provider has its hands full");
  }
  if (offer->stream.kind == StreamKind::stream) return offer_stream(*offer);
  readable(key);
}

void Provider::readable(StreamKey key) {
  const auto found = offers_.find(key);
  if (found == offers_.end()) return;
  const OfferPtr offer = found->second;
  if (offer->bridge) return offer->bridge->readable();
  if (offer->complete || offer->answered || offer->stream.kind == StreamKind::stream) return;
  Pipe& in = *offer->stream.in;
  offer->complete = in.finished();
  bool moved = false;
  for (ByteView piece = in.peek(); !piece.empty(); piece = in.peek()) {
    offer->gathered.append(as_text(piece));
    in.consume(piece.size());
    moved = true;
  }
  if (moved) control().consumed(key);
  if (offer->complete) offer_call(offer);
}

void Provider::writable(StreamKey key) {
  if (const auto found = offers_.find(key); found != offers_.end() && found->second->bridge) found->second->bridge->writable();
}

void Provider::offer_call(const OfferPtr& offer) {
  const bool json = offer->stream.content_type == content_json;
  if (!json || offer->gathered.size() <= parse_inline_limit) return send_call(*offer, json && protocol::check_json(offer->gathered).ok());
  auto good = std::make_shared<bool>(false);
  session_.offload([offer, good] { *good = protocol::check_json(offer->gathered).ok(); },
                   [this, offer, good] {
                     if (!offer->closed) send_call(*offer, *good); // not closed: the provider is still there
                   });
}

protocol::IncomingEvent Provider::event_of(const Offer& offer) const {
  protocol::IncomingEvent event;
  event.id = id_;
  event.call = offer.call;
  event.stream = offer.stream.kind == StreamKind::stream;
  event.peer = offer.stream.peer.text();
  event.peer_name = offer.stream.peer_name;
  event.role = role_name(offer.stream.role);
  event.command = offer.stream.command;
  if (offer.stream.deadline != never) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(offer.stream.deadline - session_.context().world.now()).count();
    event.deadline_ms = static_cast<std::uint64_t>(std::max<std::int64_t>(left, 0));
  }
  return event;
}

void Provider::send_call(Offer& offer, bool is_json) {
  offer.call = session_.offer(*this);
  keys_.emplace(offer.call, offer.stream.key);
  protocol::IncomingEvent event = event_of(offer);
  event.body = is_json ? Body::of_json(offer.gathered) : Body::of_octets(offer.gathered.size());
  session_.send(event.encode(), is_json ? ByteView{} : as_bytes(offer.gathered));
  offer.gathered = {};
}

void Provider::offer_stream(Offer& offer) {
  Context& context = session_.context();
  auto made = Bridge::make(context.reactor, context.world, control(), {offer.stream.key, offer.stream.in, offer.stream.out});
  if (!made) {
    offer.answered = true;
    session_.context().world.log().warn("control", "a stream for a provider: " + made.error().text);
    return control().reject(offer.stream.key, Code::busy, ""); // our limits are not the peer's to raise
  }
  offer.bridge = std::move(made->first);
  offer.call = session_.offer(*this);
  keys_.emplace(offer.call, offer.stream.key);
  protocol::IncomingEvent event = event_of(offer);
  event.fds = 1;
  std::vector<protocol::Fd> fds;
  fds.push_back(std::move(made->second));
  session_.send(event.encode(), {}, std::move(fds));
  offer.bridge->readable(); // octets that came with the header: the program may look at them before it answers
}

// --- what the program answers

Result<void> Provider::answer(const Request& request, ByteView octets) {
  const std::string call = *request.fields.text("call").value();
  Offer& offer = *offers_.at(keys_.at(call));
  if (request.type == "reply") return reply(offer, request, octets);
  const auto reject = protocol::RejectRequest::decode(request);
  if (!reject) return reject.error();
  if (offer.bridge) offer.bridge->drop();
  settle(offer);
  control().reject(offer.stream.key, reject->error.code, reject->error.text);
  return {};
}

Result<void> Provider::reply(Offer& offer, const Request& request, ByteView octets) {
  const auto reply = protocol::ReplyRequest::decode(request);
  if (!reply) return reply.error();
  const bool json = request.body.kind == Body::Kind::json;
  const ByteView content = json ? as_bytes(request.body.json) : octets;
  if (offer.stream.kind == StreamKind::stream && request.body.kind != Body::Kind::none)
    return bad_request("a stream is accepted by a reply without data");
  if (content.size() > session_.context().limits.max_call_bytes) return Error{Code::too_large, "the reply has more than max_call_bytes octets"};
  settle(offer);
  offer.accepted = true;
  const StreamKey key = offer.stream.key;
  control().accept(key, json ? content_json : std::string_view{});
  if (offer.bridge) {
    offer.bridge->start();
    return {};
  }
  if (!content.empty()) offer.stream.out->write(content);
  offer.stream.out->finish();
  control().produced(key);
  return {};
}

/// The program has had its say.
void Provider::settle(Offer& offer) {
  offer.answered = true;
  session_.withdraw(offer.call);
  keys_.erase(offer.call);
}

// --- the end of each

void Provider::closed(StreamKey key, const StreamEnd& end) {
  const auto found = offers_.find(key);
  if (found == offers_.end()) return;
  const OfferPtr offer = found->second;
  offer->closed = true;
  offer->end = end;
  if (!offer->answered && !offer->call.empty()) {
    settle(*offer);
    session_.send(protocol::CancelledEvent{id_, offer->call, end.error.code}.encode());
    if (offer->bridge) offer->bridge->drop();
    return forget(key);
  }
  if (!offer->bridge || !offer->accepted || cancelled_) return forget(key);
  offer->bridge->closed(end, [this, key, offer = offer.get()] {
    send_closed(*offer);
    forget(key);
  });
}

void Provider::send_closed(const Offer& offer) {
  protocol::ClosedEvent event{id_, offer.call, std::nullopt, offer.end.sent, offer.end.received};
  if (!offer.end.ok) event.error = offer.end.error;
  session_.send(event.encode());
}

void Provider::forget(StreamKey key) {
  offers_.erase(key);
  if (!offers_.empty()) return;
  if (stopped_) session_.context().world.network().post(std::exchange(stopped_, nullptr));
  if (cancelled_) session_.ended(id_);
}

} // namespace kith::control
