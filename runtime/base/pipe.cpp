// SPDX-License-Identifier: Apache-2.0
#include "base/pipe.hpp"

#include "base/recycler.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <new>

namespace kith {

SlabPool::SlabPool() {
  for (auto& list : spare_) list.reserve(max_spare_slabs); // give() must not allocate
}

SlabPool::~SlabPool() {
  for (auto& list : spare_) {
    for (Slab* slab : list) {
      slab->~Slab();
      ::operator delete(slab);
    }
  }
}

SlabPool::Slab* SlabPool::take(bool small) {
  const std::size_t capacity = small ? small_slab_size : large_slab_size;
  in_use_.fetch_add(capacity, std::memory_order_relaxed);
  Slab* slab = nullptr;
  {
    const std::lock_guard lock(mutex_);
    auto& list = spare_[small ? 0 : 1];
    if (!list.empty()) {
      slab = list.back();
      list.pop_back();
    }
  }
  if (slab == nullptr) slab = new (::operator new(sizeof(Slab) + capacity)) Slab;
  slab->next = nullptr;
  slab->capacity = capacity;
  slab->end.store(capacity, std::memory_order_relaxed);
  return slab;
}

void SlabPool::give(Slab* slab) noexcept {
  in_use_.fetch_sub(slab->capacity, std::memory_order_relaxed);
  {
    const std::lock_guard lock(mutex_);
    auto& list = spare_[slab->capacity == small_slab_size ? 0 : 1];
    if (list.size() < max_spare_slabs) {
      list.push_back(slab);
      return;
    }
  }
  slab->~Slab();
  ::operator delete(slab);
}

Pipe::~Pipe() {
  SlabPool::Slab* slab = free_slab_ != nullptr ? free_slab_ : first_.load(std::memory_order_acquire);
  while (slab != nullptr) {
    SlabPool::Slab* next = slab->next;
    give(slab);
    slab = next;
  }
}

ByteSpan Pipe::reserve(std::size_t least) {
  least = std::clamp<std::size_t>(least, 1, large_slab_size);
  if (tail_ == nullptr) {
    tail_ = least <= own_slab_size ? &own_.slab : pool_.take(least <= small_slab_size);
    first_.store(tail_, std::memory_order_release);
  } else if (tail_->capacity - tail_used_ < least) {
    SlabPool::Slab* slab = pool_.take(tail_ == &own_.slab && least <= small_slab_size);
    tail_->end.store(tail_used_, std::memory_order_relaxed);
    tail_->next = slab;
    tail_ = slab;
    tail_used_ = 0;
  }
  return {tail_->data() + tail_used_, tail_->capacity - tail_used_};
}

void Pipe::commit(std::size_t count) noexcept {
  assert(count == 0 || (tail_ != nullptr && count <= tail_->capacity - tail_used_));
  tail_used_ += count;
  committed_.store(committed_.load(std::memory_order_relaxed) + count, std::memory_order_release);
}

void Pipe::write(ByteView bytes) {
  while (!bytes.empty()) {
    const std::size_t rest = tail_ == nullptr ? 0 : tail_->capacity - tail_used_;
    const ByteSpan room = reserve(rest != 0 ? 1 : std::min(bytes.size(), large_slab_size));
    const std::size_t count = std::min(room.size(), bytes.size());
    std::memcpy(room.data(), bytes.data(), count);
    commit(count);
    bytes = bytes.subspan(count);
  }
}

ByteView Pipe::peek() noexcept {
  ByteView piece;
  return peek({&piece, 1}) == 1 ? piece : ByteView{};
}

std::size_t Pipe::peek(std::span<ByteView> out, std::uint64_t most) noexcept {
  std::uint64_t left = std::min(readable(), most);
  if (left == 0) return 0;
  if (read_slab_ == nullptr) {
    read_slab_ = first_.load(std::memory_order_acquire);
    if (free_slab_ == nullptr) free_slab_ = read_slab_;
  }
  SlabPool::Slab* slab = read_slab_;
  std::size_t at = read_at_;
  std::size_t filled = 0;
  while (left != 0 && filled < out.size()) {
    const std::size_t end = slab->end.load(std::memory_order_relaxed);
    if (at == end) {
      slab = slab->next;
      at = 0;
      continue;
    }
    const std::size_t count = static_cast<std::size_t>(std::min<std::uint64_t>(left, end - at));
    out[filled++] = {slab->data() + at, count};
    at += count;
    left -= count;
  }
  return filled;
}

void Pipe::advance(std::uint64_t count) noexcept {
  assert(count <= readable());
  read_ += count;
  if (count != 0 && read_slab_ == nullptr) {
    read_slab_ = first_.load(std::memory_order_acquire);
    if (free_slab_ == nullptr) free_slab_ = read_slab_;
  }
  while (count != 0) {
    const std::size_t end = read_slab_->end.load(std::memory_order_relaxed);
    if (read_at_ == end) {
      read_slab_ = read_slab_->next;
      read_at_ = 0;
      continue;
    }
    const std::uint64_t step = std::min<std::uint64_t>(count, end - read_at_);
    read_at_ += static_cast<std::size_t>(step);
    count -= step;
  }
}

void Pipe::drop() noexcept {
  set_limit(0);
  advance(readable());
  release(read_ - released_.load(std::memory_order_relaxed));
}

void Pipe::rewind() noexcept {
  read_ = released_.load(std::memory_order_relaxed);
  read_slab_ = free_slab_;
  read_at_ = free_at_;
}

void Pipe::release(std::uint64_t count) noexcept {
  const std::uint64_t released = released_.load(std::memory_order_relaxed);
  assert(released + count <= read_);
  std::uint64_t left = count;
  while (left != 0) {
    const std::size_t end = free_slab_->end.load(std::memory_order_relaxed);
    if (free_at_ == end) {
      SlabPool::Slab* next = free_slab_->next;
      if (read_slab_ == free_slab_) {
        read_slab_ = next;
        read_at_ = 0;
      }
      give(free_slab_);
      free_slab_ = next;
      free_at_ = 0;
      continue;
    }
    const std::uint64_t step = std::min<std::uint64_t>(left, end - free_at_);
    free_at_ += static_cast<std::size_t>(step);
    left -= step;
  }
  released_.store(released + count, std::memory_order_release);
}

std::pair<PipePtr, PipePtr> make_pipes(SlabPool& pool) {
  struct Both {
    explicit Both(SlabPool& slabs) noexcept : first(slabs), second(slabs) {}
    Pipe first;
    Pipe second;
  };
  auto both = std::allocate_shared<Both>(Recycler<Both>(), pool);
  PipePtr first(both, &both->first);
  Pipe* second = &both->second;
  return {std::move(first), PipePtr(std::move(both), second)};
}

} // namespace kith
