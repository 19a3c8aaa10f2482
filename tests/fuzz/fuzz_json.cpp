// SPDX-License-Identifier: Apache-2.0
// The scanner: whatever it accepts must stay accepted when flattened, be one line then, and agree with the members that Object finds.
#include "base/bytes.hpp"
#include "protocol/object.hpp"
#include "protocol/scanner.hpp"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kith::protocol;
  const std::string_view text = kith::as_text({data, size});
  const Scan scan = check_json(text);
  if (scan.end > size) std::abort();
  if (!scan.ok()) {
    if (Object::parse(text)) std::abort();
    return 0;
  }
  if (!is_utf8(text)) std::abort();
  std::string flat;
  append_flat(flat, text);
  if (flat.find_first_of("\r\n") != std::string::npos || !check_json(flat).ok()) std::abort();
  if (const auto object = Object::parse(text)) {
    for (const auto& [name, raw] : object->members()) {
      if (!check_json(raw).ok() || !is_utf8(name)) std::abort();
      (void)object->items(name);
      if (const auto string = decode_string(raw)) {
        std::string again;
        append_string(again, *string);
        if (decode_string(again) != string) std::abort();
      }
    }
  }
  return 0;
}
