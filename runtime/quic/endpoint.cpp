// SPDX-License-Identifier: GPL-3.0-or-later
#include "quic/endpoint.hpp"

#include "quic/endpoint_impl.hpp"

#include <algorithm>
#include <chrono>

namespace kith::quic {

Endpoint::Endpoint(const Settings& settings, const Secrets& secrets, Random& random, SlabPool& slabs)
    : impl_(std::make_unique<EndpointImpl>(settings, secrets, random, slabs)) {}

Endpoint::~Endpoint() = default;

void Endpoint::apply(const Settings& settings) {
  Settings& now = impl_->settings;
  now.handshake_timeout = settings.handshake_timeout;
  now.max_packet = settings.max_packet;
  now.max_buffer_bytes = settings.max_buffer_bytes;
  now.max_send_buffer = settings.max_send_buffer;
  now.max_connections = settings.max_connections;
  now.max_half_open = settings.max_half_open;
  now.max_half_open_per_source = settings.max_half_open_per_source;
  now.retry_above = settings.retry_above;
  now.retry_above_per_source = settings.retry_above_per_source;
  now.stateless_resets_per_second = settings.stateless_resets_per_second;
}

Result<void> Endpoint::add_key(const Credentials& credentials) { return impl_->prepare(credentials); }

Result<void> Endpoint::serve(const PeerId& identity, std::vector<std::string> alpns) {
  EndpointImpl::Identity* own = impl_->find_identity(identity);
  if (own == nullptr) return Error{Code::unknown_identity, "no such identity here: " + identity.text()};
  own->alpns = std::move(alpns);
  own->serving = true;
  return {};
}

void Endpoint::stop_serving(const PeerId& identity) {
  if (EndpointImpl::Identity* own = impl_->find_identity(identity)) own->serving = false;
}

void Endpoint::remove_key(const PeerId& identity) { impl_->identities.erase(identity); }

void Endpoint::set_chooser(Chooser chooser) { impl_->chooser = std::move(chooser); }

void Endpoint::set_link_size(LinkSize size) { impl_->link_size = std::move(size); }

Result<ConnectionId> Endpoint::connect(const Dial& dial, TimePoint now) {
  impl_->now = now;
  const TlsRandomScope scope(impl_->random);
  if (impl_->established() >= impl_->settings.max_connections) {
    return Error{Code::busy, "max_connections (" + std::to_string(impl_->settings.max_connections) + ") reached"};
  }
  Connection& connection = impl_->make_connection(true);
  if (auto started = connection.start_dial(dial, now); !started) {
    impl_->dead.push_back(connection.id());
    impl_->reap();
    return started.error();
  }
  return connection.id();
}

void Endpoint::close(ConnectionId id, Code code, std::string_view text, TimePoint now) {
  impl_->now = now;
  const TlsRandomScope scope(impl_->random);
  if (Connection* connection = impl_->find(id)) connection->close(code, text, now);
}

void Endpoint::leave(ConnectionId id, Code code, std::string_view text, TimePoint now) {
  impl_->now = now;
  const TlsRandomScope scope(impl_->random);
  if (Connection* connection = impl_->find(id)) connection->close(code, text, connection->acknowledge(now));
}

void Endpoint::move(ConnectionId id, const Address& local, TimePoint now) {
  impl_->now = now;
  if (Connection* connection = impl_->find(id)) connection->move(local, now);
}

void Endpoint::ping(ConnectionId id) {
  if (Connection* connection = impl_->find(id)) connection->ping();
}

void Endpoint::ping(ConnectionId id, PingId ping) {
  if (Connection* connection = impl_->find(id)) connection->ping(ping);
}

std::optional<ConnectionInfo> Endpoint::info(ConnectionId id) const {
  if (const Connection* connection = impl_->find(id)) return connection->info();
  return std::nullopt;
}

std::vector<ConnectionInfo> Endpoint::list() const {
  std::vector<ConnectionInfo> out;
  out.reserve(impl_->connections.size());
  for (const auto& [id, connection] : impl_->connections) out.push_back(connection->info());
  return out;
}

TimePoint Endpoint::heard_at(ConnectionId id) const {
  const Connection* connection = impl_->find(id);
  return connection != nullptr ? connection->heard_at() : TimePoint{};
}

Duration Endpoint::pto(ConnectionId id) const {
  const Connection* connection = impl_->find(id);
  return connection != nullptr ? connection->pto() : Duration(std::chrono::milliseconds(100));
}

Result<StreamPtr> Endpoint::open_stream(ConnectionId id, PipePtr in, PipePtr out) {
  Connection* connection = impl_->find(id);
  if (connection == nullptr) return Error{Code::connection_lost, "the connection is closed"};
  return connection->open_stream(std::move(in), std::move(out));
}

Result<StreamPtr> Endpoint::open_uni_stream(ConnectionId id, PipePtr out) {
  Connection* connection = impl_->find(id);
  if (connection == nullptr) return Error{Code::connection_lost, "the connection is closed"};
  return connection->open_uni_stream(std::move(out));
}

std::uint64_t Endpoint::streams_left(ConnectionId id) const {
  const Connection* connection = impl_->find(id);
  return connection != nullptr ? connection->streams_left() : 0;
}

void Endpoint::receive(const Datagram& datagram, TimePoint now) {
  impl_->now = now;
  const TlsRandomScope scope(impl_->random);
  ByteView rest = datagram.bytes;
  const std::size_t segment = datagram.segment == 0 ? rest.size() : datagram.segment;
  while (!rest.empty()) {
    const std::size_t size = std::min(segment, rest.size());
    impl_->receive_packet(datagram, rest.first(size));
    rest = rest.subspan(size);
  }
  impl_->reap();
}

void Endpoint::relieve(TimePoint now) {
  impl_->now = now;
  const TlsRandomScope scope(impl_->random);
  impl_->relieve();
}

std::optional<Datagram> Endpoint::transmit(ByteSpan buffer, const TrainLimit& train, TimePoint now) {
  impl_->now = now;
  const TlsRandomScope scope(impl_->random);
  while (!impl_->replies.empty()) {
    EndpointImpl::Reply reply = std::move(impl_->replies.front());
    impl_->replies.pop_front();
    if (train(reply.socket) == 0) { // whoever wanted one of the others asks again
      if (reply.needed) impl_->blocked_replies.push_back(std::move(reply));
      continue;
    }
    std::copy(reply.bytes.begin(), reply.bytes.end(), buffer.begin());
    Datagram out;
    out.socket = reply.socket;
    out.local = reply.local;
    out.remote = reply.remote;
    out.bytes = {buffer.data(), reply.bytes.size()};
    return out;
  }
  while (!impl_->writers.empty()) {
    const ConnectionId id = impl_->writers.front();
    impl_->writers.pop_front();
    Connection* connection = impl_->find(id);
    if (connection == nullptr) continue;
    const std::size_t max_train = train(connection->socket());
    if (max_train == 0) {
      impl_->blocked_writers.push_back(id);
      continue;
    }
    connection->write_queued = false;
    Datagram out;
    const std::size_t size = connection->write(buffer, max_train, now, out);
    impl_->update_timer(*connection);
    if (size == 0) continue;
    impl_->want_write(*connection); // its next train after everybody else's
    return out;
  }
  return std::nullopt;
}

void Endpoint::sendable() {
  impl_->writers.insert(impl_->writers.end(), impl_->blocked_writers.begin(), impl_->blocked_writers.end());
  impl_->blocked_writers.clear();
  std::ranges::move(impl_->blocked_replies, std::back_inserter(impl_->replies));
  impl_->blocked_replies.clear();
}

TimePoint Endpoint::next_deadline() const { return impl_->timers.empty() ? never : impl_->timers.front().at; }

void Endpoint::on_deadline(TimePoint now) {
  impl_->now = now;
  const TlsRandomScope scope(impl_->random);
  auto& timers = impl_->timers;
  while (!timers.empty() && timers.front().at <= now) {
    const EndpointImpl::TimerEntry entry = timers.front();
    std::pop_heap(timers.begin(), timers.end(), std::greater<>());
    timers.pop_back();
    Connection* connection = impl_->find(entry.connection);
    if (connection == nullptr || connection->timer_at != entry.at) continue;
    connection->timer_at = never;
    if (connection->deadline() <= now) connection->on_deadline(now);
    if (connection->state() == Connection::State::gone) {
      impl_->dead.push_back(connection->id());
    } else {
      impl_->update_timer(*connection);
    }
  }
  impl_->reap();
}

bool Endpoint::next_event(Event& event) {
  if (!impl_->closes.empty()) {
    event.kind = Event::Kind::closed;
    event.connection = impl_->closes.front().first;
    event.reason = std::move(impl_->closes.front().second);
    event.stream = nullptr;
    impl_->closes.pop_front();
    return true;
  }
  if (impl_->next_event == impl_->events.size()) {
    impl_->events.clear();
    impl_->next_event = 0;
    return false;
  }
  EndpointImpl::Pending& next = impl_->events[impl_->next_event++];
  event.kind = next.kind;
  event.connection = next.connection;
  event.stream = std::move(next.stream);
  if (event.stream) EndpointImpl::take_signals(*event.stream, event.signals);
  if (event.kind == Event::Kind::pinged) {
    event.ping = impl_->ping_outcomes.front();
    impl_->ping_outcomes.pop_front();
  }
  return true;
}

std::size_t Endpoint::pending_events() const noexcept { return impl_->events.size() - impl_->next_event; }

const Counters& Endpoint::counters() const noexcept { return impl_->counters; }
std::size_t Endpoint::half_open() const noexcept { return impl_->half_open; }

} // namespace kith::quic
