// SPDX-License-Identifier: GPL-3.0-or-later
#include "raw/endpoint.hpp"

#include "raw/tls.hpp"

#include <ngtcp2/ngtcp2_crypto_wolfssl.h>

#include <arpa/inet.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace kith::bench {
namespace {

constexpr std::size_t cid_size = 8;
constexpr std::size_t trains_per_turn = 8; // then the socket is looked at again
constexpr std::uint64_t messages_ahead = 256 * 1024;

std::array<std::uint8_t, 64 * 1024> bulk_octets; // what bulk streams send: nothing is copied to make it

ngtcp2_tstamp now() { return static_cast<ngtcp2_tstamp>(Clock::now().time_since_epoch().count()); }

void random_octets(std::uint8_t* out, std::size_t size) {
  if (::getrandom(out, size, 0) != static_cast<ssize_t>(size)) die("getrandom");
}

std::uint64_t cid_key(const std::uint8_t* cid) {
  std::uint64_t key = 0;
  std::memcpy(&key, cid, sizeof key);
  return key;
}

void new_cid(ngtcp2_cid& cid, std::size_t size) {
  cid.datalen = size;
  random_octets(cid.data, size);
}

} // namespace

struct RawCallbacks {
  static Conn& self(void* user) { return *static_cast<Conn*>(user); }

  static ngtcp2_conn* conn_of(ngtcp2_crypto_conn_ref* ref) { return self(ref->user_data).quic; }

  static int handshake_completed(ngtcp2_conn*, void* user) {
    Conn& conn = self(user);
    conn.open = true;
    conn.endpoint->open_waiting(conn);
    return 0;
  }

  static int data(ngtcp2_conn* quic, std::uint32_t flags, std::int64_t id, std::uint64_t, const std::uint8_t* bytes, std::size_t size, void* user,
                  void* stream) {
    Conn& conn = self(user);
    ngtcp2_conn_extend_max_offset(quic, size);
    ngtcp2_conn_extend_max_stream_offset(quic, id, size);
    return conn.endpoint->on_data(*static_cast<Stream*>(stream), bytes, size, (flags & NGTCP2_STREAM_DATA_FLAG_FIN) != 0)
               ? 0
               : NGTCP2_ERR_CALLBACK_FAILURE;
  }

  static int acked(ngtcp2_conn*, std::int64_t, std::uint64_t, std::uint64_t size, void* user, void* data) {
    auto* stream = static_cast<Stream*>(data);
    if (stream == nullptr || !stream->ring) return 0;
    stream->acked += size;
    self(user).endpoint->make_ready(*stream);
    return 0;
  }

  static int stream_open(ngtcp2_conn* quic, std::int64_t id, void* user) {
    Conn& conn = self(user);
    auto stream = std::make_unique<Stream>();
    stream->conn = &conn;
    stream->id = id;
    ngtcp2_conn_set_stream_user_data(quic, id, stream.get());
    conn.streams.emplace(id, std::move(stream));
    return 0;
  }

  static int stream_close(ngtcp2_conn* quic, std::uint32_t, std::int64_t id, std::uint64_t, void* user, void* data) {
    Conn& conn = self(user);
    auto* stream = static_cast<Stream*>(data);
    if (stream == nullptr) return 0;
    if (stream->queued) std::erase(conn.ready, stream);
    if (!stream->local) ngtcp2_conn_extend_max_streams_bidi(quic, 1);
    conn.streams.erase(id);
    return 0;
  }

  static int more_streams(ngtcp2_conn*, std::uint64_t, void* user) {
    Conn& conn = self(user);
    if (conn.open) conn.endpoint->open_waiting(conn);
    return 0;
  }

  static int more_stream_credit(ngtcp2_conn*, std::int64_t, std::uint64_t, void* user, void* data) {
    if (data != nullptr) self(user).endpoint->make_ready(*static_cast<Stream*>(data));
    return 0;
  }

  static int get_cid(ngtcp2_conn*, ngtcp2_cid* cid, ngtcp2_stateless_reset_token* token, std::size_t size, void* user) {
    Conn& conn = self(user);
    new_cid(*cid, size);
    random_octets(token->data, sizeof token->data);
    conn.endpoint->by_cid_[cid_key(cid->data)] = &conn;
    conn.cids.push_back(cid_key(cid->data));
    return 0;
  }

  static int remove_cid(ngtcp2_conn*, const ngtcp2_cid* cid, void* user) {
    Conn& conn = self(user);
    conn.endpoint->by_cid_.erase(cid_key(cid->data));
    std::erase(conn.cids, cid_key(cid->data));
    return 0;
  }

  static void random(std::uint8_t* dest, std::size_t size, const ngtcp2_rand_ctx*) { random_octets(dest, size); }

  static ngtcp2_ssize write_packet(ngtcp2_conn*, ngtcp2_path* path, ngtcp2_pkt_info* info, std::uint8_t* dest, std::size_t size, ngtcp2_tstamp at,
                                   void* user) {
    Conn& conn = self(user);
    return conn.endpoint->write_packet(conn, path, info, dest, size, at);
  }

  static ngtcp2_callbacks table(bool server) {
    ngtcp2_callbacks c{};
    if (server) {
      c.recv_client_initial = ngtcp2_crypto_recv_client_initial_cb;
      c.stream_open = stream_open;
    } else {
      c.client_initial = ngtcp2_crypto_client_initial_cb;
      c.recv_retry = ngtcp2_crypto_recv_retry_cb;
      c.extend_max_local_streams_bidi = more_streams;
    }
    c.handshake_completed = handshake_completed;
    c.recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb;
    c.encrypt = ngtcp2_crypto_encrypt_cb;
    c.decrypt = ngtcp2_crypto_decrypt_cb;
    c.hp_mask = ngtcp2_crypto_hp_mask_cb;
    c.update_key = ngtcp2_crypto_update_key_cb;
    c.delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb;
    c.delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb;
    c.version_negotiation = ngtcp2_crypto_version_negotiation_cb;
    c.get_path_challenge_data2 = ngtcp2_crypto_get_path_challenge_data2_cb;
    c.rand = random;
    c.recv_stream_data = data;
    c.acked_stream_data_offset = acked;
    c.stream_close = stream_close;
    c.extend_max_stream_data = more_stream_credit;
    c.get_new_connection_id2 = get_cid;
    c.remove_connection_id = remove_cid;
    return c;
  }
};

Endpoint::Endpoint(bool server, std::uint16_t port, std::uint16_t packets)
    : packets_(packets), server_(server), udp_(server, port), tls_(make_context(server)), train_(Udp::train_bytes) {
  local_.sin_family = AF_INET;
  local_.sin_port = htons(udp_.port());
  local_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
}

Endpoint::~Endpoint() {
  while (!conns_.empty()) erase(*conns_.begin()->second);
  wolfSSL_CTX_free(tls_);
}

// --- connections

ngtcp2_path Endpoint::path_of(Conn& conn) {
  return {
      {reinterpret_cast<ngtcp2_sockaddr*>(&local_), sizeof local_}, {reinterpret_cast<ngtcp2_sockaddr*>(&conn.remote), sizeof conn.remote}, nullptr};
}

void Endpoint::settings(ngtcp2_settings& s, ngtcp2_transport_params& p) const {
  ngtcp2_settings_default(&s);
  s.initial_ts = now();
  s.ack_thresh = 10;
  s.max_tx_udp_payload_size = NGTCP2_MAX_PMTUD_UDP_PAYLOAD_SIZE;
  if (packets_ != 0) {
    s.max_tx_udp_payload_size = packets_;
    s.pmtud_probes = &packets_;
    s.pmtud_probeslen = 1;
  }
  s.max_window = 24 * 1024 * 1024;
  s.max_stream_window = 16 * 1024 * 1024;
  ngtcp2_transport_params_default(&p);
  p.initial_max_stream_data_bidi_local = p.initial_max_stream_data_bidi_remote = 8 * 1024 * 1024;
  p.initial_max_data = 16 * 1024 * 1024;
  p.initial_max_streams_bidi = 1024;
  p.max_idle_timeout = 90 * NGTCP2_SECONDS;
}

void Endpoint::start(Conn& conn, WOLFSSL_CTX* context) {
  conn.tls = wolfSSL_new(context);
  if (conn.tls == nullptr) die("no TLS session");
  conn.ref = {RawCallbacks::conn_of, &conn};
  wolfSSL_set_app_data(conn.tls, &conn.ref);
  wolfSSL_UseALPN(conn.tls, const_cast<char*>(raw_alpn), sizeof raw_alpn - 1, WOLFSSL_ALPN_FAILED_ON_MISMATCH);
  if (server_) {
    wolfSSL_set_accept_state(conn.tls);
  } else {
    wolfSSL_set_connect_state(conn.tls);
  }
  ngtcp2_conn_set_tls_native_handle(conn.quic, conn.tls);
}

Conn& Endpoint::dialed(std::size_t connection) {
  if (dialed_.size() <= connection) dialed_.resize(connection + 1);
  if (dialed_[connection] != nullptr) return *dialed_[connection];
  auto made = std::make_unique<Conn>();
  Conn& conn = *made;
  conn.endpoint = this;
  conn.number = ++last_number_;
  conn.remote = local_; // a connected socket: the address is only a label
  conns_.emplace(conn.number, std::move(made));
  dialed_[connection] = &conn;
  ngtcp2_settings s{};
  ngtcp2_transport_params p{};
  settings(s, p);
  ngtcp2_cid dcid{};
  ngtcp2_cid scid{};
  new_cid(dcid, 16);
  new_cid(scid, cid_size);
  by_cid_[cid_key(scid.data)] = &conn;
  conn.cids.push_back(cid_key(scid.data));
  static const ngtcp2_callbacks callbacks = RawCallbacks::table(false);
  const ngtcp2_path path = path_of(conn);
  if (ngtcp2_conn_client_new(&conn.quic, &dcid, &scid, &path, NGTCP2_PROTO_VER_V1, &callbacks, &s, &p, nullptr, &conn) != 0) die("no connection");
  start(conn, tls_);
  make_dirty(conn);
  return conn;
}

void Endpoint::accept(const Received& packet, const std::uint8_t* bytes, std::size_t size) {
  ngtcp2_pkt_hd header{};
  if (!server_ || ngtcp2_accept(&header, bytes, size) != 0) return;
  auto made = std::make_unique<Conn>();
  Conn& conn = *made;
  conn.endpoint = this;
  conn.number = ++last_number_;
  conn.remote = packet.from;
  conns_.emplace(conn.number, std::move(made));
  ngtcp2_settings s{};
  ngtcp2_transport_params p{};
  settings(s, p);
  p.original_dcid = header.dcid;
  p.original_dcid_present = 1;
  ngtcp2_cid scid{};
  new_cid(scid, cid_size);
  for (const std::uint64_t key : {cid_key(scid.data), cid_key(header.dcid.data)}) {
    by_cid_[key] = &conn;
    conn.cids.push_back(key);
  }
  static const ngtcp2_callbacks callbacks = RawCallbacks::table(true);
  const ngtcp2_path path = path_of(conn);
  if (ngtcp2_conn_server_new(&conn.quic, &header.scid, &scid, &path, header.version, &callbacks, &s, &p, nullptr, &conn) != 0) die("no connection");
  start(conn, tls_);
}

void Endpoint::erase(Conn& conn) {
  for (const std::uint64_t key : conn.cids) by_cid_.erase(key);
  std::replace(dialed_.begin(), dialed_.end(), &conn, static_cast<Conn*>(nullptr));
  wolfSSL_set_app_data(conn.tls, nullptr);
  ngtcp2_conn_del(conn.quic);
  wolfSSL_free(conn.tls);
  conns_.erase(conn.number);
}

void Endpoint::hang_up(std::size_t connection) {
  Conn& conn = *dialed_[connection];
  dialed_[connection] = nullptr;
  gone_.push_back(conn.number); // perhaps a packet of its own is being read: closed after that
}

// --- streams

Stream& Endpoint::open(std::size_t connection, Mode mode, std::uint64_t tag) {
  Conn& conn = dialed(connection);
  auto stream = std::make_unique<Stream>();
  Stream& made = *stream;
  made.conn = &conn;
  made.tag = tag;
  made.local = true;
  made.head.push_back(static_cast<char>(mode));
  conn.waiting.push_back(std::move(stream));
  if (conn.open) open_waiting(conn);
  make_dirty(conn);
  return made;
}

void Endpoint::open_waiting(Conn& conn) {
  std::size_t opened = 0;
  for (; opened < conn.waiting.size(); ++opened) {
    Stream& stream = *conn.waiting[opened];
    if (ngtcp2_conn_open_bidi_stream(conn.quic, &stream.id, &stream) != 0) break;
    conn.streams.emplace(stream.id, std::move(conn.waiting[opened]));
    make_ready(stream);
  }
  conn.waiting.erase(conn.waiting.begin(), conn.waiting.begin() + static_cast<std::ptrdiff_t>(opened));
}

void Endpoint::call(std::size_t connection, std::uint64_t tag) {
  Stream& stream = open(connection, Mode::echo, tag);
  stream.head.resize(call_size, 'x');
  stream.finish = true;
}

void Endpoint::upload(std::size_t connection, Clock::time_point until, std::uint64_t tag) {
  Stream& stream = open(connection, Mode::sink, tag);
  stream.bulk = true;
  stream.until = until;
}

void Endpoint::download(std::size_t connection, std::chrono::milliseconds time, std::uint64_t tag) {
  Stream& stream = open(connection, Mode::source, tag);
  stream.head += number(static_cast<std::uint64_t>(time.count()), 4);
  stream.finish = true;
}

void Endpoint::messages(std::size_t connection, Clock::time_point until, std::uint64_t tag, bool /*each*/) {
  Stream& stream = open(connection, Mode::messages, tag);
  stream.ring = std::make_unique_for_overwrite<std::uint8_t[]>(ring_size);
  stream.until = until;
}

void Endpoint::make_ready(Stream& stream) {
  if (stream.queued || stream.fin_sent) return;
  stream.queued = true;
  stream.conn->ready.push_back(&stream);
  make_dirty(*stream.conn);
}

bool Endpoint::on_data(Stream& stream, const std::uint8_t* data, std::size_t size, bool fin) {
  if (stream.ended) return true;
  const std::uint8_t* const end = data + size;
  if (server_ && stream.request.empty() && data != end) stream.request.push_back(static_cast<char>(*data++));
  const char mode = server_ ? stream.request[0] : '\0';
  stream.received += static_cast<std::uint64_t>(end - data);
  if (mode == static_cast<char>(Mode::messages) || mode == static_cast<char>(Mode::sink)) {
    stream.counter.take({data, end}, mode == static_cast<char>(Mode::messages));
  } else if (stream.request.size() < 2 * call_size) {
    stream.request.append(reinterpret_cast<const char*>(data), static_cast<std::size_t>(end - data));
  }
  if (!fin) return true;
  stream.ended = true;
  if (server_) {
    serve(stream);
  } else if (stream.request.size() == 8 && stream.received == 8) {
    events_->done(stream.tag, read_number(stream.request));
  } else {
    events_->done(stream.tag, stream.received);
  }
  return true;
}

void Endpoint::serve(Stream& stream) {
  switch (static_cast<Mode>(stream.request.empty() ? '\0' : stream.request[0])) {
    case Mode::echo: stream.head = std::move(stream.request); break;
    case Mode::sink:
    case Mode::messages: stream.head = stream.counter.reply(static_cast<Mode>(stream.request[0])); break;
    case Mode::source:
      stream.bulk = true;
      stream.until = Clock::now() + std::chrono::milliseconds(read_number(std::string_view(stream.request).substr(1)));
      make_ready(stream);
      return;
    default: die("a stream of no known mode");
  }
  stream.finish = true;
  make_ready(stream);
}

// --- writing

namespace {
void fill_ring(Stream& stream) {
  const auto at = Clock::now();
  if (at >= stream.until) {
    stream.finish = true;
    return;
  }
  std::array<std::uint8_t, message_size> message{0, message_size - 2};
  const std::uint64_t freed = stream.acked > stream.head.size() ? stream.acked - stream.head.size() : 0;
  while (stream.ring_written - stream.ring_sent < messages_ahead && stream.ring_written + message_size - freed <= ring_size) {
    std::memcpy(stream.ring.get() + stream.ring_written % ring_size, message.data(), message_size);
    stream.ring_written += message_size;
  }
}

/// What the stream has to send now, in at most three pieces.
std::size_t output(Stream& stream, std::array<ngtcp2_vec, 3>& pieces, std::size_t& offered) {
  std::size_t count = 0;
  const auto add = [&](const void* bytes, std::size_t size) {
    if (size == 0) return;
    pieces[count++] = {static_cast<std::uint8_t*>(const_cast<void*>(bytes)), size};
    offered += size;
  };
  add(stream.head.data() + stream.head_sent, stream.head.size() - stream.head_sent);
  if (stream.bulk && !stream.finish) {
    add(bulk_octets.data(), bulk_octets.size());
  } else if (stream.ring) {
    const std::uint64_t waiting = stream.ring_written - stream.ring_sent;
    const std::uint64_t at = stream.ring_sent % ring_size;
    const std::uint64_t first = std::min(waiting, ring_size - at);
    add(stream.ring.get() + at, first);
    add(stream.ring.get(), waiting - first);
  }
  return count;
}
} // namespace

ngtcp2_ssize Endpoint::write_packet(Conn& conn, ngtcp2_path* path, ngtcp2_pkt_info* info, std::uint8_t* dest, std::size_t size, ngtcp2_tstamp at) {
  for (;;) {
    Stream* stream = conn.ready.empty() ? nullptr : conn.ready.front();
    std::array<ngtcp2_vec, 3> pieces{};
    std::size_t count = 0;
    std::size_t offered = 0;
    std::uint32_t flags = 0;
    if (stream != nullptr) {
      if (stream->ring && !stream->finish && stream->ring_written - stream->ring_sent < messages_ahead / 2) fill_ring(*stream);
      count = output(*stream, pieces, offered);
      if (stream->finish) flags |= NGTCP2_WRITE_STREAM_FLAG_FIN;
      if (offered == 0 && !stream->finish) {
        stream->queued = false;
        conn.ready.pop_front();
        continue;
      }
      // A train is of full packets: one that has no room for the next stream is padded; the last one, written for no stream, is not.
      flags |= NGTCP2_WRITE_STREAM_FLAG_PADDING | (offered > size ? 0U : NGTCP2_WRITE_STREAM_FLAG_MORE);
    }
    ngtcp2_ssize taken = -1;
    const ngtcp2_ssize written =
        ngtcp2_conn_writev_stream(conn.quic, path, info, dest, size, &taken, flags, stream != nullptr ? stream->id : -1, pieces.data(), count, at);
    if (written == NGTCP2_ERR_STREAM_DATA_BLOCKED || written == NGTCP2_ERR_STREAM_SHUT_WR || written == NGTCP2_ERR_STREAM_NOT_FOUND) {
      conn.blocked = true;
      stream->queued = false;
      conn.ready.pop_front();
      continue;
    }
    if (stream != nullptr && taken >= 0) sent(*stream, static_cast<std::size_t>(taken), stream->finish && static_cast<std::size_t>(taken) == offered);
    if (written == NGTCP2_ERR_WRITE_MORE) continue;
    return written;
  }
}

void Endpoint::sent(Stream& stream, std::size_t count, bool fin) {
  const std::size_t of_head = std::min(count, stream.head.size() - stream.head_sent);
  stream.head_sent += of_head;
  stream.ring_sent += count - of_head;
  if (!fin) return;
  stream.fin_sent = true;
  stream.queued = false;
  stream.conn->ready.pop_front();
}

void Endpoint::write(Conn& conn) {
  const ngtcp2_tstamp at = now();
  if (conn.blocked && ngtcp2_conn_get_max_data_left2(conn.quic) != 0) {
    conn.blocked = false;
    for (auto& [id, stream] : conn.streams) make_ready(*stream);
  }
  for (Stream* stream : conn.ready) {
    if (stream->bulk && Clock::now() >= stream->until) stream->finish = true;
  }
  ngtcp2_path_storage path;
  ngtcp2_path_storage_zero(&path);
  ngtcp2_pkt_info info{};
  for (std::size_t i = 0; i < trains_per_turn; ++i) {
    std::size_t segment = 0;
    const ngtcp2_ssize size = ngtcp2_conn_write_aggregate_pkt2(conn.quic, &path.path, &info, train_.data(), train_.size(), &segment,
                                                               RawCallbacks::write_packet, Udp::max_train, at);
    if (size < 0) die(std::string("write: ") + ngtcp2_strerror(static_cast<int>(size)));
    if (size == 0) break;
    udp_.send(conn.remote, train_.data(), static_cast<std::size_t>(size), segment);
    if (!conn.ready.empty() && conn.ready.size() > 1) { // the next stream's turn
      conn.ready.push_back(conn.ready.front());
      conn.ready.pop_front();
    }
    if (i + 1 == trains_per_turn) make_dirty(conn);
  }
  ngtcp2_conn_update_pkt_tx_time(conn.quic, at);
  update_timer(conn);
}

// --- the loop

void Endpoint::make_dirty(Conn& conn) {
  if (conn.dirty) return;
  conn.dirty = true;
  dirty_.push_back(conn.number);
}

void Endpoint::received(const Received& packet) {
  for (std::size_t offset = 0; offset < packet.size; offset += packet.segment) {
    const std::uint8_t* bytes = packet.bytes + offset;
    const std::size_t size = std::min(packet.segment, packet.size - offset);
    ngtcp2_version_cid ids{};
    if (ngtcp2_pkt_decode_version_cid(&ids, bytes, size, cid_size) != 0 || ids.dcidlen < cid_size) continue;
    auto at = by_cid_.find(cid_key(ids.dcid));
    if (at == by_cid_.end()) {
      accept(packet, bytes, size);
      at = by_cid_.find(cid_key(ids.dcid));
      if (at == by_cid_.end()) continue;
    }
    Conn& conn = *at->second;
    const ngtcp2_path path = path_of(conn);
    const ngtcp2_pkt_info info{};
    const int result = ngtcp2_conn_read_pkt(conn.quic, &path, &info, bytes, size, now());
    if (result != 0) {
      if (!server_) die(std::string("read: ") + ngtcp2_strerror(result));
      erase(conn);
      continue;
    }
    make_dirty(conn);
  }
}

void Endpoint::update_timer(Conn& conn) {
  ngtcp2_tstamp at = ngtcp2_conn_get_expiry2(conn.quic);
  // Pacing asks for a wake-up a microsecond after each packet; with nothing to send no timer has to be finer than RFC 9002's granularity.
  if (conn.ready.empty()) at = std::max(at, now() + NGTCP2_MILLISECONDS);
  if (at >= conn.timer_at) return;
  conn.timer_at = at;
  timers_.emplace(at, conn.number);
}

void Endpoint::expire() {
  const ngtcp2_tstamp at = now();
  while (!timers_.empty() && timers_.top().first <= at) {
    const auto found = conns_.find(timers_.top().second);
    const ngtcp2_tstamp due = timers_.top().first;
    timers_.pop();
    if (found == conns_.end() || found->second->timer_at != due) continue;
    Conn& conn = *found->second;
    conn.timer_at = UINT64_MAX;
    if (ngtcp2_conn_get_expiry2(conn.quic) <= at) {
      if (ngtcp2_conn_handle_expiry(conn.quic, at) != 0) {
        if (!server_) die("a connection expired");
        erase(conn);
        continue;
      }
      make_dirty(conn);
    }
    update_timer(conn);
  }
}

std::int64_t Endpoint::wait_time() const {
  if (timers_.empty()) return -1;
  const ngtcp2_tstamp at = now();
  const ngtcp2_tstamp due = timers_.top().first;
  return due <= at ? 0 : static_cast<std::int64_t>(due - at);
}

void Endpoint::run() {
  stopped_ = false;
  const auto each = [this](const Received& packet) { received(packet); };
  for (bool more = false; !stopped_;) {
    if (!more && dirty_.empty()) udp_.wait(wait_time());
    more = udp_.receive(each) == Udp::batch;
    for (const std::uint64_t gone : gone_) {
      const auto found = conns_.find(gone);
      if (found == conns_.end()) continue;
      ngtcp2_path_storage path;
      ngtcp2_path_storage_zero(&path);
      ngtcp2_pkt_info info{};
      ngtcp2_ccerr error;
      ngtcp2_ccerr_default(&error);
      const ngtcp2_ssize size =
          ngtcp2_conn_write_connection_close(found->second->quic, &path.path, &info, train_.data(), NGTCP2_MAX_UDP_PAYLOAD_SIZE, &error, now());
      if (size > 0) udp_.send(found->second->remote, train_.data(), static_cast<std::size_t>(size), static_cast<std::size_t>(size));
      erase(*found->second);
    }
    gone_.clear();
    expire();
    std::vector<std::uint64_t> dirty;
    dirty.swap(dirty_);
    for (const std::uint64_t n : dirty) {
      const auto found = conns_.find(n);
      if (found == conns_.end()) continue;
      found->second->dirty = false;
      write(*found->second);
    }
  }
}

} // namespace kith::bench
