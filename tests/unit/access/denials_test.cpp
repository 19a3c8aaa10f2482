// SPDX-License-Identifier: GPL-3.0-or-later
#include "access/denials.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace kith::access {
namespace {

PeerId id_of(std::uint8_t n) {
  PeerId id;
  id.bytes.fill(n);
  return id;
}

TEST(Denials, AddsUpByMinute) {
  DenialCounter counter;
  for (int i = 0; i < 100; ++i) counter.note(id_of(1), "alice/Echo/default", 120 + i % 60);
  counter.note(id_of(2), "alice/Echo/default", 130);
  counter.note(id_of(1), "alice/Echo/default", 180);
  EXPECT_EQ(counter.rows(), 3U);
  EXPECT_TRUE(counter.take(179).empty()) << "the minute is not over";
  const std::vector<Denials> first{{120, id_of(1), "alice/Echo/default", 100}, {120, id_of(2), "alice/Echo/default", 1}};
  EXPECT_EQ(counter.take(180), first);
  const std::vector<Denials> second{{180, id_of(1), "alice/Echo/default", 1}};
  EXPECT_EQ(counter.take(std::numeric_limits<UnixSeconds>::max()), second);
  EXPECT_EQ(counter.rows(), 0U);
}

TEST(Denials, IsBoundedAndLosesNoCount) {
  DenialCounter counter(4);
  std::uint64_t noted = 0;
  for (int minute = 0; minute < 500; ++minute) {
    for (std::uint8_t n = 1; n < 20; ++n, ++noted) counter.note(id_of(n), "b", minute * 60);
  }
  EXPECT_LE(counter.rows(), 4U + 64U);
  std::uint64_t counted = 0;
  for (const auto& row : counter.take(std::numeric_limits<UnixSeconds>::max())) counted += row.count;
  EXPECT_EQ(counted, noted);
}

TEST(Denials, WithoutRoomForAnyRow) {
  DenialCounter counter(0);
  counter.note(id_of(1), "b", 60);
  counter.note(id_of(2), "c", 61);
  const std::vector<Denials> rows{{60, PeerId{}, "", 2}};
  EXPECT_EQ(counter.take(120), rows);
}

} // namespace
} // namespace kith::access
