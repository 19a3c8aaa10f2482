// SPDX-License-Identifier: GPL-3.0-or-later
#include "control/trace_files.hpp"

#include <array>
#include <cerrno>
#include <ctime>
#include <fcntl.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace kith::control {
namespace {

/// "20261121T120000Z"
std::string compact_time(UnixSeconds at) {
  const auto seconds = static_cast<std::time_t>(at);
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  std::array<char, 32> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y%m%dT%H%M%SZ", &utc)};
}

Error write_error(const std::string& name, int reason) {
  return {Code::internal, "can't write " + name + " into the folder: " + std::generic_category().message(reason)};
}

} // namespace

struct TraceFiles::Log final : quic::TraceLog {
  Log(std::shared_ptr<TraceFiles> all, std::shared_ptr<File> one) : files(std::move(all)), file(std::move(one)) {}
  void write(std::string_view text) override { files->append(*file, text); }

  std::shared_ptr<TraceFiles> files;
  std::shared_ptr<File> file;
};

/// What the disk executor is given.
struct TraceFiles::Job {
  std::shared_ptr<protocol::Fd> folder;
  std::vector<std::pair<std::shared_ptr<File>, std::string>> parts;
};

TraceFiles::TraceFiles(World& world, protocol::Fd folder, std::function<void()> ended, std::uint64_t most)
    : world_(world), folder_(std::make_shared<protocol::Fd>(std::move(folder))), ended_(std::move(ended)), most_(most) {}

std::unique_ptr<quic::TraceLog> TraceFiles::open(std::string_view odcid) {
  if (over_ || files_.size() >= max_trace_files) return nullptr;
  auto file = std::make_shared<File>();
  file->name = compact_time(world_.unix_now()) + "-" + std::string(odcid) + ".sqlog";
  files_.push_back(file);
  return std::make_unique<Log>(shared_from_this(), std::move(file));
}

void TraceFiles::append(File& file, std::string_view text) {
  if (over_) return;
  if (queued_ + text.size() > max_trace_queue) {
    ++summary_.dropped;
    return;
  }
  if (summary_.octets + text.size() > most_) return end({Code::too_large, "the trace has reached its limit of " + std::to_string(most_) + " octets"});
  ++summary_.events;
  summary_.octets += text.size();
  queued_ += text.size();
  file.waiting += text;
  pass_on();
}

void TraceFiles::pass_on() {
  if (writing_) return;
  auto job = std::make_shared<Job>();
  std::size_t octets = 0;
  for (const auto& file : files_) {
    if (file->waiting.empty()) continue;
    octets += file->waiting.size();
    job->parts.emplace_back(file, std::exchange(file->waiting, {}));
  }
  if (octets == 0) {
    if (done_) close();
    return;
  }
  job->folder = folder_;
  writing_ = true;
  world_.disk().post([self = shared_from_this(), job = std::move(job), octets] {
    Result<void> outcome = write(*job);
    self->world_.network().post([self, octets, outcome = std::move(outcome)] { self->written(octets, outcome); });
  });
}

Result<void> TraceFiles::write(const Job& job) {
  for (const auto& [file, text] : job.parts) {
    if (!file->fd) {
      file->fd.reset(::openat(job.folder->get(), file->name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
      if (!file->fd) return write_error(file->name, errno);
    }
    for (std::string_view rest = text; !rest.empty();) {
      const ssize_t count = ::write(file->fd.get(), rest.data(), rest.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return write_error(file->name, errno);
      rest.remove_prefix(static_cast<std::size_t>(count));
    }
  }
  return {};
}

void TraceFiles::written(std::size_t octets, const Result<void>& outcome) {
  writing_ = false;
  queued_ -= octets;
  if (!outcome) {
    for (const auto& file : files_) file->waiting.clear();
    queued_ = 0;
    end(outcome.error());
  }
  pass_on();
}

// Posted, for the events come from the middle of a connection's work.
void TraceFiles::end(Error why) {
  over_ = true;
  summary_.error = std::move(why);
  world_.network().post([self = shared_from_this()] {
    if (self->ended_) std::exchange(self->ended_, nullptr)();
  });
}

// The connections may live on for long, and hold this; their folder is free to be unmounted.
void TraceFiles::close() {
  writing_ = true;
  world_.disk().post([self = shared_from_this(), files = files_] {
    std::vector<std::string> made;
    for (const auto& file : files) {
      if (file->fd) made.push_back(file->name);
      file->fd.reset();
    }
    self->folder_->reset();
    self->world_.network().post([self, made = std::move(made)]() mutable {
      self->summary_.files = std::move(made);
      std::exchange(self->done_, nullptr)(std::move(self->summary_));
    });
  });
}

void TraceFiles::finish(std::function<void(TraceSummary)> done) {
  over_ = true;
  ended_ = nullptr;
  done_ = std::move(done);
  pass_on();
}

} // namespace kith::control
