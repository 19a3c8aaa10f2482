// SPDX-License-Identifier: GPL-3.0-or-later
// Ids, names, server names and addresses: what is read prints to a text that reads as the same.
#include "base/address.hpp"
#include "base/name.hpp"
#include "base/peer_id.hpp"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = kith::as_text({data, size});
  if (const auto id = kith::parse_peer_id(text)) {
    if (*kith::parse_peer_id(id->text()) != *id || !kith::looks_like_id(text)) std::abort();
    if (kith::parse_server_name(kith::server_name(*id)) != *id) std::abort();
    if (kith::check_name(text, "name")) std::abort(); // no name may look like an id
  }
  if (const auto address = kith::parse_address(text)) {
    if (*kith::parse_address(address->text()) != *address) std::abort();
  }
  static_cast<void>(kith::parse_server_name(text));
  return 0;
}
