// SPDX-License-Identifier: Apache-2.0
// The pipe's promise between two threads; what matters here is the run under ThreadSanitizer.
#include "base/pipe.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <random>
#include <thread>
#include <vector>

namespace kith {
namespace {

std::uint8_t octet_at(std::uint64_t position) { return static_cast<std::uint8_t>(position * 31 + (position >> 8)); }

constexpr std::uint64_t total = 8 * 1024 * 1024;
constexpr std::uint64_t bound = 256 * 1024;

/// Writes `total` octets in pieces of all kinds, never with more than `bound` outstanding.
void produce(Pipe& pipe, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::uint64_t position = 0;
  while (position < total) {
    if (pipe.outstanding() >= bound) {
      std::this_thread::yield();
      continue;
    }
    const std::uint64_t want = std::min<std::uint64_t>(1 + random() % ((random() % 8 == 0) ? large_slab_size : 3000), total - position);
    if (random() % 2 == 0) {
      Bytes part(want);
      for (std::size_t i = 0; i < part.size(); ++i) part[i] = octet_at(position + i);
      pipe.write(part);
    } else {
      ByteSpan room = pipe.reserve(want);
      for (std::size_t i = 0; i < want; ++i) room[i] = octet_at(position + i);
      pipe.commit(want);
    }
    position += want;
  }
  pipe.finish();
}

TEST(PipeThreads, ConsumerReadsWhatTheProducerWrote) {
  constexpr std::uint32_t seed = 7;
  SlabPool pool;
  Pipe pipe(pool);
  std::thread producer([&] { produce(pipe, seed); });
  std::uint64_t position = 0;
  bool equal = true;
  while (!pipe.at_end()) {
    const ByteView piece = pipe.peek();
    if (piece.empty()) std::this_thread::yield();
    for (const std::uint8_t octet : piece) equal = equal && octet == octet_at(position++);
    pipe.consume(piece.size());
  }
  producer.join();
  EXPECT_TRUE(equal);
  EXPECT_EQ(position, total);
}

TEST(PipeThreads, AConsumerThatReleasesLateAndRewindsReadsTheSame) {
  constexpr std::uint32_t seed = 11;
  SlabPool pool;
  Pipe pipe(pool);
  std::thread producer([&] { produce(pipe, seed); });
  std::mt19937 random(seed + 1);
  bool equal = true;
  std::uint64_t released = 0;
  while (!pipe.at_end()) {
    std::array<ByteView, 3> pieces;
    const std::size_t count = pipe.peek(pieces);
    if (count == 0) std::this_thread::yield();
    std::uint64_t position = pipe.read();
    for (std::size_t i = 0; i < count; ++i) {
      for (const std::uint8_t octet : pieces[i]) equal = equal && octet == octet_at(position++);
    }
    pipe.advance(position - pipe.read());
    if (const std::uint64_t unreleased = pipe.read() - released; unreleased != 0) {
      const std::uint64_t count_released = random() % 4 == 0 ? unreleased : random() % unreleased;
      pipe.release(count_released);
      released += count_released;
    }
    if (random() % 16 == 0 && !pipe.at_end()) pipe.rewind();
  }
  producer.join();
  EXPECT_TRUE(equal);
  EXPECT_EQ(pipe.committed(), total);
}

TEST(PipeThreads, ManyPipesShareOnePool) {
  SlabPool pool;
  std::vector<std::thread> threads;
  std::atomic<int> bad{0};
  for (std::uint32_t t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < 50; ++round) {
        Pipe pipe(pool);
        const Bytes sent(small_slab_size * (t + 1) * 7, static_cast<std::uint8_t>(t));
        pipe.write(sent);
        while (pipe.readable() != 0) {
          const ByteView piece = pipe.peek();
          if (!std::all_of(piece.begin(), piece.end(), [&](std::uint8_t o) { return o == t; })) ++bad;
          pipe.consume(piece.size());
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(bad, 0);
  EXPECT_EQ(pool.bytes_in_use(), 0U);
}

} // namespace
} // namespace kith
