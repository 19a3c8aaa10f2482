// SPDX-License-Identifier: Apache-2.0
// A plugin with commands: for its owner, for peers, for both. NOTES_NAME and NOTES_NOUN make others of it, for what collides.
#include <kith/plugin.hpp>

namespace {

#ifndef NOTES_NAME
#define NOTES_NAME "Notes"
#define NOTES_NOUN "note"
#endif

std::string_view role_of(kith::Role role) { return role == kith::Role::owner ? "owner" : "other"; }

class Notes : public kith::Protocol {
  void on_configure(std::string_view config) override {
    if (config.find("broken") != std::string_view::npos) throw std::runtime_error("the notes are broken");
  }

  kith::Task<> on_call(kith::Call call) override {
    const std::string command = call.opened().command;
    const kith::Bytes request = co_await call.request();
    if (command == "add") notes_ += std::string(request.begin(), request.end()) + ";";
    if (command == "sleep") co_await host().sleep(std::chrono::hours(1));
    if (command == "refuse") throw kith::Refusal(1234, "no such note");
    if (command == "echo") {
      co_await call.reply(request);
      co_return;
    }
    const std::string reply = "{\"octets\":" + std::to_string(notes_.size()) + ",\"role\":\"" + std::string(role_of(call.opened().role)) + "\"}";
    co_await call.reply(kith::as_bytes(reply));
  }

  std::string notes_;
};

} // namespace

KITH_PLUGIN(Notes, .name = NOTES_NAME, .version = "1.0.0", .summary = "keeps notes",
            .commands = {{"add", "keeps a note", kith::Scope::local},
                         {"count", "how many octets of notes there are", kith::Scope::both, kith::Role::member},
                         {"echo", "says it again", kith::Scope::local},
                         {"sleep", "takes an hour", kith::Scope::local},
                         {"refuse", "says no", kith::Scope::local},
                         {"push", "takes a peer's note", kith::Scope::remote, kith::Role::member}},
            .cli_noun = NOTES_NOUN)
