// SPDX-License-Identifier: GPL-3.0-or-later
#include "quic/endpoint.hpp"

#include "quic/endpoint_impl.hpp"

#include <ngtcp2/ngtcp2_crypto_wolfssl.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>

namespace kith::quic {

namespace {

std::uint64_t rotl(std::uint64_t x, int bits) noexcept { return (x << bits) | (x >> (64 - bits)); }

std::uint64_t load_le(const std::uint8_t* data, std::size_t size) noexcept {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i) value |= std::uint64_t{data[i]} << (8 * i);
  return value;
}

} // namespace

std::uint64_t sip_hash(const std::array<std::uint8_t, 16>& key, ByteView data) noexcept {
  const std::uint64_t k0 = load_le(key.data(), 8);
  const std::uint64_t k1 = load_le(key.data() + 8, 8);
  std::uint64_t v0 = k0 ^ 0x736f6d6570736575U;
  std::uint64_t v1 = k1 ^ 0x646f72616e646f6dU;
  std::uint64_t v2 = k0 ^ 0x6c7967656e657261U;
  std::uint64_t v3 = k1 ^ 0x7465646279746573U;
  const auto round = [&] {
    v0 += v1;
    v1 = rotl(v1, 13) ^ v0;
    v0 = rotl(v0, 32);
    v2 += v3;
    v3 = rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = rotl(v1, 17) ^ v2;
    v2 = rotl(v2, 32);
  };
  const auto block = [&](std::uint64_t m) {
    v3 ^= m;
    round();
    round();
    v0 ^= m;
  };
  std::size_t at = 0;
  for (; at + 8 <= data.size(); at += 8) block(load_le(data.data() + at, 8));
  block(load_le(data.data() + at, data.size() - at) | (std::uint64_t{data.size()} << 56));
  v2 ^= 0xff;
  for (int i = 0; i < 4; ++i) round();
  return v0 ^ v1 ^ v2 ^ v3;
}

CidKey::CidKey(const ngtcp2_cid& cid) noexcept : CidKey(ByteView(cid.data, cid.datalen)) {}
CidKey::CidKey(ByteView cid) noexcept : size(static_cast<std::uint8_t>(std::min<std::size_t>(cid.size(), NGTCP2_MAX_CIDLEN))) {
  std::copy_n(cid.begin(), size, bytes.begin());
}

// --- EndpointImpl

EndpointImpl::EndpointImpl(const Settings& s, const Secrets& k, Random& r, SlabPool& p)
    : settings(s),
      secrets(k),
      random(r),
      slabs(p),
      routes(64, CidHash{k.hash}),
      peer_tokens(64, CidHash{k.hash}),
      half_open_by_source(64, CidHash{k.hash}) {}

EndpointImpl::Identity* EndpointImpl::find_identity(const PeerId& id) noexcept {
  const auto at = identities.find(id);
  return at == identities.end() ? nullptr : &at->second;
}

Result<void> EndpointImpl::prepare(const Credentials& credentials) {
  const TlsRandomScope scope(random);
  Identity& identity = identities[credentials.id];
  if (identity.client) return {};
  auto server = tls::make_server_context(credentials);
  auto client = tls::make_client_context(credentials);
  if (!server || !client) {
    identities.erase(credentials.id);
    return server ? client.error() : server.error();
  }
  identity.server = std::move(*server);
  identity.client = std::move(*client);
  if (bootstrap) return {};
  auto first = tls::make_bootstrap_context(random);
  if (!first) return first.error();
  bootstrap = std::move(*first);
  wolfSSL_CTX_set_servername_callback(bootstrap.get(), server_name_callback);
  return {};
}

bool EndpointImpl::select_identity(WOLFSSL* session, SocketId socket, PeerId& chosen) {
  const std::string_view name = tls::requested_name(session);
  std::optional<PeerId> id;
  if (!name.empty()) {
    id = parse_server_name(name);
    if (!id) return false;
  }
  if (chooser) id = chooser(socket, id);
  if (!id) return false;
  const Identity* identity = find_identity(*id);
  if (identity == nullptr || !identity->serving) return false;
  chosen = *id;
  return wolfSSL_set_SSL_CTX(session, identity->server.get()) != nullptr && tls::offer_alpns(session, identity->alpns);
}

Connection* EndpointImpl::find(ConnectionId id) noexcept {
  const auto at = connections.find(id);
  return at == connections.end() ? nullptr : at->second.get();
}

const Connection* EndpointImpl::find(ConnectionId id) const noexcept {
  const auto at = connections.find(id);
  return at == connections.end() ? nullptr : at->second.get();
}

Connection& EndpointImpl::make_connection(bool dialer) {
  const auto id = static_cast<ConnectionId>(++last_id);
  return *connections.emplace(id, std::make_unique<Connection>(*this, id, dialer)).first->second;
}

void EndpointImpl::add_cid(Connection& connection, const ngtcp2_cid& cid) {
  routes[CidKey(cid)] = &connection;
  connection.cids.push_back(cid);
}

void EndpointImpl::remove_cid(Connection& connection, const ngtcp2_cid& cid) {
  routes.erase(CidKey(cid));
  std::erase_if(connection.cids, [&](const ngtcp2_cid& other) { return ngtcp2_cid_eq(&other, &cid) != 0; });
}

void EndpointImpl::add_reset_token(Connection& connection, ByteView token) {
  peer_tokens[CidKey(token)] = &connection;
  connection.reset_tokens.emplace_back(token.begin(), token.end());
}

void EndpointImpl::remove_reset_token(Connection& connection, ByteView token) {
  peer_tokens.erase(CidKey(token));
  std::erase_if(connection.reset_tokens, [&](const Bytes& other) { return std::equal(other.begin(), other.end(), token.begin(), token.end()); });
}

void EndpointImpl::new_cid(ngtcp2_cid& cid, std::size_t size) {
  cid.datalen = size;
  random.fill({cid.data, size});
}

void EndpointImpl::reset_token(std::uint8_t* token, const ngtcp2_cid& cid) const {
  ngtcp2_crypto_generate_stateless_reset_token(token, secrets.reset.data(), secrets.reset.size(), &cid);
}

void EndpointImpl::want_write(Connection& connection) {
  if (connection.write_queued) return;
  connection.write_queued = true;
  writers.push_back(connection.id());
}

namespace {
constexpr std::size_t timers_for_each = 4; // entries in the heap for each connection, most of them overtaken
constexpr std::size_t least_timers = 64;
} // namespace

// Deadlines mostly move later: the heap keeps the earliest that was asked for, and looks at the real one when that comes.
void EndpointImpl::update_timer(Connection& connection) {
  const TimePoint at = connection.deadline();
  if (at >= connection.timer_at) return;
  connection.timer_at = at;
  timers.push_back({at, connection.id()});
  std::push_heap(timers.begin(), timers.end(), std::greater<>());
  if (timers.size() <= timers_for_each * connections.size() + least_timers) return;
  std::erase_if(timers, [this](const TimerEntry& entry) {
    const Connection* owner = find(entry.connection);
    return owner == nullptr || owner->timer_at != entry.at; // asked for, then overtaken by an earlier one
  });
  std::make_heap(timers.begin(), timers.end(), std::greater<>());
}

void EndpointImpl::emit_closed(ConnectionId connection, CloseReason reason) { closes.emplace_back(connection, std::move(reason)); }

namespace {
// Who an address belongs to, as far as penalties go: a host has a whole IPv6 prefix to choose from.
CidKey source_of(const Address& address) noexcept {
  constexpr std::size_t ipv6_prefix = 7; // octets: a /56
  return CidKey(address.is_v4() ? address.ip_bytes() : address.ip_bytes().first(ipv6_prefix));
}
} // namespace

void EndpointImpl::begin_half_open(const Address& source) {
  ++half_open;
  ++half_open_by_source[source_of(source)];
}

void EndpointImpl::end_half_open(const Address& source) {
  --half_open;
  const auto at = half_open_by_source.find(source_of(source));
  if (at != half_open_by_source.end() && --at->second == 0) half_open_by_source.erase(at);
}

std::size_t EndpointImpl::half_open_of(const Address& source) const {
  const auto at = half_open_by_source.find(source_of(source));
  return at == half_open_by_source.end() ? 0 : at->second;
}

namespace {
constexpr std::chrono::microseconds look_time{
    1}; // for each stream that a look for victims went through, until the next: it must not be what we do all day
}

void EndpointImpl::relieve() {
  if (transport_bytes > settings.max_buffer_bytes) {
    const auto worst = std::ranges::max_element(connections, {}, [](const auto& entry) { return entry.second->transport_bytes(); });
    worst->second->close(Code::busy, "closed to make room (max_buffer_bytes)", now);
  }
  if (slabs.bytes_in_use() <= settings.max_buffer_bytes || now < relieve_again) return;
  std::vector<Connection::Holder> holders;
  std::uint64_t expected = settings.max_buffer_bytes; // what may be in use, and what is about to be let go
  for (const auto& [id, connection] : connections) expected += connection->add_holders(holders, now);
  relieve_again = now + holders.size() * look_time;
  const auto lighter = [](const Connection::Holder& a, const Connection::Holder& b) { return a.weight < b.weight; };
  std::ranges::make_heap(holders, lighter);
  while (slabs.bytes_in_use() > expected && !holders.empty()) {
    std::ranges::pop_heap(holders, lighter);
    const Connection::Holder worst = std::move(holders.back());
    holders.pop_back();
    if (worst.stream->gone()) continue; // with its connection
    expected += worst.octets;
    worst.stream->connection_->relieve_of(*worst.stream);
  }
}

void EndpointImpl::reap() {
  for (const ConnectionId id : dead) {
    const auto at = connections.find(id);
    if (at == connections.end()) continue;
    for (const ngtcp2_cid& cid : at->second->cids) routes.erase(CidKey(cid));
    for (const Bytes& token : at->second->reset_tokens) peer_tokens.erase(CidKey(ByteView(token)));
    connections.erase(at);
  }
  dead.clear();
}

void EndpointImpl::receive_packet(const Datagram& datagram, ByteView packet) {
  ++counters.datagrams_received;
  ngtcp2_version_cid header{};
  const int decoded = ngtcp2_pkt_decode_version_cid(&header, packet.data(), packet.size(), settings.cid_size);
  if (decoded == NGTCP2_ERR_VERSION_NEGOTIATION) {
    if (packet.size() >= min_initial_datagram) reply_versions(datagram, header);
    return;
  }
  if (decoded != 0) {
    ++counters.datagrams_dropped;
    return;
  }
  const auto route = routes.find(CidKey(ByteView(header.dcid, header.dcidlen)));
  if (route != routes.end()) {
    Connection& connection = *route->second;
    connection.receive(datagram, packet, now);
    if (connection.state() == Connection::State::gone) dead.push_back(connection.id());
    return;
  }
  constexpr std::uint8_t long_header = 0x80; // RFC 8999 §5.1
  if ((packet[0] & long_header) != 0) {
    accept(datagram, packet);
    return;
  }
  if (packet.size() > NGTCP2_STATELESS_RESET_TOKENLEN) {
    const auto peer = peer_tokens.find(CidKey(packet.last(NGTCP2_STATELESS_RESET_TOKENLEN)));
    if (peer != peer_tokens.end()) {
      peer->second->receive(datagram, packet, now);
      return;
    }
  }
  ++counters.datagrams_dropped; // a short header that nobody knows
  reply_reset(datagram, packet, header);
}

void EndpointImpl::accept(const Datagram& datagram, ByteView packet) {
  ngtcp2_pkt_hd header{};
  if (!bootstrap || packet.size() < min_initial_datagram || ngtcp2_accept(&header, packet.data(), packet.size()) != 0) {
    ++counters.datagrams_dropped;
    return;
  }
  const std::size_t of_source = half_open_of(datagram.remote);
  if (half_open >= settings.max_half_open || established() >= settings.max_connections || lingering >= settings.max_connections ||
      of_source >= settings.max_half_open_per_source) {
    ++counters.refused_busy;
    return;
  }
  Connection::Incoming incoming;
  incoming.client_scid = header.scid;
  incoming.original_dcid = header.dcid;
  incoming.version = header.version;
  if (header.tokenlen != 0 && header.token[0] == NGTCP2_CRYPTO_TOKEN_MAGIC_RETRY2) {
    if (!proves_address(datagram, header, incoming.original_dcid)) {
      ++counters.datagrams_dropped;
      return;
    }
    incoming.retried = true;
    incoming.retry_scid = header.dcid;
    incoming.token = {header.token, header.tokenlen};
  } else if (half_open >= settings.retry_above || of_source >= settings.retry_above_per_source) {
    reply_retry(datagram, header);
    return;
  }
  Connection& connection = make_connection(false);
  if (!connection.start_accept(incoming, datagram, now)) {
    dead.push_back(connection.id());
    return;
  }
  connection.receive(datagram, packet, now);
  update_timer(connection);
  if (connection.state() == Connection::State::gone) dead.push_back(connection.id());
}

// --- Endpoint

Endpoint::Endpoint(const Settings& settings, const Secrets& secrets, Random& random, SlabPool& slabs)
    : impl_(std::make_unique<EndpointImpl>(settings, secrets, random, slabs)) {}

Endpoint::~Endpoint() = default;

void Endpoint::apply(const Settings& settings) {
  Settings& now = impl_->settings;
  now.handshake_timeout = settings.handshake_timeout;
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
    const EndpointImpl::Reply reply = std::move(impl_->replies.front());
    impl_->replies.pop_front();
    if (train(reply.socket) == 0) continue; // whoever wanted it asks again
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
