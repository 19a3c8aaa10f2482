// SPDX-License-Identifier: Apache-2.0
// Echo: the protocol that gives back what it gets. The adapter between the host and echo_core.
#include "echo_core.hpp"

#include <kith/plugin.hpp>
#include <kith_schema.hpp>

namespace {

class Echo : public kith::Protocol {
public:
  static void check_config(std::string_view json) { echo::parse_config(json); }

private:
  void on_configure(std::string_view json) override { config_ = echo::parse_config(json); }

  kith::Task<> on_call(kith::Call call) override {
    const kith::Bytes request = co_await call.request();
    if (call.opened().content_type != "json") {
      co_await call.reply(request);
      co_return;
    }
    const auto answer = echo::answer(kith::as_text(request), config_);
    if (const auto* failure = std::get_if<echo::Failure>(&answer)) throw kith::Refusal(static_cast<std::uint64_t>(failure->code), failure->text);
    co_await call.reply(kith::as_bytes(std::get<std::string>(answer)));
  }

  kith::Task<> on_stream(kith::Stream stream) override {
    stream.accept(stream.opened().content_type);
    for (auto piece = co_await stream.read(); !piece.empty(); piece = co_await stream.read()) co_await stream.write(piece);
  }

  echo::Config config_;
};

} // namespace

KITH_PLUGIN(Echo, .name = "Echo", .version = "1.0.0", .config_schema = kith_config_schema, .summary = "Gives back what it gets",
            .default_access = kith::Role::member, .suggest_inline = true)
