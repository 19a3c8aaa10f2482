// SPDX-License-Identifier: Apache-2.0
#include "base/pipe.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace kith {
namespace {

/// Octets that tell their own position.
Bytes pattern(std::size_t size, std::size_t start = 0) {
  Bytes out(size);
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::uint8_t>((start + i) * 31 + ((start + i) >> 8));
  return out;
}

Bytes drain(Pipe& pipe) {
  Bytes out;
  while (true) {
    const ByteView piece = pipe.peek();
    if (piece.empty()) return out;
    out.insert(out.end(), piece.begin(), piece.end());
    pipe.consume(piece.size());
  }
}

TEST(Pipe, StartsEmptyAndHoldsNothing) {
  SlabPool pool;
  Pipe pipe(pool);
  EXPECT_TRUE(pipe.peek().empty());
  EXPECT_EQ(pipe.readable(), 0U);
  EXPECT_FALSE(pipe.at_end());
  EXPECT_EQ(pool.bytes_in_use(), 0U);
  pipe.advance(0);
  pipe.release(0);
  pipe.rewind();
  pipe.write({});
  EXPECT_EQ(pool.bytes_in_use(), 0U);
  pipe.finish();
  EXPECT_TRUE(pipe.at_end());
}

TEST(Pipe, CarriesEverySizeAroundTheSlabs) {
  SlabPool pool;
  for (const std::size_t base :
       {std::size_t{1}, own_slab_size, small_slab_size, large_slab_size, small_slab_size + large_slab_size, 3 * large_slab_size}) {
    for (const std::size_t size : {base - 1, base, base + 1}) {
      Pipe pipe(pool);
      const Bytes sent = pattern(size);
      pipe.write(sent);
      pipe.finish();
      EXPECT_EQ(pipe.readable(), size);
      EXPECT_EQ(drain(pipe), sent) << size;
      EXPECT_TRUE(pipe.at_end());
      EXPECT_EQ(pipe.outstanding(), 0U);
    }
  }
  EXPECT_EQ(pool.bytes_in_use(), 0U);
}

TEST(Pipe, CarriesManySmallWrites) {
  SlabPool pool;
  Pipe pipe(pool);
  Bytes sent;
  for (std::size_t i = 0; i < 3000; ++i) {
    const Bytes part = pattern(i % 97, sent.size());
    pipe.write(part);
    sent.insert(sent.end(), part.begin(), part.end());
  }
  EXPECT_EQ(drain(pipe), sent);
}

TEST(Pipe, KeepsSmallCallsInItself) {
  SlabPool pool;
  Pipe pipe(pool);
  pipe.write(pattern(100));
  EXPECT_EQ(pool.bytes_in_use(), 0U);
  pipe.write(pattern(own_slab_size));
  EXPECT_EQ(pool.bytes_in_use(), small_slab_size);
  pipe.write(pattern(small_slab_size));
  EXPECT_EQ(pool.bytes_in_use(), small_slab_size + large_slab_size);
}

TEST(Pipe, ReserveGivesAtLeastWhatIsAskedInOnePiece) {
  SlabPool pool;
  Pipe pipe(pool);
  EXPECT_GE(pipe.reserve(0).size(), 1U);
  EXPECT_GE(pipe.reserve(small_slab_size).size(), small_slab_size);
  EXPECT_GE(pipe.reserve(large_slab_size).size(), large_slab_size);
  EXPECT_GE(pipe.reserve(10 * large_slab_size).size(), large_slab_size); // clamped
  pipe.commit(0);
  EXPECT_TRUE(pipe.peek().empty());
}

TEST(Pipe, ReserveSkipsARestThatIsTooSmall) {
  SlabPool pool;
  Pipe pipe(pool);
  const Bytes head = pattern(small_slab_size - 10);
  pipe.write(head);
  ByteSpan room = pipe.reserve(11); // the small slab has 10 left
  ASSERT_GE(room.size(), 11U);
  const Bytes tail = pattern(11, head.size());
  std::copy(tail.begin(), tail.end(), room.begin());
  pipe.commit(tail.size());
  Bytes all = head;
  all.insert(all.end(), tail.begin(), tail.end());
  EXPECT_EQ(pipe.readable(), all.size());
  EXPECT_EQ(drain(pipe), all);
  pipe.write(pattern(5));
  EXPECT_EQ(drain(pipe), pattern(5));
}

TEST(Pipe, ReserveMaySkipASlabThatHasNothing) {
  SlabPool pool;
  Pipe pipe(pool);
  static_cast<void>(pipe.reserve(1));
  ByteSpan room = pipe.reserve(large_slab_size);
  room[0] = 42;
  pipe.commit(1);
  EXPECT_EQ(drain(pipe), Bytes{42});
}

TEST(Pipe, AReservedSpanSurvivesTheConsumer) {
  SlabPool pool;
  Pipe pipe(pool);
  pipe.write(pattern(100));
  ByteSpan room = pipe.reserve(10);
  EXPECT_EQ(drain(pipe), pattern(100));
  std::fill_n(room.begin(), 10, std::uint8_t{7});
  pipe.commit(10);
  EXPECT_EQ(drain(pipe), Bytes(10, 7));
}

TEST(Pipe, PeekFillsSeveralPieces) {
  SlabPool pool;
  Pipe pipe(pool);
  const Bytes sent = pattern(own_slab_size + small_slab_size + 2 * large_slab_size);
  pipe.write(ByteView(sent).first(1)); // starts in itself
  pipe.write(ByteView(sent).subspan(1, own_slab_size + small_slab_size - 1));
  pipe.write(ByteView(sent).subspan(own_slab_size + small_slab_size));
  std::array<ByteView, 8> pieces;
  ASSERT_EQ(pipe.peek(pieces), 4U);
  EXPECT_EQ(pieces[0].size(), own_slab_size);
  EXPECT_EQ(pieces[1].size(), small_slab_size);
  EXPECT_EQ(pieces[2].size(), large_slab_size);
  EXPECT_EQ(pieces[3].size(), large_slab_size);
  pipe.consume(own_slab_size);
  EXPECT_EQ(pipe.peek(std::span<ByteView>(pieces).first(2)), 2U);
  EXPECT_EQ(pipe.peek(std::span<ByteView>{}), 0U);
  ASSERT_EQ(pipe.peek(pieces, small_slab_size + 1), 2U);
  EXPECT_EQ(pieces[1].size(), 1U);
  pipe.advance(small_slab_size + 1);
  ASSERT_EQ(pipe.peek(pieces), 2U);
  EXPECT_EQ(pieces[0].size(), large_slab_size - 1);
}

TEST(Pipe, AdvancedOctetsStayUntilReleased) {
  SlabPool pool;
  Pipe pipe(pool);
  const Bytes sent = pattern(3 * large_slab_size);
  pipe.write(sent);
  const ByteView first = pipe.peek();
  pipe.advance(sent.size());
  EXPECT_EQ(pipe.readable(), 0U);
  EXPECT_EQ(pipe.outstanding(), sent.size());
  EXPECT_TRUE(std::equal(first.begin(), first.end(), sent.begin()));
  EXPECT_EQ(pool.bytes_in_use(), 3 * large_slab_size);
  pipe.release(large_slab_size + 1);
  EXPECT_EQ(pipe.outstanding(), 2 * large_slab_size - 1);
  EXPECT_EQ(pool.bytes_in_use(), 2 * large_slab_size);
  pipe.release(2 * large_slab_size - 1);
  EXPECT_EQ(pipe.outstanding(), 0U);
  pipe.write(pattern(9));
  EXPECT_EQ(drain(pipe), pattern(9));
}

TEST(Pipe, RewindReadsAgainWhatWasNotReleased) {
  SlabPool pool;
  Pipe pipe(pool);
  const Bytes sent = pattern(2 * large_slab_size + 77);
  pipe.write(sent);
  pipe.advance(large_slab_size + 5);
  pipe.rewind();
  EXPECT_EQ(pipe.read(), 0U);
  pipe.advance(large_slab_size);
  pipe.release(100);
  pipe.rewind();
  EXPECT_EQ(pipe.read(), 100U);
  EXPECT_EQ(pipe.readable(), sent.size() - 100);
  EXPECT_EQ(drain(pipe), Bytes(sent.begin() + 100, sent.end()));
  pipe.rewind(); // nothing is left to read again
  EXPECT_EQ(pipe.readable(), 0U);
}

TEST(Pipe, RewindAtASlabsEndGoesOnInTheNext) {
  SlabPool pool;
  Pipe pipe(pool);
  const Bytes sent = pattern(2 * large_slab_size);
  pipe.write(sent);
  pipe.advance(large_slab_size);
  pipe.release(large_slab_size);
  pipe.rewind();
  EXPECT_EQ(drain(pipe), Bytes(sent.begin() + large_slab_size, sent.end()));
}

TEST(Pipe, BytesComeBeforeTheFinish) {
  SlabPool pool;
  Pipe pipe(pool);
  pipe.write(pattern(3));
  pipe.finish();
  pipe.finish();
  EXPECT_TRUE(pipe.finished());
  EXPECT_FALSE(pipe.at_end());
  pipe.consume(3);
  EXPECT_TRUE(pipe.at_end());
}

TEST(Pipe, GivesItsSlabsBackWhenDestroyed) {
  SlabPool pool;
  {
    Pipe unread(pool);
    unread.write(pattern(5 * large_slab_size));
    Pipe half(pool);
    half.write(pattern(5 * large_slab_size));
    half.advance(3 * large_slab_size);
    half.release(2 * large_slab_size);
    Pipe reserved(pool);
    static_cast<void>(reserved.reserve(1));
    EXPECT_NE(pool.bytes_in_use(), 0U);
  }
  EXPECT_EQ(pool.bytes_in_use(), 0U);
}

TEST(Pipe, APairLivesUntilBothAreLetGo) {
  SlabPool pool;
  auto [in, out] = make_pipes(pool);
  in->write(pattern(small_slab_size));
  out->write(pattern(7));
  in.reset();
  EXPECT_EQ(drain(*out), pattern(7));
  out.reset();
  EXPECT_EQ(pool.bytes_in_use(), 0U);
}

TEST(SlabPool, ReusesAndBoundsItsSpareSlabs) {
  SlabPool pool;
  SlabPool::Slab* slab = pool.take(true);
  pool.give(slab);
  EXPECT_EQ(pool.take(true), slab);
  EXPECT_EQ(pool.bytes_in_use(), small_slab_size);
  pool.give(slab);
  std::vector<SlabPool::Slab*> taken;
  for (std::size_t i = 0; i < max_spare_slabs + 10; ++i) taken.push_back(pool.take(false));
  for (SlabPool::Slab* each : taken) pool.give(each);
  EXPECT_EQ(pool.bytes_in_use(), 0U);
}

} // namespace
} // namespace kith
