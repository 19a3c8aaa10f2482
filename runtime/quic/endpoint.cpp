// SPDX-License-Identifier: GPL-3.0-or-later
#include "quic/endpoint.hpp"

#include "quic/endpoint_impl.hpp"

#include <ngtcp2/ngtcp2_crypto_wolfssl.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>

namespace kith::quic {

int server_name_callback(WOLFSSL* session, int* alert, void* argument); // connection.cpp

namespace {

constexpr std::size_t max_pending_replies = 256;   // Retry, version negotiation and stateless resets that wait for the socket; more are dropped
constexpr std::size_t min_initial_datagram = 1200; // RFC 9000 §14.1
constexpr std::size_t min_reset_trigger = 22;      // a stateless reset is shorter than what triggers it, and 21 octets at least (RFC 9000 §10.3)
constexpr std::chrono::seconds retry_token_lifetime{10};

std::uint64_t rotl(std::uint64_t x, int bits) noexcept { return (x << bits) | (x >> (64 - bits)); }

std::uint64_t load_le(const std::uint8_t* data, std::size_t size) noexcept {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i) value |= std::uint64_t{data[i]} << (8 * i);
  return value;
}

ngtcp2_cid make_cid(ByteView bytes) noexcept {
  ngtcp2_cid cid{};
  ngtcp2_cid_init(&cid, bytes.data(), bytes.size());
  return cid;
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
  identity.credentials = credentials;
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
  } else if (nameless) {
    id = nameless(socket);
  }
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

// Deadlines mostly move later: the heap keeps the earliest that was asked for, and looks at the real one when that comes.
void EndpointImpl::update_timer(Connection& connection) {
  const TimePoint at = connection.deadline();
  if (at >= connection.timer_at) return;
  connection.timer_at = at;
  timers.push_back({at, connection.id()});
  std::push_heap(timers.begin(), timers.end(), std::greater<>());
}

void EndpointImpl::emit_closed(ConnectionId connection, CloseReason reason) {
  events.insert(events.begin() + static_cast<std::ptrdiff_t>(next_event),
                {Event::Kind::closed, connection, nullptr, std::make_unique<CloseReason>(std::move(reason))});
}

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

void EndpointImpl::relieve() {
  Connection* owner = nullptr;
  Stream* worst = nullptr;
  for (const auto& [id, connection] : connections) {
    Stream* stream = connection->longest_parked();
    if (stream == nullptr || (worst != nullptr && stream->in()->outstanding() <= worst->in()->outstanding())) continue;
    worst = stream;
    owner = connection.get();
  }
  if (worst != nullptr && worst->in()->outstanding() != 0) owner->reset_too_slow(*worst);
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

void EndpointImpl::queue_reply(const Datagram& to, Bytes bytes) {
  if (replies.size() >= max_pending_replies) return;
  replies.push_back({to.socket, to.local, to.remote, std::move(bytes)});
}

void EndpointImpl::receive_packet(const Datagram& datagram, ByteView packet, TimePoint now) {
  ++counters.datagrams_received;
  ngtcp2_version_cid header{};
  const int decoded = ngtcp2_pkt_decode_version_cid(&header, packet.data(), packet.size(), settings.cid_size);
  if (decoded == NGTCP2_ERR_VERSION_NEGOTIATION) {
    if (packet.size() < min_initial_datagram) return;
    std::array<std::uint32_t, 1> versions{NGTCP2_PROTO_VER_V1};
    Bytes out(min_initial_datagram);
    const ngtcp2_ssize size = ngtcp2_pkt_write_version_negotiation(out.data(), out.size(), static_cast<std::uint8_t>(random.next_u64()), header.scid,
                                                                   header.scidlen, header.dcid, header.dcidlen, versions.data(), versions.size());
    if (size <= 0) return;
    out.resize(static_cast<std::size_t>(size));
    queue_reply(datagram, std::move(out));
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
    accept(datagram, packet, now);
    return;
  }
  if (packet.size() > NGTCP2_STATELESS_RESET_TOKENLEN) {
    const auto peer = peer_tokens.find(CidKey(packet.last(NGTCP2_STATELESS_RESET_TOKENLEN)));
    if (peer != peer_tokens.end()) {
      peer->second->receive(datagram, packet, now);
      return;
    }
  }
  // A short header that nobody knows: from before a restart, perhaps. Tell the sender, but not for ever.
  ++counters.datagrams_dropped;
  if (packet.size() < min_reset_trigger) return;
  if (now - reset_second >= std::chrono::seconds(1)) {
    reset_second = now;
    resets_in_second = 0;
  }
  if (resets_in_second >= settings.stateless_resets_per_second) return;
  ++resets_in_second;
  const ngtcp2_cid cid = make_cid({header.dcid, header.dcidlen});
  ngtcp2_stateless_reset_token token{};
  reset_token(token.data, cid);
  std::array<std::uint8_t, 64> noise{};
  const std::size_t noise_size = std::min<std::size_t>(packet.size() - NGTCP2_STATELESS_RESET_TOKENLEN - 1, noise.size());
  random.fill({noise.data(), noise_size});
  Bytes out(noise_size + NGTCP2_STATELESS_RESET_TOKENLEN);
  const ngtcp2_ssize size = ngtcp2_pkt_write_stateless_reset2(out.data(), out.size(), &token, noise.data(), noise_size);
  if (size <= 0) return;
  out.resize(static_cast<std::size_t>(size));
  ++counters.stateless_resets_sent;
  queue_reply(datagram, std::move(out));
}

void EndpointImpl::accept(const Datagram& datagram, ByteView packet, TimePoint now) {
  ngtcp2_pkt_hd header{};
  if (!bootstrap || packet.size() < min_initial_datagram || ngtcp2_accept(&header, packet.data(), packet.size()) != 0) {
    ++counters.datagrams_dropped;
    return;
  }
  const std::size_t of_source = half_open_of(datagram.remote);
  if (half_open >= settings.max_half_open || established() >= settings.max_connections || of_source >= settings.max_half_open_per_source) {
    ++counters.refused_busy;
    return;
  }
  Connection::Incoming incoming;
  incoming.client_scid = header.scid;
  incoming.original_dcid = header.dcid;
  incoming.version = header.version;
  const PathStorage path(datagram.local, datagram.remote, datagram.socket);
  if (header.tokenlen != 0 && header.token[0] == NGTCP2_CRYPTO_TOKEN_MAGIC_RETRY2) {
    ngtcp2_cid original{};
    if (ngtcp2_crypto_verify_retry_token2(&original, header.token, header.tokenlen, secrets.retry.data(), secrets.retry.size(), header.version,
                                          path.path.remote.addr, path.path.remote.addrlen, &header.dcid,
                                          static_cast<ngtcp2_duration>(Duration(retry_token_lifetime).count()), to_ngtcp2(now)) != 0) {
      ++counters.datagrams_dropped;
      return;
    }
    incoming.retried = true;
    incoming.retry_scid = header.dcid;
    incoming.original_dcid = original;
    incoming.token = {header.token, header.tokenlen};
  } else if (half_open >= settings.retry_above || of_source >= settings.retry_above_per_source) {
    ngtcp2_cid scid{};
    new_cid(scid, settings.cid_size < NGTCP2_MIN_INITIAL_DCIDLEN ? NGTCP2_MIN_INITIAL_DCIDLEN : settings.cid_size);
    std::array<std::uint8_t, NGTCP2_CRYPTO_MAX_RETRY_TOKENLEN2> token{};
    const ngtcp2_ssize token_size =
        ngtcp2_crypto_generate_retry_token2(token.data(), secrets.retry.data(), secrets.retry.size(), header.version, path.path.remote.addr,
                                            path.path.remote.addrlen, &scid, &header.dcid, to_ngtcp2(now));
    if (token_size <= 0) return;
    Bytes out(min_initial_datagram);
    const ngtcp2_ssize size = ngtcp2_crypto_write_retry(out.data(), out.size(), header.version, &header.scid, &scid, &header.dcid, token.data(),
                                                        static_cast<std::size_t>(token_size));
    if (size <= 0) return;
    out.resize(static_cast<std::size_t>(size));
    ++counters.retries_sent;
    queue_reply(datagram, std::move(out));
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

Result<void> Endpoint::add_key(const Credentials& credentials) { return impl_->prepare(credentials); }

Result<void> Endpoint::serve(const Credentials& credentials, std::vector<std::string> alpns) {
  if (auto prepared = impl_->prepare(credentials); !prepared) return prepared;
  EndpointImpl::Identity& identity = impl_->identities[credentials.id];
  identity.alpns = std::move(alpns);
  identity.serving = true;
  return {};
}

void Endpoint::stop_serving(const PeerId& identity) {
  if (EndpointImpl::Identity* own = impl_->find_identity(identity)) own->serving = false;
}

void Endpoint::remove_key(const PeerId& identity) { impl_->identities.erase(identity); }

void Endpoint::set_nameless(std::function<std::optional<PeerId>(SocketId)> chooser) { impl_->nameless = std::move(chooser); }

Result<ConnectionId> Endpoint::connect(const Dial& dial, TimePoint now) {
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
  const TlsRandomScope scope(impl_->random);
  if (Connection* connection = impl_->find(id)) connection->close(code, text, now);
}

void Endpoint::ping(ConnectionId id) {
  if (Connection* connection = impl_->find(id)) connection->ping();
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
  const TlsRandomScope scope(impl_->random);
  ByteView rest = datagram.bytes;
  const std::size_t segment = datagram.segment == 0 ? rest.size() : datagram.segment;
  while (!rest.empty()) {
    const std::size_t size = std::min(segment, rest.size());
    impl_->receive_packet(datagram, rest.first(size), now);
    rest = rest.subspan(size);
  }
  impl_->reap();
}

std::optional<Datagram> Endpoint::transmit(ByteSpan buffer, std::size_t max_train, TimePoint now) {
  const TlsRandomScope scope(impl_->random);
  if (!impl_->replies.empty()) {
    const EndpointImpl::Reply reply = std::move(impl_->replies.front());
    impl_->replies.pop_front();
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

TimePoint Endpoint::next_deadline() const { return impl_->timers.empty() ? never : impl_->timers.front().at; }

void Endpoint::on_deadline(TimePoint now) {
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
  if (next.reason) event.reason = std::move(*next.reason);
  return true;
}

const Counters& Endpoint::counters() const noexcept { return impl_->counters; }
std::size_t Endpoint::half_open() const noexcept { return impl_->half_open; }

} // namespace kith::quic
