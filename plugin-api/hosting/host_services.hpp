// SPDX-License-Identifier: Apache-2.0
// What hosting needs of its host: plugin_host in the daemon, the fake host of the testkit, later kith-plugin-host.
#pragma once

#include <kith/abi/draft/dial.h>
#include <kith/abi/stream.h>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/peer_id.hpp"
#include "base/pipe.hpp"
#include "base/role.hpp"
#include "base/stream.hpp"
#include "base/time.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace kith::hosting {

/// The host's half of one stream. Instance thread. None of these may call back into the Instance before it returns.
class StreamPort {
public:
  virtual ~StreamPort() = default;
  virtual void accept(std::string_view content_type) = 0;
  virtual void reject(Code code, std::string_view text) = 0;
  virtual void reset(Code code, std::string_view text) = 0;
  virtual void produced() = 0;
  virtual void consumed() = 0;
  /// The plugin found no room() in `out`: the host owes Instance::writable when there is some.
  virtual void blocked() = 0;
  virtual void set_urgency(std::uint8_t urgency) = 0;
};

struct StreamOpening {
  PeerId peer;
  Role role = Role::public_;
  StreamKind kind = StreamKind::call;
  std::string command;
  std::string content_type;
  TimePoint deadline = never;
  PipePtr in;
  PipePtr out;
  std::shared_ptr<StreamPort> port;
};

struct DialedStream {
  PipePtr in;
  PipePtr out;
  std::shared_ptr<StreamPort> port;
};

struct StorageRequest {
  enum class Kind : std::uint8_t { read, replace, remove, list };
  Kind kind = Kind::read;
  std::uint64_t operation = 0;
  std::string name; ///< Checked against the rules of kith.storage/1.
  Bytes content;
};

struct StorageResult {
  std::uint64_t operation = 0;
  kith_status status = KITH_OK;
  Bytes bytes;
  std::vector<std::string> names;
  std::string reason; ///< For the log.
};

struct PeerEntry {
  PeerId peer;
  std::string name;
  Role role = Role::public_;
  bool online = false;
  friend bool operator==(const PeerEntry&, const PeerEntry&) = default;
};

using PeerTable = std::vector<PeerEntry>; ///< By rising PeerId.

/// Instance thread unless it says otherwise; none of these may call back into the Instance before it returns.
class HostServices {
public:
  virtual ~HostServices() = default;
  /// Any thread. Run Instance::run_posted soon, on the instance thread. Asked for once until that has begun.
  virtual void wake() = 0;
  virtual void log(LogLevel level, std::string_view text) = 0; ///< Any thread.
  virtual bool log_enabled(LogLevel level) const noexcept = 0; ///< Any thread.
  virtual TimePoint now() const = 0;                           ///< Any thread.
  virtual UnixSeconds unix_now() const = 0;                    ///< Any thread.
  /// Call Instance::run_timers at or soon after this; replaces the earlier wish, `never` cancels it.
  virtual void wake_at(TimePoint at) = 0;
  /// Do it away from the instance thread, in order, and call Instance::storage_completed.
  virtual void storage(StorageRequest request) = 0;
  /// kith.dial/1; Error: refused at once (limits). Later failures come as Instance::replied and closed.
  virtual Result<DialedStream> dial(kith_stream_id stream, StreamRequest&& request) = 0;
  /// The peers as this instance has last been told; never null when the host offers kith.peer/1.
  virtual std::shared_ptr<const PeerTable> peers() const = 0;
  /// Plugin code is about to run, has run: for measuring and supervision.
  virtual void entering() = 0;
  virtual void left() = 0;
};

} // namespace kith::hosting
