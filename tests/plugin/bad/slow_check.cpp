// SPDX-License-Identifier: Apache-2.0
// A plugin whose config check waits for somebody else: with {"wait": FIFO} until that has been written to and closed, or is no more.
#include <kith/plugin.hpp>

#include <fcntl.h>
#include <string>
#include <unistd.h>

namespace {

class SlowCheck : public kith::Protocol {
public:
  static void check_config(std::string_view json) {
    if (json.find("\"refuse\"") != std::string_view::npos) throw kith::ConfigError("refused by the plugin");
    constexpr std::string_view key = "\"wait\":\"";
    const std::size_t at = json.find(key);
    if (at == std::string_view::npos) return;
    const std::string_view rest = json.substr(at + key.size());
    const int fd = ::open(std::string(rest.substr(0, rest.find('"'))).c_str(), O_RDONLY | O_CLOEXEC);
    char octet = 0;
    while (fd >= 0 && ::read(fd, &octet, 1) > 0) {}
    if (fd >= 0) ::close(fd);
  }

private:
  kith::Task<> on_call(kith::Call call) override { co_await call.reply(co_await call.request()); }
};

} // namespace

KITH_PLUGIN(SlowCheck, .name = "SlowCheck", .version = "1.0.0", .config_schema = "", .summary = "Waits while it checks a config")
