// SPDX-License-Identifier: GPL-3.0-or-later
// iroh's `endpoint…` tickets: RFC 4648 base32 in lower case around a postcard message: variant 0, 32 octets id, count, then per address
// 0 relay URL | 1 IP (0 v4 | 1 v6, octets, port). Lengths, counts, variants and ports are LEB128. There is no checksum.
#include "base/base32.hpp"
#include "identity/ticket.hpp"

#include <algorithm>

namespace kith::identity {
namespace {

constexpr std::string_view iroh_prefix = "endpoint";
constexpr unsigned max_leb128_size = 10; ///< Octets of the longest number, 64 bits.

Error broken(std::string_view why) { return bad_request("the iroh ticket can't be used: " + std::string(why) + "; ask for a new one"); }

class PostcardReader {
public:
  explicit PostcardReader(ByteView in) : in_(in) {}

  std::optional<ByteView> take(std::uint64_t size) noexcept {
    if (size > in_.size()) return std::nullopt;
    const ByteView out = in_.first(static_cast<std::size_t>(size));
    in_ = in_.subspan(out.size());
    return out;
  }

  std::optional<std::uint64_t> number() noexcept {
    std::uint64_t value = 0;
    for (unsigned i = 0; i < max_leb128_size; ++i) {
      const auto octet = take(1);
      if (!octet) return std::nullopt;
      const std::uint64_t bits = octet->front() & 0x7FU;
      if (i == max_leb128_size - 1 && bits > 1) return std::nullopt;
      value |= bits << (7 * i);
      if ((octet->front() & 0x80U) == 0) return value;
    }
    return std::nullopt;
  }

  bool empty() const noexcept { return in_.empty(); }

private:
  ByteView in_;
};

Result<Address> read_ip(PostcardReader& in) {
  const auto variant = in.number();
  if (!variant || *variant > 1) return broken("an address is neither IPv4 nor IPv6");
  const auto ip = in.take(*variant == 0 ? 4 : 16);
  const auto port = ip ? in.number() : std::nullopt;
  if (!port || *port > 0xFFFF) return broken("an address is cut short or has a wrong port");
  Address address{
      .ip = {}, .port = static_cast<std::uint16_t>(*port), .family = *variant == 0 ? Address::Family::v4 : Address::Family::v6, .scope = 0};
  std::copy(ip->begin(), ip->end(), address.ip.begin());
  if (!address.is_dialable()) return broken("its address " + address.text() + " can't be dialed");
  return address;
}

Result<std::string> read_relay(PostcardReader& in) {
  const auto size = in.number();
  const auto url = size && *size != 0 && *size <= max_relay_url_size ? in.take(*size) : std::nullopt;
  if (!url) return broken("a relay URL is empty, too long or cut short");
  if (!std::all_of(url->begin(), url->end(), [](std::uint8_t c) { return c > ' ' && c <= '~'; }))
    return broken("a relay URL has other than ASCII characters");
  return std::string(as_text(*url));
}

Result<Ticket> read_ticket(ByteView bytes) {
  PostcardReader in(bytes);
  if (in.number() != 0U) return broken("it is of a kind that this kith does not know");
  Ticket ticket;
  const auto id = in.take(ticket.id.bytes.size());
  if (!id) return broken("it is cut short");
  std::copy(id->begin(), id->end(), ticket.id.bytes.begin());
  const auto count = in.number();
  if (!count) return broken("it is cut short");
  for (std::uint64_t i = 0; i < *count; ++i) { // ends at the latest with the octets
    const auto kind = in.number();
    if (!kind) return broken("it is cut short");
    if (*kind == 0) {
      auto relay = read_relay(in);
      if (!relay) return relay.error();
      if (ticket.relays.size() < max_ticket_relays) ticket.relays.push_back(std::move(*relay));
    } else if (*kind == 1) {
      const auto address = read_ip(in);
      if (!address) return address.error();
      if (ticket.addresses.size() < max_ticket_addresses) ticket.addresses.push_back(*address);
    } else {
      return broken("it has an address of a kind that this kith does not know");
    }
  }
  if (!in.empty()) return broken("something follows its end");
  if (const auto ok = check_point(ticket.id); !ok) return ok.error();
  return ticket;
}

} // namespace

Result<Ticket> decode_iroh_ticket(std::string_view text) {
  if (!text.starts_with(iroh_prefix)) return bad_request("not an iroh ticket: it does not start with endpoint");
  if (text.size() > max_ticket_size) return bad_request("not an iroh ticket: it has more than " + std::to_string(max_ticket_size) + " characters");
  const auto bytes = base32_decode(text.substr(iroh_prefix.size()), rfc4648_alphabet, LetterCase::lower, "an iroh ticket", iroh_prefix.size() + 1);
  if (!bytes) return bytes.error();
  return read_ticket(*bytes);
}

} // namespace kith::identity
