// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "pool/pool.hpp"

#include <random>

namespace kith::pool {

class SeededRandom : public Random {
public:
  explicit SeededRandom(std::uint64_t seed) : engine_(seed) {}
  void fill(ByteSpan out) override {
    for (auto& octet : out) octet = static_cast<std::uint8_t>(engine_());
  }
  std::uint64_t below(std::uint64_t bound) { return engine_() % bound; }

private:
  std::mt19937_64 engine_;
};

inline PeerId id_of(std::uint8_t n) {
  PeerId id;
  id.bytes.fill(n);
  return id;
}

inline Address at(std::uint16_t port) { return make_v4({127, 0, 0, 1}, port); }

inline std::vector<Action> take(Pool& pool) {
  std::vector<Action> all;
  for (Action action; pool.next_action(action);) all.push_back(std::move(action));
  return all;
}

} // namespace kith::pool
