// SPDX-License-Identifier: GPL-3.0-or-later
// The least QUIC program over ngtcp2 and wolfSSL that is still fast: one UDP socket, a loop by hand, GSO trains out, recvmmsg with GRO in.
#pragma once

#include "octets.hpp"
#include "raw/udp.hpp"
#include "rows.hpp"

#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <wolfssl/options.h>
// options.h comes first
#include <wolfssl/ssl.h>

#include <deque>
#include <memory>
#include <queue>
#include <string>
#include <unordered_map>
#include <vector>

namespace kith::bench {

struct Conn;

inline constexpr std::size_t ring_size = 4'000'000; ///< Of a stream of messages; a multiple of message_size, so that none wraps.

/// A stream of either side.
struct Stream {
  Conn* conn = nullptr;
  std::int64_t id = -1;
  std::uint64_t tag = 0;
  bool local = false;
  // out: `head`, then, until `until`, bulk or messages; then the end.
  std::string head;
  std::size_t head_sent = 0;
  bool bulk = false;
  std::unique_ptr<std::uint8_t[]> ring; ///< Messages; [acked, written) is in use, positions modulo ring_size.
  std::uint64_t ring_written = 0;
  std::uint64_t ring_sent = 0;
  std::uint64_t acked = 0;
  Clock::time_point until{};
  bool finish = false;
  bool fin_sent = false;
  bool queued = false;
  // in
  std::string request;
  std::uint64_t received = 0;
  Counter counter;
  bool ended = false;
};

struct Conn {
  ngtcp2_conn* quic = nullptr;
  WOLFSSL* tls = nullptr;
  ngtcp2_crypto_conn_ref ref{};
  class Endpoint* endpoint = nullptr;
  std::unordered_map<std::int64_t, std::unique_ptr<Stream>> streams;
  std::deque<Stream*> ready;                    ///< Have something to send.
  std::vector<std::unique_ptr<Stream>> waiting; ///< To be opened, when the handshake is done or the peer gives more streams.
  std::vector<std::uint64_t> cids;
  std::uint64_t number = 0;
  ngtcp2_tstamp timer_at = UINT64_MAX;
  sockaddr_in remote{};
  bool open = false;
  bool dirty = false;
  bool blocked = false; ///< Some stream waits for credit.
};

class Endpoint final : public LoopLink {
public:
  /// A server (port 0: any), or a client of the server at `port`. Loopback.
  /// `packets`: UDP payloads of that many octets instead of Ethernet's; 0: Ethernet's.
  Endpoint(bool server, std::uint16_t port, std::uint16_t packets);
  ~Endpoint() override;
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;
  std::uint16_t port() const { return udp_.port(); }

  void set_events(Events& events) override { events_ = &events; }
  void call(std::size_t connection, std::uint64_t tag) override;
  void upload(std::size_t connection, Clock::time_point until, std::uint64_t tag) override;
  void download(std::size_t connection, std::chrono::milliseconds time, std::uint64_t tag) override;
  void messages(std::size_t connection, Clock::time_point until, std::uint64_t tag, bool each) override;
  void hang_up(std::size_t connection) override;
  void run() override;
  void stop() override { stopped_ = true; }

private:
  const std::uint16_t packets_;
  friend struct RawCallbacks;

  Conn& dialed(std::size_t connection);
  Stream& open(std::size_t connection, Mode mode, std::uint64_t tag);
  void open_waiting(Conn& conn);
  void accept(const Received& packet, const std::uint8_t* bytes, std::size_t size);
  void start(Conn& conn, WOLFSSL_CTX* context);
  void settings(ngtcp2_settings& settings, ngtcp2_transport_params& params) const;
  void erase(Conn& conn);
  void received(const Received& packet);
  void write(Conn& conn);
  ngtcp2_ssize write_packet(Conn& conn, ngtcp2_path* path, ngtcp2_pkt_info* info, std::uint8_t* dest, std::size_t size, ngtcp2_tstamp now);
  void sent(Stream& stream, std::size_t count, bool fin);
  bool on_data(Stream& stream, const std::uint8_t* data, std::size_t size, bool fin);
  void serve(Stream& stream);
  void make_ready(Stream& stream);
  void make_dirty(Conn& conn);
  void update_timer(Conn& conn);
  void expire();
  std::int64_t wait_time() const;
  ngtcp2_path path_of(Conn& conn);

  bool server_;
  Udp udp_;
  sockaddr_in local_{};
  WOLFSSL_CTX* tls_;
  Events* events_ = nullptr;
  bool stopped_ = false;
  std::unordered_map<std::uint64_t, Conn*> by_cid_; ///< By the first 8 octets.
  std::unordered_map<std::uint64_t, std::unique_ptr<Conn>> conns_;
  std::vector<Conn*> dialed_; ///< A client's, by number.
  std::uint64_t last_number_ = 0;
  std::vector<std::uint64_t> dirty_;
  std::vector<std::uint64_t> gone_;
  using Due = std::pair<ngtcp2_tstamp, std::uint64_t>;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> timers_;
  std::vector<std::uint8_t> train_;
};

} // namespace kith::bench
