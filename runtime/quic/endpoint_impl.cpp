// SPDX-License-Identifier: GPL-3.0-or-later
// What the endpoint keeps of identities, connections, half-open handshakes and timers, and the way of a datagram that comes in.
#include "quic/endpoint_impl.hpp"

#include <ngtcp2/ngtcp2_crypto_wolfssl.h>
#include <sodium/crypto_shorthash.h>

#include <algorithm>
#include <array>
#include <chrono>

namespace kith::quic {

std::size_t CidHash::operator()(const CidKey& cid) const noexcept {
  static_assert(crypto_shorthash_BYTES == sizeof(std::uint64_t) && crypto_shorthash_KEYBYTES == sizeof key);
  std::uint64_t hash = 0;
  crypto_shorthash(reinterpret_cast<unsigned char*>(&hash), cid.bytes.data(), cid.size, key.data());
  return hash;
}

CidKey::CidKey(const ngtcp2_cid& cid) noexcept : CidKey(cid_view(cid)) {}
CidKey::CidKey(ByteView cid) noexcept : size(static_cast<std::uint8_t>(std::min<std::size_t>(cid.size(), NGTCP2_MAX_CIDLEN))) {
  std::copy_n(cid.begin(), size, bytes.begin());
}

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
  std::copy_n(token.begin(), NGTCP2_STATELESS_RESET_TOKENLEN, connection.reset_tokens.emplace_back().begin());
}

void EndpointImpl::remove_reset_token(Connection& connection, ByteView token) {
  peer_tokens.erase(CidKey(token));
  std::erase_if(connection.reset_tokens, [&](const ResetToken& other) { return std::equal(other.begin(), other.end(), token.begin(), token.end()); });
}

void EndpointImpl::new_cid(ngtcp2_cid& cid, std::size_t size) {
  cid.datalen = size;
  random.fill({cid.data, size});
}

void EndpointImpl::write_reset_token(std::uint8_t* token, const ngtcp2_cid& cid) const {
  std::ranges::copy(make_reset_token(secrets.reset, cid_view(cid)), token);
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
    for (const ResetToken& token : at->second->reset_tokens) peer_tokens.erase(CidKey(ByteView(token)));
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
  if (const ByteView token(header.token, header.tokenlen); !token.empty() && token.front() == retry_token_mark) {
    const auto original = open_retry_token(secrets.retry, token, datagram.remote, cid_view(header.dcid), now);
    if (!original) {
      ++counters.datagrams_dropped;
      return;
    }
    ngtcp2_cid_init(&incoming.original_dcid, original->data(), original->size());
    incoming.retried = true;
    incoming.retry_scid = header.dcid;
    incoming.token = token;
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

} // namespace kith::quic
