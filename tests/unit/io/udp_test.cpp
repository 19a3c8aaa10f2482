// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/udp.hpp"

#include "io_support.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <sys/resource.h>

namespace kith::io {
namespace {

using test::MemoryLog;
using test::run_until;

struct Arrived {
  SocketId socket;
  Address local;
  Address remote;
  Bytes bytes;
  std::uint16_t segment;
  std::uint8_t ecn;
};

class Collector final : public UdpReceiver {
public:
  void received(std::span<const Datagram> datagrams) override {
    ++batches;
    for (const auto& d : datagrams) {
      all.push_back({d.socket, d.local, d.remote, Bytes(d.bytes.begin(), d.bytes.end()), d.segment, d.ecn});
      octets += d.bytes.size();
    }
    if (then) then();
  }
  void sendable(SocketId) override {}

  /// Every datagram by itself, whatever trains they came in.
  std::vector<Bytes> datagrams() const {
    std::vector<Bytes> out;
    for (const auto& a : all) {
      const std::size_t step = a.segment == 0 ? a.bytes.size() : a.segment;
      for (std::size_t at = 0; at < a.bytes.size(); at += step) {
        const auto from = a.bytes.begin() + static_cast<std::ptrdiff_t>(at);
        out.emplace_back(from, from + static_cast<std::ptrdiff_t>(std::min(step, a.bytes.size() - at)));
      }
    }
    return out;
  }

  std::vector<Arrived> all;
  std::size_t octets = 0;
  std::size_t batches = 0;
  std::function<void()> then;
};

Bytes pattern(std::size_t size) {
  Bytes bytes(size);
  std::iota(bytes.begin(), bytes.end(), std::uint8_t{1});
  return bytes;
}

class UdpTest : public ::testing::Test {
protected:
  SocketId open(UdpSockets& sockets, const Address& at, UdpReceiver& receiver) {
    const auto id = sockets.open(at, receiver);
    if (!id) throw std::runtime_error(id.error().text);
    return *id;
  }

  Reactor reactor;
  MemoryLog log;
  Collector left;
  Collector right;
};

const Address loopback4 = make_v4({127, 0, 0, 1}, 0);
const Address loopback6 = make_v6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 0);

TEST_F(UdpTest, KnowsWhatItsOwnLinkTakes) {
  const UdpSockets sockets(reactor, log);
  EXPECT_GE(sockets.max_payload(make_v4({127, 0, 0, 1}, 9)), 16336U) << "a loopback of less than 16 KiB";
  EXPECT_GE(sockets.max_payload(loopback6), 16336U);
  EXPECT_EQ(sockets.max_payload(Address{}), 1452U) << "nowhere: Ethernet's";
}

TEST_F(UdpTest, CarriesADatagramBothWaysOverBothFamilies) {
  UdpSockets sockets(reactor, log);
  for (const Address& at : {loopback4, loopback6}) {
    const SocketId a = open(sockets, at, left);
    const SocketId b = open(sockets, at, right);
    EXPECT_NE(sockets.bound(a).port, 0);
    right.all.clear();
    left.all.clear();
    EXPECT_EQ(sockets.send({.socket = a, .local = {}, .remote = sockets.bound(b), .bytes = as_bytes("ping")}), SendResult::sent);
    run_until(reactor, [&] { return !right.all.empty(); });
    ASSERT_EQ(right.all.size(), 1U);
    EXPECT_EQ(right.all[0].socket, b);
    EXPECT_EQ(right.all[0].remote, sockets.bound(a));
    EXPECT_EQ(right.all[0].local, sockets.bound(b));
    EXPECT_EQ(as_text(right.all[0].bytes), "ping");
    EXPECT_EQ(right.all[0].segment, 0);
    EXPECT_EQ(sockets.send({.socket = b, .local = right.all[0].local, .remote = right.all[0].remote, .bytes = as_bytes("pong")}), SendResult::sent);
    run_until(reactor, [&] { return !left.all.empty(); });
    EXPECT_EQ(as_text(left.all[0].bytes), "pong");
  }
}

TEST_F(UdpTest, SaysWhereADatagramWouldLeaveFrom) {
  UdpSockets sockets(reactor, log);
  const Address there = make_v4({127, 0, 0, 9}, 9);
  for (const Address& at : {loopback4, make_v4({}, 0), make_v4({127, 0, 0, 7}, 0)}) {
    const SocketId socket = open(sockets, at, left);
    Address expected = at.is_unspecified() ? sockets.source(socket, there, {}).value() : at;
    expected.port = sockets.bound(socket).port;
    EXPECT_TRUE(expected.is_loopback());
    EXPECT_EQ(sockets.source(socket, there, {}), expected);
    EXPECT_EQ(sockets.send({.socket = socket, .local = expected, .remote = there, .bytes = as_bytes("x")}), SendResult::sent);
    EXPECT_EQ(sockets.source(socket, loopback6, {})->family, Address::Family::none) << "the other family";
    sockets.close(socket);
    EXPECT_EQ(sockets.source(socket, there, {})->family, Address::Family::none) << "closed";
  }
  const SocketId six = open(sockets, make_v6({}, 0), left);
  EXPECT_EQ(sockets.source(six, make_v6(loopback6.ip, 9), {}), make_v6(loopback6.ip, sockets.bound(six).port));
  const SocketId inner = open(sockets, loopback4, left);
  EXPECT_EQ(sockets.source(inner, make_v4({192, 0, 2, 1}, 9), {})->family, Address::Family::none) << "there is no way from loopback to a network";
  EXPECT_EQ(sockets.source(inner, make_v4({127, 0, 0, 1}, 9), make_v4({127, 0, 0, 3}, 9))->ip, make_v4({127, 0, 0, 3}, 0).ip) << "where it was asked";
  EXPECT_EQ(sockets.source(inner, make_v4({127, 0, 0, 1}, 9), make_v4({192, 0, 2, 1}, 9)), sockets.source(inner, make_v4({127, 0, 0, 1}, 9), {}))
      << "not ours any more";
}

TEST_F(UdpTest, WithoutDescriptorsNobodyKnowsTheWay) {
  UdpSockets sockets(reactor, log, {});
  const SocketId socket = open(sockets, loopback4, left);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{0, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const auto unknown = sockets.source(socket, make_v4({127, 0, 0, 9}, 9), {});
  const auto asked = sockets.source(socket, make_v4({127, 0, 0, 9}, 9), make_v4({127, 0, 0, 3}, 9));
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_FALSE(unknown);
  EXPECT_FALSE(asked);
  EXPECT_TRUE(sockets.source(socket, make_v4({127, 0, 0, 9}, 9), {}));
}

TEST_F(UdpTest, ATrainArrivesAsTheDatagramsThatItWasMadeOf) {
  for (const bool gso : {true, false}) {
    for (const bool gro : {true, false}) {
      UdpSockets sockets(reactor, log, {.gso = gso, .gro = gro});
      right = {};
      const SocketId a = open(sockets, loopback4, left);
      const SocketId b = open(sockets, loopback4, right);
      if (!gso) {
        EXPECT_EQ(sockets.max_train(a), 1U);
      }
      const Bytes train = pattern(20 * 1200 + 77);
      EXPECT_EQ(sockets.send({.socket = a, .local = {}, .remote = sockets.bound(b), .bytes = train, .segment = 1200}), SendResult::sent);
      run_until(reactor, [&] { return right.octets >= train.size(); });
      const auto datagrams = right.datagrams();
      ASSERT_EQ(datagrams.size(), 21U) << gso << gro;
      Bytes joined;
      for (const auto& d : datagrams) joined.insert(joined.end(), d.begin(), d.end());
      EXPECT_EQ(joined, train);
      EXPECT_EQ(datagrams.front().size(), 1200U);
      EXPECT_EQ(datagrams.back().size(), 77U);
      if (!gro) {
        EXPECT_EQ(right.all.size(), 21U);
      }
    }
  }
}

TEST_F(UdpTest, ATrainThatIsLargerThanTheKernelTakesIsCutUp) {
  UdpSockets sockets(reactor, log);
  const SocketId a = open(sockets, loopback6, left);
  const SocketId b = open(sockets, loopback6, right);
  const Bytes train = pattern(100 * 1300);
  EXPECT_EQ(sockets.send({.socket = a, .local = {}, .remote = sockets.bound(b), .bytes = train, .segment = 1300}), SendResult::sent);
  run_until(reactor, [&] { return right.octets >= train.size(); });
  EXPECT_EQ(right.datagrams().size(), 100U);
}

TEST_F(UdpTest, AWildcardSocketTellsTheAddressThatWasAskedAndAnswersFromIt) {
  UdpSockets sockets(reactor, log);
  const SocketId a = open(sockets, loopback4, left);
  const SocketId wild = open(sockets, make_v4({0, 0, 0, 0}, 0), right);
  const Address asked = make_v4({127, 0, 0, 2}, sockets.bound(wild).port);
  EXPECT_EQ(sockets.send({.socket = a, .local = {}, .remote = asked, .bytes = as_bytes("hello")}), SendResult::sent);
  run_until(reactor, [&] { return !right.all.empty(); });
  EXPECT_EQ(right.all[0].local, asked);
  EXPECT_EQ(sockets.send({.socket = wild, .local = right.all[0].local, .remote = right.all[0].remote, .bytes = as_bytes("answer")}),
            SendResult::sent);
  run_until(reactor, [&] { return !left.all.empty(); });
  EXPECT_EQ(left.all[0].remote, asked);
}

TEST_F(UdpTest, AWildcardSocketOfIPv6TellsItsAddressAndTakesIPv6Alone) {
  UdpSockets sockets(reactor, log);
  const SocketId a = open(sockets, loopback6, left);
  const SocketId wild6 = open(sockets, make_v6({}, 0), right);
  // The same port is free for IPv4, which it would not be if the IPv6 socket took both.
  Collector third;
  open(sockets, make_v4({0, 0, 0, 0}, sockets.bound(wild6).port), third);
  Address asked = loopback6;
  asked.port = sockets.bound(wild6).port;
  EXPECT_EQ(sockets.send({.socket = a, .local = {}, .remote = asked, .bytes = as_bytes("hello")}), SendResult::sent);
  run_until(reactor, [&] { return !right.all.empty(); });
  EXPECT_EQ(right.all[0].local, asked);
}

TEST_F(UdpTest, EcnBitsTravel) {
  UdpSockets sockets(reactor, log);
  for (const Address& at : {loopback4, loopback6}) {
    const SocketId a = open(sockets, at, left);
    const SocketId b = open(sockets, at, right);
    for (const std::uint8_t ecn : std::array<std::uint8_t, 4>{2, 1, 3, 0}) {
      right.all.clear();
      sockets.send({.socket = a, .local = {}, .remote = sockets.bound(b), .bytes = as_bytes("x"), .ecn = ecn});
      run_until(reactor, [&] { return !right.all.empty(); });
      EXPECT_EQ(right.all[0].ecn, ecn) << at.text();
    }
  }
}

TEST_F(UdpTest, ManyDatagramsComeInBatchesWithABound) {
  UdpSockets sockets(reactor, log, {.gro = false});
  const SocketId a = open(sockets, loopback4, left);
  const SocketId b = open(sockets, loopback4, right);
  for (std::size_t i = 0; i < 3 * receive_batch; ++i) sockets.send({.socket = a, .local = {}, .remote = sockets.bound(b), .bytes = as_bytes("x")});
  run_until(reactor, [&] { return right.all.size() == 3 * receive_batch; });
  EXPECT_EQ(right.batches, 3U);
}

TEST_F(UdpTest, WhatTheKernelRefusesForGoodIsDropped) {
  UdpSockets sockets(reactor, log);
  const SocketId a = open(sockets, loopback4, left);
  const Bytes large(65535);
  EXPECT_EQ(sockets.send({.socket = a, .local = {}, .remote = make_v4({127, 0, 0, 1}, 9), .bytes = large}), SendResult::dropped) << "EMSGSIZE";
  const Address nowhere = make_v4({192, 0, 2, 9}, 9);
  EXPECT_EQ(sockets.send({.socket = a, .local = make_v4({192, 0, 2, 1}, 0), .remote = nowhere, .bytes = as_bytes("x"), .ecn = 2}),
            SendResult::dropped)
      << "a source that is not ours";
  EXPECT_EQ(sockets.send({.socket = a, .local = make_v4({192, 0, 2, 1}, 0), .remote = nowhere, .bytes = pattern(2400), .segment = 1200}),
            SendResult::dropped);
  EXPECT_EQ(sockets.send({.socket = a, .local = {}, .remote = loopback6, .bytes = as_bytes("x")}), SendResult::dropped) << "the other family";
  EXPECT_GT(sockets.max_train(a), 1U) << "no feature is blamed for a bad packet";
  EXPECT_TRUE(log.lines().empty());
}

TEST_F(UdpTest, SendingWhereNobodyListensDisturbsNothing) {
  UdpSockets sockets(reactor, log);
  const SocketId a = open(sockets, loopback4, left);
  const SocketId b = open(sockets, loopback4, right);
  const SocketId gone = open(sockets, loopback4, right);
  const Address dead = sockets.bound(gone);
  sockets.close(gone);
  EXPECT_EQ(sockets.bound(gone).family, Address::Family::none);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(sockets.send({.socket = a, .local = {}, .remote = dead, .bytes = as_bytes("x")}), SendResult::sent);
  sockets.send({.socket = b, .local = {}, .remote = sockets.bound(a), .bytes = as_bytes("still here")});
  run_until(reactor, [&] { return !left.all.empty(); });
  EXPECT_EQ(as_text(left.all[0].bytes), "still here");
}

TEST_F(UdpTest, ASocketMayBeClosedFromItsOwnCallback) {
  UdpSockets sockets(reactor, log);
  const SocketId a = open(sockets, loopback4, left);
  const SocketId b = open(sockets, loopback4, right);
  right.then = [&] { sockets.close(b); };
  const Address there = sockets.bound(b);
  sockets.send({.socket = a, .local = {}, .remote = there, .bytes = as_bytes("1")});
  run_until(reactor, [&] { return !right.all.empty(); });
  EXPECT_EQ(sockets.send({.socket = b, .local = {}, .remote = there, .bytes = as_bytes("2")}), SendResult::dropped);
  EXPECT_EQ(sockets.max_train(b), 1U);
}

TEST_F(UdpTest, AnAddressThatIsTakenIsAnErrorThatNamesIt) {
  UdpSockets sockets(reactor, log);
  const SocketId a = open(sockets, loopback4, left);
  const auto again = sockets.open(sockets.bound(a), right);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Code::internal);
  EXPECT_NE(again.error().text.find(sockets.bound(a).text()), std::string::npos) << again.error().text;
  EXPECT_NE(again.error().text.find("already in use"), std::string::npos) << again.error().text;
  EXPECT_FALSE(sockets.open(Address{}, right));
}

} // namespace
} // namespace kith::io
