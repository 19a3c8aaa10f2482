// SPDX-License-Identifier: Apache-2.0
// A host in one thread for testing a plugin: virtual time, and everything happens in run() or advance().
#pragma once

#include "hosting/instance.hpp"
#include "hosting/library.hpp"

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace kith::testkit {

/// A SHA-256 for load_library where nobody relies on it: the file's size and a checksum, as text.
std::string test_hash(ByteView content);

/// The peer's end of one stream.
class FakeStream {
public:
  // --- what the peer does
  void send(std::string_view bytes);
  void finish();                           ///< The peer's FIN.
  void reset(Code code, std::string text); ///< The peer ends it: closed comes with run().
  /// How much the plugin may leave unread by us before it is told to wait; the pipe's default at first.
  void set_window(std::uint64_t octets);
  /// Reads what the plugin has sent so far.
  std::string take();

  // --- what the plugin did
  bool accepted = false;
  std::string content_type;
  bool rejected = false;
  bool was_reset = false;
  Code code = Code::internal; ///< Of reject or reset.
  std::string text;
  std::uint8_t urgency = 3;
  bool finished() const noexcept { return out_->finished(); }
  std::uint64_t unread() const noexcept { return in_->outstanding(); } ///< Octets that were sent and not read.
  bool closed = false;                                                 ///< The plugin has had its closed.
  kith_stream_id id = 0;

private:
  friend class FakeHost;
  class Port;
  std::shared_ptr<Pipe> in_;
  std::shared_ptr<Pipe> out_;
  bool readable_ = false;
  bool wants_room_ = false;
  bool end_wanted_ = false;
  StreamEnd end_;
};

struct FakeOpening {
  StreamKind kind = StreamKind::call;
  std::string content_type;
  std::string command;
  Role role = Role::member;
  TimePoint deadline = never;
};

/// One instance of a protocol. One thread, except that a plugin's own threads may post.
class FakeHost final : private hosting::HostServices {
public:
  /// `protocol` must outlive it; `data_folder` must exist.
  FakeHost(const hosting::Protocol& protocol, std::string data_folder = ".");
  ~FakeHost() override; ///< Stops and destroys what still runs.

  /// create, configure, start.
  Result<void> start(std::string config = "{}");
  Result<void> reconfigure(std::string config) { return instance_.reconfigure(std::move(config)); }
  void drain(Duration span) { instance_.drain(now_ + span); }
  void stop();

  /// Hands in a stream; the reference stays good as long as the host.
  FakeStream& open(const FakeOpening& opening);
  /// A call with its whole request, run to its end.
  FakeStream& call(std::string_view request, std::string content_type = "json");
  /// Delivers everything that waits, until nothing does.
  void run();
  /// Moves the clock on, timer by timer.
  void advance(Duration span);

  hosting::Instance& instance() noexcept { return instance_; }
  const std::vector<std::string>& lines() const noexcept { return lines_; } ///< The log.

private:
  void wake() override;
  void log(LogLevel level, std::string_view text) override;
  bool log_enabled(LogLevel) const noexcept override { return true; }
  TimePoint now() const override { return now_; }
  UnixSeconds unix_now() const override { return 1'700'000'000; }
  void wake_at(TimePoint at) override { wake_at_ = at; }
  void storage(hosting::StorageRequest request) override { storage_.push_back(std::move(request)); }
  Result<hosting::DialedStream> dial(kith_stream_id stream, StreamRequest&& request) override;
  std::shared_ptr<const hosting::PeerTable> peers() const override { return peers_; }
  void entering() override {}
  void left() override {}
  bool step();

  SlabPool slabs_;
  std::string data_folder_;
  std::mutex mutex_; // posts and log lines come from any thread
  bool posted_ = false;
  std::vector<std::string> lines_;
  TimePoint now_{std::chrono::seconds(1000)};
  TimePoint wake_at_ = never;
  std::deque<hosting::StorageRequest> storage_;
  std::shared_ptr<const hosting::PeerTable> peers_ = std::make_shared<const hosting::PeerTable>();
  std::vector<std::unique_ptr<FakeStream>> streams_;
  hosting::Instance instance_;
};

} // namespace kith::testkit
