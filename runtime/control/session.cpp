// SPDX-License-Identifier: GPL-3.0-or-later
#include "control/session.hpp"

#include "control/call.hpp"
#include "control/hangup.hpp"
#include "control/provider.hpp"
#include "control/stream.hpp"
#include "control/subscription.hpp"
#include "control/trace.hpp"
#include "protocol/scanner.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <sys/socket.h>
#include <unistd.h>

namespace kith::control {

using protocol::Answer;
using protocol::Request;

namespace {

/// What a client in the reserve may ask: it ends soon, and helps whoever looks for the way out.
bool reserve_serves(std::string_view type) {
  constexpr std::array<std::string_view, 9> served{"hello",        "stop",          "reload",    "status",   "health",
                                                   "config.check", "identity.list", "peer.list", "pool.list"};
  return std::ranges::find(served, type) != served.end();
}

} // namespace

Error socket_full(const Context& context) {
  return {Code::busy, "the daemon has as many programs connected as it may (max_clients: " + std::to_string(context.limits.max_clients) +
                          "); end one, or raise it in kith.yaml and `kith reload`"};
}

Session::Session(Context& context, io::UniqueFd socket, Kind kind, std::function<void()> gone)
    : context_(context), socket_(std::move(socket)), gone_(std::move(gone)), reader_(context.limits.max_call_bytes + protocol::line_overhead) {
  stall_ = context_.world.make_timer([this] {
    stalled_ = false;
    if (outbox_.written() == written_at_stall_) return lose(); // it took nothing in all that time
    watch_stall();
  });
  if (kind == Kind::reserve) {
    reserve_ = context_.world.make_timer([this] { in_flight_ > 0 ? keep_reserve() : close_when_written(); });
    keep_reserve();
  }
}

Session::~Session() = default;

Result<void> Session::start() {
  auto watch = context_.reactor.watch(socket_.get(), [this](io::Readiness ready) { changed(ready); });
  if (!watch) return watch.error();
  watch_ = std::move(*watch);
  return {};
}

void Session::changed(io::Readiness ready) {
  const auto self = shared_from_this();
  if (ready.hung_up && input_ended_) return lose();
  hung_up_ = hung_up_ || ready.hung_up; // what it said before is read first; the end of file then ends the session
  has_input_ = has_input_ || ready.readable;
  if (ready.writable) flush();
  read();
}

// --- reading

bool Session::paused() const noexcept {
  return parsing_ || inline_full_ || in_flight_ >= context_.limits.max_requests || held_ + outbox_.size() >= context_.limits.max_queue;
}

void Session::read() {
  for (int turn = 0; has_input_ && turn < reads_per_turn && alive_ && !input_ended_ && !closing_ && !paused(); ++turn) {
    const ByteSpan room = reader_.prepare(read_size);
    const protocol::Io got = protocol::receive_with_fds(socket_.get(), room, fds_);
    if (got.would_block) { // a short read says nothing: one ends before each line that carries descriptors
      has_input_ = false;
      return;
    }
    if (got.ended && got.error == 0 && look_at_far_end(socket_.get(), false, 0) == FarEnd::ended) {
      input_ended_ = true;
      release_if_done();
      return;
    }
    if (got.ended || got.error != 0) return lose();
    reader_.commit(got.count);
    process();
  }
  if (!alive_ || !has_input_ || input_ended_ || closing_) return;
  if (!paused()) return resume(); // others have a turn
  if (hung_up_) lose();           // nobody is left for what is in flight
}

void Session::process() {
  while (alive_ && !closing_ && !paused() && step()) {}
  if (alive_ && reader_.buffered() == 0 && waiting_octets_ == 0 && !parsing_) fds_.clear();
}

/// Handles one thing that is there. False: nothing more to do with what has come.
bool Session::step() {
  if (inline_ != nullptr) {
    if (reader_.buffered() > 0) inline_full_ = !inline_->input(reader_);
    return false;
  }
  if (skip_ > 0) {
    skip_ -= reader_.take_some(static_cast<std::size_t>(std::min<std::uint64_t>(skip_, reader_.buffered()))).size();
    return skip_ == 0;
  }
  if (waiting_octets_ > 0) return finish_waiting();
  const auto line = reader_.take_line();
  if (line) {
    take_line(*line);
    return true;
  }
  if (reader_.too_long()) {
    refuse("", {Code::too_large, "a line longer than " + std::to_string(context_.limits.max_call_bytes + protocol::line_overhead) +
                                     " octets (max_call_bytes + 64 KiB); the socket is closed"});
    close_when_written();
  }
  return false;
}

void Session::take_line(std::string_view line) {
  if (line.size() > parse_inline_limit) return parse_elsewhere(line);
  std::string id;
  std::uint64_t octets = 0;
  auto request = protocol::decode_request(line, id, octets);
  if (octets > 0 && (!request || octets > context_.limits.max_call_bytes)) {
    skip_ = octets;
    refuse(id, request ? Error{Code::too_large, "\"bytes\" is more than max_call_bytes (" + std::to_string(context_.limits.max_call_bytes) + ")"}
                       : request.error());
    return;
  }
  if (octets > reader_.buffered()) {
    waiting_line_ = line;
    waiting_octets_ = octets;
    return;
  }
  handle(std::move(request), id, line, octets > 0 ? *reader_.take_octets(static_cast<std::size_t>(octets)) : ByteView{});
}

bool Session::finish_waiting() {
  const auto octets = reader_.take_octets(static_cast<std::size_t>(waiting_octets_));
  if (!octets) return false;
  waiting_octets_ = 0;
  const std::string line = std::move(waiting_line_);
  std::string id;
  std::uint64_t count = 0;
  auto request = protocol::decode_request(line, id, count);
  handle(std::move(request), id, line, *octets);
  return true;
}

void Session::parse_elsewhere(std::string_view line) {
  struct Job {
    std::string line;
    std::string id;
    std::uint64_t octets = 0;
    Result<Request> request = bad_request("");
  };
  auto job = std::make_shared<Job>();
  job->line = line;
  parsing_ = true;
  offload([job] { job->request = protocol::decode_request(job->line, job->id, job->octets); },
          [this, job] {
            parsing_ = false;
            if (!alive_) return;
            if (job->octets > 0) {
              skip_ = job->octets;
              refuse(job->id, bad_request("a line of more than 64 KiB can't announce octets as well"));
            } else {
              handle(std::move(job->request), job->id, job->line, {});
            }
            resume();
          });
}

void Session::offload(std::function<void()> work, std::function<void()> then) {
  if (!strand_) strand_ = context_.world.make_strand();
  ++offloaded_;
  strand_->post([self = shared_from_this(), work = std::move(work), then = std::move(then)]() mutable {
    work();
    work = nullptr;
    Executor& network = self->context_.world.network();
    network.post([self = std::move(self), then = std::move(then)] {
      --self->offloaded_;
      then();
      self->release_if_done();
    });
  });
}

void Session::resume() {
  if (resume_posted_ || !alive_) return;
  resume_posted_ = true;
  context_.world.network().post([self = shared_from_this()] {
    self->resume_posted_ = false;
    self->inline_full_ = false;
    if (!self->alive_) return;
    self->process();
    self->read();
    self->release_if_done();
  });
}

// --- requests

void Session::refuse(const std::string& id, Error error) {
  if (alive_) send(Answer::failed(id, std::move(error)).encode());
}

void Session::handle(Result<Request>&& request, const std::string& id, std::string_view line, ByteView octets) {
  if (!request) return refuse(id, request.error());
  if (!id.empty() && operations_.count(id) != 0) return refuse(id, bad_request("the id \"" + id + "\" is in flight already"));
  dispatch(*request, line, octets);
}

void Session::dispatch(Request& request, std::string_view line, ByteView octets) {
  const std::string_view type = request.type;
  std::vector<protocol::Fd> fds = fds_.take(request.fds);
  if (reserve_ && !reserve_serves(type)) {
    refuse(request.id, socket_full(context_));
    return close_when_written();
  }
  keep_reserve();
  if (reserve_ && type == "stop") reserve_->arm(never); // whoever says so waits for the end of this socket
  if (fds.size() != request.fds) return refuse(request.id, bad_request("\"fds\" says " + std::to_string(request.fds) + ", but so many did not come"));
  if (type == "call" || type == "local" || type == "stream" || type == "serve" || type == "subscribe" || type == "trace") {
    return start_operation(request, octets, std::move(fds));
  }
  if (type == "reply" || type == "reject") {
    if (const auto done = provide(request, octets); !done) {
      refuse(request.id, done.error());
    } else if (!request.id.empty()) {
      send(Answer::ok(request.id).encode());
    }
    return;
  }
  if (type == "hello") return hello(request);
  if (type == "cancel") return cancel(request);
  if (context_.administration.knows(request.type)) return administer(request, line, std::move(fds));
  refuse(request.id, bad_request("unknown type \"" + request.type + "\" (docs/control-socket.md has the list)"));
}

void Session::start_operation(Request& request, ByteView octets, std::vector<protocol::Fd> fds) {
  const std::string_view type = request.type;
  if (!fds.empty() && type != "trace") return refuse(request.id, bad_request("a " + request.type + " takes no descriptors"));
  const bool is_call = type == "call" || type == "local";
  if (!is_call && lasting_ >= context_.limits.max_streams) {
    return refuse(request.id, {Code::busy, "this socket has " + std::to_string(context_.limits.max_streams) + " streams open (max_client_streams)"});
  }
  std::unique_ptr<Operation> operation;
  if (is_call) operation = std::make_unique<Call>(*this, request.id);
  if (type == "stream") operation = std::make_unique<StreamOperation>(*this, request.id);
  if (type == "serve") operation = std::make_unique<Provider>(*this, request.id);
  if (type == "subscribe") operation = std::make_unique<Subscription>(*this, request.id);
  if (type == "trace") operation = std::make_unique<Trace>(*this, request.id);
  Operation& started = *operation;
  const bool only_one = operations_.empty() && reader_.buffered() == 0;
  operations_.emplace(request.id, std::move(operation));
  ++in_flight_;
  if (!is_call) ++lasting_;
  Result<void> done;
  if (is_call) done = static_cast<Call&>(started).start(request, octets);
  if (type == "stream") done = static_cast<StreamOperation&>(started).start(request, only_one);
  if (type == "serve") done = static_cast<Provider&>(started).start(request);
  if (type == "subscribe") done = static_cast<Subscription&>(started).start(request);
  if (type == "trace") done = static_cast<Trace&>(started).start(request, std::move(fds));
  if (done) return;
  refuse(request.id, done.error());
  settle();
  ended(request.id);
}

/// A provider's reply or reject.
Result<void> Session::provide(const Request& request, ByteView octets) {
  const auto call = request.fields.text("call");
  if (!call) return call.error();
  const auto found = offered_.find(call->value_or(""));
  if (found != offered_.end()) return found->second->answer(request, octets);
  if (was_offered(call->value_or(""))) return Error{Code::cancelled, "the call \"" + **call + "\" is over"};
  return bad_request("there is no call \"" + call->value_or("") + "\"");
}

std::string Session::offer(Provider& provider) {
  std::string call = "c" + std::to_string(++last_offer_);
  offered_.emplace(call, &provider);
  return call;
}

bool Session::was_offered(std::string_view call) const {
  std::uint64_t number = 0;
  if (!call.starts_with('c')) return false;
  const auto [end, error] = std::from_chars(call.data() + 1, call.data() + call.size(), number);
  return error == std::errc() && end == call.data() + call.size() && number > 0 && number <= last_offer_;
}

void Session::hello(const Request& request) {
  const auto hello = protocol::HelloRequest::decode(request);
  if (!hello) return refuse(request.id, hello.error());
  if (hello->api > protocol::api_version || hello->api == 0) {
    return refuse(request.id, {Code::unsupported_version, "this daemon (" + context_.version + ") serves API 1, not " + std::to_string(hello->api)});
  }
  const std::string data = protocol::ObjectWriter()
                               .number("api", protocol::api_version)
                               .text("version", context_.version)
                               .number("pid", static_cast<std::uint64_t>(::getpid()))
                               .text("home", context_.home)
                               .number("max_call_bytes", context_.limits.max_call_bytes)
                               .finish();
  send(Answer::ok(request.id, protocol::Body::of_json(data)).encode());
}

void Session::cancel(const Request& request) {
  const auto wanted = protocol::CancelRequest::decode(request);
  if (!wanted) return refuse(request.id, wanted.error());
  Operation* operation = find(wanted->request);
  if (operation == nullptr) return refuse(request.id, bad_request("nothing with the id \"" + wanted->request + "\" is in flight"));
  send(Answer::ok(request.id).encode());
  operation->cancel();
}

namespace {

/// Keeps an administrative request's id taken; it can't be cancelled.
class Pending final : public Operation {
public:
  void cancel() override {}
  bool lasts() const noexcept override { return false; }
};

} // namespace

void Session::administer(Request& request, std::string_view line, std::vector<protocol::Fd> fds) {
  auto ask = std::make_unique<Ask>();
  ask->type = request.type;
  ask->line = line;
  ask->fields = *protocol::Object::parse(ask->line); // it was parsed before: the copy has views of its own
  ask->fds = std::move(fds);
  operations_.emplace(request.id, std::make_unique<Pending>());
  ++in_flight_;
  context_.administration.handle(std::move(ask), [self = shared_from_this(), id = request.id](const Told& told) {
    if (self->alive_) {
      Answer answer = told ? Answer::ok(id) : Answer::failed(id, told.error());
      if (told && !told->empty()) answer.body = protocol::Body::of_json(*told);
      self->send(answer.encode());
    }
    self->settle();
    self->ended(id);
  });
}

// --- for operations

void Session::answer(const Answer& answer, ByteView octets, std::vector<protocol::Fd> fds) {
  if (alive_) send(answer.encode(), octets, std::move(fds));
}

void Session::send(std::string_view line, ByteView octets, std::vector<protocol::Fd> fds) {
  if (!alive_) return;
  outbox_.line(line, octets, std::move(fds));
  schedule_flush();
}

void Session::send_raw(ByteView octets) {
  if (!alive_) return;
  outbox_.raw(octets);
  schedule_flush();
}

Operation* Session::find(const std::string& id) noexcept {
  const auto found = operations_.find(id);
  return found == operations_.end() ? nullptr : found->second.get();
}

void Session::ended(const std::string& id) {
  const auto found = operations_.find(id);
  if (found == operations_.end()) return;
  if (found->second->lasts()) --lasting_;
  over_.push_back(std::move(found->second));
  operations_.erase(found);
  schedule_flush();
}

std::unique_ptr<Operation> Session::release(const std::string& id) {
  const auto found = operations_.find(id);
  std::unique_ptr<Operation> operation = std::move(found->second);
  operations_.erase(found);
  ++lingering_;
  return operation;
}

void Session::give_back(std::unique_ptr<Operation> operation) {
  --lingering_;
  over_.push_back(std::move(operation));
  schedule_flush();
}

void Session::unhold(std::size_t octets) {
  const bool before = paused();
  held_ -= octets;
  if (before && !paused()) resume();
}

void Session::settle() {
  const bool before = paused();
  --in_flight_;
  if (before && !paused()) resume();
}

// --- writing

/// Once for all that the current handler queues: many answers leave in one write.
void Session::schedule_flush() {
  if (flush_posted_) return;
  flush_posted_ = true;
  context_.world.network().post([self = shared_from_this()] {
    self->flush_posted_ = false;
    self->over_.clear();
    if (self->alive_) self->flush();
    self->release_if_done();
  });
}

void Session::flush() {
  const bool before = paused();
  switch (outbox_.flush(socket_.get())) {
    case Outbox::State::broken: return lose();
    case Outbox::State::blocked:
      watch_.want_writable();
      if (!paused() && before) resume();
      watch_stall();
      break;
    case Outbox::State::empty:
      if (std::exchange(stalled_, false)) stall_->arm(never);
      if (closing_) return lose();
      if (before && !paused()) resume();
      break;
  }
  if (inline_ != nullptr && outbox_.size() < turn_budget) inline_->output_room();
  release_if_done();
}

/// Begins to watch a client that does not take what there is for it.
void Session::watch_stall() {
  if (stalled_) return;
  stalled_ = true;
  written_at_stall_ = outbox_.written();
  stall_->arm(context_.world.now() + context_.limits.stall_timeout);
}

/// A place in the reserve is for those who use it.
void Session::keep_reserve() {
  if (reserve_) reserve_->arm(context_.world.now() + reserve_patience);
}

void Session::close_when_written() {
  closing_ = true;
  schedule_flush();
}

void Session::close() {
  if (!alive_) return;
  outbox_.flush(socket_.get());
  lose();
}

/// The socket is gone, or is to go: everything that it started ends.
void Session::lose() {
  if (!alive_) return;
  alive_ = false;
  const auto self = shared_from_this();
  stall_->arm(never);
  if (reserve_) reserve_->arm(never);
  watch_ = {};
  socket_.reset();
  fds_.clear();
  inline_ = nullptr;
  std::vector<std::string> ids;
  for (const auto& [id, operation] : operations_) ids.push_back(id);
  for (const auto& id : ids) {
    if (Operation* operation = find(id); operation != nullptr) operation->cancel();
  }
  release_if_done();
}

void Session::release_if_done() {
  if (alive_ && input_ended_ && operations_.empty() && outbox_.empty() && offloaded_ == 0) return lose();
  if (alive_ || gone_told_ || !operations_.empty() || !over_.empty() || offloaded_ != 0 || lingering_ != 0) return;
  gone_told_ = true;
  context_.world.network().post([self = shared_from_this()] { self->gone_(); });
}

} // namespace kith::control
