// SPDX-License-Identifier: GPL-3.0-or-later
#include "raw_peer.hpp"

#include "identity/keys.hpp"

#include <wolfssl/options.h>
// options.h comes first
#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <ngtcp2/ngtcp2_crypto_wolfssl.h>
#include <wolfssl/quic.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ed25519.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <random>

// Not in ngtcp2's public headers: the first step of ngtcp2_crypto_client_initial_cb, for a client that changes the second.
extern "C" int ngtcp2_crypto_derive_and_install_initial_key(ngtcp2_conn*, std::uint8_t*, std::uint8_t*, std::uint8_t*, std::uint8_t*, std::uint8_t*,
                                                            std::uint8_t*, std::uint8_t*, std::uint8_t*, std::uint8_t*, std::uint32_t,
                                                            const ngtcp2_cid*);

namespace kith::quic::testing {
namespace {

Bytes from_hex(std::string_view hex) {
  Bytes out;
  const auto digit = [](char c) { return static_cast<std::uint8_t>(c <= '9' ? c - '0' : c - 'a' + 10); };
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) out.push_back(static_cast<std::uint8_t>(digit(hex[i]) << 4 | digit(hex[i + 1])));
  return out;
}

// A self-signed certificate of make_credentials(3)'s key, made with openssl; good from 2020 to 2126.
constexpr std::string_view x509_of_3 =
    "3082013a3081eda00302010202147709be5a80f89dbb798da0ccdcfc5e7c9c03ade4300506032b657030123110300e06035504030c076d616c6c6f72793020170d32303031303130"
    "30303030305a180f32313236313032383130303035395a30123110300e06035504030c076d616c6c6f7279302a300506032b6570032100ed4928c628d1c2c6eae903389059956129"
    "59273a5c63f93636c14614ac8737d1a3533051301d0603551d0e041604143d85343d95cd362930872e199b2c324de404b56a301f0603551d230418301680143d85343d95cd362930"
    "872e199b2c324de404b56a300f0603551d130101ff040530030101ff300506032b6570034100828fe1f2737bdb7b3c140385a870492851fc3d8fc1f4b4108a4dbefd10e933b638a8"
    "00d93a2cfbc38aa33774497a5d200451c01f2c28b663ef7ad82a0969180c";
// A P-256 key: its SubjectPublicKeyInfo, and the private key as PKCS#8.
constexpr std::string_view p256_public =
    "3059301306072a8648ce3d020106082a8648ce3d0301070342000491aa7324fbd7b00f3bdd09493cb52bb5936a3e105d22f62005cd239d6"
    "5c177c1c5f295d52d09a713d3398bf589140c9238ddf52aaaee8c3ee986094368ea8bfb";
constexpr std::string_view p256_private =
    "308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b02010104209297573a412bcd92e8eacf9162d84192e4f13b36"
    "2368eb75b432f192246384dea1440342000491aa7324fbd7b00f3bdd09493cb52bb5936a3e105d22f62005cd239d65c177c1c5f295d52d09"
    "a713d3398bf589140c9238ddf52aaaee8c3ee986094368ea8bfb";

constexpr std::size_t cid_size = 12;

ngtcp2_tstamp stamp(TimePoint at) { return static_cast<ngtcp2_tstamp>(at.time_since_epoch().count()); }

struct Sock {
  explicit Sock(const Address& address) {
    in.sin_family = AF_INET;
    in.sin_port = htons(address.port);
    std::memcpy(&in.sin_addr, address.ip.data(), 4);
  }
  sockaddr_in in{};
};

struct Path {
  Path(const Address& l, const Address& r) : local(l), remote(r) {
    path.local = {reinterpret_cast<sockaddr*>(&local.in), sizeof local.in};
    path.remote = {reinterpret_cast<sockaddr*>(&remote.in), sizeof remote.in};
  }
  Sock local;
  Sock remote;
  ngtcp2_path path{};
};

// What the packet that is being encrypted shall carry instead; ngtcp2's callback has no user pointer.
thread_local Bytes* replacement = nullptr;

int encrypt(std::uint8_t* dest, const ngtcp2_crypto_aead* aead, const ngtcp2_crypto_aead_ctx* context, const std::uint8_t* plain, std::size_t size,
            const std::uint8_t* nonce, std::size_t nonce_size, const std::uint8_t* aad, std::size_t aad_size) {
  constexpr std::uint8_t long_header = 0x80;
  if (replacement == nullptr || (aad[0] & long_header) != 0 || size < replacement->size()) {
    return ngtcp2_crypto_encrypt_cb(dest, aead, context, plain, size, nonce, nonce_size, aad, aad_size);
  }
  Bytes frames = *replacement;
  frames.resize(size); // zeros are PADDING frames
  replacement->clear();
  replacement = nullptr;
  return ngtcp2_crypto_encrypt_cb(dest, aead, context, frames.data(), size, nonce, nonce_size, aad, aad_size);
}

int accept_any(int /*preverify*/, WOLFSSL_X509_STORE_CTX* /*store*/) { return 1; }

const std::array<std::uint8_t, 1200> filler{};

} // namespace

struct RawPeer::Impl {
  std::unique_ptr<WOLFSSL_CTX, void (*)(WOLFSSL_CTX*)> context{nullptr, wolfSSL_CTX_free};
  std::unique_ptr<WOLFSSL, void (*)(WOLFSSL*)> tls{nullptr, wolfSSL_free};
  std::unique_ptr<ngtcp2_conn, void (*)(ngtcp2_conn*)> conn{nullptr, ngtcp2_conn_del};
  ngtcp2_crypto_conn_ref ref{};
  std::mt19937_64 random;
  std::string alpn;
};

struct RawPeer::Callbacks {
  static RawPeer& self(void* user) { return *static_cast<RawPeer*>(user); }
  static ngtcp2_conn* conn_of(ngtcp2_crypto_conn_ref* ref) { return self(ref->user_data).impl_->conn.get(); }
  static void random(std::uint8_t* out, std::size_t size, const ngtcp2_rand_ctx* context) {
    auto& engine = *static_cast<std::mt19937_64*>(context->native_handle);
    for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::uint8_t>(engine());
  }
  static int client_initial(ngtcp2_conn* conn, void* user) {
    RawPeer& peer = self(user);
    if (!peer.manners_.client_params) return ngtcp2_crypto_client_initial_cb(conn, user);
    Bytes params(512);
    const ngtcp2_ssize size = ngtcp2_conn_encode_local_transport_params2(conn, params.data(), params.size());
    if (size < 0) return NGTCP2_ERR_CALLBACK_FAILURE;
    params.resize(static_cast<std::size_t>(size));
    peer.manners_.client_params(params);
    const bool done = ngtcp2_crypto_derive_and_install_initial_key(conn, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr,
                                                                   nullptr, NGTCP2_PROTO_VER_V1, ngtcp2_conn_get_dcid2(conn)) == 0 &&
                      wolfSSL_set_quic_transport_params(peer.impl_->tls.get(), params.data(), params.size()) == WOLFSSL_SUCCESS &&
                      ngtcp2_crypto_read_write_crypto_data(conn, NGTCP2_ENCRYPTION_LEVEL_INITIAL, nullptr, 0) == 0;
    return done ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
  }
  static int completed(ngtcp2_conn*, void* user) {
    self(user).completed_ = true;
    return 0;
  }
  static int confirmed(ngtcp2_conn*, void* user) {
    self(user).confirmed_ = true;
    return 0;
  }
  static int new_cid(ngtcp2_conn*, ngtcp2_cid* cid, ngtcp2_stateless_reset_token* token, std::size_t size, void* user) {
    cid->datalen = size;
    for (std::size_t i = 0; i < size; ++i) cid->data[i] = static_cast<std::uint8_t>(self(user).impl_->random());
    for (auto& octet : token->data) octet = static_cast<std::uint8_t>(self(user).impl_->random());
    return 0;
  }
  static int data(ngtcp2_conn* conn, std::uint32_t, std::int64_t id, std::uint64_t, const std::uint8_t* bytes, std::size_t size, void* user, void*) {
    RawPeer& peer = self(user);
    Bytes& in = peer.received_[id];
    in.insert(in.end(), bytes, bytes + size);
    if (peer.manners_.reads) {
      ngtcp2_conn_extend_max_offset(conn, size);
      ngtcp2_conn_extend_max_stream_offset(conn, id, size);
    }
    return 0;
  }

  static ngtcp2_callbacks table(bool client) {
    ngtcp2_callbacks c{};
    if (client) {
      c.client_initial = client_initial;
      c.recv_retry = ngtcp2_crypto_recv_retry_cb;
      c.handshake_confirmed = confirmed;
    } else {
      c.recv_client_initial = ngtcp2_crypto_recv_client_initial_cb;
    }
    c.handshake_completed = completed;
    c.recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb;
    c.encrypt = encrypt;
    c.decrypt = ngtcp2_crypto_decrypt_cb;
    c.hp_mask = ngtcp2_crypto_hp_mask_cb;
    c.update_key = ngtcp2_crypto_update_key_cb;
    c.delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb;
    c.delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb;
    c.version_negotiation = ngtcp2_crypto_version_negotiation_cb;
    c.get_path_challenge_data2 = ngtcp2_crypto_get_path_challenge_data2_cb;
    c.rand = random;
    c.recv_stream_data = data;
    c.get_new_connection_id2 = new_cid;
    return c;
  }
};

RawPeer::RawPeer(Manners manners, const Address& address) : manners_(std::move(manners)), address_(address), impl_(std::make_unique<Impl>()) {
  impl_->ref.get_conn = Callbacks::conn_of;
  impl_->ref.user_data = this;
  impl_->random.seed(address.ip[3]);
}

RawPeer::~RawPeer() = default;

// Context and session; says what the library would not do.
bool RawPeer::start(bool client) {
  const auto refuse = [&](const char* what) {
    setup_error_ = what;
    failed_ = NGTCP2_ERR_INTERNAL;
    return false;
  };
  impl_->context.reset(wolfSSL_CTX_new(client ? wolfTLSv1_3_client_method() : wolfTLSv1_3_server_method()));
  WOLFSSL_CTX* context = impl_->context.get();
  const int configured = client ? ngtcp2_crypto_wolfssl_configure_client_context(context) : ngtcp2_crypto_wolfssl_configure_server_context(context);
  if (configured != 0) return refuse("context");
  std::array<std::uint8_t, 32> seed{};
  seed.fill(manners_.key);
  const PeerId own = identity::SecretKey::from_seed(seed).id();
  Bytes certificate;
  Bytes key;
  if (manners_.shows == Manners::Shows::p256_raw_key) {
    certificate = from_hex(p256_public);
    key = from_hex(p256_private);
  } else {
    const PeerId shown = manners_.claims.value_or(own);
    certificate = from_hex("302a300506032b6570032100");
    certificate.insert(certificate.end(), shown.bytes.begin(), shown.bytes.end());
    if (manners_.shows == Manners::Shows::x509) certificate = from_hex(x509_of_3);
    ed25519_key pair;
    key.resize(128);
    if (wc_ed25519_init(&pair) != 0) return refuse("key");
    if (wc_ed25519_import_private_key(seed.data(), 32, own.bytes.data(), 32, &pair) != 0) return refuse("key import");
    const int size = wc_Ed25519KeyToDer(&pair, key.data(), static_cast<word32>(key.size()));
    wc_ed25519_free(&pair);
    if (size <= 0) return refuse("key to DER");
    key.resize(static_cast<std::size_t>(size));
  }
  if (manners_.shows != Manners::Shows::nothing || !client) {
    if (wolfSSL_CTX_use_certificate_buffer(context, certificate.data(), static_cast<long>(certificate.size()), WOLFSSL_FILETYPE_ASN1) !=
        WOLFSSL_SUCCESS) {
      return refuse("certificate");
    }
    if (wolfSSL_CTX_use_PrivateKey_buffer(context, key.data(), static_cast<long>(key.size()), WOLFSSL_FILETYPE_ASN1) != WOLFSSL_SUCCESS) {
      return refuse("private key");
    }
  }
  std::array<char, 1> rpk{WOLFSSL_CERT_TYPE_RPK};
  if (manners_.client_rpk) wolfSSL_CTX_set_client_cert_type(context, rpk.data(), 1);
  if (manners_.server_rpk) wolfSSL_CTX_set_server_cert_type(context, rpk.data(), 1);
  std::array<int, 1> groups{WOLFSSL_ECC_X25519};
  wolfSSL_CTX_set_groups(context, groups.data(), 1);
  wolfSSL_CTX_set_verify(context, WOLFSSL_VERIFY_PEER, accept_any);
  if (client) {
    wolfSSL_CTX_UseSessionTicket(context);
  } else if (!manners_.tickets) {
    wolfSSL_CTX_no_ticket_TLSv13(context);
  }
  impl_->tls.reset(wolfSSL_new(context));
  if (!impl_->tls) return refuse("session");
  WOLFSSL* tls = impl_->tls.get();
  wolfSSL_set_app_data(tls, &impl_->ref);
  if (manners_.alpn) {
    impl_->alpn = *manners_.alpn;
    wolfSSL_UseALPN(tls, impl_->alpn.data(), static_cast<unsigned>(impl_->alpn.size()), WOLFSSL_ALPN_CONTINUE_ON_MISMATCH);
  }
  if (client) {
    wolfSSL_set_connect_state(tls);
    if (manners_.resume && wolfSSL_set_session(tls, manners_.resume.get()) != WOLFSSL_SUCCESS) return refuse("resume");
  } else {
    wolfSSL_set_accept_state(tls);
  }
  return true;
}

namespace {
void fill(ngtcp2_settings& settings, ngtcp2_transport_params& params, std::mt19937_64& random, TimePoint now) {
  ngtcp2_settings_default(&settings);
  settings.initial_ts = stamp(now);
  settings.rand_ctx.native_handle = &random;
  ngtcp2_transport_params_default(&params);
  params.initial_max_stream_data_bidi_local = 64 * 1024;
  params.initial_max_stream_data_bidi_remote = 64 * 1024;
  params.initial_max_stream_data_uni = 64 * 1024;
  params.initial_max_data = 256 * 1024;
  params.initial_max_streams_bidi = 100;
  params.initial_max_streams_uni = 3;
  params.max_idle_timeout = 60 * NGTCP2_SECONDS;
}

ngtcp2_cid make_cid(std::mt19937_64& random, std::size_t size) {
  ngtcp2_cid cid{};
  cid.datalen = size;
  for (std::size_t i = 0; i < size; ++i) cid.data[i] = static_cast<std::uint8_t>(random());
  return cid;
}
} // namespace

void RawPeer::dial(const Address& remote, const std::string& server_name, TimePoint now) {
  remote_ = remote;
  if (!start(true)) return;
  if (!server_name.empty()) {
    wolfSSL_UseSNI(impl_->tls.get(), WOLFSSL_SNI_HOST_NAME, server_name.data(), static_cast<unsigned short>(server_name.size()));
  }
  ngtcp2_settings settings{};
  ngtcp2_transport_params params{};
  fill(settings, params, impl_->random, now);
  const ngtcp2_cid dcid = make_cid(impl_->random, 16);
  const ngtcp2_cid scid = make_cid(impl_->random, cid_size);
  const ngtcp2_callbacks callbacks = Callbacks::table(true);
  Path path(address_, remote_);
  ngtcp2_conn* conn = nullptr;
  if (ngtcp2_conn_client_new(&conn, &dcid, &scid, &path.path, NGTCP2_PROTO_VER_V1, &callbacks, &settings, &params, nullptr, this) != 0) {
    setup_error_ = "connection";
    failed_ = NGTCP2_ERR_INTERNAL;
    return;
  }
  impl_->conn.reset(conn);
  ngtcp2_conn_set_tls_native_handle(conn, impl_->tls.get());
}

void RawPeer::receive(ByteView packet, const Address& from, TimePoint now) {
  if (failed_ != 0 || close_) return;
  if (!impl_->conn) {
    ngtcp2_pkt_hd header{};
    if (ngtcp2_accept(&header, packet.data(), packet.size()) != 0 || !start(false)) return;
    remote_ = from;
    ngtcp2_settings settings{};
    ngtcp2_transport_params params{};
    fill(settings, params, impl_->random, now);
    params.original_dcid = header.dcid;
    params.original_dcid_present = 1;
    const ngtcp2_cid scid = make_cid(impl_->random, cid_size);
    const ngtcp2_callbacks callbacks = Callbacks::table(false);
    Path path(address_, remote_);
    ngtcp2_conn* conn = nullptr;
    if (ngtcp2_conn_server_new(&conn, &header.scid, &scid, &path.path, header.version, &callbacks, &settings, &params, nullptr, this) != 0) {
      setup_error_ = "connection";
      failed_ = NGTCP2_ERR_INTERNAL;
      return;
    }
    impl_->conn.reset(conn);
    ngtcp2_conn_set_tls_native_handle(conn, impl_->tls.get());
  }
  Path path(address_, remote_);
  const ngtcp2_pkt_info info{};
  after(ngtcp2_conn_read_pkt(impl_->conn.get(), &path.path, &info, packet.data(), packet.size(), stamp(now)), now);
}

void RawPeer::after(int result, TimePoint now) {
  if (result == 0) {
    act_eagerly();
    return;
  }
  if (result == NGTCP2_ERR_DRAINING) {
    const ngtcp2_ccerr* error = ngtcp2_conn_get_ccerr2(impl_->conn.get());
    close_ = PeersClose{error->type == NGTCP2_CCERR_TYPE_APPLICATION, error->error_code,
                        std::string(reinterpret_cast<const char*>(error->reason), error->reasonlen)};
    return;
  }
  failed_ = result;
  ngtcp2_ccerr error;
  ngtcp2_ccerr_default(&error);
  if (result == NGTCP2_ERR_CRYPTO) {
    ngtcp2_ccerr_set_tls_alert(&error, ngtcp2_conn_get_tls_alert2(impl_->conn.get()), nullptr, 0);
  } else {
    ngtcp2_ccerr_set_liberr(&error, result, nullptr, 0);
  }
  Bytes out(1500);
  ngtcp2_path_storage path;
  ngtcp2_path_storage_zero(&path);
  ngtcp2_pkt_info info{};
  const ngtcp2_ssize size = ngtcp2_conn_write_connection_close(impl_->conn.get(), &path.path, &info, out.data(), 1200, &error, stamp(now));
  if (size <= 0) return;
  out.resize(static_cast<std::size_t>(size));
  farewells_.push_back(std::move(out));
}

void RawPeer::act_eagerly() {
  if (!manners_.eager || acted_) return;
  const std::int64_t id = open_stream(true);
  if (id < 0) return;
  acted_ = true;
  send(id, as_bytes("too early"), false);
}

std::int64_t RawPeer::open_stream(bool bidirectional) {
  std::int64_t id = -1;
  const int result =
      bidirectional ? ngtcp2_conn_open_bidi_stream(impl_->conn.get(), &id, nullptr) : ngtcp2_conn_open_uni_stream(impl_->conn.get(), &id, nullptr);
  return result == 0 ? id : -1;
}

void RawPeer::send(std::int64_t stream, ByteView data, bool fin) {
  const auto [at, fresh] = out_.try_emplace(stream);
  Out& out = at->second;
  const bool at_end = fresh || out.at == out.chunks.end();
  if (!data.empty()) {
    out.chunks.emplace_back(data.begin(), data.end());
    if (at_end) {
      out.at = std::prev(out.chunks.end());
      out.offset = 0;
    }
  } else if (fresh) {
    out.at = out.chunks.end();
  }
  out.fin = fin;
}

bool RawPeer::write_one(Bytes& out, TimePoint now) {
  ngtcp2_path_storage path;
  ngtcp2_path_storage_zero(&path);
  ngtcp2_pkt_info info{};
  ngtcp2_conn* conn = impl_->conn.get();
  const auto write = [&](std::int64_t id, const std::uint8_t* data, std::size_t size, bool fin, ngtcp2_ssize& taken) {
    const ngtcp2_vec piece{const_cast<std::uint8_t*>(data), size};
    out.assign(1200, 0);
    const ngtcp2_ssize written = ngtcp2_conn_writev_stream(conn, &path.path, &info, out.data(), out.size(), &taken,
                                                           fin ? NGTCP2_WRITE_STREAM_FLAG_FIN : NGTCP2_WRITE_STREAM_FLAG_NONE, id, &piece,
                                                           id >= 0 ? std::size_t{1} : std::size_t{0}, stamp(now));
    out.resize(written > 0 ? static_cast<std::size_t>(written) : 0);
    return written;
  };
  ngtcp2_ssize taken = -1;
  if (!injections_.empty() && completed_) {
    if (filler_stream_ < 0) filler_stream_ = open_stream(true);
    Bytes frames = injections_.front();
    replacement = &frames;
    const ngtcp2_ssize written = write(filler_stream_, filler.data(), filler.size(), false, taken);
    const bool done = replacement == nullptr;
    replacement = nullptr;
    if (done) injections_.pop_front();
    if (written > 0) return true;
  }
  for (auto& [id, stream] : out_) {
    const bool more = stream.at != stream.chunks.end();
    if (!more && (!stream.fin || stream.fin_sent)) continue;
    const bool fin = stream.fin && (!more || std::next(stream.at) == stream.chunks.end());
    const std::uint8_t* data = more ? stream.at->data() + stream.offset : nullptr;
    const std::size_t size = more ? stream.at->size() - stream.offset : 0;
    taken = -1;
    const ngtcp2_ssize written = write(id, data, size, fin, taken);
    if (taken >= 0) {
      stream.offset += static_cast<std::size_t>(taken);
      if (static_cast<std::size_t>(taken) == size) {
        if (fin) stream.fin_sent = true;
        if (more) ++stream.at;
        stream.offset = 0;
      }
    }
    if (written > 0) return true;
    if (written == NGTCP2_ERR_STREAM_NOT_FOUND || written == NGTCP2_ERR_STREAM_SHUT_WR) {
      stream.at = stream.chunks.end();
      stream.fin_sent = true;
    } else if (written < 0 && written != NGTCP2_ERR_STREAM_DATA_BLOCKED) {
      after(static_cast<int>(written), now);
      return false;
    }
  }
  const ngtcp2_ssize written = write(-1, nullptr, 0, false, taken);
  if (written < 0) after(static_cast<int>(written), now);
  return written > 0;
}

std::vector<Bytes> RawPeer::transmit(TimePoint now) {
  std::vector<Bytes> packets;
  if (impl_->conn && failed_ == 0 && !close_) {
    act_eagerly();
    Bytes packet;
    while (packets.size() < 1000 && write_one(packet, now)) packets.push_back(packet);
    if (failed_ == 0) ngtcp2_conn_update_pkt_tx_time(impl_->conn.get(), stamp(now));
  }
  for (; !farewells_.empty(); farewells_.pop_front()) packets.push_back(std::move(farewells_.front()));
  return packets;
}

TimePoint RawPeer::deadline() const {
  if (!impl_->conn || failed_ != 0 || close_) return never;
  const ngtcp2_tstamp at = ngtcp2_conn_get_expiry2(impl_->conn.get());
  return at > static_cast<ngtcp2_tstamp>(never.time_since_epoch().count()) ? never : TimePoint(Duration(static_cast<std::int64_t>(at)));
}

void RawPeer::on_deadline(TimePoint now) {
  if (!impl_->conn || failed_ != 0 || close_ || deadline() > now) return;
  const int result = ngtcp2_conn_handle_expiry(impl_->conn.get(), stamp(now));
  if (result != 0) failed_ = result;
}

bool RawPeer::used_resumption() const { return impl_->tls && wolfSSL_session_reused(impl_->tls.get()) != 0; }

std::shared_ptr<WOLFSSL_SESSION> RawPeer::session() const {
  WOLFSSL_SESSION* session = impl_->tls ? wolfSSL_get1_session(impl_->tls.get()) : nullptr;
  if (session == nullptr) return nullptr;
  std::shared_ptr<WOLFSSL_SESSION> out(session, wolfSSL_SESSION_free);
  return wolfSSL_SESSION_has_ticket(session) != 0 ? out : nullptr;
}

} // namespace kith::quic::testing
