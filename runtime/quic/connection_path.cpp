// SPDX-License-Identifier: GPL-3.0-or-later
// A connection's addresses: as ngtcp2 takes them, and what becomes of them when one end moves (RFC 9000 §9; ADR 0018).
#include "quic/connection_impl.hpp"
#include "quic/endpoint_impl.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace kith::quic {
namespace {

// For how long an acceptor asks, after a move, whether the path that was left is still there: with ngtcp2 3 s, or three PTOs.
constexpr std::chrono::seconds least_settling{4};
constexpr int settling_ptos = 4;
constexpr int most_unproven_moves = 3; ///< In a row, to a peer that never answers a PATH_CHALLENGE.

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

} // namespace

Address synthetic_label(ConnectionId id, std::uint16_t path) noexcept {
  std::array<std::uint8_t, 16> ip{0xfd, 0x6b, 0x69, 0x74, 0x68, 0, static_cast<std::uint8_t>(path >> 8), static_cast<std::uint8_t>(path)};
  const auto n = static_cast<std::uint64_t>(id);
  for (std::size_t i = 0; i < 8; ++i) ip[8 + i] = static_cast<std::uint8_t>(n >> (8 * (7 - i)));
  return make_v6(ip, 1);
}

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

SocketId Connection::socket() const noexcept {
  if (conn_) return static_cast<SocketId>(reinterpret_cast<std::uintptr_t>(ngtcp2_conn_get_path2(conn_.get())->user_data));
  return closing_ ? closing_->datagram.socket : socket_;
}

void Connection::move(const Address& local, TimePoint now) {
  if (!conn_ || !dialer_ || local == local_ || local_.family == Address::Family::none) return; // a dial learns its address from the first answer
  now_ = now;
  local_ = local;
  moved_at_ = now;
  must_migrate_ = true;
  migrate(now);
}

// At once: the old address is gone, or the kernel does not send from it by itself any more. Until the peer allows it, packets leave from the new address as they
// are, as behind a NAT that has given another.
void Connection::migrate(TimePoint now) {
  if (!confirmed_) return;
  // An acceptor without a spare id takes the one that it has to the new path too, and asks for a while under it whether the path before is there. If another
  // migration comes meanwhile, ngtcp2 1.24 gives that id back and counts it nevertheless: the next that it gets closes the connection (CONNECTION_ID_LIMIT_ERROR).
  // Until that is over, we keep ours as well.
  tangled_ = tangled_ && now - moved_at_ < std::max<Duration>(least_settling, settling_ptos * pto());
  if (tangled_) return endpoint_.want_write(*this);
  const Address label = synthetic_label(id_, static_cast<std::uint16_t>(moves_ + 1));
  const PathStorage path(label, remote_, socket_);
  const int result = ngtcp2_conn_initiate_immediate_migration(conn_.get(), &path.path, to_ngtcp2(now));
  if (result == NGTCP2_ERR_CONN_ID_BLOCKED) return; // it gives another for each that we retire
  must_migrate_ = false;
  endpoint_.want_write(*this);
  if (result == NGTCP2_ERR_INVALID_STATE) return; // a peer that gives no ids, or wants nobody to migrate
  if (result != 0) return fail(result, now);
  ++moves_;
  tangled_ = !std::exchange(peer_has_spare_, false); // it needs two, until it has given up the path before
  on_new_path();
}

/// A dialer stays on a path that it could not prove (a network that takes long to come up), with the smallest packets: it proves another when the peer is heard again.
void Connection::on_path_validation(bool proven, bool failed) noexcept {
  validating_ = false;
  if (proven) unproven_moves_ = 0;
  if (failed && dialer_ && ++unproven_moves_ <= most_unproven_moves) must_migrate_ = true;
}

/// The acceptor's side: QUIC goes where the peer's packets come from. Its address counts as changed once that path is a valid one: proven now, or some minutes ago.
void Connection::follow_peer() {
  const Address remote = from_sockaddr(ngtcp2_conn_get_path2(conn_.get())->remote);
  // ngtcp2 stops its loss timer with the path that was left. Who has nothing else to send has to ask, or what was under way is not missed for a keep-alive.
  if (std::exchange(path_remote_, remote) != remote) ping();
  if (validating_ || remote == remote_) return;
  remote_ = remote;
  on_new_path();
  endpoint_.emit(Event::Kind::address_changed, id_);
}

/// What still comes to an address that a dialer has left came on the path before: a challenge there is not answered from here (RFC 9000 §8.2.2).
Address Connection::arrival_label(const Address& local) const noexcept {
  const bool left = moves_ > 0 && !must_migrate_ && local != local_;
  return left ? synthetic_label(id_, static_cast<std::uint16_t>(moves_ - 1)) : local_label();
}

/// Another path, another size.
void Connection::on_new_path() noexcept {
  large_stream_ = -1;
  small_until_ = TimePoint{};
  link_size_ = 0;
  cwnd_ = numbers().cwnd;
}

/// A dialer's packets stay with the address that the connection began with, whatever the kernel would choose since: on another one they have other connection
/// ids (RFC 9000 §9.5).
Address Connection::source(const ngtcp2_path& path) const noexcept {
  if (!dialer_) return from_sockaddr(path.local);
  return confirmed_ ? local_ : Address{};
}

} // namespace kith::quic
