// SPDX-License-Identifier: Apache-2.0
// A daemon of canned answers on a real socket in a temporary home, on a thread of its own for each client.
#pragma once

#include "protocol/envelope.hpp"

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace kith::test {

class FakeDaemon {
public:
  /// What a handler may do with one request.
  class Peer {
  public:
    explicit Peer(int socket) : socket_(socket) {}
    void send(std::string line, std::string_view octets = {}, int fd = -1);
    void hang_up() { open_ = false; }
    bool open() const { return open_; }

  private:
    int socket_;
    bool open_ = true;
  };

  struct Seen {
    std::string line;
    std::string octets;
    std::vector<protocol::Fd> fds;
  };

  using Handler = std::function<void(Peer&, const protocol::Request&, Seen&)>;

  /// hello is answered by itself; everything else goes to the handler.
  explicit FakeDaemon(Handler handler);
  ~FakeDaemon();

  const std::string& home() const { return home_; }
  /// The lines that came, hello left out. Only after the client has its answers.
  const std::vector<std::string>& lines() const { return lines_; }
  std::string hello_data = R"({"api":1,"version":"0.1.0","pid":1,"home":"/h","max_call_bytes":1048576})";

private:
  void serve();
  void serve_one(int socket);

  Handler handler_;
  std::string home_;
  protocol::Fd listener_;
  std::vector<std::string> lines_;
  std::mutex guard_; ///< Of lines_.
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> clients_; ///< Of thread_.
  std::thread thread_;
};

} // namespace kith::test
