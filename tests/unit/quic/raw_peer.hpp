// SPDX-License-Identifier: GPL-3.0-or-later
// A QUIC peer written straight over ngtcp2 and wolfSSL, so that it can misbehave: any certificate or none, no ALPN, old sessions, streams too early, and any
// frame whatever, limits or not. One connection.
#pragma once

#include "base/address.hpp"
#include "base/bytes.hpp"
#include "base/peer_id.hpp"
#include "base/time.hpp"

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

struct WOLFSSL_SESSION;

namespace kith::quic::testing {

/// What a raw peer does; as it stands, it behaves.
struct Manners {
  enum class Shows : std::uint8_t { raw_key, x509, nothing, p256_raw_key };
  Shows shows = Shows::raw_key;
  std::uint8_t key = 3;           ///< make_credentials(key): the private key that signs.
  std::optional<PeerId> claims{}; ///< The public key that it shows; its own otherwise.
  bool client_rpk = true;         ///< Offers raw public keys alone for the client's key; off: says nothing of it, which means X.509.
  bool server_rpk = true;         ///< The same for the server's.
  std::optional<std::string> alpn = "kith/1";
  bool tickets = false;                        ///< A server that hands out session tickets.
  std::shared_ptr<WOLFSSL_SESSION> resume{};   ///< A client that tries to resume this.
  bool reads = true;                           ///< Gives credit back.
  bool eager = false;                          ///< Opens a stream as soon as its library lets it, confirmed or not.
  std::function<void(Bytes&)> client_params{}; ///< Changes a client's transport parameters as they go out (RFC 9000 §18).
};

/// How the other end closed.
struct PeersClose {
  bool application = false;
  std::uint64_t code = 0;
  std::string text;
};

class RawPeer {
public:
  RawPeer(Manners manners, const Address& address);
  ~RawPeer();
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;

  void dial(const Address& remote, const std::string& server_name, TimePoint now);
  /// Something arrived; a server starts with the first Initial.
  void receive(ByteView packet, const Address& from, TimePoint now);
  std::vector<Bytes> transmit(TimePoint now);
  TimePoint deadline() const;
  void on_deadline(TimePoint now);

  /// -1: the other end gives no more streams.
  std::int64_t open_stream(bool bidirectional);
  void send(std::int64_t stream, ByteView data, bool fin);
  /// The next packet under application keys carries these frames and padding, whatever the limits say.
  void inject(Bytes frames) { injections_.push_back(std::move(frames)); }

  const Address& address() const { return address_; }
  const Address& remote() const { return remote_; }
  bool completed() const { return completed_; }
  bool confirmed() const { return confirmed_; }
  int failed() const { return failed_; } ///< Its own library gave up: ngtcp2's error.
  const std::optional<PeersClose>& close() const { return close_; }
  bool used_resumption() const;
  std::shared_ptr<WOLFSSL_SESSION> session() const; ///< What it could resume; null when no ticket came.
  const Bytes& received(std::int64_t stream) { return received_[stream]; }
  const std::string& setup_error() const { return setup_error_; }

private:
  struct Impl;
  struct Callbacks;
  struct Out {
    std::list<Bytes> chunks; // stay where they are: the library points into them
    std::list<Bytes>::iterator at;
    std::size_t offset = 0;
    bool fin = false;
    bool fin_sent = false;
  };

  bool start(bool client);
  void after(int result, TimePoint now);
  bool write_one(Bytes& out, TimePoint now);
  void act_eagerly();

  Manners manners_;
  Address address_;
  Address remote_;
  std::unique_ptr<Impl> impl_;
  std::map<std::int64_t, Out> out_;
  std::map<std::int64_t, Bytes> received_;
  std::deque<Bytes> injections_;
  std::deque<Bytes> farewells_; ///< Its own close, when it gave up.
  std::int64_t filler_stream_ = -1;
  bool acted_ = false;
  bool completed_ = false;
  bool confirmed_ = false;
  int failed_ = 0;
  std::optional<PeersClose> close_;
  std::string setup_error_;
};

} // namespace kith::quic::testing
