// SPDX-License-Identifier: Apache-2.0
// What the lines of the control socket mean (docs/control-socket.md), for both of its ends. Decoding borrows from the line: raw values stay valid as long as it
// does. Encoded lines carry no line feed: whoever sends them adds one, then the announced octets.
#pragma once

#include "base/error.hpp"
#include "base/name.hpp"
#include "protocol/fd_passing.hpp"
#include "protocol/object.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kith::protocol {

inline constexpr std::uint64_t api_version = 1;
inline constexpr std::size_t max_id_size = 64;
inline constexpr std::size_t max_requests_in_flight = 1024;
inline constexpr std::uint64_t default_timeout_ms = 30'000;
inline constexpr std::uint64_t max_timeout_ms = 3'600'000;
inline constexpr std::uint64_t default_trace_ms = 10'000;
inline constexpr std::uint64_t min_trace_ms = 100;
inline constexpr std::uint64_t max_trace_ms = 3'600'000;
inline constexpr std::uint64_t default_max_in_flight = 64; ///< Of a provider.
inline constexpr std::uint64_t highest_max_in_flight = 1024;
inline constexpr std::size_t max_config = 64 * 1024;

/// What a line carries besides its envelope.
struct Body {
  enum class Kind : std::uint8_t { none, json, octets };
  Kind kind = Kind::none;
  std::string_view json;    ///< One JSON value, borrowed, as it came; append_flat before it goes into a line again.
  std::uint64_t octets = 0; ///< So many follow the line.

  static Body of_json(std::string_view json) { return {Kind::json, json, 0}; }
  static Body of_octets(std::uint64_t count) { return {Kind::octets, {}, count}; }
  friend bool operator==(const Body&, const Body&) = default;
};

// --- requests

/// Any request: its id and type, and the members, for the types that have no struct of their own here (administration).
struct Request {
  std::string id; ///< Empty only for reply and reject.
  std::string type;
  Object fields;
  Body body;
  std::size_t fds = 0;

  /// Octets that follow the line, whatever becomes of the request: they must be skipped even when it is refused.
  std::uint64_t octets() const noexcept { return body.octets; }
};

/// Errors: bad_request. `id` is set as soon as it is known, so that the error can be answered; else it is empty. `octets` likewise.
Result<Request> decode_request(std::string_view line, std::string& id, std::uint64_t& octets);

/// The line of a request whose members are in `fields`. `id` empty: none.
std::string encode_request(std::string_view id, std::string_view type, const ObjectWriter& fields, const Body& body = {}, std::size_t fds = 0);

/// Where a call or a stream goes.
struct Target {
  std::string from; ///< Identity; empty: the only one.
  std::string target;
  std::string protocol;
  std::string alias = std::string(default_alias);
  std::string command{};
  std::uint64_t timeout_ms = default_timeout_ms;
  friend bool operator==(const Target&, const Target&) = default;
};

/// The structs below check everything that can be checked without knowing the daemon's state. Errors: bad_request, naming the member.
struct HelloRequest {
  std::uint64_t api = 1;
  static Result<HelloRequest> decode(const Request& request);
  ObjectWriter fields() const;
};

struct CallRequest {
  Target target;
  static Result<CallRequest> decode(const Request& request);
  ObjectWriter fields() const;
};

struct StreamRequest {
  Target target;
  bool inline_mode = false;
  static Result<StreamRequest> decode(const Request& request);
  ObjectWriter fields() const;
};

struct ServeRequest {
  std::string identity;
  std::string protocol;
  std::string alias = std::string(default_alias);
  std::uint64_t max_in_flight = default_max_in_flight;
  static Result<ServeRequest> decode(const Request& request);
  ObjectWriter fields() const;
};

/// The body is the request's; without one it accepts a stream.
struct ReplyRequest {
  std::string call;
  static Result<ReplyRequest> decode(const Request& request);
  ObjectWriter fields() const;
};

struct RejectRequest {
  std::string call;
  Error error;
  static Result<RejectRequest> decode(const Request& request);
  ObjectWriter fields() const;
};

struct CancelRequest {
  std::string request;
  static Result<CancelRequest> decode(const Request& request);
  ObjectWriter fields() const;
};

struct SubscribeRequest {
  std::vector<std::string> topics;
  static Result<SubscribeRequest> decode(const Request& request);
  ObjectWriter fields() const;
};

struct LocalRequest {
  std::string identity; ///< Empty: the only one.
  std::string protocol;
  std::string alias = std::string(default_alias);
  std::string command{};
  std::uint64_t timeout_ms = default_timeout_ms;
  static Result<LocalRequest> decode(const Request& request);
  ObjectWriter fields() const;
};

// --- answers

struct Answer {
  std::string id;
  bool streaming = false;
  std::optional<Error> error; ///< Codes from 1000 on are app_error.
  Body body;
  std::size_t fds = 0;

  static Result<Answer> decode(const Object& line);
  std::string encode() const;

  static Answer ok(std::string_view id, const Body& body = {}) { return {std::string(id), false, std::nullopt, body, 0}; }
  static Answer failed(std::string_view id, Error error) { return {std::string(id), false, std::move(error), {}, 0}; }
  static Answer stream(std::string_view id, std::size_t fds) { return {std::string(id), true, std::nullopt, {}, fds}; }
};

// --- events

/// The end of a stream.
struct ClosedEvent {
  std::string id;
  std::string call; ///< Of a provider's stream; else empty.
  std::optional<Error> error;
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  static Result<ClosedEvent> decode(const Object& line);
  std::string encode() const;
};

/// A call or a stream for a provider.
struct IncomingEvent {
  std::string id;
  std::string call;
  bool stream = false;
  std::string peer; ///< id52
  std::string peer_name;
  std::string role;
  std::string command;
  std::optional<std::uint64_t> deadline_ms;
  Body body;
  std::size_t fds = 0;
  static Result<IncomingEvent> decode(const Object& line);
  std::string encode() const;
};

struct CancelledEvent {
  std::string id;
  std::string call;
  Code code = Code::cancelled;
  static Result<CancelledEvent> decode(const Object& line);
  std::string encode() const;
};

struct TopicEvent {
  std::string id;
  std::string topic;
  std::string_view data; ///< Raw JSON, borrowed.
  static Result<TopicEvent> decode(const Object& line);
  std::string encode() const;
};

/// The end of a trace.
struct TracedEvent {
  std::string id;
  std::optional<Error> error;     ///< Why it ended before its time.
  std::vector<std::string> files; ///< Names in the folder.
  std::uint64_t written = 0;      ///< Octets.
  std::uint64_t events = 0;
  std::uint64_t dropped = 0; ///< Events that the disk was too slow for.
  static Result<TracedEvent> decode(const Object& line);
  std::string encode() const;
};

struct LaggedEvent {
  std::string id;
  std::uint64_t dropped = 0;
  static Result<LaggedEvent> decode(const Object& line);
  std::string encode() const;
};

} // namespace kith::protocol
