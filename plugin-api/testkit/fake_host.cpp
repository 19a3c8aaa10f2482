// SPDX-License-Identifier: Apache-2.0
#include "testkit/fake_host.hpp"

#include "hosting/storage_folder.hpp"
#include "hosting/text.hpp"

#include <utility>

namespace kith::testkit {

class FakeStream::Port final : public hosting::StreamPort {
public:
  explicit Port(FakeStream& stream) : stream_(stream) {}
  void accept(std::string_view type) override {
    stream_.accepted = true;
    stream_.content_type = type;
  }
  void reject(Code reason, std::string_view why) override {
    stream_.rejected = true;
    end_with(reason, why);
  }
  void reset(Code reason, std::string_view why) override {
    stream_.was_reset = true;
    end_with(reason, why);
  }
  void produced() override {}
  void consumed() override {}
  void blocked() override { stream_.wants_room_ = true; }
  void set_urgency(std::uint8_t wanted) override { stream_.urgency = wanted; }

private:
  void end_with(Code reason, std::string_view why) {
    stream_.code = reason;
    stream_.text = why;
    stream_.end_wanted_ = true;
    stream_.end_ = StreamEnd{false, {reason, std::string(why)}, false, 0, 0};
  }

  FakeStream& stream_;
};

std::string test_hash(ByteView content) {
  std::uint64_t sum = 14695981039346656037ULL; // FNV-1a
  for (const std::uint8_t octet : content) sum = (sum ^ octet) * 1099511628211ULL;
  return std::to_string(content.size()) + "-" + std::to_string(sum);
}

void FakeStream::send(std::string_view bytes) {
  in_->write(as_bytes(bytes));
  readable_ = true;
}

void FakeStream::finish() {
  in_->finish();
  readable_ = true;
}

void FakeStream::reset(Code reason, std::string why) {
  end_wanted_ = true;
  end_ = StreamEnd{false, {reason, std::move(why)}, true, 0, 0};
}

void FakeStream::set_window(std::uint64_t octets) { out_->set_limit(octets); }

std::string FakeStream::take() {
  std::string all;
  for (ByteView piece = out_->peek(); !piece.empty(); piece = out_->peek()) {
    all += as_text(piece);
    out_->consume(piece.size());
  }
  return all;
}

FakeHost::FakeHost(const hosting::Protocol& protocol, std::string data_folder)
    : data_folder_(std::move(data_folder)), instance_(protocol, *this, {PeerId{}, "default", data_folder_}) {}

FakeHost::~FakeHost() {
  const hosting::State state = instance_.state();
  if (state != hosting::State::stopped && state != hosting::State::destroyed) stop();
  instance_.destroy();
}

Result<void> FakeHost::start(std::string config) {
  if (auto ok = instance_.create(); !ok) return ok;
  if (auto ok = instance_.configure(std::move(config)); !ok) return ok;
  return instance_.start();
}

void FakeHost::stop() { instance_.stop({Code::shutting_down, "the test is over"}); }

FakeStream& FakeHost::open(const FakeOpening& opening) {
  streams_.push_back(std::make_unique<FakeStream>());
  FakeStream& stream = *streams_.back();
  stream.in_ = std::make_shared<Pipe>(slabs_);
  stream.out_ = std::make_shared<Pipe>(slabs_);
  hosting::StreamOpening info;
  info.role = opening.role;
  info.kind = opening.kind;
  info.command = opening.command;
  info.content_type = opening.content_type;
  info.deadline = opening.deadline;
  info.in = stream.in_;
  info.out = stream.out_;
  info.port = std::make_shared<FakeStream::Port>(stream);
  stream.id = instance_.opened(std::move(info));
  return stream;
}

FakeStream& FakeHost::call(std::string_view request, std::string content_type) {
  FakeStream& stream = open({StreamKind::call, std::move(content_type), {}, Role::member, never});
  stream.send(request);
  stream.finish();
  run();
  return stream;
}

bool FakeHost::step() {
  bool did = false;
  {
    const std::lock_guard lock(mutex_);
    did = std::exchange(posted_, false);
  }
  if (did) instance_.run_posted();
  if (!storage_.empty()) {
    const hosting::StorageRequest request = std::move(storage_.front());
    storage_.pop_front();
    instance_.storage_completed(hosting::run_storage(data_folder_, request));
    did = true;
  }
  for (std::size_t i = 0; i < streams_.size(); ++i) {
    FakeStream& stream = *streams_[i];
    if (stream.closed || stream.id == 0) continue;
    if (std::exchange(stream.readable_, false)) {
      instance_.readable(stream.id);
      did = true;
    }
    if (stream.wants_room_ && stream.out_->room() != 0) {
      stream.wants_room_ = false;
      instance_.writable(stream.id);
      did = true;
    }
    if (!stream.end_wanted_ && stream.in_->at_end() && stream.out_->at_end()) {
      stream.end_wanted_ = true;
      stream.end_ = StreamEnd{true, {}, false, stream.out_->committed(), stream.in_->committed()};
    }
    if (stream.end_wanted_) {
      stream.closed = true;
      instance_.closed(stream.id, stream.end_);
      did = true;
    }
  }
  return did;
}

void FakeHost::run() {
  if (wake_at_ <= now_) instance_.run_timers();
  while (step()) {}
}

void FakeHost::advance(Duration span) {
  const TimePoint until = now_ + span;
  run();
  while (wake_at_ <= until) {
    now_ = std::max(now_, wake_at_);
    instance_.run_timers();
    run();
  }
  now_ = until;
}

void FakeHost::wake() {
  const std::lock_guard lock(mutex_);
  posted_ = true;
}

void FakeHost::log(LogLevel, std::string_view text) {
  const std::lock_guard lock(mutex_);
  lines_.emplace_back(text);
}

Result<hosting::DialedStream> FakeHost::dial(kith_stream_id, StreamRequest&&) {
  return Error{Code::unsupported_version, "the fake host opens no streams"};
}

} // namespace kith::testkit
