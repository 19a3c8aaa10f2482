// SPDX-License-Identifier: Apache-2.0
#include "kith/client.hpp"

#include "protocol/fields.hpp"
#include "protocol/scanner.hpp"
#include "socket.hpp"

#include <algorithm>
#include <utility>

namespace kith::client {
namespace {

constexpr std::size_t max_kept_events = 1024;
constexpr std::chrono::milliseconds octets_patience{30'000}; ///< For octets whose line has come already.

/// What is left of a patience that began with the deadline.
std::chrono::milliseconds time_left(Deadline deadline) {
  if (!deadline) return forever;
  return std::max(std::chrono::milliseconds(0), std::chrono::ceil<std::chrono::milliseconds>(*deadline - std::chrono::steady_clock::now()));
}

Closed to_closed(protocol::ClosedEvent event) { return {event.sent, event.received, std::move(event.error)}; }

} // namespace

struct Client::State {
  explicit State(Socket connected) : socket(std::move(connected)) {}

  Result<std::string> submit(std::string_view type, const ObjectWriter& fields, const Payload* payload, std::span<const int> fds, Deadline deadline);
  /// What the daemon said before it closed the socket while we wrote; else `error`.
  Error last_word(Error error);
  /// Files one message that has come where its waiter looks for it.
  Result<void> file(const std::string& line);
  Result<void> file_answer(const protocol::Object& line);
  Result<void> file_event(std::string name, const protocol::Object& object, std::string line);
  /// Waits for messages until `done`.
  Result<void> run_until(const std::function<bool()>& done, std::chrono::milliseconds patience);

  Socket socket;
  Hello hello;
  std::uint64_t last_id = 0;
  std::map<std::string, Result<Answer>> answers;        ///< Nobody has waited for them yet.
  std::map<std::string, std::optional<Closed>> streams; ///< Open ones, and ended ones that nobody has asked about yet.
  std::deque<Event> events;
  std::chrono::milliseconds slow_after{};
  std::function<void()> tell_slow; ///< Empty: nobody wants to know.
};

Error Client::State::last_word(Error error) {
  while (error.code == Code::connection_lost) {
    auto line = socket.poll_line();
    if (!line || !*line) break;
    if (const auto filed = file(**line); !filed) return filed.error();
  }
  return error;
}

Result<std::string> Client::State::submit(std::string_view type, const ObjectWriter& fields, const Payload* payload, std::span<const int> fds,
                                          Deadline deadline) {
  const std::string id = std::to_string(++last_id);
  protocol::Body body;
  if (payload != nullptr && payload->json) {
    if (const auto scan = protocol::check_json(payload->bytes); !scan.ok()) {
      return bad_request("not JSON: " + std::string(scan.fault) + " at octet " + std::to_string(scan.end + 1));
    }
    body = protocol::Body::of_json(payload->bytes);
  } else if (payload != nullptr) {
    body = protocol::Body::of_octets(payload->bytes.size());
  }
  if (payload != nullptr && payload->bytes.size() > hello.max_call_bytes) {
    return Error{Code::too_large, std::to_string(payload->bytes.size()) + " octets are more than max_call_bytes (" +
                                      std::to_string(hello.max_call_bytes) + "): send them as a stream"};
  }
  std::string line = protocol::encode_request(id, type, fields, body, fds.size());
  line.push_back('\n');
  if (payload != nullptr && !payload->json) line += payload->bytes;
  if (auto sent = socket.send(line, fds, deadline); !sent) return last_word(sent.error());
  return id;
}

Result<void> Client::State::file(const std::string& line) {
  const auto object = protocol::Object::parse(line);
  if (!object) return Error{Code::internal, "the daemon sent a line that is " + object.error().text};
  auto name = object->text("event");
  if (!name) return name.error();
  if (*name) return file_event(std::move(**name), *object, line);
  return file_answer(*object);
}

Result<void> Client::State::file_answer(const protocol::Object& line) {
  const auto answer = protocol::Answer::decode(line);
  if (!answer) return Error{Code::internal, "the daemon sent an answer that can't be read: " + answer.error().text};
  if (answer->error) {
    if (answer->id.empty()) return *answer->error; // it could not read what we sent
    answers.insert_or_assign(answer->id, *answer->error);
    return {};
  }
  Answer good;
  if (answer->body.kind == protocol::Body::Kind::json) good.payload = Payload::of_json(std::string(answer->body.json));
  if (answer->body.octets > 0) {
    auto octets = socket.receive_octets(answer->body.octets, deadline_in(octets_patience));
    if (!octets) return octets.error();
    good.payload = Payload::of_octets(std::move(*octets));
  }
  good.fds = socket.take_fds(answer->fds);
  if (good.fds.size() != answer->fds)
    return Error{Code::internal, "a descriptor that the daemon sent got lost: this program has too many files open (ulimit -n)"};
  if (answer->streaming) streams.emplace(answer->id, std::nullopt);
  answers.insert_or_assign(answer->id, std::move(good));
  return {};
}

Result<void> Client::State::file_event(std::string name, const protocol::Object& object, std::string line) {
  const std::string id = object.text("id").value().value_or("");
  if (name == "closed") {
    auto closed = protocol::ClosedEvent::decode(object);
    if (!closed) return Error{Code::internal, "the daemon sent an event that can't be read: " + closed.error().text};
    const auto stream = streams.find(id);
    if (stream != streams.end() && closed->call.empty()) {
      stream->second = to_closed(std::move(*closed));
      return {};
    }
  }
  std::uint64_t octets = 0;
  std::uint64_t fds = 0;
  protocol::FieldReader(object).number("bytes", octets).number("fds", fds);
  Event event{id, std::move(name), std::move(line), {}, socket.take_fds(fds)};
  if (octets > 0) {
    auto received = socket.receive_octets(octets, deadline_in(octets_patience));
    if (!received) return received.error();
    event.octets = std::move(*received);
  }
  if (events.size() == max_kept_events) events.pop_front();
  events.push_back(std::move(event));
  return {};
}

Result<void> Client::State::run_until(const std::function<bool()>& done, std::chrono::milliseconds patience) {
  const Deadline deadline = deadline_in(patience);
  const Deadline slow = tell_slow ? deadline_in(slow_after) : std::nullopt;
  while (!done()) {
    const bool may_be_slow = tell_slow && slow && (!deadline || *slow < *deadline);
    auto line = socket.receive_line(may_be_slow ? slow : deadline);
    if (!line && may_be_slow && line.error().code == Code::timeout) { // its own error: what the daemon says is in a line
      std::exchange(tell_slow, nullptr)();
      continue;
    }
    if (!line) return line.error();
    if (auto filed = file(*line); !filed) return filed.error();
  }
  return {};
}

Client::Client(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

Result<Client> Client::connect(const std::string& home, std::chrono::milliseconds patience) {
  const Deadline deadline = deadline_in(patience);
  auto socket = Socket::connect(home, deadline);
  if (!socket) return socket.error();
  Client client(std::make_unique<State>(std::move(*socket)));
  const auto answer = client.request("hello", protocol::HelloRequest{protocol::api_version}.fields(), time_left(deadline));
  if (!answer) return answer.error();
  const auto data = protocol::Object::parse(answer->payload.bytes);
  if (!data) return Error{Code::unsupported_version, "the daemon's hello can't be read: it is of another version"};
  Hello& hello = client.state_->hello;
  std::uint64_t pid = 0;
  protocol::FieldReader(*data)
      .number("api", hello.api)
      .text("version", hello.version)
      .number("pid", pid)
      .number("max_call_bytes", hello.max_call_bytes);
  hello.pid = static_cast<int>(pid);
  if (hello.api != protocol::api_version) {
    return Error{Code::unsupported_version, "the daemon speaks API " + std::to_string(hello.api) + ", this program " +
                                                std::to_string(protocol::api_version) + ": restart the daemon with `kith stop` and `kith daemon`"};
  }
  client.state_->socket.set_max_line(hello.max_call_bytes + protocol::line_overhead);
  return client;
}

const Hello& Client::hello() const noexcept { return state_->hello; }
int Client::fd() const noexcept { return state_->socket.fd(); }

void Client::when_slow(std::chrono::milliseconds after, std::function<void()> tell) {
  state_->slow_after = after;
  state_->tell_slow = std::move(tell);
}

Result<std::string> Client::submit(std::string_view type, const ObjectWriter& fields, const Payload* payload, std::span<const int> fds,
                                   std::chrono::milliseconds patience) {
  return state_->submit(type, fields, payload, fds, deadline_in(patience));
}

Result<Answer> Client::wait(const std::string& id, std::chrono::milliseconds patience) {
  auto& answers = state_->answers;
  if (auto ran = state_->run_until([&] { return answers.contains(id); }, patience); !ran) return ran.error();
  auto found = answers.extract(id);
  return std::move(found.mapped());
}

Result<Answer> Client::request(std::string_view type, const ObjectWriter& fields, std::chrono::milliseconds patience) {
  return request(type, fields, nullptr, {}, patience);
}

Result<Answer> Client::request(std::string_view type, const ObjectWriter& fields, const Payload* payload, std::span<const int> fds,
                               std::chrono::milliseconds patience) {
  const Deadline deadline = deadline_in(patience);
  const auto id = state_->submit(type, fields, payload, fds, deadline);
  if (!id) return id.error();
  return wait(*id, time_left(deadline));
}

Result<Payload> Client::call(const Target& target, const Payload& payload) {
  const auto patience = std::chrono::milliseconds(target.timeout_ms) + patience_margin;
  auto answer = request("call", protocol::CallRequest{target}.fields(), &payload, {}, patience);
  if (!answer) return answer.error();
  return std::move(answer->payload);
}

Result<Payload> Client::local(const protocol::LocalRequest& local, const Payload& payload) {
  auto answer = request("local", local.fields(), &payload, {}, std::chrono::milliseconds(local.timeout_ms) + patience_margin);
  if (!answer) return answer.error();
  return std::move(answer->payload);
}

Result<Stream> Client::open_stream(const Target& target) {
  const auto patience = std::chrono::milliseconds(target.timeout_ms) + patience_margin;
  const auto id = submit("stream", protocol::StreamRequest{target, false}.fields(), nullptr, {}, patience);
  if (!id) return id.error();
  auto answer = wait(*id, patience);
  if (!answer) return answer.error();
  if (answer->fds.size() != 1) return Error{Code::internal, "the daemon opened a stream without a descriptor"};
  return Stream{*id, std::move(answer->fds.front())};
}

Result<std::optional<Closed>> Client::poll_closed(const Stream& stream) {
  while (true) {
    const auto found = state_->streams.find(stream.id);
    if (found != state_->streams.end() && found->second) return std::move(state_->streams.extract(found).mapped());
    auto line = state_->socket.poll_line();
    if (!line) return line.error();
    if (!*line) return std::optional<Closed>();
    if (auto filed = state_->file(**line); !filed) return filed.error();
  }
}

Result<Closed> Client::wait_closed(const Stream& stream, std::chrono::milliseconds patience) {
  auto& streams = state_->streams;
  const auto ended = [&] {
    const auto found = streams.find(stream.id);
    return found == streams.end() || found->second.has_value();
  };
  if (auto ran = state_->run_until(ended, patience); !ran) return ran.error();
  auto found = streams.extract(stream.id);
  if (found.empty()) return bad_request("this stream has ended before");
  return std::move(*found.mapped());
}

Result<Event> Client::next_event(std::chrono::milliseconds patience) {
  auto& events = state_->events;
  if (auto ran = state_->run_until([&] { return !events.empty(); }, patience); !ran) return ran.error();
  Event event = std::move(events.front());
  events.pop_front();
  return event;
}

Result<void> Client::wait_end(std::chrono::milliseconds patience) {
  auto ran = state_->run_until([] { return false; }, patience);
  if (!ran && ran.error().code == Code::connection_lost) return {};
  return ran;
}

} // namespace kith::client
