// SPDX-License-Identifier: GPL-3.0-or-later
// The files of a trace: one for each connection, in a folder that the program has opened and passed. The daemon opens no path of the user's.
#pragma once

#include "base/error.hpp"
#include "base/world.hpp"
#include "protocol/fd_passing.hpp"
#include "quic/trace.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace kith::control {

inline constexpr std::size_t max_trace_queue = 4 * 1024 * 1024; ///< Octets that wait for the disk; events beyond are dropped and counted.
inline constexpr std::size_t max_trace_files = 64;              ///< Further connections are not recorded.
inline constexpr std::uint64_t max_trace_size = 256ULL << 20; ///< Octets of all files; there the trace ends. Keys and state may lie on the same disk.

struct TraceSummary {
  std::vector<std::string> files; ///< Those that were made: names in the folder, in the order of their beginning.
  std::uint64_t octets = 0;
  std::uint64_t events = 0;
  std::uint64_t dropped = 0;  ///< Events that found the queue full.
  std::optional<Error> error; ///< Why recording stopped before its time.
};

/// Network thread, but for the writing itself, which is the disk executor's: one job at a time, so that what comes meanwhile goes out in one write.
class TraceFiles final : public quic::TraceSink, public std::enable_shared_from_this<TraceFiles> {
public:
  /// `ended` is called at most once: a file can't be written, or there are `most` octets.
  TraceFiles(World& world, protocol::Fd folder, std::function<void()> ended, std::uint64_t most = max_trace_size);

  std::unique_ptr<quic::TraceLog> open(std::string_view odcid) override;
  /// Takes no more events; `done` when the files are written, and they and the folder closed.
  void finish(std::function<void(TraceSummary)> done);

private:
  struct File {
    std::string name;
    std::string waiting;
    protocol::Fd fd; ///< The disk executor's.
  };
  struct Log;
  struct Job;

  void append(File& file, std::string_view text);
  void pass_on();
  void end(Error why);
  void close();
  void written(std::size_t octets, const Result<void>& outcome);
  static Result<void> write(const Job& job);

  World& world_;
  std::shared_ptr<protocol::Fd> folder_;
  std::function<void()> ended_;
  std::uint64_t most_;
  std::vector<std::shared_ptr<File>> files_;
  std::size_t queued_ = 0;
  bool writing_ = false;
  bool over_ = false;
  TraceSummary summary_;
  std::function<void(TraceSummary)> done_;
};

} // namespace kith::control
