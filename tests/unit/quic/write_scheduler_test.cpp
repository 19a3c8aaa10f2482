// SPDX-License-Identifier: GPL-3.0-or-later
#include "pair.hpp"

#include <gtest/gtest.h>

#include <map>

namespace kith::quic::testing {
namespace {

// The scheduler is seen through a connection: what the peer has received after a while tells whose turn it was.
TEST(WriteSchedulerTest, SmallStreamsGoBeforeBulkAndBulkIsNotStarved) {
  Pair pair;
  const ConnectionId id = pair.connect();
  auto bulk_in = std::make_shared<Pipe>(pair.alice.slabs);
  auto bulk_out = std::make_shared<Pipe>(pair.alice.slabs);
  const auto bulk = pair.alice.endpoint->open_stream(id, bulk_in, bulk_out).value();
  bulk_out->write(Bytes(250'000));
  bulk->start_sending({});
  pair.run(milliseconds(200));
  const std::uint64_t before = bulk->sent_octets();
  EXPECT_GE(before, 64U * 1024);
  std::vector<StreamPtr> small;
  std::vector<PipePtr> pipes;
  for (int i = 0; i < 50; ++i) {
    auto in = std::make_shared<Pipe>(pair.alice.slabs);
    auto out = std::make_shared<Pipe>(pair.alice.slabs);
    out->write(Bytes(1000));
    out->finish();
    pipes.push_back(in);
    pipes.push_back(out);
    small.push_back(pair.alice.endpoint->open_stream(id, in, out).value());
    small.back()->start_sending({});
  }
  bulk_out->write(Bytes(6'000));
  bulk->produced();
  pair.run(milliseconds(200));
  for (const auto& stream : small) EXPECT_EQ(stream->sent_octets(), 1000U);
}

TEST(WriteSchedulerTest, UrgentBytesGoFirst) {
  Pair pair;
  const ConnectionId id = pair.connect();
  std::vector<StreamPtr> streams;
  std::vector<PipePtr> pipes;
  for (std::uint8_t urgency : {std::uint8_t{7}, std::uint8_t{0}}) {
    auto in = std::make_shared<Pipe>(pair.alice.slabs);
    auto out = std::make_shared<Pipe>(pair.alice.slabs);
    out->write(Bytes(200'000));
    pipes.push_back(in);
    pipes.push_back(out);
    streams.push_back(pair.alice.endpoint->open_stream(id, in, out).value());
    streams.back()->set_urgency(urgency);
    streams.back()->start_sending({});
  }
  pair.pump(pair.alice); // one congestion window's worth
  EXPECT_EQ(streams[0]->sent_octets(), 0U);
  EXPECT_GT(streams[1]->sent_octets(), 0U);
}

} // namespace
} // namespace kith::quic::testing
