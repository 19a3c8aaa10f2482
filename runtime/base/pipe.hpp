// SPDX-License-Identifier: Apache-2.0
// A byte pipe: a chain of slabs between one producer thread and one consumer thread, without locks and without copies.
//
// The consumer of a send pipe is a QUIC stream, which keeps pointers into sent bytes until they are acknowledged: it moves on with advance() and frees with
// release(). Every other consumer does both at once with consume().
#pragma once

#include "base/bytes.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

namespace kith {

inline constexpr std::size_t own_slab_size = 256;         ///< Octets that a pipe has in itself, counted by nobody: most calls need no more.
inline constexpr std::size_t small_slab_size = 4 * 1024;  ///< The first that it takes from the pool.
inline constexpr std::size_t large_slab_size = 64 * 1024; ///< The rest.
inline constexpr std::uint64_t default_pipe_limit = 256 * 1024;
inline constexpr std::size_t max_spare_slabs = 64; ///< Kept of each size; more go back to the allocator.

/// Where pipes take their slabs from. Thread-safe; must outlive its pipes.
class SlabPool {
public:
  struct Slab {           // the octets follow
    Slab* next = nullptr; ///< Written before the commit that publishes octets of the next slab.
    std::size_t capacity = 0;
    std::atomic<std::size_t> end{0}; ///< Where this slab's octets end: its capacity, or less when a reserve() did not fit in the rest.
    std::uint8_t* data() noexcept { return reinterpret_cast<std::uint8_t*>(this + 1); }
  };

  SlabPool();
  SlabPool(const SlabPool&) = delete;
  SlabPool& operator=(const SlabPool&) = delete;
  ~SlabPool();

  Slab* take(bool small);
  void give(Slab* slab) noexcept;
  /// Octets in slabs that pipes hold now. The daemon's `max_buffer_bytes` is checked against this.
  std::size_t bytes_in_use() const noexcept { return in_use_.load(std::memory_order_relaxed); }

private:
  std::mutex mutex_;
  std::array<std::vector<Slab*>, 2> spare_; // [0] small, [1] large
  std::atomic<std::size_t> in_use_{0};
};

/// Producer calls are for one thread, consumer calls for one thread (the same or another). The object itself must outlive both.
class Pipe {
public:
  explicit Pipe(SlabPool& pool) noexcept : pool_(pool) {}
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe();

  // --- producer
  /// At least `least` (up to large_slab_size) writable octets in one piece; valid until commit, write or finish. Takes no notice of room().
  ByteSpan reserve(std::size_t least);
  /// Publishes the first `count` octets of the last reserve().
  void commit(std::size_t count) noexcept;
  /// Copies all of it in and publishes it. Takes no notice of room(): the caller owns the bound.
  void write(ByteView bytes);
  /// Nothing comes after what is committed. May be called again.
  void finish() noexcept { finished_.store(true, std::memory_order_release); }
  std::uint64_t committed() const noexcept { return committed_.load(std::memory_order_acquire); }
  /// Octets committed and not yet released: what a producer's bound is about.
  std::uint64_t outstanding() const noexcept { return committed() - released_.load(std::memory_order_acquire); }
  /// Octets of the pool's memory that its slabs take, at most: a slab goes back whole, when the next one is being read, and the last one with the pipe.
  std::uint64_t slab_bytes() const noexcept {
    const std::uint64_t all = committed();
    if (all <= own_slab_size) return 0;
    if (all <= own_slab_size + small_slab_size) return small_slab_size;
    return ((outstanding() + large_slab_size - 1) / large_slab_size + 1) * large_slab_size;
  }
  /// Octets that may still be committed under the consumer's limit; 0 when at or past it. Nothing enforces it here: a producer that respects it stops at 0 and
  /// asks to be told (StreamControl::want_writable).
  std::uint64_t room() const noexcept {
    const std::uint64_t used = outstanding();
    const std::uint64_t limit = limit_.load(std::memory_order_relaxed);
    return used < limit ? limit - used : 0;
  }

  // --- consumer
  /// The first unread octets in one piece; empty when there are none. Valid until consume or release passes them.
  ByteView peek() noexcept;
  /// Up to `out.size()` consecutive pieces of unread octets, and no more octets than `most`; returns how many were filled.
  std::size_t peek(std::span<ByteView> out, std::uint64_t most = UINT64_MAX) noexcept;
  void advance(std::uint64_t count) noexcept; ///< Marks octets read; they stay valid until released.
  void release(std::uint64_t count) noexcept; ///< Frees the oldest read octets.
  void drop() noexcept;                       ///< Frees all that is committed now, and leaves a producer no room for more.
  void consume(std::uint64_t count) noexcept {
    advance(count);
    release(count);
  }
  /// Goes back to the oldest octet that was not released, to read from there once more (a request that is sent again).
  void rewind() noexcept;
  /// Takes finish() back, when the answer to a request that is sent again goes into the same pipe. Only while the other side has not seen the finish.
  void reopen() noexcept { finished_.store(false, std::memory_order_release); }
  /// How much a producer may leave outstanding: follows the congestion window up to max_send_buffer.
  void set_limit(std::uint64_t limit) noexcept { limit_.store(limit, std::memory_order_relaxed); }
  std::uint64_t limit() const noexcept { return limit_.load(std::memory_order_relaxed); }
  std::uint64_t read() const noexcept { return read_; }
  std::uint64_t readable() const noexcept { return committed() - read_; }
  /// The producer has finished (look at this before readable(): bytes come before the finish).
  bool finished() const noexcept { return finished_.load(std::memory_order_acquire); }
  /// Finished, and everything read.
  bool at_end() const noexcept { return finished() && readable() == 0; }

private:
  struct OwnSlab {
    SlabPool::Slab slab{nullptr, own_slab_size, own_slab_size};
    std::array<std::uint8_t, own_slab_size> octets; // not initialised: written before they are read
  };
  void give(SlabPool::Slab* slab) noexcept {
    if (slab != &own_.slab) pool_.give(slab);
  }

  SlabPool& pool_;
  // producer's side
  SlabPool::Slab* tail_ = nullptr;
  std::size_t tail_used_ = 0;
  std::atomic<SlabPool::Slab*> first_{nullptr}; // published with the first commit
  std::atomic<std::uint64_t> committed_{0};
  std::atomic<bool> finished_{false};
  // consumer's side
  SlabPool::Slab* read_slab_ = nullptr;
  std::size_t read_at_ = 0;
  SlabPool::Slab* free_slab_ = nullptr;
  std::size_t free_at_ = 0;
  std::uint64_t read_ = 0;
  std::atomic<std::uint64_t> released_{0};
  std::atomic<std::uint64_t> limit_{default_pipe_limit};
  OwnSlab own_;
};

using PipePtr = std::shared_ptr<Pipe>;

/// The two pipes of a stream, in one allocation: they go when both have been let go.
std::pair<PipePtr, PipePtr> make_pipes(SlabPool& pool);

} // namespace kith
