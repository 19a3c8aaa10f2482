// SPDX-License-Identifier: GPL-3.0-or-later
// The public face, and the loop: whatever comes in (datagrams, time, requests) is taken note of; service() then works it all off and sends.
#include "node/node.hpp"

#include "node/node_impl.hpp"

#include <algorithm>

namespace kith::node {

NodeImpl::NodeImpl(World& world, const Settings& settings, const quic::Secrets& secrets, ServiceFactory& services, Observer& observer)
    : world_(world),
      settings_(settings),
      services_(services),
      observer_(observer),
      endpoint_(settings.quic, secrets, world.random(), slabs_),
      pool_(settings.pool, world.random()),
      timer_(world.make_timer([this] { on_timer(); })),
      now_(world.now()),
      slept_(world.slept()),
      buffer_(64 * 1024) {
  world_.random().fill(boot_id_);
  endpoint_.set_chooser([this](SocketId socket, const std::optional<PeerId>& named) { return answering(socket, named); });
  endpoint_.set_link_size([this](const Address& remote) { return world_.udp().max_payload(remote); });
}

NodeImpl::~NodeImpl() {
  *alive_ = false;
  deadlines_.clear();
  unread_.clear();
  for (const SocketId socket : shared_sockets_) world_.udp().close(socket);
  for (auto& [id, identity] : identities_) {
    for (const SocketId socket : identity->sockets) world_.udp().close(socket);
  }
}

void NodeImpl::received(std::span<const Datagram> datagrams) {
  now_ = world_.now();
  for (const Datagram& datagram : datagrams) endpoint_.receive(datagram, now_);
  service();
}

void NodeImpl::sendable(SocketId socket) {
  now_ = world_.now();
  if (const auto at = blocked_.find(socket); at != blocked_.end()) {
    if (world_.udp().send(at->second.datagram) == SendResult::blocked) return;
    blocked_.erase(at);
    endpoint_.sendable();
  }
  service();
}

void NodeImpl::close_socket(SocketId socket) {
  if (blocked_.erase(socket) != 0) endpoint_.sendable(); // what waited for it goes another way, or nowhere
  world_.udp().close(socket);
}

void NodeImpl::on_timer() {
  now_ = world_.now();
  note_sleep(); // before what is late is taken for silence
  endpoint_.on_deadline(now_);
  pool_.on_deadline(now_);
  on_stream_deadlines();
  if (now_ >= next_drain_) check_drains();
  on_unproven_deadlines();
  on_ping_deadlines();
  if (now_ >= ask_again_) {
    ask_again_ = never;
    unlooked_.insert(unlooked_.end(), unasked_.begin(), unasked_.end());
    unasked_.clear();
  }
  service();
}

void NodeImpl::note_sleep() {
  const Duration slept = world_.slept();
  if (slept - slept_ < least_sleep) return;
  slept_ = slept;
  pool_.wake_from_sleep(now_);
  look_at_addresses();
}

void NodeImpl::look_at_addresses() {
  unlooked_.clear();
  unasked_.clear();
  ask_again_ = never;
  for (const auto& [id, link] : links_) unlooked_.push_back(id);
  for (const auto& [id, attempt] : attempts_) unlooked_.push_back(id);
  want_service();
}

void NodeImpl::follow_address() {
  const quic::ConnectionId id = unlooked_.back();
  unlooked_.pop_back();
  const auto info = endpoint_.info(id);
  if (!info) return;
  const std::optional<Address> source =
      world_.udp().source(info->socket, info->remote, info->dialer ? Address{} : info->local); // an acceptor's packets leave from where it was asked
  if (!source) { // out of descriptors, or the like: it has not moved, as far as anybody knows
    unasked_.push_back(id);
    ask_again_ = std::min(ask_again_, now_ + ask_again_after);
    return;
  }
  if (source->family != Address::Family::none) endpoint_.move(id, *source, now_);
  Link* link = find_link(id);
  if (link != nullptr && std::exchange(link->source, *source) != *source) pool_.address_changed(static_cast<pool::ConnId>(id), now_);
}

void NodeImpl::want_service() {
  if (servicing_ || service_posted_) return;
  service_posted_ = true;
  world_.network().post([this, alive = std::weak_ptr<bool>(alive_)] {
    if (alive.expired()) return;
    service_posted_ = false;
    now_ = world_.now();
    service();
  });
}

void NodeImpl::defer(std::function<void()> work) {
  deferred_.push_back(std::move(work));
  want_service();
}

void NodeImpl::service() {
  if (servicing_) return;
  servicing_ = true;
  note_sleep();
  relieve();
  quic::Event event;
  pool::Action action;
  // What came of the first events leaves while the rest is worked off: the peer need not wait for all of it. A quarter at a time, so that trains are long.
  const auto share = [this] { return std::max(events_per_train, endpoint_.pending_events() / 4); };
  std::size_t until_train = share();
  std::size_t looks = looks_per_turn;
  for (;;) {
    if (endpoint_.next_event(event)) {
      on_quic_event(event);
      if (--until_train == 0) {
        transmit(trains_per_turn / 4); // the rest of the events may have what is more urgent
        until_train = share();
      }
    } else if (pool_.next_action(action)) {
      do_action(action);
    } else if (!deferred_.empty()) {
      const std::function<void()> work = std::move(deferred_.front());
      deferred_.pop_front();
      work();
    } else if (!unlooked_.empty() && looks > 0) {
      --looks;
      follow_address();
    } else {
      break;
    }
  }
  const bool all = transmit(trains_per_turn);
  servicing_ = false;
  if (!all || !unlooked_.empty()) want_service(); // after the loop has looked at what arrived meanwhile
  arm_timer();
}

// Streams that have ended and wait for a reader are no connection's, and go before those that live.
void NodeImpl::relieve() {
  const std::uint64_t most = settings_.quic.max_buffer_bytes;
  if (now_ - unread_given_at_ > letting_go_time) unread_given_ = 0;
  if (slabs_.bytes_in_use() > most && !unread_.empty()) {
    while (slabs_.bytes_in_use() > most + unread_given_ && !unread_.empty()) {
      const std::uint64_t before = unread_held_;
      drop_unread();
      unread_given_ += before - unread_held_;
      unread_given_at_ = now_;
    }
    return;
  }
  if (slabs_.bytes_in_use() > most + unread_given_ || unread_given_ == 0) endpoint_.relieve(now_);
}

bool NodeImpl::transmit(std::size_t most) {
  now_ = world_.now(); // a turn may be long, and round trips are measured from here
  for (std::size_t trains = 0; trains < most; ++trains) {
    const auto datagram = endpoint_.transmit(buffer_, train_, now_);
    if (!datagram) return true;
    if (blocked_.contains(datagram->socket)) continue; // it probes another path than its own: as if it were lost on the way
    if (world_.udp().send(*datagram) != SendResult::blocked) continue;
    Blocked& blocked = blocked_[datagram->socket]; // sendable() comes
    blocked.bytes.assign(datagram->bytes.begin(), datagram->bytes.end());
    blocked.datagram = *datagram;
    blocked.datagram.bytes = blocked.bytes;
  }
  return false;
}

void NodeImpl::arm_timer() {
  TimePoint at = std::min(endpoint_.next_deadline(), pool_.next_deadline());
  if (!deadlines_.empty()) at = std::min(at, deadlines_.begin()->deadline);
  at = std::min({at, next_drain_, ask_again_});
  at = std::min(at, next_ping_deadline());
  if (!unproven_.empty()) at = std::min(at, unproven_.front().first);
  timer_->arm(at);
}

// --- the public face

Node::Node(World& world, const Settings& settings, const quic::Secrets& secrets, ServiceFactory& services, Observer& observer)
    : impl_(std::make_unique<NodeImpl>(world, settings, secrets, services, observer)) {}

Node::~Node() = default;

void Node::apply(const Settings& settings) {
  impl_->settings_ = settings;
  impl_->endpoint_.apply(settings.quic);
  impl_->pool_.apply(settings.pool);
  impl_->want_service();
}

Result<Address> Node::listen(const Address& address) {
  auto socket = impl_->world_.udp().open(address, *impl_);
  if (!socket) return socket.error();
  impl_->shared_sockets_.push_back(*socket);
  return impl_->world_.udp().bound(*socket);
}

std::vector<Address> Node::listening() const {
  std::vector<Address> out;
  for (const SocketId socket : impl_->shared_sockets_) out.push_back(impl_->world_.udp().bound(socket));
  return out;
}

void Node::addresses_changed() { impl_->look_at_addresses(); }

void Node::set_nameless(std::optional<PeerId> identity) { impl_->nameless_ = identity; }
Result<void> Node::add_identity(const IdentitySpec& spec) { return impl_->add_identity(spec); }

void Node::rename_identity(const PeerId& identity, std::string name) {
  if (Identity* own = impl_->find_identity(identity)) own->name = std::move(name);
}

Result<void> Node::set_online(const PeerId& identity) { return impl_->set_online(identity); }

Result<void> Node::set_offline(const PeerId& identity, TimePoint drain_until, std::function<void()> drained) {
  return impl_->set_offline(identity, drain_until, std::move(drained));
}

void Node::remove_identity(const PeerId& identity, std::function<void()> removed) { impl_->remove_identity(identity, std::move(removed)); }

bool Node::is_online(const PeerId& identity) const {
  const Identity* own = std::as_const(*impl_).find_identity(identity);
  return own != nullptr && own->online;
}

void Node::put_binding(const PeerId& identity, const BindingSpec& spec, std::function<void(Result<void>)> done) {
  impl_->put_binding(identity, spec, std::move(done));
}

void Node::remove_binding(const PeerId& identity, std::string_view protocol, std::string_view alias, TimePoint drain_until,
                          std::function<void()> done) {
  impl_->remove_binding(identity, protocol, alias, drain_until, std::move(done));
}

Result<void> Node::attach_provider(const PeerId& identity, std::string_view protocol, std::string_view alias, Service& service) {
  Identity* own = impl_->find_identity(identity);
  if (own == nullptr) return no_identity(identity);
  Binding* binding = impl_->find_binding(*own, protocol, alias);
  if (binding == nullptr) {
    return Error{Code::unknown_protocol, own->name + " has no binding " + std::string(protocol) + "/" + std::string(alias) +
                                             "; add it with: kith add-protocol " + own->name + " --protocol " + std::string(protocol) +
                                             " --provider"};
  }
  if (!binding->spec.provider) {
    return Error{Code::bad_request,
                 own->name + "'s " + std::string(protocol) + "/" + std::string(alias) + " is served by a plugin (no `provider: true`)"};
  }
  if (binding->service != nullptr)
    return Error{Code::busy, "another program serves " + std::string(protocol) + "/" + std::string(alias) + " already"};
  binding->service = &service;
  impl_->set_state(*binding, {BindingState::running});
  return {};
}

void Node::detach_provider(const PeerId& identity, std::string_view protocol, std::string_view alias) {
  Identity* own = impl_->find_identity(identity);
  Binding* binding = own != nullptr ? impl_->find_binding(*own, protocol, alias) : nullptr;
  if (binding == nullptr || !binding->spec.provider || binding->service == nullptr) return;
  impl_->end_streams(*own, binding, {Code::plugin_failed, "the program that served it is gone"});
  binding->service = nullptr;
  impl_->set_state(*binding, {BindingState::waiting});
}

void Node::put_peer(const PeerId& identity, const PeerSpec& peer) {
  Identity* own = impl_->find_identity(identity);
  if (own == nullptr) return;
  impl_->now_ = impl_->world_.now();
  own->peers[peer.id] = peer;
  impl_->peers_changed(*own);
  if (peer.blocked) {
    impl_->end_connections(identity, peer.id, {Code::denied, "this daemon's owner blocked the peer"});
  } else {
    impl_->pool_.set_stranger(identity, peer.id, false, impl_->now_);
  }
  impl_->re_evaluate(*own);
  impl_->want_service();
}

void Node::remove_peer(const PeerId& identity, const PeerId& peer) {
  Identity* own = impl_->find_identity(identity);
  if (own == nullptr) return;
  const auto names_it = [&peer](const access::Entry& entry) { return entry.kind == access::Entry::Kind::peer && entry.peer == peer; };
  std::size_t rights = own->peers.erase(peer);
  own->dialed_from.erase(peer);
  for (const auto& [key, binding] : own->bindings) {
    if (binding->spec.access) std::erase_if(*binding->spec.access, names_it);
    rights += std::erase_if(binding->policy.allow, names_it);
  }
  if (rights == 0) return;
  impl_->now_ = impl_->world_.now();
  impl_->peers_changed(*own);
  impl_->re_evaluate(*own);
  if (!impl_->admissible(*own, peer)) {
    impl_->end_connections(identity, peer, {Code::denied, "this daemon's owner removed the peer"});
  } else {
    impl_->pool_.set_stranger(identity, peer, true, impl_->now_);
  }
  impl_->want_service();
}

std::optional<PeerSpec> Node::find_peer(const PeerId& identity, const PeerId& peer) const {
  const Identity* own = std::as_const(*impl_).find_identity(identity);
  if (own == nullptr) return std::nullopt;
  const auto at = own->peers.find(peer);
  return at == own->peers.end() ? std::nullopt : std::optional(at->second);
}

std::size_t Node::close_peer(const PeerId& identity, const PeerId& peer, const std::string& why) {
  const auto count = std::ranges::count_if(
      impl_->links_, [&](const auto& entry) { return !entry.second->closing && entry.second->identity == identity && entry.second->peer == peer; });
  impl_->now_ = impl_->world_.now();
  impl_->end_connections(identity, peer, {Code::cancelled, why});
  impl_->want_service();
  return static_cast<std::size_t>(count);
}

OpenedStream Node::open(const OpenRequest& request, StreamUser& user) { return impl_->open(request, user); }
OpenedStream Node::open_local(const LocalRequest& request, StreamUser& user) { return impl_->open_local(request, user); }
StreamControl& Node::control() { return *impl_; }
plugin_host::Dialer& Node::dialer() { return *impl_; }
SlabPool& Node::slabs() { return impl_->slabs_; }
void Node::ping(const PeerId& identity, const PeerId& peer, Duration patience, std::function<void(Result<PingReport>)> done) {
  impl_->ping(identity, peer, patience, std::move(done));
}

Result<void> Node::start_trace(const PeerId& identity, const PeerId& peer, std::shared_ptr<quic::TraceSink> sink,
                               std::function<void(Result<Path>)> connected) {
  return impl_->start_trace(identity, peer, std::move(sink), std::move(connected));
}

void Node::stop_trace(const PeerId& identity, const PeerId& peer) { impl_->traces_.erase({identity, peer}); }

Status Node::status() const { return impl_->status(); }

void Node::shutdown(TimePoint deadline, std::function<void()> done) {
  impl_->stop_by_ = deadline;
  auto left = std::make_shared<std::size_t>(1);
  const auto one_less = [impl = impl_.get(), left, done = std::move(done)] {
    if (--*left != 0) return;
    impl->leave_all(); // those that linger after their last stream: whoever is at the other end would wait for nobody
    if (done) done();
  };
  std::vector<PeerId> ids;
  for (const auto& [id, identity] : impl_->identities_) ids.push_back(id);
  for (const PeerId& id : ids) {
    ++*left;
    if (!impl_->set_offline(id, deadline, one_less)) one_less();
  }
  impl_->defer(one_less);
}

} // namespace kith::node
