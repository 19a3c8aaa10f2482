// SPDX-License-Identifier: Apache-2.0
#include "protocol/envelope.hpp"

#include "protocol/fields.hpp"
#include "protocol/scanner.hpp"

namespace kith::protocol {
namespace {

void read_body(const Object& object, FieldReader& read, Body& body) {
  const auto data = object.raw("data");
  const bool octets = object.raw("bytes").has_value();
  read.number("bytes", body.octets);
  if (octets) body.kind = Body::Kind::octets;
  if (data) body = {Body::Kind::json, *data, body.octets};
  if (data && octets) read.fail("\"data\" and \"bytes\" exclude each other");
}

void write_body(ObjectWriter& line, const Body& body) {
  if (body.kind == Body::Kind::json) line.raw("data", body.json);
  if (body.kind == Body::Kind::octets) line.number("bytes", body.octets);
}

void write_fds(ObjectWriter& line, std::size_t fds) {
  if (fds > 0) line.number("fds", fds);
}

void read_fds(FieldReader& read, std::size_t& fds) {
  std::uint64_t count = 0;
  read.number_within("fds", 0, max_fds_per_line, count);
  fds = count;
}

void read_target(FieldReader& read, Target& to) {
  read.text("from", to.from).need_text("target", to.target).need_text("protocol", to.protocol).text("alias", to.alias).text("command", to.command);
  read.number_within("timeout_ms", 1, max_timeout_ms, to.timeout_ms);
  if (to.alias.empty()) to.alias = default_alias;
}

ObjectWriter write_target(const Target& to) {
  ObjectWriter fields;
  if (!to.from.empty()) fields.text("from", to.from);
  fields.text("target", to.target).text("protocol", to.protocol).text("alias", to.alias).text("command", to.command);
  if (to.timeout_ms != default_timeout_ms) fields.number("timeout_ms", to.timeout_ms);
  return fields;
}

/// `code` is a name of the table or a number.
void read_code(const Object& object, FieldReader& read, Code& code) {
  const auto raw = object.raw("code");
  if (!raw) return read.fail("\"code\" is missing");
  if (raw->front() != '"') {
    std::uint64_t number = 0;
    read.number("code", number);
    if (number < first_app_code) read.fail("\"code\" must be a name, or a number from " + std::to_string(first_app_code) + " on");
    code = static_cast<Code>(number);
    return;
  }
  const auto name = decode_string(*raw).value_or("");
  const CodeInfo* info = find_code(name);
  code = info != nullptr ? info->code : Code::internal; // a newer daemon may know more names
}

void write_code(ObjectWriter& line, Code code) {
  if (is_app_code(code)) {
    line.number("code", static_cast<std::uint64_t>(code));
  } else {
    line.text("code", find_code(code) != nullptr ? code_name(code) : code_name(Code::internal));
  }
}

/// status, code and data of something that may have failed.
void read_outcome(const Object& object, FieldReader& read, std::string& status, std::optional<Error>& error) {
  read.need_text("status", status);
  if (status != "error" && status != "app_error") return;
  Error failure;
  read_code(object, read, failure.code);
  const std::string_view raw = object.raw("data").value_or("\"\"");
  failure.text = decode_string(raw).value_or(std::string(raw));
  error = std::move(failure);
}

void write_failure(ObjectWriter& line, const Error& error) {
  line.text("status", is_app_code(error.code) ? "app_error" : "error");
  write_code(line, error.code);
  line.text("data", error.text);
}

} // namespace

Result<Request> decode_request(std::string_view line, std::string& id, std::uint64_t& octets) {
  id.clear();
  octets = 0;
  auto object = Object::parse(line);
  if (!object) return object.error();
  Request request;
  FieldReader read(*object);
  read.text("id", request.id);
  if (request.id.size() > max_id_size) {
    read.fail("\"id\" must have at most " + std::to_string(max_id_size) + " octets");
  } else {
    id = request.id;
  }
  read_body(*object, read, request.body);
  octets = request.octets();
  read.need_text("type", request.type);
  read_fds(read, request.fds);
  if (request.id.empty() && request.type != "reply" && request.type != "reject") read.fail("\"id\" is missing");
  request.fields = std::move(*object);
  return read.error() ? Result<Request>(*read.error()) : Result<Request>(std::move(request));
}

std::string encode_request(std::string_view id, std::string_view type, const ObjectWriter& fields, const Body& body, std::size_t fds) {
  ObjectWriter line;
  if (!id.empty()) line.text("id", id);
  line.text("type", type).all(fields);
  write_body(line, body);
  write_fds(line, fds);
  return line.finish();
}

Result<HelloRequest> HelloRequest::decode(const Request& request) {
  HelloRequest hello;
  FieldReader read(request.fields);
  read.only({"id", "type", "api"}).number("api", hello.api);
  return read.done(hello);
}

ObjectWriter HelloRequest::fields() const { return ObjectWriter().number("api", api); }

Result<CallRequest> CallRequest::decode(const Request& request) {
  CallRequest call;
  FieldReader read(request.fields);
  read.only({"id", "type", "from", "target", "protocol", "alias", "command", "timeout_ms", "data", "bytes"});
  read_target(read, call.target);
  return read.done(std::move(call));
}

ObjectWriter CallRequest::fields() const { return write_target(target); }

Result<StreamRequest> StreamRequest::decode(const Request& request) {
  StreamRequest stream;
  FieldReader read(request.fields);
  read.only({"id", "type", "from", "target", "protocol", "alias", "command", "timeout_ms", "mode"});
  read_target(read, stream.target);
  std::string mode;
  read.text("mode", mode);
  stream.inline_mode = mode == "inline";
  if (!mode.empty() && !stream.inline_mode) read.fail("\"mode\" must be \"inline\" or left out");
  return read.done(std::move(stream));
}

ObjectWriter StreamRequest::fields() const {
  ObjectWriter fields = write_target(target);
  if (inline_mode) fields.text("mode", "inline");
  return fields;
}

Result<ServeRequest> ServeRequest::decode(const Request& request) {
  ServeRequest serve;
  FieldReader read(request.fields);
  read.only({"id", "type", "identity", "protocol", "alias", "max_in_flight"});
  read.text("identity", serve.identity).need_text("protocol", serve.protocol).text("alias", serve.alias);
  read.number_within("max_in_flight", 1, highest_max_in_flight, serve.max_in_flight);
  return read.done(std::move(serve));
}

ObjectWriter ServeRequest::fields() const {
  ObjectWriter fields;
  if (!identity.empty()) fields.text("identity", identity);
  return fields.text("protocol", protocol).text("alias", alias).number("max_in_flight", max_in_flight);
}

Result<ReplyRequest> ReplyRequest::decode(const Request& request) {
  ReplyRequest reply;
  FieldReader read(request.fields);
  read.only({"id", "type", "call", "data", "bytes"}).need_text("call", reply.call);
  return read.done(std::move(reply));
}

ObjectWriter ReplyRequest::fields() const { return ObjectWriter().text("call", call); }

Result<RejectRequest> RejectRequest::decode(const Request& request) {
  RejectRequest reject;
  FieldReader read(request.fields);
  read.only({"id", "type", "call", "code", "text"}).need_text("call", reject.call).text("text", reject.error.text);
  read_code(request.fields, read, reject.error.code);
  return read.done(std::move(reject));
}

ObjectWriter RejectRequest::fields() const {
  ObjectWriter fields = ObjectWriter().text("call", call);
  write_code(fields, error.code);
  return fields.text("text", error.text);
}

Result<CancelRequest> CancelRequest::decode(const Request& request) {
  CancelRequest cancel;
  FieldReader read(request.fields);
  read.only({"id", "type", "request"}).need_text("request", cancel.request);
  return read.done(std::move(cancel));
}

ObjectWriter CancelRequest::fields() const { return ObjectWriter().text("request", request); }

Result<SubscribeRequest> SubscribeRequest::decode(const Request& request) {
  SubscribeRequest subscribe;
  FieldReader read(request.fields);
  read.only({"id", "type", "topics"}).texts("topics", subscribe.topics);
  if (subscribe.topics.empty()) read.fail("\"topics\" names none: it is a list of one or more");
  return read.done(std::move(subscribe));
}

ObjectWriter SubscribeRequest::fields() const { return ObjectWriter().texts("topics", topics); }

Result<LocalRequest> LocalRequest::decode(const Request& request) {
  LocalRequest local;
  FieldReader read(request.fields);
  read.only({"id", "type", "identity", "protocol", "alias", "command", "timeout_ms", "data", "bytes"});
  read.text("identity", local.identity).need_text("protocol", local.protocol).text("alias", local.alias).need_text("command", local.command);
  read.number_within("timeout_ms", 1, max_timeout_ms, local.timeout_ms);
  if (local.alias.empty()) local.alias = default_alias;
  return read.done(std::move(local));
}

ObjectWriter LocalRequest::fields() const {
  ObjectWriter fields;
  if (!identity.empty()) fields.text("identity", identity);
  fields.text("protocol", protocol).text("alias", alias).text("command", command);
  if (timeout_ms != default_timeout_ms) fields.number("timeout_ms", timeout_ms);
  return fields;
}

Result<Answer> Answer::decode(const Object& line) {
  Answer answer;
  FieldReader read(line);
  std::string status;
  read.text("id", answer.id);
  read_outcome(line, read, status, answer.error);
  answer.streaming = status == "streaming";
  if (!answer.error && !answer.streaming && status != "ok") read.fail("unknown status");
  if (!answer.error) read_body(line, read, answer.body);
  read_fds(read, answer.fds);
  return read.done(std::move(answer));
}

std::string Answer::encode() const {
  ObjectWriter line;
  line.text("id", id);
  if (error) {
    write_failure(line, *error);
  } else {
    line.text("status", streaming ? "streaming" : "ok");
    write_body(line, body);
  }
  write_fds(line, fds);
  return line.finish();
}

Result<ClosedEvent> ClosedEvent::decode(const Object& line) {
  ClosedEvent event;
  FieldReader read(line);
  std::string status;
  read.text("id", event.id).text("call", event.call).number("sent", event.sent).number("received", event.received);
  read_outcome(line, read, status, event.error);
  return read.done(std::move(event));
}

std::string ClosedEvent::encode() const {
  ObjectWriter line;
  line.text("id", id).text("event", "closed");
  if (!call.empty()) line.text("call", call);
  if (error) {
    write_failure(line, *error);
  } else {
    line.text("status", "ok");
  }
  return line.number("sent", sent).number("received", received).finish();
}

Result<IncomingEvent> IncomingEvent::decode(const Object& line) {
  IncomingEvent event;
  FieldReader read(line);
  std::string kind;
  std::uint64_t deadline = 0;
  read.text("id", event.id).need_text("call", event.call).need_text("kind", kind).need_text("peer", event.peer);
  read.text("peer_name", event.peer_name).text("role", event.role).text("command", event.command).number("deadline_ms", deadline);
  if (line.raw("deadline_ms")) event.deadline_ms = deadline;
  event.stream = kind == "stream";
  if (!event.stream && kind != "call") read.fail("unknown kind");
  read_body(line, read, event.body);
  read_fds(read, event.fds);
  return read.done(std::move(event));
}

std::string IncomingEvent::encode() const {
  ObjectWriter line;
  line.text("id", id).text("event", "incoming").text("call", call).text("kind", stream ? "stream" : "call").text("peer", peer);
  line.text("peer_name", peer_name).text("role", role).text("command", command);
  if (deadline_ms) line.number("deadline_ms", *deadline_ms);
  write_body(line, body);
  write_fds(line, fds);
  return line.finish();
}

Result<CancelledEvent> CancelledEvent::decode(const Object& line) {
  CancelledEvent event;
  FieldReader read(line);
  read.text("id", event.id).need_text("call", event.call);
  read_code(line, read, event.code);
  return read.done(std::move(event));
}

std::string CancelledEvent::encode() const {
  ObjectWriter line;
  line.text("id", id).text("event", "cancelled").text("call", call);
  write_code(line, code);
  return line.finish();
}

Result<TopicEvent> TopicEvent::decode(const Object& line) {
  TopicEvent event;
  FieldReader read(line);
  read.text("id", event.id).need_text("topic", event.topic);
  event.data = line.raw("data").value_or("null");
  return read.done(std::move(event));
}

std::string TopicEvent::encode() const {
  return ObjectWriter().text("id", id).text("event", "topic").text("topic", topic).raw("data", data).finish();
}

Result<TracedEvent> TracedEvent::decode(const Object& line) {
  TracedEvent event;
  FieldReader read(line);
  std::string status;
  read.text("id", event.id).texts("files", event.files).number("written", event.written).number("events", event.events);
  read.number("dropped", event.dropped);
  read_outcome(line, read, status, event.error);
  return read.done(std::move(event));
}

std::string TracedEvent::encode() const {
  ObjectWriter line;
  line.text("id", id).text("event", "traced");
  if (error) {
    write_failure(line, *error);
  } else {
    line.text("status", "ok");
  }
  return line.texts("files", files).number("written", written).number("events", events).number("dropped", dropped).finish();
}

Result<LaggedEvent> LaggedEvent::decode(const Object& line) {
  LaggedEvent event;
  FieldReader read(line);
  read.text("id", event.id).number("dropped", event.dropped);
  return read.done(std::move(event));
}

std::string LaggedEvent::encode() const { return ObjectWriter().text("id", id).text("event", "lagged").number("dropped", dropped).finish(); }

} // namespace kith::protocol
