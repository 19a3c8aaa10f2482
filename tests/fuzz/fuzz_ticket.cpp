// SPDX-License-Identifier: GPL-3.0-or-later
// Tickets. The checksum would stop nearly every mutation, so the input is also read as a body to which the right one is added.
#include "base/base32.hpp"
#include "identity/derive.hpp"
#include "identity/ticket.hpp"

#include <cstdlib>

namespace {

void check(const kith::Result<kith::identity::Ticket>& ticket) {
  if (!ticket) return;
  const auto text = kith::identity::encode_ticket(*ticket);
  if (!text) std::abort(); // what was read keeps every limit of what is written
  auto again = kith::identity::decode_ticket(*text);
  if (!again) {
    if (text->size() <= kith::identity::max_ticket_size) std::abort();
    return;
  }
  again->is_signed = ticket->is_signed;
  if (again->id != ticket->id || again->name != ticket->name || again->addresses.size() != ticket->addresses.size()) std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const kith::ByteView in(data, size);
  check(kith::identity::parse_ticket_or_id(kith::as_text(in)));
  kith::Bytes body(in.begin(), in.end());
  const auto sum = kith::identity::hash(in);
  body.insert(body.end(), sum.begin(), sum.begin() + 4);
  check(kith::identity::decode_ticket("kith:" + kith::base32_encode(body, kith::id52_alphabet)));
  check(kith::identity::decode_iroh_ticket("endpoint" + kith::base32_encode(in, kith::rfc4648_alphabet)));
  return 0;
}
