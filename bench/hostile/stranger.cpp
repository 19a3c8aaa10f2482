// SPDX-License-Identifier: GPL-3.0-or-later
#include "hostile/stranger.hpp"

#include "rows.hpp"

#include <ngtcp2/ngtcp2_crypto_wolfssl.h>

#include <sys/random.h>

namespace kith::bench {
namespace {

constexpr std::size_t first_datagram = 1200; // RFC 9000 §14.1

ngtcp2_tstamp now() { return static_cast<ngtcp2_tstamp>(Clock::now().time_since_epoch().count()); }

void random_octets(std::uint8_t* out, std::size_t size) {
  if (::getrandom(out, size, 0) != static_cast<ssize_t>(size)) die("getrandom");
}

ngtcp2_cid random_cid(std::size_t size) {
  ngtcp2_cid cid{};
  cid.datalen = size;
  random_octets(cid.data, size);
  return cid;
}

} // namespace

struct StrangerCallbacks {
  static ngtcp2_conn* conn_of(ngtcp2_crypto_conn_ref* ref) { return static_cast<Stranger*>(ref->user_data)->quic_; }
  static void random(std::uint8_t* dest, std::size_t size, const ngtcp2_rand_ctx*) { random_octets(dest, size); }
  static int new_cid(ngtcp2_conn*, ngtcp2_cid* cid, ngtcp2_stateless_reset_token* token, std::size_t size, void*) {
    *cid = random_cid(size);
    random_octets(token->data, sizeof token->data);
    return 0;
  }

  static ngtcp2_callbacks table() {
    ngtcp2_callbacks c{};
    c.client_initial = ngtcp2_crypto_client_initial_cb;
    c.recv_retry = ngtcp2_crypto_recv_retry_cb;
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
    c.get_new_connection_id2 = new_cid;
    return c;
  }
};

Stranger::Stranger(WOLFSSL_CTX* context, const std::string& server_name, const std::string& alpn, const sockaddr_in& remote)
    : remote_(remote), tls_(wolfSSL_new(context)) {
  if (tls_ == nullptr) die("no TLS session");
  ngtcp2_settings settings{};
  ngtcp2_transport_params params{};
  ngtcp2_settings_default(&settings);
  settings.initial_ts = now();
  ngtcp2_transport_params_default(&params);
  params.initial_max_streams_uni = 3;
  params.initial_max_data = params.initial_max_stream_data_uni = 64 * 1024;
  const ngtcp2_cid dcid = random_cid(16);
  const ngtcp2_cid scid = random_cid(8);
  static const ngtcp2_callbacks callbacks = StrangerCallbacks::table();
  const ngtcp2_path where = path();
  if (ngtcp2_conn_client_new(&quic_, &dcid, &scid, &where, NGTCP2_PROTO_VER_V1, &callbacks, &settings, &params, nullptr, this) != 0) {
    die("no connection");
  }
  ref_ = {StrangerCallbacks::conn_of, this};
  wolfSSL_set_app_data(tls_, &ref_);
  wolfSSL_UseSNI(tls_, WOLFSSL_SNI_HOST_NAME, server_name.data(), static_cast<unsigned short>(server_name.size()));
  std::string offered = alpn;
  wolfSSL_UseALPN(tls_, offered.data(), static_cast<unsigned>(offered.size()), WOLFSSL_ALPN_CONTINUE_ON_MISMATCH);
  wolfSSL_set_connect_state(tls_);
  ngtcp2_conn_set_tls_native_handle(quic_, tls_);
}

Stranger::~Stranger() {
  wolfSSL_set_app_data(tls_, nullptr);
  ngtcp2_conn_del(quic_);
  wolfSSL_free(tls_);
}

// The socket knows both ends: to the library one address is as good as another.
ngtcp2_path Stranger::path() noexcept {
  auto* generic = reinterpret_cast<ngtcp2_sockaddr*>(&remote_);
  return {{generic, sizeof remote_}, {generic, sizeof remote_}, nullptr};
}

Octets Stranger::write() {
  if (over_) return {};
  Octets out(first_datagram);
  ngtcp2_path_storage where;
  ngtcp2_path_storage_zero(&where);
  ngtcp2_pkt_info info{};
  const ngtcp2_ssize size = ngtcp2_conn_write_pkt(quic_, &where.path, &info, out.data(), out.size(), now());
  if (size < 0) over_ = true;
  out.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return out;
}

void Stranger::read(std::span<const std::uint8_t> datagram) {
  if (over_) return;
  const ngtcp2_path where = path();
  const ngtcp2_pkt_info info{};
  const int result = ngtcp2_conn_read_pkt(quic_, &where, &info, datagram.data(), datagram.size(), now());
  if (result == 0) return;
  over_ = true;
  if (result != NGTCP2_ERR_DRAINING) return;
  const ngtcp2_ccerr* error = ngtcp2_conn_get_ccerr2(quic_);
  refused_ = Refused{error->type == NGTCP2_CCERR_TYPE_APPLICATION, error->error_code};
}

void Stranger::on_time() {
  if (over_ || ngtcp2_conn_get_expiry2(quic_) > now()) return;
  over_ = ngtcp2_conn_handle_expiry(quic_, now()) != 0;
}

} // namespace kith::bench
