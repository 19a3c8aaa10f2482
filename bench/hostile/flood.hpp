// SPDX-License-Identifier: GPL-3.0-or-later
// Datagrams from many addresses of 127.0.0.0/8, at a rate. Bounded in count and time.
#pragma once

#include "hostile/stranger.hpp"

#include <cstddef>
#include <vector>

namespace kith::bench {

class Flood {
public:
  /// `remote`: an address of 127.0.0.0/8; anything else ends the process. `listens`: takes answers in its pauses; else the kernel drops them, as for addresses that
  /// were made up.
  Flood(const sockaddr_in& remote, bool listens);
  ~Flood();
  Flood(const Flood&) = delete;
  Flood& operator=(const Flood&) = delete;

  /// Sends [first, last), `rate` a second, each from an address of its own; how many left. Gives up after twice the time that it should take.
  std::size_t send(const std::vector<Octets>& packets, std::size_t first, std::size_t last, double rate);
  /// What came back since the last time: how many datagrams, by form.
  struct Answers {
    std::size_t retries = 0; ///< RFC 9000 §17.2.5
    std::size_t others = 0;
  };
  Answers take_answers();

private:
  void receive();
  std::size_t send_some(std::vector<Octets>::const_iterator first, std::size_t count);

  sockaddr_in remote_;
  std::vector<int> sockets_; ///< Ports to send from; the addresses come with each datagram.
  std::size_t next_ = 0;
  bool listens_;
  Answers answers_;
};

} // namespace kith::bench
