// SPDX-License-Identifier: GPL-3.0-or-later
// The program rows: calls and streams through the daemon's Unix socket.
#pragma once

#include "programs/pump.hpp"
#include "programs/socket.hpp"
#include "rows.hpp"

#include <list>
#include <string>
#include <unordered_map>

namespace kith::bench {

/// The dialing program. There is one connection, whatever number it is asked for.
class ProgramDriver final : public LoopLink {
public:
  ProgramDriver(const std::string& home, std::string protocol) : socket_(home), protocol_(std::move(protocol)) {}

  void set_events(Events& events) override { events_ = &events; }
  void call(std::size_t connection, std::uint64_t tag) override;
  void upload(std::size_t connection, Clock::time_point until, std::uint64_t tag) override;
  void download(std::size_t connection, std::chrono::milliseconds time, std::uint64_t tag) override;
  void messages(std::size_t connection, Clock::time_point until, std::uint64_t tag, bool each) override;
  void hang_up(std::size_t connection) override;
  void run() override;
  void stop() override { stopped_ = true; }

private:
  struct Request {
    std::uint64_t tag = 0;
    Mode mode{};
    Clock::time_point until{};
    std::chrono::milliseconds time{};
    bool each = false;
  };
  struct Streaming {
    std::string id;
    Pump pump;
    std::uint64_t tag = 0;
    bool over = false;
  };

  protocol::ObjectWriter target() const;
  void open(const Request& request);
  void heard(const protocol::Object& line, ByteView octets);

  ControlSocket socket_;
  std::string protocol_;
  Events* events_ = nullptr;
  std::uint64_t last_id_ = 0;
  std::unordered_map<std::string, Request> requests_;
  std::list<Streaming> streams_;
  std::string closing_; ///< The request that closes the connection.
  bool stopped_ = false;
};

/// Serves the binding `protocol` of `identity` until the process is ended.
[[noreturn]] void provide(const std::string& home, const std::string& identity, const std::string& protocol);

} // namespace kith::bench
