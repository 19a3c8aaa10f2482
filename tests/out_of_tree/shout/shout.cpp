// SPDX-License-Identifier: Apache-2.0
#include <kith/plugin.hpp>

namespace {

class Shout : public kith::Protocol {
  kith::Task<> on_call(kith::Call call) override {
    kith::Bytes text = co_await call.request();
    for (std::uint8_t& c : text) {
      if (c >= 'a' && c <= 'z') c = static_cast<std::uint8_t>(c - 32);
    }
    co_await call.reply(text);
  }
};

} // namespace

KITH_PLUGIN(Shout, "Shout", "1.0.0")
