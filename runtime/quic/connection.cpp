// SPDX-License-Identifier: GPL-3.0-or-later
#include "quic/connection_impl.hpp"

#include "quic/endpoint_impl.hpp"

#include <ngtcp2/ngtcp2_crypto_wolfssl.h>

#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace kith::quic {

ngtcp2_tstamp to_ngtcp2(TimePoint at) noexcept { return static_cast<ngtcp2_tstamp>(at.time_since_epoch().count()); }

TimePoint from_ngtcp2(ngtcp2_tstamp at) noexcept {
  return at > static_cast<ngtcp2_tstamp>(never.time_since_epoch().count()) ? never : TimePoint(Duration(static_cast<std::int64_t>(at)));
}

namespace {

constexpr std::size_t max_pieces = 8; // slabs that one packet may touch; a packet is smaller than a slab

ngtcp2_duration to_duration(Duration d) noexcept { return static_cast<ngtcp2_duration>(d.count()); }

void to_sockaddr(const Address& address, ngtcp2_sockaddr_union& out, ngtcp2_addr& addr) noexcept {
  if (address.is_v4()) {
    out.in.sin_family = AF_INET;
    out.in.sin_port = htons(address.port);
    std::memcpy(&out.in.sin_addr, address.ip.data(), 4);
    addr = {&out.sa, sizeof out.in};
  } else {
    out.in6.sin6_family = AF_INET6;
    out.in6.sin6_port = htons(address.port);
    std::memcpy(&out.in6.sin6_addr, address.ip.data(), 16);
    out.in6.sin6_scope_id = address.scope;
    addr = {&out.sa, sizeof out.in6};
  }
}

// A route of the dialer has a local address of its own, whatever the kernel picks: ngtcp2 migrates only to another local address, and drops what comes on
// paths that it does not know. fd6b:6974:6800::/48 holds them ("kith").
Address synthetic_label(ConnectionId id) noexcept {
  std::array<std::uint8_t, 16> ip{0xfd, 0x6b, 0x69, 0x74, 0x68};
  const auto n = static_cast<std::uint64_t>(id);
  for (std::size_t i = 0; i < 8; ++i) ip[8 + i] = static_cast<std::uint8_t>(n >> (8 * (7 - i)));
  return make_v6(ip, 1);
}

void random_bytes(std::uint8_t* dest, std::size_t size, const ngtcp2_rand_ctx* context) {
  static_cast<Random*>(context->native_handle)->fill({dest, size});
}

} // namespace

PathStorage::PathStorage(const Address& l, const Address& r, SocketId socket) noexcept {
  to_sockaddr(l, local, path.local);
  to_sockaddr(r, remote, path.remote);
  path.user_data = reinterpret_cast<void*>(static_cast<std::uintptr_t>(socket)); // ngtcp2 hands it back with each packet's path
}

Address from_sockaddr(const ngtcp2_addr& address) noexcept {
  if (address.addr->sa_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, address.addr, sizeof in);
    std::array<std::uint8_t, 4> ip{};
    std::memcpy(ip.data(), &in.sin_addr, 4);
    return make_v4(ip, ntohs(in.sin_port));
  }
  sockaddr_in6 in6{};
  std::memcpy(&in6, address.addr, sizeof in6);
  std::array<std::uint8_t, 16> ip{};
  std::memcpy(ip.data(), &in6.sin6_addr, 16);
  return make_v6(ip, ntohs(in6.sin6_port), in6.sin6_scope_id);
}

// ngtcp2's callbacks: each finds its connection and calls the method that does the work.
struct Callbacks {
  static Connection& self(void* user) { return *static_cast<Connection*>(user); }
  static int done(int result) { return result == 0 ? 0 : NGTCP2_ERR_CALLBACK_FAILURE; }

  // A session is freed with its handshake (receive()). What a peer's TLS says after that is a ticket, which we never use.
  static int recv_crypto_data(ngtcp2_conn* conn, ngtcp2_encryption_level level, uint64_t offset, const uint8_t* data, size_t size, void* user) {
    if (!self(user).tls_) return 0;
    return ngtcp2_crypto_recv_crypto_data_cb(conn, level, offset, data, size, user);
  }

  static int handshake_completed(ngtcp2_conn*, void* user) { return done(self(user).on_handshake_completed()); }
  static int handshake_confirmed(ngtcp2_conn*, void* user) { return done(self(user).on_handshake_confirmed()); }

  static int recv_stream_data(ngtcp2_conn*, uint32_t flags, int64_t, uint64_t, const uint8_t* data, size_t size, void* user, void* stream) {
    return done(self(user).on_stream_data(static_cast<Stream*>(stream), {data, size}, (flags & NGTCP2_STREAM_DATA_FLAG_FIN) != 0));
  }

  static int acked(ngtcp2_conn*, int64_t, uint64_t, uint64_t size, void* user, void* stream) {
    if (stream != nullptr) self(user).on_acked(*static_cast<Stream*>(stream), size);
    return 0;
  }

  static int stream_open(ngtcp2_conn* conn, int64_t id, void* user) {
    Connection& connection = self(user);
    const bool bidirectional = ngtcp2_is_bidi_stream(id) != 0;
    SlabPool& slabs = connection.endpoint_.slabs;
    const StreamPtr stream =
        connection.adopt(id, bidirectional, false, std::make_shared<Pipe>(slabs), bidirectional ? std::make_shared<Pipe>(slabs) : nullptr);
    ngtcp2_conn_set_stream_user_data(conn, id, stream.get());
    stream->signals_.opened = true;
    connection.mark(*stream);
    connection.update_keep_alive();
    return 0;
  }

  static int stream_close(ngtcp2_conn*, uint32_t, int64_t id, uint64_t, void* user, void* stream) {
    self(user).on_stream_closed(id, static_cast<Stream*>(stream));
    return 0;
  }

  static int stream_reset(ngtcp2_conn*, int64_t, uint64_t, uint64_t code, void* user, void* data) {
    auto* stream = static_cast<Stream*>(data);
    if (stream == nullptr || stream->receive_over_) return 0;
    stream->receive_over_ = true;
    stream->reset_code_ = code;
    stream->signals_.reset = true;
    self(user).mark(*stream);
    return 0;
  }

  static int stop_sending(ngtcp2_conn*, int64_t, uint64_t code, void* user, void* data) {
    auto* stream = static_cast<Stream*>(data);
    if (stream == nullptr || stream->send_over_) return 0;
    Connection& connection = self(user);
    stream->send_over_ = true;
    stream->stop_code_ = code;
    stream->signals_.stopped = true;
    connection.scheduler_.remove(*stream);
    connection.mark(*stream);
    return 0;
  }

  static int extend_max_stream_data(ngtcp2_conn*, int64_t, uint64_t, void* user, void* data) {
    auto* stream = static_cast<Stream*>(data);
    if (stream == nullptr) return 0;
    stream->flow_blocked_ = false;
    if (stream->has_output()) self(user).scheduler_.push(*stream);
    return 0;
  }

  static int extend_max_streams(ngtcp2_conn*, uint64_t, void* user) {
    Connection& connection = self(user);
    if (std::exchange(connection.streams_wanted_, false)) connection.endpoint_.emit({Event::Kind::streams, connection.id_, nullptr, {}, {}});
    return 0;
  }

  static int get_new_connection_id(ngtcp2_conn*, ngtcp2_cid* cid, ngtcp2_stateless_reset_token* token, size_t size, void* user) {
    Connection& connection = self(user);
    connection.endpoint_.new_cid(*cid, size);
    connection.endpoint_.reset_token(token->data, *cid);
    connection.endpoint_.add_cid(connection, *cid);
    return 0;
  }

  static int remove_connection_id(ngtcp2_conn*, const ngtcp2_cid* cid, void* user) {
    Connection& connection = self(user);
    connection.endpoint_.remove_cid(connection, *cid);
    return 0;
  }

  static int dcid_status(ngtcp2_conn*, ngtcp2_connection_id_status_type type, uint64_t, const ngtcp2_cid*, const ngtcp2_stateless_reset_token* token,
                         void* user) {
    if (token == nullptr) return 0;
    Connection& connection = self(user);
    const ByteView bytes(token->data, sizeof token->data);
    if (type == NGTCP2_CONNECTION_ID_STATUS_TYPE_ACTIVATE) {
      connection.endpoint_.add_reset_token(connection, bytes);
    } else {
      connection.endpoint_.remove_reset_token(connection, bytes);
    }
    return 0;
  }

  static int path_validation(ngtcp2_conn*, uint32_t, const ngtcp2_path* path, const ngtcp2_path*, ngtcp2_path_validation_result result, void* user) {
    Connection& connection = self(user);
    if (result != NGTCP2_PATH_VALIDATION_RESULT_SUCCESS) return 0;
    const Address remote = from_sockaddr(path->remote);
    if (remote == connection.remote_) return 0;
    connection.remote_ = remote;
    connection.endpoint_.emit({Event::Kind::address_changed, connection.id_, nullptr, {}, {}});
    return 0;
  }

  static int recv_stateless_reset(ngtcp2_conn*, const ngtcp2_pkt_stateless_reset2*, void* user) {
    self(user).reason_.stateless_reset = true;
    return 0;
  }

  static ngtcp2_ssize write_packet(ngtcp2_conn*, ngtcp2_path* path, ngtcp2_pkt_info* info, uint8_t* dest, size_t size, ngtcp2_tstamp now,
                                   void* user) {
    return self(user).write_packet(path, info, dest, size, now);
  }

  static ngtcp2_conn* conn_of(ngtcp2_crypto_conn_ref* ref) { return self(ref->user_data).conn_.get(); }

  static int server_name(WOLFSSL* session, int* alert, void* /*argument*/) {
    auto* ref = static_cast<ngtcp2_crypto_conn_ref*>(wolfSSL_get_app_data(session));
    Connection& connection = self(ref->user_data);
    if (connection.endpoint_.select_identity(session, connection.socket_, connection.identity_)) return 0;
    *alert = tls::alert_unrecognized_name;
    return fatal_return;
  }

  static const ngtcp2_callbacks& table(bool dialer) {
    static const ngtcp2_callbacks server = make(false);
    static const ngtcp2_callbacks client = make(true);
    return dialer ? client : server;
  }

private:
  static ngtcp2_callbacks make(bool dialer) {
    ngtcp2_callbacks c{};
    if (dialer) {
      c.client_initial = ngtcp2_crypto_client_initial_cb;
      c.recv_retry = ngtcp2_crypto_recv_retry_cb;
      c.handshake_confirmed = handshake_confirmed;
    } else {
      c.recv_client_initial = ngtcp2_crypto_recv_client_initial_cb;
    }
    c.handshake_completed = handshake_completed;
    c.recv_crypto_data = recv_crypto_data;
    c.encrypt = ngtcp2_crypto_encrypt_cb;
    c.decrypt = ngtcp2_crypto_decrypt_cb;
    c.hp_mask = ngtcp2_crypto_hp_mask_cb;
    c.update_key = ngtcp2_crypto_update_key_cb;
    c.delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb;
    c.delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb;
    c.version_negotiation = ngtcp2_crypto_version_negotiation_cb;
    c.get_path_challenge_data2 = ngtcp2_crypto_get_path_challenge_data2_cb;
    c.rand = random_bytes;
    c.recv_stream_data = recv_stream_data;
    c.acked_stream_data_offset = acked;
    c.stream_open = stream_open;
    c.stream_close = stream_close;
    c.stream_reset = stream_reset;
    c.recv_stop_sending = stop_sending;
    c.extend_max_local_streams_bidi = extend_max_streams;
    c.extend_max_stream_data = extend_max_stream_data;
    c.get_new_connection_id2 = get_new_connection_id;
    c.remove_connection_id = remove_connection_id;
    c.dcid_status2 = dcid_status;
    c.path_validation = path_validation;
    c.recv_stateless_reset2 = recv_stateless_reset;
    return c;
  }
};

int server_name_callback(WOLFSSL* session, int* alert, void* argument) { return Callbacks::server_name(session, alert, argument); }

// --- life

Connection::Connection(EndpointImpl& endpoint, ConnectionId id, bool dialer) noexcept : endpoint_(endpoint), id_(id), dialer_(dialer) {
  conn_ref_.get_conn = Callbacks::conn_of;
  conn_ref_.user_data = this;
}

Connection::~Connection() {
  if (tls_) wolfSSL_set_app_data(tls_.get(), nullptr);
}

void Connection::fill_settings(ngtcp2_settings& settings, TimePoint now) const {
  ngtcp2_settings_default(&settings);
  settings.initial_ts = to_ngtcp2(now);
  settings.handshake_timeout = to_duration(endpoint_.settings.handshake_timeout);
  settings.rand_ctx.native_handle = &endpoint_.random;
  settings.ack_thresh = 10; // ACKs for every packet cost more than they tell; delayed ACKs are bounded by max_ack_delay
  settings.max_tx_udp_payload_size = NGTCP2_MAX_PMTUD_UDP_PAYLOAD_SIZE;
}

void Connection::fill_params(ngtcp2_transport_params& params) const {
  const Settings& s = endpoint_.settings;
  ngtcp2_transport_params_default(&params);
  params.initial_max_stream_data_bidi_local = s.stream_window;
  params.initial_max_stream_data_bidi_remote = s.stream_window;
  params.initial_max_stream_data_uni = s.stream_window;
  params.initial_max_data = s.connection_window;
  params.initial_max_streams_bidi = s.max_streams;
  params.initial_max_streams_uni = s.max_uni_streams;
  params.max_idle_timeout = to_duration(s.idle_timeout);
  params.grease_quic_bit = 1;
}

Result<void> Connection::make_session(WOLFSSL_CTX* context) {
  tls_.reset(wolfSSL_new(context));
  if (!tls_) return Error{Code::internal, "TLS: no session (out of memory)"};
  wolfSSL_set_app_data(tls_.get(), &conn_ref_);
  return {};
}

Result<void> Connection::start_dial(const Dial& dial, TimePoint now) {
  now_ = now;
  EndpointImpl::Identity* own = endpoint_.find_identity(dial.identity);
  if (own == nullptr || !own->client) return Error{Code::unknown_identity, "no such identity here: " + dial.identity.text()};
  identity_ = dial.identity;
  peer_ = dial.peer;
  alpn_ = dial.alpn;
  socket_ = dial.socket;
  remote_ = dial.remote;
  local_label_ = synthetic_label(id_);
  limit_initials_ = dial.initials != 0;
  initials_left_ = dial.initials;

  ngtcp2_settings settings{};
  fill_settings(settings, now);
  ngtcp2_transport_params params{};
  fill_params(params);
  ngtcp2_cid dcid{};
  endpoint_.new_cid(dcid, 16);
  ngtcp2_cid scid{};
  endpoint_.new_cid(scid, endpoint_.settings.cid_size);
  PathStorage path(local_label_, remote_, socket_);
  ngtcp2_conn* conn = nullptr;
  if (ngtcp2_conn_client_new(&conn, &dcid, &scid, &path.path, NGTCP2_PROTO_VER_V1, &Callbacks::table(true), &settings, &params, nullptr, this) != 0) {
    return Error{Code::internal, "QUIC: no connection (out of memory)"};
  }
  conn_.reset(conn);
  if (auto made = make_session(own->client.get()); !made) return made.error();
  wolfSSL_set_connect_state(tls_.get());
  const std::string name = kith::server_name(dial.peer);
  const bool named =
      !dial.send_name || wolfSSL_UseSNI(tls_.get(), WOLFSSL_SNI_HOST_NAME, name.data(), static_cast<unsigned short>(name.size())) == WOLFSSL_SUCCESS;
  if (!named || !tls::offer_alpns(tls_.get(), {dial.alpn})) {
    return Error{Code::internal, "TLS: the session takes neither name nor ALPN"};
  }
  ngtcp2_conn_set_tls_native_handle(conn, tls_.get());
  endpoint_.add_cid(*this, scid);
  endpoint_.want_write(*this);
  endpoint_.update_timer(*this);
  return {};
}

Result<void> Connection::start_accept(const Incoming& incoming, const Datagram& first, TimePoint now) {
  now_ = now;
  socket_ = first.socket;
  remote_ = first.remote;
  ngtcp2_settings settings{};
  fill_settings(settings, now);
  ngtcp2_transport_params params{};
  fill_params(params);
  params.original_dcid = incoming.original_dcid;
  params.original_dcid_present = 1;
  if (incoming.retried) {
    params.retry_scid = incoming.retry_scid;
    params.retry_scid_present = 1;
    settings.token = incoming.token.data();
    settings.tokenlen = incoming.token.size();
    settings.token_type = NGTCP2_TOKEN_TYPE_RETRY;
  }
  ngtcp2_cid scid{};
  endpoint_.new_cid(scid, endpoint_.settings.cid_size);
  endpoint_.reset_token(params.stateless_reset_token, scid);
  params.stateless_reset_token_present = 1;
  PathStorage path(first.local, first.remote, first.socket);
  ngtcp2_conn* conn = nullptr;
  if (ngtcp2_conn_server_new(&conn, &incoming.client_scid, &scid, &path.path, incoming.version, &Callbacks::table(false), &settings, &params, nullptr,
                             this) != 0) {
    return Error{Code::internal, "QUIC: no connection (out of memory)"};
  }
  conn_.reset(conn);
  if (auto made = make_session(endpoint_.bootstrap.get()); !made) return made.error();
  wolfSSL_set_accept_state(tls_.get());
  ngtcp2_conn_set_tls_native_handle(conn, tls_.get());
  half_open_ = true;
  ++endpoint_.half_open;
  endpoint_.add_cid(*this, scid);
  endpoint_.add_cid(*this, incoming.retried ? incoming.retry_scid : incoming.original_dcid); // Initials carry it until the client learns ours
  return {};
}

// --- handshake

int Connection::on_handshake_completed() {
  if (dialer_) return 0; // a dialer that sees its handshake completed is not accepted yet: the acceptor may still refuse its key
  return become_ready();
}

int Connection::on_handshake_confirmed() { return become_ready(); }

int Connection::fail_authentication(const Error& error) {
  refusal_ = error;
  return -1;
}

int Connection::become_ready() {
  const Result<PeerId> peer = tls::proven_peer(tls_.get());
  if (!peer) return fail_authentication(peer.error());
  const std::string alpn = tls::negotiated_alpn(tls_.get());
  if (dialer_) {
    if (*peer != peer_)
      return fail_authentication({Code::wrong_key, "the key there is " + peer->text() + ", not the one asked for"});
    if (alpn != alpn_) return fail_authentication({Code::unsupported_version, "the peer chose no protocol version that was offered"});
  } else {
    const EndpointImpl::Identity* own = endpoint_.find_identity(identity_);
    if (own == nullptr || !own->serving) return fail_authentication({Code::offline, "the identity went offline"});
    if (std::find(own->alpns.begin(), own->alpns.end(), alpn) == own->alpns.end()) {
      return fail_authentication({Code::unsupported_version, "no protocol version in common"});
    }
    peer_ = *peer;
    alpn_ = alpn;
    half_open_ = false;
    --endpoint_.half_open;
  }
  state_ = State::ready;
  ++(dialer_ ? endpoint_.counters.handshakes_dialed : endpoint_.counters.handshakes_accepted);
  endpoint_.emit({Event::Kind::ready, id_, nullptr, {}, {}});
  for (const StreamPtr& stream : std::exchange(early_, {})) endpoint_.emit(*this, stream);
  return 0;
}

// --- receiving

void Connection::receive(const Datagram& datagram, ByteView packet, TimePoint now) {
  now_ = now;
  if (state_ == State::gone) return;
  if (state_ == State::closing) {
    if (!close_packet_.empty()) {
      close_pending_ = true; // RFC 9000 §10.2.1: the close again, at most one for what arrived in this turn
      endpoint_.want_write(*this);
    }
    return;
  }
  heard_ = true;
  const std::uint64_t before = listening_ ? packets_received() : 0;
  const PathStorage path(dialer_ ? local_label_ : datagram.local, datagram.remote, datagram.socket);
  const ngtcp2_pkt_info info{.ecn = datagram.ecn};
  const int result = ngtcp2_conn_read_pkt(conn_.get(), &path.path, &info, packet.data(), packet.size(), to_ngtcp2(now));
  if (result != 0) {
    fail(result, now);
    return;
  }
  if (tls_ && state_ == State::ready) { // 11 KB that an idle connection need not hold
    ngtcp2_conn_set_tls_native_handle(conn_.get(), nullptr);
    tls_.reset();
  }
  if (listening_ && packets_received() != before) {
    listening_ = false;
    endpoint_.emit({Event::Kind::heard, id_, nullptr, {}, {}});
  }
  unblock();
  if (parked_ > endpoint_.settings.max_parked_bytes) check_parked();
  endpoint_.want_write(*this);
}

int Connection::on_stream_data(Stream* stream, ByteView data, bool fin) {
  // Connection credit returns as octets enter the pipe: returned only on reading, one idle reader stops every stream (DESIGN: flow control).
  ngtcp2_conn_extend_max_offset(conn_.get(), data.size());
  if (stream == nullptr || stream->receive_over_) return 0;
  if (!data.empty()) {
    stream->in_->write(data);
    stream->received_ += data.size();
    parked_ += data.size();
  }
  if (fin) {
    stream->receive_over_ = true;
    stream->in_->finish();
  }
  stream->signals_.readable = true;
  mark(*stream);
  return 0;
}

void Connection::stream_consumed(Stream& stream) {
  const std::uint64_t consumed = stream.in_->committed() - stream.in_->outstanding();
  // Parked octets are those received and not yet consumed, over all streams.
  if (consumed > stream.counted_) {
    parked_ -= std::min(parked_, consumed - stream.counted_);
    stream.counted_ = consumed;
  }
  if (stream.receive_over_) return;
  grow_window(stream);
  const std::uint64_t target = consumed + stream.window_;
  if (target <= stream.credited_) return;
  const std::uint64_t more = target - stream.credited_;
  if (more < stream.window_ / 4) return; // fewer MAX_STREAM_DATA frames; the rest is credited with the next octets read
  stream.credited_ = target;
  ngtcp2_conn_extend_max_stream_offset(conn_.get(), stream.id_, more);
  endpoint_.want_write(*this);
}

void Connection::grow_window(Stream& stream) {
  const Settings& s = endpoint_.settings;
  if (stream.window_ >= s.max_stream_window || parked_ > s.max_parked_bytes / 2 || stream.in_->outstanding() != 0) return;
  if (stream.received_ - stream.doubled_at_ < stream.window_) return;
  ngtcp2_conn_info info{};
  ngtcp2_conn_get_conn_info2(conn_.get(), &info);
  // A whole window within four round trips: the window, not the sender, is what limits.
  const bool fast = now_ - stream.doubled_when_ < Duration(static_cast<std::int64_t>(4 * info.smoothed_rtt)) + std::chrono::milliseconds(1);
  stream.doubled_at_ = stream.received_;
  stream.doubled_when_ = now_;
  if (fast) stream.window_ = std::min(stream.window_ * 2, s.max_stream_window);
}

// More than max_parked_bytes wait to be read on this connection: the stream whose reader is furthest behind pays.
void Connection::check_parked() {
  Stream* worst = nullptr;
  for (const auto& [id, stream] : streams_) {
    if (stream->in_ && !stream->parked_out_ && (worst == nullptr || stream->in_->outstanding() > worst->in_->outstanding())) worst = stream.get();
  }
  if (worst == nullptr) return;
  worst->parked_out_ = true;
  parked_ -= std::min(parked_, worst->in_->outstanding());
  worst->counted_ = worst->received_;
  worst->reset_code_ = static_cast<std::uint64_t>(Code::too_slow);
  worst->signals_.reset = true;
  stream_stop(*worst, worst->reset_code_);
  stream_reset(*worst, worst->reset_code_);
  mark(*worst);
}

void Connection::on_stream_closed(std::int64_t id, Stream* stream) {
  if (ngtcp2_conn_is_local_stream2(conn_.get(), id) == 0) {
    if (ngtcp2_is_bidi_stream(id) != 0) {
      ngtcp2_conn_extend_max_streams_bidi(conn_.get(), 1);
    } else {
      ngtcp2_conn_extend_max_streams_uni(conn_.get(), 1);
    }
  }
  if (stream == nullptr) return;
  const auto at = streams_.find(id);
  if (at == streams_.end()) return;
  const StreamPtr keep = at->second;
  streams_.erase(at);
  if (keep->bidirectional_) --bidi_streams_;
  scheduler_.remove(*keep);
  if (keep->in_) parked_ -= std::min(parked_, keep->received_ - std::min(keep->received_, keep->counted_));
  keep->signals_.closed = true;
  mark(*keep);
  keep->connection_ = nullptr;
  update_keep_alive();
}

void Connection::on_acked(Stream& stream, std::uint64_t count) {
  const std::uint64_t of_prefix = std::min<std::uint64_t>(count, stream.prefix_.size() - stream.acked_prefix_);
  stream.acked_prefix_ += of_prefix;
  stream.acked_ += count - of_prefix;
  if (!stream.retain_) release_acked(stream);
}

void Connection::release_acked(Stream& stream) {
  if (stream.acked_ != 0) stream.out_->release(std::exchange(stream.acked_, 0));
  ngtcp2_conn_info info{};
  ngtcp2_conn_get_conn_info2(conn_.get(), &info);
  // Twice the window in flight keeps the connection busy while the producer is told and writes more.
  stream.out_->set_limit(std::clamp<std::uint64_t>(2 * info.cwnd, default_pipe_limit, endpoint_.settings.max_send_buffer));
  if (stream.wants_writable_ && stream.out_->room() >= stream.out_->limit() / 4) {
    stream.wants_writable_ = false;
    stream.signals_.writable = true;
    mark(stream);
  }
}

// --- streams

StreamPtr Connection::adopt(std::int64_t id, bool bidirectional, bool local, PipePtr in, PipePtr out) {
  auto stream = std::make_shared<Stream>(*this, id, bidirectional, local, std::move(in), std::move(out));
  stream->window_ = stream->credited_ = endpoint_.settings.stream_window;
  stream->doubled_when_ = now_;
  streams_.emplace(id, stream);
  if (bidirectional) ++bidi_streams_;
  return stream;
}

Result<StreamPtr> Connection::open_stream(PipePtr in, PipePtr out) {
  if (state_ != State::ready) return Error{Code::connection_lost, "the connection is closed"};
  std::int64_t id = -1;
  if (ngtcp2_conn_open_bidi_stream(conn_.get(), &id, nullptr) != 0) {
    streams_wanted_ = true;
    return Error{Code::busy, "the peer takes no more streams now"};
  }
  StreamPtr stream = adopt(id, true, true, std::move(in), std::move(out));
  ngtcp2_conn_set_stream_user_data(conn_.get(), id, stream.get());
  update_keep_alive();
  return stream;
}

Result<StreamPtr> Connection::open_uni_stream(PipePtr out) {
  if (state_ != State::ready) return Error{Code::connection_lost, "the connection is closed"};
  std::int64_t id = -1;
  if (ngtcp2_conn_open_uni_stream(conn_.get(), &id, nullptr) != 0) return Error{Code::busy, "the peer takes no more streams now"};
  StreamPtr stream = adopt(id, false, true, nullptr, std::move(out));
  ngtcp2_conn_set_stream_user_data(conn_.get(), id, stream.get());
  return stream;
}

void Connection::mark(Stream& stream) {
  if (stream.in_queue_) return;
  stream.in_queue_ = true;
  // An acceptor may send before its dialer knows that it is accepted, or has looked at the key: nobody hears of its streams before `ready`.
  if (state_ == State::handshaking) {
    early_.push_back(stream.shared_from_this());
    return;
  }
  endpoint_.emit(*this, stream.shared_from_this());
}

void Connection::stream_produced(Stream& stream) {
  if (state_ != State::ready || stream.flow_blocked_ || !stream.has_output()) return;
  scheduler_.push(stream);
  endpoint_.want_write(*this);
}

void Connection::stream_want_writable(Stream& stream) {
  stream.wants_writable_ = true;
  if (stream.out_->room() == 0) return;
  stream.wants_writable_ = false;
  stream.signals_.writable = true;
  mark(stream);
}

void Connection::stream_reset(Stream& stream, std::uint64_t code) {
  if (stream.send_over_ || state_ != State::ready) return;
  if (!stream.local_ && !stream.bidirectional_) return;
  stream.send_over_ = true;
  scheduler_.remove(stream);
  ngtcp2_conn_shutdown_stream_write(conn_.get(), 0, stream.id_, code);
  endpoint_.want_write(*this);
}

void Connection::stream_stop(Stream& stream, std::uint64_t code) {
  if (stream.receive_over_ || state_ != State::ready) return;
  if (stream.local_ && !stream.bidirectional_) return;
  stream.receive_over_ = true;
  ngtcp2_conn_shutdown_stream_read(conn_.get(), 0, stream.id_, code);
  endpoint_.want_write(*this);
}

void Connection::stream_set_urgency(Stream& stream, std::uint8_t urgency) {
  const bool waits = stream.queued_ != Stream::Queue::none;
  scheduler_.remove(stream);
  stream.urgency_ = std::min<std::uint8_t>(urgency, 7);
  if (waits) scheduler_.push(stream);
}

void Connection::update_keep_alive() {
  if (!ping_pending_ && (bidi_streams_ != 0) != keeping_alive_) set_keep_alive();
}

void Connection::set_keep_alive() {
  keeping_alive_ = bidi_streams_ != 0;
  ngtcp2_conn_set_keep_alive_timeout(conn_.get(), keeping_alive_ ? to_duration(endpoint_.settings.keep_alive) : UINT64_MAX);
}

std::uint64_t Connection::packets_received() const noexcept {
  ngtcp2_conn_info info{};
  ngtcp2_conn_get_conn_info2(conn_.get(), &info);
  return info.pkt_recv;
}

std::uint64_t Connection::in_flight() const noexcept {
  ngtcp2_conn_info info{};
  ngtcp2_conn_get_conn_info2(conn_.get(), &info);
  return info.bytes_in_flight;
}

// Credit came: on the connection there is no signal for it, so it is looked for after each packet while some stream waits.
void Connection::unblock() {
  if (!data_blocked_ || ngtcp2_conn_get_max_data_left2(conn_.get()) == 0) return;
  data_blocked_ = false;
  for (const auto& [id, stream] : streams_) {
    if (!stream->flow_blocked_) continue;
    if (ngtcp2_conn_get_max_stream_data_left2(conn_.get(), id) == 0) continue; // extend_max_stream_data tells
    stream->flow_blocked_ = false;
    if (stream->has_output()) scheduler_.push(*stream);
  }
}

// --- sending

std::size_t Connection::write(ByteSpan buffer, std::size_t max_train, TimePoint now, Datagram& out) {
  now_ = now;
  if (state_ == State::gone) return 0;
  if (state_ == State::closing) {
    if (!close_pending_ || !close_datagram_) return 0;
    close_pending_ = false;
    out = *close_datagram_;
    std::copy(close_packet_.begin(), close_packet_.end(), buffer.begin());
    out.bytes = {buffer.data(), close_packet_.size()};
    return close_packet_.size();
  }
  if (limit_initials_ && !heard_) {
    if (initials_left_ == 0) return 0;
    --initials_left_;
    max_train = 1;
  }
  ngtcp2_path_storage path;
  ngtcp2_path_storage_zero(&path);
  ngtcp2_pkt_info info{};
  std::size_t segment = 0;
  const std::uint64_t before = ping_pending_ ? in_flight() : 0;
  const ngtcp2_ssize written =
      ngtcp2_conn_write_aggregate_pkt2(conn_.get(), &path.path, &info, buffer.data(), std::min(buffer.size(), max_train_bytes), &segment,
                                       Callbacks::write_packet, max_train, to_ngtcp2(now));
  if (written < 0) {
    fail(static_cast<int>(written), now);
    return 0;
  }
  if (written == 0) return 0;
  if (ping_pending_ && in_flight() > before) { // whatever asks for an acknowledgement will do; an ACK alone does not
    ping_pending_ = false;
    listening_ = true;
    set_keep_alive();
  }
  ngtcp2_conn_update_pkt_tx_time(conn_.get(), to_ngtcp2(now));
  out.socket = static_cast<SocketId>(reinterpret_cast<std::uintptr_t>(path.path.user_data));
  out.local = dialer_ ? Address{} : from_sockaddr(path.path.local);
  out.remote = from_sockaddr(path.path.remote);
  out.bytes = {buffer.data(), static_cast<std::size_t>(written)};
  out.segment = segment < static_cast<std::size_t>(written) ? static_cast<std::uint16_t>(segment) : std::uint16_t{0};
  out.ecn = info.ecn;
  return static_cast<std::size_t>(written);
}

ngtcp2_ssize Connection::write_packet(ngtcp2_path* path, ngtcp2_pkt_info* info, std::uint8_t* dest, std::size_t size, ngtcp2_tstamp now) {
  std::array<ByteView, max_pieces> pieces;
  std::array<ngtcp2_vec, max_pieces + 1> vectors{};
  for (;;) {
    Stream* stream = scheduler_.front();
    std::size_t count = 0;
    std::uint64_t offered = 0;
    bool fin = false;
    std::uint32_t flags = NGTCP2_WRITE_STREAM_FLAG_NONE;
    if (stream != nullptr) {
      if (stream->prefix_sent_ < stream->prefix_.size()) {
        vectors[count++] = {stream->prefix_.data() + stream->prefix_sent_, stream->prefix_.size() - stream->prefix_sent_};
        offered += vectors[0].len;
      }
      const bool finished = stream->out_->finished(); // before peek: octets come before the finish
      const std::size_t filled = stream->out_->peek(pieces);
      for (std::size_t i = 0; i < filled; ++i) {
        vectors[count++] = {const_cast<std::uint8_t*>(pieces[i].data()), pieces[i].size()};
        offered += pieces[i].size();
      }
      fin = finished && stream->out_->readable() == offered - (stream->prefix_.size() - stream->prefix_sent_);
      if (fin) flags |= NGTCP2_WRITE_STREAM_FLAG_FIN;
      flags |=
          offered > size ? NGTCP2_WRITE_STREAM_FLAG_PADDING : NGTCP2_WRITE_STREAM_FLAG_MORE; // bulk in even packets for GSO; small ones share one
    }
    ngtcp2_ssize taken = -1;
    const ngtcp2_ssize written = ngtcp2_conn_writev_stream(conn_.get(), path, info, dest, size, &taken, flags, stream != nullptr ? stream->id_ : -1,
                                                           vectors.data(), count, now);
    switch (written) {
      case NGTCP2_ERR_STREAM_DATA_BLOCKED:
        stream->flow_blocked_ = true;
        data_blocked_ = true;
        scheduler_.remove(*stream);
        continue;
      case NGTCP2_ERR_STREAM_SHUT_WR:
      case NGTCP2_ERR_STREAM_NOT_FOUND:
        stream->send_over_ = true;
        scheduler_.remove(*stream);
        continue;
      case NGTCP2_ERR_WRITE_MORE: account(*stream, static_cast<std::uint64_t>(taken), fin && static_cast<std::uint64_t>(taken) == offered); continue;
      default: break;
    }
    if (written < 0) return written;
    if (stream != nullptr && taken >= 0) account(*stream, static_cast<std::uint64_t>(taken), fin && static_cast<std::uint64_t>(taken) == offered);
    if (written > 0) ++packets_written_;
    return written;
  }
}

void Connection::account(Stream& stream, std::uint64_t count, bool fin) {
  const std::uint64_t packet = packets_written_ + 1; // the one that is being written
  if (stream.sent_ == 0) stream.first_packet_ = packet;
  stream.last_packet_ = packet;
  const std::size_t of_prefix = std::min<std::size_t>(static_cast<std::size_t>(count), stream.prefix_.size() - stream.prefix_sent_);
  stream.prefix_sent_ += of_prefix;
  stream.sent_ += count;
  stream.out_->advance(count - of_prefix);
  if (fin) stream.fin_sent_ = true;
  scheduler_.sent(stream, count);
  if (!stream.has_output()) scheduler_.remove(stream);
}

// --- time and the end

TimePoint Connection::deadline() const noexcept {
  if (state_ == State::closing || state_ == State::gone) return linger_until_;
  return from_ngtcp2(ngtcp2_conn_get_expiry2(conn_.get()));
}

void Connection::on_deadline(TimePoint now) {
  now_ = now;
  if (state_ == State::closing) {
    if (now >= linger_until_) state_ = State::gone;
    return;
  }
  if (state_ == State::gone) return;
  const int result = ngtcp2_conn_handle_expiry(conn_.get(), to_ngtcp2(now));
  if (result != 0) {
    fail(result, now);
    return;
  }
  endpoint_.want_write(*this);
}

void Connection::ping() {
  if (state_ != State::ready) return;
  // ngtcp2 sends a PING when its keep-alive time is over: let that be now; write() sets the usual time again.
  ngtcp2_conn_set_keep_alive_timeout(conn_.get(), 1);
  ping_pending_ = true;
  endpoint_.update_timer(*this);
}

void Connection::close(Code code, std::string_view text, TimePoint now) {
  now_ = now;
  if (state_ == State::closing || state_ == State::gone) return;
  ngtcp2_ccerr error;
  ngtcp2_ccerr_default(&error);
  ngtcp2_ccerr_set_application_error(&error, static_cast<std::uint64_t>(code), reinterpret_cast<const std::uint8_t*>(text.data()),
                                     std::min<std::size_t>(text.size(), 256));
  send_close(error, {{code, std::string(text)}, false, false, state_ == State::ready}, now);
}

void Connection::fail(int result, TimePoint now) {
  const bool was_ready = state_ == State::ready;
  switch (result) {
    case NGTCP2_ERR_DRAINING:
      if (reason_.stateless_reset) {
        finish({{Code::connection_lost, "the peer was restarted"}, true, true, was_ready}, now);
      } else {
        finish(peers_reason(), now + 3 * pto());
      }
      return;
    case NGTCP2_ERR_IDLE_CLOSE:
      finish({{was_ready ? Code::connection_lost : Code::unreachable, was_ready ? "no answer from " + remote_.text() : "no answer"}, false, false, was_ready}, now);
      return;
    case NGTCP2_ERR_HANDSHAKE_TIMEOUT: finish({{Code::unreachable, "no answer"}, false, false, false}, now); return;
    case NGTCP2_ERR_DROP_CONN:
    case NGTCP2_ERR_RETRY: finish({{Code::unreachable, "the handshake was dropped"}, false, false, false}, now); return;
    default: break;
  }
  ngtcp2_ccerr error;
  ngtcp2_ccerr_default(&error);
  CloseReason reason{
      {was_ready ? Code::connection_lost : Code::unreachable, std::string("QUIC: ") + ngtcp2_strerror(result)}, false, false, was_ready};
  if (refusal_) {
    reason.error = *refusal_;
    ngtcp2_ccerr_set_application_error(&error, static_cast<std::uint64_t>(refusal_->code), nullptr, 0);
  } else if (result == NGTCP2_ERR_CRYPTO) {
    ngtcp2_ccerr_set_tls_alert(&error, ngtcp2_conn_get_tls_alert2(conn_.get()), nullptr, 0);
    reason.error.text = "TLS refused the handshake";
  } else {
    ngtcp2_ccerr_set_liberr(&error, result, nullptr, 0);
  }
  send_close(error, std::move(reason), now);
}

// What the peer's CONNECTION_CLOSE means here (DESIGN section 5: what a failed dial gives).
CloseReason Connection::peers_reason() const {
  const ngtcp2_ccerr* error = ngtcp2_conn_get_ccerr2(conn_.get());
  const std::string text(reinterpret_cast<const char*>(error->reason), error->reasonlen);
  const bool was_ready = state_ == State::ready;
  CloseReason reason{{was_ready ? Code::connection_lost : Code::unreachable, text}, true, false, was_ready};
  constexpr std::uint64_t crypto_error = 0x100; // RFC 9000 §20.1
  if (error->type == NGTCP2_CCERR_TYPE_APPLICATION) {
    const auto code = static_cast<Code>(error->error_code);
    reason.error.code = find_code(code) != nullptr ? code : Code::connection_lost;
    if (text.empty()) reason.error.text = "the peer closed the connection (" + code_name(code) + ")";
  } else if (error->error_code == crypto_error + tls::alert_unrecognized_name) {
    reason.error = {Code::offline, "the peer is not online there"};
  } else if (error->error_code == crypto_error + tls::alert_no_application_protocol) {
    reason.error = {Code::unsupported_version, "the peer there does not speak " + alpn_};
  } else if (text.empty()) {
    reason.error.text = "the peer closed the connection (QUIC error " + std::to_string(error->error_code) + ")";
  }
  return reason;
}

void Connection::send_close(const ngtcp2_ccerr& error, CloseReason reason, TimePoint now) {
  std::array<std::uint8_t, 1500> buffer{};
  ngtcp2_path_storage path;
  ngtcp2_path_storage_zero(&path);
  ngtcp2_pkt_info info{};
  const ngtcp2_ssize size =
      ngtcp2_conn_write_connection_close(conn_.get(), &path.path, &info, buffer.data(), NGTCP2_MAX_UDP_PAYLOAD_SIZE, &error, to_ngtcp2(now));
  if (size > 0) {
    close_packet_.assign(buffer.begin(), buffer.begin() + size);
    Datagram datagram;
    datagram.socket = static_cast<SocketId>(reinterpret_cast<std::uintptr_t>(path.path.user_data));
    datagram.local = dialer_ ? Address{} : from_sockaddr(path.path.local);
    datagram.remote = from_sockaddr(path.path.remote);
    datagram.ecn = info.ecn;
    close_datagram_ = datagram;
    close_pending_ = true;
  }
  finish(std::move(reason), now + 3 * pto());
  if (close_pending_) endpoint_.want_write(*this);
}

// Frees what is large at once; the connection ids stay until `linger_until`, so that late packets find somebody.
void Connection::finish(CloseReason reason, TimePoint linger_until) {
  if (half_open_) {
    half_open_ = false;
    --endpoint_.half_open;
  }
  state_ = State::closing;
  early_.clear();
  linger_until_ = linger_until;
  endpoint_.emit({Event::Kind::closed, id_, nullptr, {}, std::move(reason)});
  for (auto& [id, stream] : streams_) {
    scheduler_.remove(*stream);
    stream->lost_in_last_packet_ = stream->only_in_last_packet();
    stream->connection_ = nullptr;
    stream->signals_.closed = true;
    mark(*stream);
  }
  streams_.clear();
  tls_.reset();
  conn_.reset();
  endpoint_.update_timer(*this);
}

Duration Connection::pto() const noexcept {
  return conn_ ? Duration(static_cast<std::int64_t>(ngtcp2_conn_get_pto2(conn_.get()))) : Duration(std::chrono::milliseconds(100));
}

std::uint64_t Connection::streams_left() const noexcept { return state_ == State::ready ? ngtcp2_conn_get_streams_bidi_left2(conn_.get()) : 0; }

ConnectionInfo Connection::info() const {
  ConnectionInfo out;
  out.id = id_;
  out.identity = identity_;
  out.peer = peer_;
  out.alpn = alpn_;
  out.remote = remote_;
  out.dialer = dialer_;
  out.ready = state_ == State::ready;
  out.streams = bidi_streams_;
  out.parked_bytes = parked_;
  out.pto = pto();
  if (!conn_) return out;
  ngtcp2_conn_info info{};
  ngtcp2_conn_get_conn_info2(conn_.get(), &info);
  out.smoothed_rtt = Duration(static_cast<std::int64_t>(info.smoothed_rtt));
  out.congestion_window = info.cwnd;
  out.in_flight = info.bytes_in_flight;
  out.bytes_sent = info.bytes_sent;
  out.bytes_received = info.bytes_recv;
  out.bytes_lost = info.bytes_lost;
  out.packets_sent = info.pkt_sent;
  out.packets_lost = info.pkt_lost;
  return out;
}

} // namespace kith::quic
