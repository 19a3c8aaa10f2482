// SPDX-License-Identifier: GPL-3.0-or-later
// What we give to peers to know it again without keeping anything: stateless reset tokens (RFC 9000 §10.3.2) and Retry tokens (§8.1.3, §8.1.4).
// Both end in a BLAKE2b hash with a key (RFC 7693) that nobody else has: docs/adr/0022.
#pragma once

#include "base/address.hpp"
#include "base/bytes.hpp"
#include "base/time.hpp"

#include <array>
#include <optional>

namespace kith::quic {

using TokenKey = std::array<std::uint8_t, 32>;

using ResetToken = std::array<std::uint8_t, 16>;
/// The same for the same id and key. The key has no other use.
ResetToken make_reset_token(const TokenKey& key, ByteView cid) noexcept;

inline constexpr std::uint8_t retry_token_mark = 0xb7; ///< The first octet of ours: what begins otherwise was never a Retry's.
inline constexpr std::size_t max_cid_size = 20;        ///< RFC 9000 §17.2.
inline constexpr std::size_t max_retry_token_size = 1 + 16 + max_cid_size;
inline constexpr std::chrono::seconds retry_token_window{10}; ///< A token is good in the window of the clock in which it was made, and in the next.

/// That `original`, an Initial's destination id of at most max_cid_size octets, was sent from `to`, and answered at `now` with `retry_scid`. It holds no clock: who
/// collects tokens learns neither since when we run nor which of our addresses belong together.
Bytes make_retry_token(const TokenKey& key, const Address& to, ByteView retry_scid, ByteView original, TimePoint now);

/// The original destination id (a part of `token`), if the token was made with this key for this address and id, in this window or the one before.
std::optional<ByteView> open_retry_token(const TokenKey& key, ByteView token, const Address& from, ByteView retry_scid, TimePoint now) noexcept;

} // namespace kith::quic
