// SPDX-License-Identifier: GPL-3.0-or-later
#include "quic/connection_impl.hpp"

#include "quic/endpoint_impl.hpp"

#include <ngtcp2/ngtcp2_crypto_wolfssl.h>

#include <malloc.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <utility>

namespace kith::quic {

ngtcp2_tstamp to_ngtcp2(TimePoint at) noexcept { return static_cast<ngtcp2_tstamp>(at.time_since_epoch().count()); }

TimePoint from_ngtcp2(ngtcp2_tstamp at) noexcept {
  return at > static_cast<ngtcp2_tstamp>(never.time_since_epoch().count()) ? never : TimePoint(Duration(static_cast<std::int64_t>(at)));
}

namespace {

constexpr std::chrono::seconds heard_interval{1}; // `heard` is told at most this often while streams move

void random_bytes(std::uint8_t* dest, std::size_t size, const ngtcp2_rand_ctx* context) {
  static_cast<Random*>(context->native_handle)->fill({dest, size});
}

} // namespace

// ngtcp2's callbacks: each finds its connection and calls the method that does the work.
struct Callbacks {
  static Connection& self(void* user) { return *static_cast<Connection*>(user); }
  static int done(int result) { return result == 0 ? 0 : NGTCP2_ERR_CALLBACK_FAILURE; }

  static int recv_crypto_data(ngtcp2_conn* conn, ngtcp2_encryption_level level, uint64_t offset, const uint8_t* data, size_t size, void* user) {
    if (level != NGTCP2_ENCRYPTION_LEVEL_1RTT) return ngtcp2_crypto_recv_crypto_data_cb(conn, level, offset, data, size, user);
    Connection& connection = self(user);
    switch (connection.late_messages_.take({data, size}, connection.dialer_)) {
      case tls::LateMessages::Verdict::fine: return 0;
      case tls::LateMessages::Verdict::protocol_violation: return NGTCP2_ERR_PROTO;
      case tls::LateMessages::Verdict::unexpected_message: break;
    }
    ngtcp2_conn_set_tls_alert(conn, tls::alert_unexpected_message);
    return NGTCP2_ERR_CRYPTO;
  }

  static int handshake_completed(ngtcp2_conn*, void* user) { return done(self(user).on_handshake_completed()); }
  static int handshake_confirmed(ngtcp2_conn*, void* user) { return done(self(user).on_handshake_confirmed()); }

  static int recv_stream_data(ngtcp2_conn*, uint32_t flags, int64_t, uint64_t, const uint8_t* data, size_t size, void* user, void* stream) {
    return done(self(user).on_stream_data(static_cast<Stream*>(stream), {data, size}, (flags & NGTCP2_STREAM_DATA_FLAG_FIN) != 0));
  }

  static int acked(ngtcp2_conn*, int64_t id, uint64_t offset, uint64_t size, void* user, void* stream) {
    Connection& connection = self(user);
    if (id == connection.large_stream_ && offset + size >= connection.large_end_) connection.large_stream_ = -1;
    if (stream != nullptr) connection.on_acked(*static_cast<Stream*>(stream), size);
    return 0;
  }

  static int stream_open(ngtcp2_conn* conn, int64_t id, void* user) {
    Connection& connection = self(user);
    const bool bidirectional = ngtcp2_is_bidi_stream(id) != 0;
    SlabPool& slabs = connection.endpoint_.slabs;
    auto [in, out] = bidirectional ? make_pipes(slabs) : std::pair(std::make_shared<Pipe>(slabs), PipePtr());
    const StreamPtr stream = connection.adopt(id, bidirectional, false, std::move(in), std::move(out));
    ngtcp2_conn_set_stream_user_data(conn, id, stream.get());
    stream->signals_.opened = true;
    connection.mark(*stream);
    if (bidirectional) connection.give_leave();
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
    stream->stopped_ = true;
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
    if (std::exchange(connection.streams_wanted_, false)) connection.endpoint_.emit(Event::Kind::streams, connection.id_);
    return 0;
  }

  static int get_new_connection_id(ngtcp2_conn*, ngtcp2_cid* cid, ngtcp2_stateless_reset_token* token, size_t size, void* user) {
    Connection& connection = self(user);
    connection.endpoint_.new_cid(*cid, size);
    connection.endpoint_.write_reset_token(token->data, *cid);
    connection.endpoint_.add_cid(connection, *cid);
    return 0;
  }

  static int remove_connection_id(ngtcp2_conn*, const ngtcp2_cid* cid, void* user) {
    Connection& connection = self(user);
    connection.endpoint_.remove_cid(connection, *cid);
    connection.peer_has_spare_ = true; // ngtcp2 sends another for it
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

  static int begin_path_validation(ngtcp2_conn* conn, uint32_t, const ngtcp2_path* path, const ngtcp2_path*, void* user) {
    self(user).validating_ = ngtcp2_path_eq(path, ngtcp2_conn_get_path2(conn)) != 0; // else it asks whether the one that was left is still there
    return 0;
  }

  static int path_validation(ngtcp2_conn*, uint32_t, const ngtcp2_path*, const ngtcp2_path*, ngtcp2_path_validation_result result, void* user) {
    self(user).on_path_validation(result == NGTCP2_PATH_VALIDATION_RESULT_SUCCESS, result == NGTCP2_PATH_VALIDATION_RESULT_FAILURE);
    return 0;
  }

  static void trace(void* user, std::uint32_t, const void* text, std::size_t size) {
    if (TraceLog* log = self(user).trace_.get(); log != nullptr && size != 0) log->write({static_cast<const char*>(text), size});
  }

  static int recv_stateless_reset(ngtcp2_conn*, const ngtcp2_pkt_stateless_reset2*, void* user) {
    self(user).restarted_ = true;
    return 0;
  }

  static ngtcp2_conn* conn_of(ngtcp2_crypto_conn_ref* ref) { return self(ref->user_data).conn_.get(); }

  // What ngtcp2 holds is the peer's doing: octets with a hole in front of them, the list of the holes, packets that were never acknowledged.
  static ngtcp2_mem counting_memory(Connection& connection) {
    return {&connection, [](size_t size, void* user) { return counted(user, 0, std::malloc(size)); },
            [](void* memory, void* user) {
              counted(user, usable(memory), nullptr);
              std::free(memory);
            },
            [](size_t count, size_t size, void* user) { return counted(user, 0, std::calloc(count, size)); },
            [](void* memory, size_t size, void* user) {
              const std::size_t before = usable(memory);
              void* moved = std::realloc(memory, size);
              return moved == nullptr ? nullptr : counted(user, before, moved);
            }};
  }
  static std::size_t usable(void* memory) { return memory == nullptr ? 0 : ::malloc_usable_size(memory); }
  static void* counted(void* user, std::size_t before, void* memory) {
    Connection& connection = self(user);
    const std::size_t now = usable(memory);
    connection.transport_bytes_ += now - before;
    connection.endpoint_.transport_bytes += now - before;
    return memory;
  }

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
    c.begin_path_validation = begin_path_validation;
    c.path_validation = path_validation;
    c.recv_stateless_reset2 = recv_stateless_reset;
    return c;
  }
};

int server_name_callback(WOLFSSL* session, int* alert, void* argument) { return Callbacks::server_name(session, alert, argument); }

// --- life

Connection::Connection(EndpointImpl& endpoint, ConnectionId id, bool dialer) noexcept
    : endpoint_(endpoint), id_(id), dialer_(dialer), memory_(Callbacks::counting_memory(*this)) {
  conn_ref_.get_conn = Callbacks::conn_of;
  conn_ref_.user_data = this;
}

Connection::~Connection() {
  if (tls_) wolfSSL_set_app_data(tls_.get(), nullptr);
  if (half_open_) endpoint_.end_half_open(first_remote_);
  if (lingers_) --endpoint_.lingering;
  streams_.clear_and_dispose([this](Stream* stream) {
    scheduler_.remove(*stream);
    stream->connection_ = nullptr;
    intrusive_ptr_release(stream);
  });
}

/// UDP payloads that path MTU discovery tries, one after the other, each only when none as large got through (ngtcp2 takes them in this order): most paths, tunnels,
/// the least of IPv6, Ethernet, PPPoE, jumbo frames (of 9000 octets, or a little less in clouds), and loopback. Larger ones make it no faster.
constexpr std::array<std::uint16_t, 7> packet_sizes{1406, 1342, 1232, NGTCP2_MAX_PMTUD_UDP_PAYLOAD_SIZE, 1444, 8848, 16336};
static_assert(packet_sizes.back() == Settings{}.max_packet);

void Connection::fill_settings(ngtcp2_settings& settings, TimePoint now) const {
  ngtcp2_settings_default(&settings);
  settings.initial_ts = to_ngtcp2(now);
  settings.handshake_timeout = to_duration(endpoint_.settings.handshake_timeout);
  settings.rand_ctx.native_handle = &endpoint_.random;
  settings.ack_thresh = 10; // ACKs for every packet cost more than they tell; delayed ACKs are bounded by max_ack_delay
  // On real paths what is lost is seldom lost to a full queue, and Cubic then leaves most of the link unused (ADR 0013); on loopback nothing else is lost.
  settings.cc_algo = remote_.is_loopback() ? NGTCP2_CC_ALGO_CUBIC : NGTCP2_CC_ALGO_BBR;
  settings.max_tx_udp_payload_size = endpoint_.settings.max_packet;
  settings.pmtud_probes = packet_sizes.data();
  settings.pmtud_probeslen = packet_sizes.size();
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
  confirm_by_ = now + endpoint_.settings.handshake_timeout;
  EndpointImpl::Identity* own = endpoint_.find_identity(dial.identity);
  if (own == nullptr || !own->client) return Error{Code::unknown_identity, "no such identity here: " + dial.identity.text()};
  identity_ = dial.identity;
  peer_ = dial.peer;
  alpn_ = dial.alpn;
  socket_ = dial.socket;
  remote_ = dial.remote;
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
  if (dial.trace != nullptr) trace_ = dial.trace->open(hex({dcid.data, dcid.datalen}));
  if (trace_) settings.qlog_write = Callbacks::trace;
  PathStorage path(local_label(), remote_, socket_);
  ngtcp2_conn* conn = nullptr;
  if (ngtcp2_conn_client_new(&conn, &dcid, &scid, &path.path, NGTCP2_PROTO_VER_V1, &Callbacks::table(true), &settings, &params, &memory_, this) !=
      0) {
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
  remote_ = path_remote_ = first.remote;
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
  endpoint_.write_reset_token(params.stateless_reset_token, scid);
  params.stateless_reset_token_present = 1;
  PathStorage path(first.local, first.remote, first.socket);
  ngtcp2_conn* conn = nullptr;
  if (ngtcp2_conn_server_new(&conn, &incoming.client_scid, &scid, &path.path, incoming.version, &Callbacks::table(false), &settings, &params,
                             &memory_, this) != 0) {
    return Error{Code::internal, "QUIC: no connection (out of memory)"};
  }
  conn_.reset(conn);
  if (auto made = make_session(endpoint_.bootstrap.get()); !made) return made.error();
  wolfSSL_set_accept_state(tls_.get());
  ngtcp2_conn_set_tls_native_handle(conn, tls_.get());
  half_open_ = true;
  first_remote_ = first.remote;
  endpoint_.begin_half_open(first_remote_);
  endpoint_.add_cid(*this, scid);
  endpoint_.add_cid(*this, incoming.retried ? incoming.retry_scid : incoming.original_dcid); // Initials carry it until the client learns ours
  return {};
}

// --- handshake

int Connection::on_handshake_completed() { return become_ready(); }

int Connection::on_handshake_confirmed() {
  endpoint_.emit(Event::Kind::confirmed, id_);
  confirmed_ = true;
  return 0;
}

int Connection::fail_authentication(const Error& error) {
  refusal_ = std::make_unique<Error>(error);
  return -1;
}

int Connection::become_ready() {
  const Result<PeerId> peer = tls::proven_peer(tls_.get());
  if (!peer) return fail_authentication({dialer_ ? Code::unsupported_version : Code::denied, peer.error().text});
  const std::string alpn = tls::negotiated_alpn(tls_.get());
  if (dialer_) {
    if (*peer != peer_) return fail_authentication({Code::wrong_key, "the key there is " + peer->text() + ", not the one asked for"});
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
    endpoint_.end_half_open(first_remote_);
    confirmed_ = true; // RFC 9001 §4.1.2
  }
  state_ = State::ready;
  ++(dialer_ ? endpoint_.counters.handshakes_dialed : endpoint_.counters.handshakes_accepted);
  endpoint_.emit(Event::Kind::ready, id_);
  for (StreamPtr& stream : early_) endpoint_.emit(Event::Kind::stream, id_, std::move(stream));
  early_ = {};
  return 0;
}

// --- receiving

void Connection::receive(const Datagram& datagram, ByteView packet, TimePoint now) {
  now_ = now;
  if (state_ == State::gone) return;
  if (state_ == State::closing) {
    // RFC 9000 §10.2.1: the close again, for the 1st, 2nd, 4th, … packet, and never more octets than three times what came.
    if (!closing_) return;
    const std::uint64_t late = ++closing_->late_packets;
    if ((late & (late - 1)) == 0 && closing_->packet.size() <= 3 * packet.size()) {
      closing_->pending = true;
      endpoint_.want_write(*this);
    }
    return;
  }
  heard_ = true;
  heard_at_ = now;
  if (std::exchange(silent_, false) && !ping_pending_) set_keep_alive();
  const bool placeless = dialer_ && local_.family == Address::Family::none;
  const std::uint64_t before = listening_ || placeless ? packets_received() : 0;
  const std::pair way(moves_, path_remote_);
  const ngtcp2_conn_info numbers_before = pings_ ? numbers() : ngtcp2_conn_info{};
  const PathStorage path(dialer_ ? arrival_label(datagram.local) : datagram.local, datagram.remote, datagram.socket);
  const ngtcp2_pkt_info info{.ecn = datagram.ecn};
  const int result = ngtcp2_conn_read_pkt(conn_.get(), &path.path, &info, packet.data(), packet.size(), to_ngtcp2(now));
  if (result != 0) {
    fail(result, now);
    return;
  }
  if (tls_ && confirmed_) { // 11 KB that an idle connection need not hold
    ngtcp2_conn_set_tls_native_handle(conn_.get(), nullptr);
    tls_.reset();
  }
  if (placeless && packets_received() != before) local_ = datagram.local; // what does not decrypt says nothing
  if (must_migrate_) migrate(now);
  if (!dialer_ && (datagram.remote != path_remote_ || path_remote_ != remote_)) follow_peer();
  // What was under way to an address that we have left says nothing of where we are now.
  const bool here = !dialer_ || datagram.local == local_;
  const bool answered = here && listening_ && packets_received() != before;
  if (answered || (here && moved_ && state_ == State::ready && now - heard_told_ >= heard_interval)) {
    if (answered) listening_ = false;
    moved_ = false;
    heard_told_ = now;
    endpoint_.emit(Event::Kind::heard, id_);
  }
  if (pings_ && way == std::pair(moves_, path_remote_)) { // else QUIC has forgotten what was on the way, and nothing of it was acknowledged
    for (const PingOutcome& outcome : pings_->received(numbers_before, numbers(), now)) endpoint_.emit(id_, outcome);
    if (pings_->empty()) pings_.reset();
  }
  cwnd_ = numbers().cwnd;
  unblock();
  if (parked_ > endpoint_.settings.max_parked_bytes) check_parked();
  if (transport_bytes_ > endpoint_.settings.connection_window + max_transport_overhead) close(Code::busy, "too many holes in what was sent", now);
  endpoint_.want_write(*this);
}

} // namespace kith::quic
