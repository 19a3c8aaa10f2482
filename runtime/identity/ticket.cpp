// SPDX-License-Identifier: GPL-3.0-or-later
#include "identity/ticket.hpp"

#include "base/base32.hpp"
#include "base/name.hpp"
#include "base/varint.hpp"
#include "identity/derive.hpp"

#include <algorithm>

namespace kith::identity {
namespace {

constexpr std::uint8_t ticket_version = 1;
constexpr std::size_t checksum_size = 4; ///< The first octets of BLAKE2b-256 over all before them.
constexpr std::string_view blanks = " \t\r\n";

enum class Item : std::uint64_t { id = 1, v4 = 2, v6 = 3, relay = 4, name = 5, not_after = 6, protocol = 7, invite = 8, signature = 9 };

constexpr std::size_t v4_item_size = 4 + 2;
constexpr std::size_t v6_item_size = 16 + 2;
constexpr std::size_t not_after_size = 4;

Error broken(std::string_view why) { return bad_request("the ticket can't be used: " + std::string(why) + "; ask for a new one"); }

/// The limits that writing and reading share.
Result<void> check(const Ticket& ticket) {
  if (ticket.addresses.size() > max_ticket_addresses) return broken("it has more than 16 addresses");
  for (const Address& address : ticket.addresses) {
    if (!address.is_dialable()) return broken("its address " + address.text() + " can't be dialed");
  }
  if (ticket.relays.size() > max_ticket_relays) return broken("it has more than 4 relays");
  for (const std::string& relay : ticket.relays) {
    if (relay.empty() || relay.size() > max_relay_url_size) return broken("a relay URL has to have 1 to 256 characters");
    if (!std::all_of(relay.begin(), relay.end(), [](char c) { return c > ' ' && c <= '~'; }))
      return broken("a relay URL has other than ASCII characters");
  }
  if (!ticket.name.empty()) {
    if (const auto ok = check_name(ticket.name, "name in it"); !ok) return broken(ok.error().text);
  }
  if (ticket.protocol.empty() != ticket.alias.empty()) return broken("a protocol and an alias go together");
  if (!ticket.protocol.empty()) {
    if (const auto ok = check_name(ticket.protocol, "protocol in it"); !ok) return broken(ok.error().text);
    if (const auto ok = check_name(ticket.alias, "alias in it"); !ok) return broken(ok.error().text);
  }
  if (ticket.invite.size() > max_ticket_invite_size) return broken("its invite has more than 256 octets");
  return check_point(ticket.id);
}

void append_item(Bytes& out, Item type, ByteView value) {
  append_varint(out, static_cast<std::uint64_t>(type));
  append_varint(out, value.size());
  out.insert(out.end(), value.begin(), value.end());
}

Bytes address_item(const Address& address) {
  const ByteView ip = address.ip_bytes();
  Bytes out(ip.begin(), ip.end());
  out.push_back(static_cast<std::uint8_t>(address.port >> 8U));
  out.push_back(static_cast<std::uint8_t>(address.port & 0xFFU));
  return out;
}

Address item_address(ByteView value) {
  const ByteView ip = value.first(value.size() - 2);
  const auto port = static_cast<std::uint16_t>(value[ip.size()] << 8U | value[ip.size() + 1]);
  Address address{.ip = {}, .port = port, .family = ip.size() == 4 ? Address::Family::v4 : Address::Family::v6, .scope = 0};
  std::copy(ip.begin(), ip.end(), address.ip.begin());
  return address;
}

std::uint32_t item_u32(ByteView value) {
  std::uint32_t number = 0;
  for (const std::uint8_t octet : value) number = number << 8U | octet;
  return number;
}

/// Reads the items between version and checksum into a ticket.
class ItemReader {
public:
  explicit ItemReader(ByteView body) : body_(body), rest_(body.subspan(1)) {}

  Result<Ticket> read() {
    while (!rest_.empty()) {
      const std::size_t before = body_.size() - rest_.size();
      const auto type = take_varint(rest_);
      const auto size = type ? take_varint(rest_) : std::nullopt;
      if (!size || *size > rest_.size()) return broken("an item is cut short");
      if (ticket_.is_signed) return broken("something follows its signature");
      const ByteView value = rest_.first(static_cast<std::size_t>(*size));
      rest_ = rest_.subspan(value.size());
      if (const auto ok = take(static_cast<Item>(*type), value, body_.first(before)); !ok) return ok.error();
    }
    if ((seen_ & bit(Item::id)) == 0) return broken("it has no id");
    if (const auto ok = check(ticket_); !ok) return ok.error();
    return std::move(ticket_);
  }

private:
  static constexpr std::uint32_t bit(Item type) noexcept { return 1U << static_cast<std::uint32_t>(type); }

  Result<void> take(Item type, ByteView value, ByteView before) {
    if (type < Item::id || type > Item::signature) return {};
    const bool repeats = type == Item::v4 || type == Item::v6 || type == Item::relay;
    if (!repeats && (seen_ & bit(type)) != 0) return broken("item " + std::to_string(static_cast<std::uint64_t>(type)) + " comes twice");
    seen_ |= bit(type);
    if (!size_fits(type, value.size())) return broken("item " + std::to_string(static_cast<std::uint64_t>(type)) + " has a wrong size");
    store(type, value);
    if (type == Item::protocol) return store_protocol(as_text(value));
    if (type == Item::signature) return check_signature(value, before);
    return {};
  }

  static bool size_fits(Item type, std::size_t size) noexcept {
    switch (type) {
      case Item::id: return size == 32;
      case Item::v4: return size == v4_item_size;
      case Item::v6: return size == v6_item_size;
      case Item::not_after: return size == not_after_size;
      case Item::signature: return size == signature_size;
      case Item::name:
      case Item::invite: return size != 0;
      default: return true;
    }
  }

  void store(Item type, ByteView value) {
    switch (type) {
      case Item::id: std::copy(value.begin(), value.end(), ticket_.id.bytes.begin()); break;
      case Item::v4:
      case Item::v6: ticket_.addresses.push_back(item_address(value)); break;
      case Item::relay: ticket_.relays.emplace_back(as_text(value)); break;
      case Item::name: ticket_.name = as_text(value); break;
      case Item::not_after: ticket_.not_after = item_u32(value); break;
      case Item::invite: ticket_.invite.assign(value.begin(), value.end()); break;
      default: break;
    }
  }

  Result<void> store_protocol(std::string_view text) {
    const std::size_t slash = text.find('/');
    if (slash == 0 || slash == std::string_view::npos || slash + 1 == text.size()) return broken("item 7 is not PROTOCOL/ALIAS");
    ticket_.protocol = text.substr(0, slash);
    ticket_.alias = text.substr(slash + 1);
    return {};
  }

  Result<void> check_signature(ByteView signature, ByteView before) {
    if ((seen_ & bit(Item::id)) == 0) return broken("its signature comes before its id");
    if (!verify(ticket_.id, Context::ticket, before, signature)) return broken("its signature is not by the key of its id");
    ticket_.is_signed = true;
    return {};
  }

  ByteView body_;
  ByteView rest_;
  Ticket ticket_;
  std::uint32_t seen_ = 0;
};

bool has_prefix(std::string_view text, std::string_view prefix) noexcept {
  return text.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), text.begin(), [](char want, char got) {
           return want == (got >= 'A' && got <= 'Z' ? static_cast<char>(got - 'A' + 'a') : got);
         });
}

} // namespace

Result<std::string> encode_ticket(const Ticket& ticket, const SecretKey* signer) {
  if (const auto ok = check(ticket); !ok) return ok.error();
  Bytes out{ticket_version};
  append_item(out, Item::id, ticket.id.view());
  for (const Address& address : ticket.addresses) append_item(out, address.is_v4() ? Item::v4 : Item::v6, address_item(address));
  for (const std::string& relay : ticket.relays) append_item(out, Item::relay, as_bytes(relay));
  if (!ticket.name.empty()) append_item(out, Item::name, as_bytes(ticket.name));
  if (ticket.not_after) {
    const std::uint32_t t = *ticket.not_after;
    const std::array<std::uint8_t, not_after_size> value{static_cast<std::uint8_t>(t >> 24U), static_cast<std::uint8_t>(t >> 16U),
                                                         static_cast<std::uint8_t>(t >> 8U), static_cast<std::uint8_t>(t)};
    append_item(out, Item::not_after, value);
  }
  if (!ticket.protocol.empty()) append_item(out, Item::protocol, as_bytes(ticket.protocol + "/" + ticket.alias));
  if (!ticket.invite.empty()) append_item(out, Item::invite, ticket.invite);
  if (signer != nullptr) {
    if (signer->id() != ticket.id) return bad_request("a ticket is signed by its own key only");
    append_item(out, Item::signature, sign(*signer, Context::ticket, out));
  }
  const DerivedKey sum = hash(out);
  out.insert(out.end(), sum.begin(), sum.begin() + checksum_size);
  return std::string(ticket_prefix) + base32_encode(out, id52_alphabet);
}

Result<Ticket> decode_ticket(std::string_view text) {
  if (!has_prefix(text, ticket_prefix)) return bad_request("not a ticket: it does not start with kith:");
  if (text.size() > max_ticket_size) return bad_request("not a ticket: it has more than " + std::to_string(max_ticket_size) + " characters");
  const auto bytes = base32_decode(text.substr(ticket_prefix.size()), id52_alphabet, LetterCase::any, "a ticket", ticket_prefix.size() + 1);
  if (!bytes) return bytes.error();
  if (bytes->size() <= checksum_size) return bad_request("not a ticket: it is cut short; copy it again");
  const ByteView body = ByteView(*bytes).first(bytes->size() - checksum_size);
  const DerivedKey sum = hash(body);
  if (!std::equal(sum.begin(), sum.begin() + checksum_size, bytes->end() - checksum_size)) {
    return bad_request("not a ticket: the checksum does not match, so a character is wrong or missing; copy it again");
  }
  if (body[0] != ticket_version) {
    return Error{Code::unsupported_version,
                 "the ticket has version " + std::to_string(body[0]) + ", this kith reads version 1; a newer kith is needed"};
  }
  return ItemReader(body).read();
}

Result<Ticket> parse_ticket_or_id(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return bad_request("neither a ticket nor an id: it is empty");
  text = text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
  if (has_prefix(text, ticket_prefix)) return decode_ticket(text);
  if (text.size() != id52_size) { // an id may begin with these letters too
    if (text.starts_with("endpoint")) return decode_iroh_ticket(text);
    for (const std::string_view older : {"node", "blob", "doc"}) {
      if (text.starts_with(older)) {
        return bad_request(
            "this is a \"" + std::string(older) +
            "…\" ticket of iroh from before 1.0; of iroh's, only \"endpoint…\" tickets are read: make a new one, or use the peer's id");
      }
    }
  }
  const auto id = parse_peer_id(text);
  if (!id) return bad_request("neither a ticket (kith:…, endpoint…) nor an id: " + id.error().text);
  if (const auto ok = check_point(*id); !ok) return ok.error();
  Ticket ticket;
  ticket.id = *id;
  return ticket;
}

Result<void> check_not_expired(const Ticket& ticket, UnixSeconds now) {
  if (!ticket.not_after || now <= UnixSeconds{*ticket.not_after}) return {};
  return bad_request("the ticket ran out " + std::to_string(now - UnixSeconds{*ticket.not_after}) + " seconds ago; ask for a new one");
}

} // namespace kith::identity
