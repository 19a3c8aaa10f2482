// SPDX-License-Identifier: Apache-2.0
// A plugin over the drafts kith.peer/1 and kith.dial/1, against the C ABI. Calls: "list" is answered with what the host knows of the peers, "changes" with
// what on_changed has told since the last time, each a line; "dial" calls Echo of the only peer with its own request and passes the reply on.
#include <kith/abi/draft/dial.h>
#include <kith/abi/draft/peer.h>
#include <kith/abi/entry.h>
#include <kith/abi/stream.h>

#include <array>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace {

struct Instance {
  const kith_host* host;
  const kith_host_stream* calls;
  const kith_host_peer* peers;
  const kith_host_dial* dial;
  std::string changes;
  std::map<kith_stream_id, std::string> commands; ///< Of calls that wait for their request.
  kith_stream_id asker = 0;                       ///< The call "dial" that waits for a reply.
  kith_stream_id dialed = 0;
};

Instance& of(kith_instance* instance) { return *reinterpret_cast<Instance*>(instance); }
kith_text text(std::string_view from) { return {from.data(), from.size()}; }

kith_status create(const kith_host* host, kith_instance** out) {
  const auto get = [host](const char* id) { return host->get_capability(host, text(id)); };
  *out = reinterpret_cast<kith_instance*>(new Instance{host,
                                                       static_cast<const kith_host_stream*>(get(KITH_STREAM_ID)),
                                                       static_cast<const kith_host_peer*>(get(KITH_PEER_ID)),
                                                       static_cast<const kith_host_dial*>(get(KITH_DIAL_ID)),
                                                       {},
                                                       {}});
  return KITH_OK;
}

std::string line(const kith_peer_info& info) {
  return std::string(info.name.data, info.name.size) + " " + std::to_string(info.role) + (info.online != 0 ? " online\n" : " offline\n");
}

std::string list(const Instance& self) {
  std::string lines;
  kith_peer_info info{};
  info.struct_size = sizeof info;
  for (kith_status more = self.peers->next(self.host, nullptr, &info); more == KITH_OK;) {
    kith_peer_info again{};
    again.struct_size = sizeof again;
    const kith_peer_key key = info.peer;
    if (self.peers->find(self.host, &key, &again) != KITH_OK || line(again) != line(info)) return "find and next differ";
    lines += line(info);
    more = self.peers->next(self.host, &key, &info);
  }
  return lines;
}

void answer(const Instance& self, kith_stream_id id, std::string_view reply) {
  std::size_t done = 0;
  self.calls->accept(self.host, id, text(""));
  self.calls->write(self.host, id, {reinterpret_cast<const std::uint8_t*>(reply.data()), reply.size()}, &done);
  self.calls->finish(self.host, id);
}

/// Moves what there is from one stream to another; true at its end. The calls are small: everything fits.
bool move_bytes(const Instance& self, kith_stream_id from, kith_stream_id to) {
  std::array<std::uint8_t, 4096> room{};
  for (;;) {
    std::size_t got = 0;
    std::size_t put = 0;
    const kith_status status = self.calls->read(self.host, from, {room.data(), room.size()}, &got);
    if (status != KITH_OK) return status == KITH_END;
    self.calls->write(self.host, to, {room.data(), got}, &put);
  }
}

void start_dial(Instance& self, kith_stream_id id) {
  kith_peer_info info{};
  info.struct_size = sizeof info;
  if (self.peers->next(self.host, nullptr, &info) != KITH_OK) return answer(self, id, "no peer");
  kith_dial_request request{};
  request.struct_size = sizeof request;
  request.kind = KITH_KIND_CALL;
  request.peer = info.peer;
  request.deadline_ns = KITH_NEVER;
  request.protocol = text("Echo");
  self.asker = id;
  self.dial->open(self.host, &request, &self.dialed);
}

void on_readable(kith_instance* instance, kith_stream_id id) {
  Instance& self = of(instance);
  if (id == self.dialed) {
    if (move_bytes(self, self.dialed, self.asker)) self.calls->finish(self.host, self.asker);
    return;
  }
  const auto waiting = self.commands.find(id);
  if (waiting == self.commands.end()) return;
  if (waiting->second == "dial") {
    if (!move_bytes(self, id, self.dialed)) return;
    self.calls->finish(self.host, self.dialed);
  } else {
    std::array<std::uint8_t, 4096> room{};
    std::size_t got = 0;
    kith_status status = KITH_OK;
    while (status == KITH_OK) status = self.calls->read(self.host, id, {room.data(), room.size()}, &got);
    if (status != KITH_END) return;
    answer(self, id, waiting->second == "list" ? list(self) : std::exchange(self.changes, {}));
  }
  self.commands.erase(waiting);
}

void on_opened(kith_instance* instance, const kith_stream_opened* opened) {
  Instance& self = of(instance);
  self.commands[opened->stream] = std::string(opened->command.data, opened->command.size);
  if (self.commands[opened->stream] == "dial") start_dial(self, opened->stream);
  on_readable(instance, opened->stream);
}

void on_writable(kith_instance*, kith_stream_id) {}
void on_closed(kith_instance* instance, kith_stream_id id, const kith_stream_closed*) { of(instance).commands.erase(id); }

void on_changed(kith_instance* instance, const kith_peer_info* info) { of(instance).changes += line(*info); }

void on_replied(kith_instance* instance, kith_stream_id, const kith_dial_replied* replied) {
  Instance& self = of(instance);
  if (replied->ok == 0) return static_cast<void>(self.calls->reject(self.host, self.asker, 1000 + replied->code, replied->text));
  self.calls->accept(self.host, self.asker, replied->content_type);
  on_readable(instance, self.dialed);
}

const void* get_capability(kith_text id) {
  static constexpr kith_plugin_stream stream{sizeof(kith_plugin_stream), 0, on_opened, on_readable, on_writable, on_closed};
  static constexpr kith_plugin_peer peer{sizeof(kith_plugin_peer), 0, on_changed};
  static constexpr kith_plugin_dial dial{sizeof(kith_plugin_dial), 0, on_replied};
  const std::string_view wanted(id.data, id.size);
  if (wanted == KITH_STREAM_ID) return &stream;
  if (wanted == KITH_PEER_ID) return &peer;
  return wanted == KITH_DIAL_ID ? &dial : nullptr;
}

#define COMMAND(name)                                                                                                                                \
  { sizeof(kith_command), KITH_SCOPE_LOCAL, KITH_ROLE_OWNER, 0, text(name), text("") }
const kith_command list_command = COMMAND("list");
const kith_command changes_command = COMMAND("changes");
const kith_command dial_command = COMMAND("dial");
const kith_command* const commands[] = {&list_command, &changes_command, &dial_command};

const kith_protocol protocol = {sizeof(kith_protocol),
                                0,
                                KITH_NEED_DIAL,
                                KITH_ROLE_MEMBER,
                                text("Peers"),
                                text("1"),
                                text("knows and calls peers"),
                                text(""),
                                text(""),
                                commands,
                                std::size(commands),
                                0,
                                get_capability,
                                create,
                                [](kith_instance*, kith_text) { return kith_status{KITH_OK}; },
                                [](kith_instance*) { return kith_status{KITH_OK}; },
                                [](kith_instance*, std::uint64_t) {},
                                [](kith_instance*) {},
                                [](kith_instance* instance) { delete &of(instance); }};
const kith_protocol* const protocols[] = {&protocol};
const kith_plugin plugin = {sizeof(kith_plugin), KITH_ABI_MAJOR, 0, text("peers"), text("1"), protocols, 1, 0};

} // namespace

const kith_plugin* kith_plugin_entry(const kith_entry_args*) { return &plugin; }
