// SPDX-License-Identifier: GPL-3.0-or-later
#include "quic/write_scheduler.hpp"

#include <algorithm>

namespace kith::quic {

WriteScheduler::~WriteScheduler() {
  for (const auto& level : levels_) {
    if (level == nullptr) continue;
    level->fresh.clear();
    for (auto& group : level->bulk) group->streams.clear();
  }
}

WriteScheduler::Level& WriteScheduler::level_of(const Stream& stream) {
  std::unique_ptr<Level>& level = levels_[stream.urgency_];
  if (level == nullptr) level = std::make_unique<Level>();
  return *level;
}

void WriteScheduler::push(Stream& stream) {
  if (stream.queued_ != Stream::Queue::none) return;
  Level& level = level_of(stream);
  ++level.waiting;
  ++waiting_;
  if (stream.sent_ < fresh_stream_bytes) {
    stream.queued_ = Stream::Queue::fresh;
    level.fresh.push_back(stream);
  } else {
    to_bulk(level, stream);
  }
}

void WriteScheduler::to_bulk(Level& level, Stream& stream) {
  stream.queued_ = Stream::Queue::bulk;
  stream.turn_bytes_ = 0;
  const auto at = std::find_if(level.bulk.begin(), level.bulk.end(), [&](const auto& group) { return group->binding == stream.binding_; });
  if (at != level.bulk.end()) {
    (*at)->streams.push_back(stream);
    return;
  }
  auto group = std::make_unique<Group>();
  group->binding = stream.binding_;
  group->streams.push_back(stream);
  level.bulk.push_back(std::move(group));
}

void WriteScheduler::remove(Stream& stream) {
  if (stream.queued_ == Stream::Queue::none) return;
  Level& level = level_of(stream);
  --level.waiting;
  --waiting_;
  if (stream.queued_ == Stream::Queue::fresh) {
    level.fresh.erase(level.fresh.iterator_to(stream));
  } else {
    const auto at = std::find_if(level.bulk.begin(), level.bulk.end(), [&](const auto& group) { return group->binding == stream.binding_; });
    (*at)->streams.erase((*at)->streams.iterator_to(stream));
    if ((*at)->streams.empty()) {
      if (at == level.bulk.begin()) level.turn = 0;
      level.bulk.erase(at);
    }
  }
  stream.queued_ = Stream::Queue::none;
}

bool WriteScheduler::bulk_goes_first(const Level& level) noexcept {
  constexpr std::uint64_t one_packet = 1200;
  return !level.bulk.empty() && (level.fresh.empty() || level.owed_to_bulk >= one_packet);
}

Stream* WriteScheduler::front() noexcept {
  if (waiting_ == 0) return nullptr;
  for (const auto& level : levels_) {
    if (level == nullptr || level->waiting == 0) continue;
    return bulk_goes_first(*level) ? &level->bulk.front()->streams.front() : &level->fresh.front();
  }
  return nullptr;
}

void WriteScheduler::sent(Stream& stream, std::uint64_t count) {
  Level& level = level_of(stream);
  if (stream.queued_ == Stream::Queue::fresh) {
    if (!level.bulk.empty()) level.owed_to_bulk += count / fresh_share;
    level.fresh.erase(level.fresh.iterator_to(stream));
    if (stream.sent_ >= fresh_stream_bytes) {
      to_bulk(level, stream);
    } else {
      level.fresh.push_back(stream); // the next fresh one, packet by packet
    }
    return;
  }
  if (stream.queued_ != Stream::Queue::bulk) return;
  level.owed_to_bulk -= std::min(level.owed_to_bulk, count);
  stream.turn_bytes_ += count;
  level.turn += count;
  Group& group = *level.bulk.front();
  if (stream.turn_bytes_ >= bulk_turn_bytes) {
    stream.turn_bytes_ = 0;
    group.streams.splice(group.streams.end(), group.streams, group.streams.iterator_to(stream));
  }
  if (level.turn >= bulk_turn_bytes) {
    level.turn = 0;
    std::rotate(level.bulk.begin(), level.bulk.begin() + 1, level.bulk.end());
  }
}

} // namespace kith::quic
