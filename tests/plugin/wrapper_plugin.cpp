// SPDX-License-Identifier: Apache-2.0
// A plugin that uses what Echo does not: timers, posts from a thread, files, commands, exceptions.
#include <kith/plugin.hpp>

#include <algorithm>
#include <string>
#include <thread>

namespace {

class WrapperTest : public kith::Protocol {
  void on_configure(std::string_view config) override {
    if (config.find("bad") != std::string_view::npos) throw kith::ConfigError("bad: not a field of this config");
  }

  kith::Task<> on_call(kith::Call call) override {
    const std::string& command = call.opened().command;
    const kith::Bytes request = co_await call.request();
    if (command == "sleep") co_await host().sleep(std::chrono::seconds(5));
    if (command == "throw") throw std::runtime_error("a secret of the plugin");
    if (command == "refuse") throw kith::Refusal(1234, "refused");
    if (command == "silent") co_return;
    if (command == "file") {
      co_await host().replace_file("folder/note", request);
      const auto back = co_await host().read_file("folder/note");
      const auto none = co_await host().read_file("folder/none");
      const auto names = co_await host().list_files("folder");
      if (none || names.size() != 1 || !co_await host().remove_file("folder/note")) throw kith::Refusal(1235, "files");
      co_await call.reply(*back);
      co_return;
    }
    if (command == "thread") {
      thread_ = std::thread([this] { host().post([this] { posted_ = true; }); });
      thread_.join();
    }
    if (command == "posted") {
      co_await call.reply(kith::as_bytes(posted_ ? "yes" : "no"));
      co_return;
    }
    co_await call.reply(request);
  }

  // "fill": as many octets as the request says, a 0, a 1, …, written where they will lie.
  kith::Task<> on_stream(kith::Stream stream) override {
    if (stream.opened().command != "fill") throw kith::Refusal(KITH_CODE_UNKNOWN_COMMAND, "fill it is");
    const kith::Bytes request = co_await stream.read_all(8);
    const std::size_t wanted = std::stoul(std::string(kith::as_text(request)));
    stream.accept();
    for (std::size_t done = 0; done < wanted;) {
      const std::span<std::uint8_t> room = co_await stream.reserve(wanted - done);
      const std::size_t count = std::min(room.size(), wanted - done);
      for (std::size_t i = 0; i < count; ++i) room[i] = static_cast<std::uint8_t>(done + i);
      stream.commit(count);
      done += count;
    }
  }

  std::thread thread_;
  bool posted_ = false;
};

} // namespace

KITH_PLUGIN(WrapperTest, .name = "WrapperTest", .version = "1.0.0",
            .commands = {{"sleep", "waits", kith::Scope::remote, kith::Role::viewer}, {"thread", "", kith::Scope::both, kith::Role::admin}})
