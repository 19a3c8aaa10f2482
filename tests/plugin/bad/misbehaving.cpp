// SPDX-License-Identifier: Apache-2.0
// A plugin that breaks one rule for each command that a stream names, written against the C ABI so that nothing stops it.
#include <kith/abi/draft/dial.h>
#include <kith/abi/entry.h>
#include <kith/abi/log.h>
#include <kith/abi/stream.h>
#include <kith/abi/timer.h>

#include <cstdlib>
#include <fcntl.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <unistd.h>

namespace {

struct Instance {
  const kith_host* host;
  const kith_host_stream* calls;
  std::string last;
  kith_stream_id dialed;
  kith_stream_id asker; ///< Of "dials".
};

Instance& of(kith_instance* instance) { return *reinterpret_cast<Instance*>(instance); }
kith_text text(std::string_view from) { return {from.data(), from.size()}; }

kith_status create(const kith_host* host, kith_instance** out) {
  const auto* calls = static_cast<const kith_host_stream*>(host->get_capability(host, text(KITH_STREAM_ID)));
  *out = reinterpret_cast<kith_instance*>(new Instance{host, calls, {}, 0, 0});
  return KITH_OK;
}

void wait_for_the_writer_to_go() {
  const int fd = ::open(std::getenv("KITH_TEST_FIFO"), O_RDONLY);
  char octet_read = 0;
  while (::read(fd, &octet_read, 1) > 0) {}
  ::close(fd);
}

kith_status configure(kith_instance* instance, kith_text config) {
  const std::string_view json(config.data, config.size);
  if (json.find("throw") != std::string_view::npos) throw std::runtime_error("thrown by configure");
  if (json.find("stuck") != std::string_view::npos) wait_for_the_writer_to_go();
  if (json.find("refuse") == std::string_view::npos) return KITH_OK;
  const kith_host* host = of(instance).host;
  host->set_error(host, text("refused by configure"));
  return KITH_E_FAILED;
}

// Reads from the stream that "dials" opened and tells the asker: the octet, or "-" when it would block.
void read_dialed(Instance& self) {
  std::uint8_t octet = 0;
  std::size_t done = 0;
  const kith_status status = self.calls->read(self.host, self.dialed, {&octet, 1}, &done);
  if (status == KITH_WOULD_BLOCK) octet = '-';
  self.calls->write(self.host, self.asker, {&octet, 1}, &done);
}

void on_opened(kith_instance* instance, const kith_stream_opened* opened) {
  Instance& self = of(instance);
  const kith_host* host = self.host;
  const kith_stream_id id = opened->stream;
  self.last = std::string(opened->command.data, opened->command.size);
  if (self.last == "throws") throw std::runtime_error("thrown by on_opened");
  if (self.last == "never_answers") return;
  if (self.last == "stuck") wait_for_the_writer_to_go();
  if (self.last == "dials") {
    const auto* dial = static_cast<const kith_host_dial*>(host->get_capability(host, text(KITH_DIAL_ID)));
    kith_dial_request request{};
    request.struct_size = sizeof request;
    request.kind = KITH_KIND_STREAM;
    request.deadline_ns = KITH_NEVER;
    request.protocol = text("Any");
    self.asker = id;
    self.calls->accept(host, id, text(""));
    dial->open(host, &request, &self.dialed);
    read_dialed(self);
    return;
  }
  if (self.last == "logs") {
    const auto* log = static_cast<const kith_host_log*>(host->get_capability(host, text(KITH_LOG_ID)));
    for (int i = 0; i < 1000; ++i) log->write(host, KITH_LOG_INFO, text("chatter"));
  }
  std::uint8_t octet = 0;
  std::size_t done = 0;
  kith_buffer room{};
  if (self.last == "write_before_accept") self.calls->write(host, id, {&octet, 1}, &done);
  self.calls->accept(host, id, text(""));
  if (self.last == "double_accept") self.calls->accept(host, id, text(""));
  if (self.last == "reject_after_accept") self.calls->reject(host, id, 1000, text("too late"));
  if (self.last == "bad_id") self.calls->finish(host, id + 77);
  if (self.last == "no_pointer") self.calls->peek(host, id, nullptr);
  if (self.last == "consume_unseen") self.calls->consume(host, id, 1U << 30U);
  if (self.last == "commit_unreserved") self.calls->commit(host, id, 1);
  if (self.last == "commit_too_much") {
    self.calls->reserve(host, id, 10, &room);
    self.calls->commit(host, id, room.size + 1);
  }
  if (self.last == "wrong_thread") std::thread([&] { self.calls->write(host, id, {&octet, 1}, &done); }).join();
  self.calls->finish(host, id);
  if (self.last == "write_after_finish") self.calls->write(host, id, {&octet, 1}, &done);
  if (self.last == "code_zero") self.calls->reset(host, id, 0, text(""));
}

void on_readable(kith_instance* instance, kith_stream_id id) {
  Instance& self = of(instance);
  if (self.last == "dials" && id == self.dialed) read_dialed(self);
}

void on_writable(kith_instance*, kith_stream_id) {}

void on_closed(kith_instance* instance, kith_stream_id id, const kith_stream_closed*) {
  Instance& self = of(instance);
  std::uint8_t octet = 0;
  std::size_t done = 0;
  if (self.last == "write_after_closed") self.calls->write(self.host, id, {&octet, 1}, &done);
}

const void* get_capability(kith_text id) {
  static constexpr kith_plugin_stream stream{sizeof(kith_plugin_stream), 0, on_opened, on_readable, on_writable, on_closed};
  return std::string_view(id.data, id.size) == KITH_STREAM_ID ? &stream : nullptr;
}

const kith_protocol protocol = {sizeof(kith_protocol),
                                0,
                                KITH_NEED_DIAL,
                                KITH_ROLE_MEMBER,
                                text("Misbehaving"),
                                text("1"),
                                text(""),
                                text(""),
                                text(""),
                                nullptr,
                                0,
                                0,
                                get_capability,
                                create,
                                configure,
                                [](kith_instance*) { return kith_status{KITH_OK}; },
                                [](kith_instance*, std::uint64_t) {},
                                [](kith_instance*) {},
                                [](kith_instance* instance) { delete &of(instance); }};
const kith_protocol* const protocols[] = {&protocol};
const kith_plugin plugin = {sizeof(kith_plugin), KITH_ABI_MAJOR, 0, text("misbehaving"), text("1"), protocols, 1, 0};

} // namespace

const kith_plugin* kith_plugin_entry(const kith_entry_args*) { return &plugin; }
