// SPDX-License-Identifier: Apache-2.0
#include "protocol/error_object.hpp"

#include "protocol/object.hpp"

namespace kith::protocol {

std::string error_object(const Error& error) {
  ObjectWriter inner;
  if (is_app_code(error.code)) {
    inner.number("code", static_cast<std::uint64_t>(error.code));
  } else {
    inner.text("code", code_name(error.code));
  }
  return ObjectWriter().raw("error", inner.text("text", error.text).finish()).finish();
}

} // namespace kith::protocol
