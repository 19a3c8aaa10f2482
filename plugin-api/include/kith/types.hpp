// SPDX-License-Identifier: Apache-2.0
// Values of the C++ wrapper. Nothing here crosses the ABI.
#pragma once

#include <kith/abi/entry.h>
#include <kith/abi/stream.h>

#include <chrono>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace kith {
inline namespace plugin_v1 {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;
/// A point of kith.clock/1: tests run on a clock of their own.
using Time = std::chrono::nanoseconds;
inline constexpr Time no_deadline = Time::max();

enum class Role : std::uint32_t { none, public_, viewer, member, admin, owner };
enum class Scope : std::uint32_t { local = KITH_SCOPE_LOCAL, remote = KITH_SCOPE_REMOTE, both = KITH_SCOPE_BOTH };
enum class Kind : std::uint32_t { call = KITH_KIND_CALL, stream = KITH_KIND_STREAM };

inline std::string_view to_view(kith_text text) noexcept { return text.size == 0 ? std::string_view{} : std::string_view{text.data, text.size}; }
inline kith_text to_abi(std::string_view text) noexcept { return {text.data(), text.size()}; }
inline std::string_view as_text(ByteView bytes) noexcept { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
inline ByteView as_bytes(std::string_view text) noexcept { return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}; }
inline Time to_time(std::uint64_t at) noexcept {
  return at > static_cast<std::uint64_t>(no_deadline.count()) ? no_deadline : Time(static_cast<Time::rep>(at));
}
inline std::uint64_t to_abi(Time at) noexcept { return at == no_deadline ? KITH_NEVER : static_cast<std::uint64_t>(at.count()); }

/// Thrown by a handler to refuse its call or stream: the peer sees code and text. Codes from 1000 on are the protocol's own (application errors).
/// One that can't be sent, for its code or a text that is not UTF-8, becomes KITH_CODE_PLUGIN_FAILED and a line in the log.
class Refusal : public std::runtime_error {
public:
  Refusal(std::uint64_t code, const std::string& text) : std::runtime_error(text), code_(code) {}
  std::uint64_t code() const noexcept { return code_; }

private:
  std::uint64_t code_;
};

/// Thrown out of stream functions when the stream has ended: the peer or the host reset it. A handler need not catch it.
class StreamClosed : public std::runtime_error {
public:
  StreamClosed(std::uint64_t code, const std::string& text) : std::runtime_error(text.empty() ? "the stream has ended" : text), code_(code) {}
  std::uint64_t code() const noexcept { return code_; }

private:
  std::uint64_t code_;
};

/// Thrown by on_configure or check_config; the text names the field.
class ConfigError : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

struct Command {
  std::string name;
  std::string summary;
  Scope scope = Scope::local;
  Role least_role = Role::owner; ///< For remote streams.
};

/// What KITH_PLUGIN takes, in this order.
struct About {
  std::string name;
  std::string version;
  std::string config_schema{};
  std::string summary{};
  Role default_access = Role::member; ///< Least role when the binding names no access; Role::none: nobody.
  bool suggest_inline = false;        ///< Callbacks take well under 100 us and never block.
  std::vector<Command> commands{};
  std::uint32_t needs = 0; ///< KITH_NEED_*
  std::string cli_noun{};
};

/// Who opened a stream, and what for.
struct Opened {
  kith_peer_key peer{};
  Role role = Role::none;
  Kind kind = Kind::call;
  std::string command;
  std::string content_type;
  Time deadline = no_deadline;
};

} // namespace plugin_v1
} // namespace kith
