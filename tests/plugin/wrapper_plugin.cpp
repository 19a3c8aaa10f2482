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

  // What it posts waits when the instance stops, if that comes at once.
  void on_drain(kith::Time /*deadline*/) override {
    host().post([freed = std::shared_ptr<kith::Host>(&host(), [](kith::Host* host) { host->log(KITH_LOG_INFO, "freed"); })] {});
  }

  kith::Task<> on_call(kith::Call call) override {
    const std::string& command = call.opened().command;
    const kith::Bytes request = co_await call.request();
    if (command == "sleep") co_await host().sleep(std::chrono::seconds(5));
    if (command == "throw") throw std::runtime_error("a secret of the plugin");
    if (command == "refuse") throw kith::Refusal(1234, "refused");
    if (command == "no text") throw kith::Refusal(1001, "bad \xff");
    if (command == "no code") throw kith::Refusal(0, "zero");
    if (command == "too large a code") throw kith::Refusal(std::uint64_t{1} << 62, "more than a varint takes");
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
    if (command == "resumed" || command == "refused later") {
      co_await Resumed{*this};
      if (command == "refused later") throw kith::Refusal(1236, "later");
    }
    if (command == "spawn") spawn(until_dropped(std::make_shared<Counted>(held_), request.front()));
    if (command == "held") {
      co_await call.reply(kith::as_bytes(std::to_string(*held_)));
      co_return;
    }
    if (command == "posted") {
      co_await call.reply(kith::as_bytes(posted_ ? "yes" : "no"));
      co_return;
    }
    co_await call.reply(request);
  }

  // "fill": as many octets as the request says, a 0, a 1, …, written where they will lie.
  kith::Task<> on_stream(kith::Stream stream) override {
    if (stream.opened().command == "resumed") {
      stream.accept();
      co_await Resumed{*this};
      co_return;
    }
    if (stream.opened().command == "peek") {
      stream.accept();
      co_await stream.read(); // and no further
      co_return;
    }
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

  // Goes on by a post, as after work of a thread.
  struct Resumed {
    WrapperTest& self;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiting) const {
      self.host().post([waiting] { waiting.resume(); });
    }
    void await_resume() const noexcept {}
  };

  struct Counted {
    explicit Counted(std::shared_ptr<int> all) : count(std::move(all)) { ++*count; }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;
    ~Counted() { --*count; }
    std::shared_ptr<int> count;
  };

  static kith::Task<> until_dropped(std::shared_ptr<Counted> /*held*/, std::uint8_t how) {
    if (how == 'e') throw std::runtime_error("a spawned task's error");
    if (how == 'i') throw 7; // NOLINT(hicpp-exception-baseclass): what a protocol may do
    co_return;
  }

  std::shared_ptr<int> held_ = std::make_shared<int>(0);
  std::thread thread_;
  bool posted_ = false;
};

} // namespace

KITH_PLUGIN(WrapperTest, .name = "WrapperTest", .version = "1.0.0",
            .commands = {{"sleep", "waits", kith::Scope::remote, kith::Role::viewer}, {"thread", "", kith::Scope::both, kith::Role::admin}})
