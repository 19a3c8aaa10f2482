// SPDX-License-Identifier: Apache-2.0
#include "fake_daemon.hpp"

#include "protocol/line_reader.hpp"

#include <cstring>
#include <filesystem>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace kith::test {

void FakeDaemon::Peer::send(std::string line, std::string_view octets, int fd) {
  line.push_back('\n');
  line += octets;
  std::string_view rest = line;
  std::vector<int> fds;
  if (fd >= 0) fds.push_back(fd);
  while (!rest.empty()) {
    const protocol::Io io = protocol::send_with_fds(socket_, rest, fds);
    if (io.count == 0) return;
    rest.remove_prefix(io.count);
    fds.clear();
  }
}

FakeDaemon::FakeDaemon(Handler handler) : handler_(std::move(handler)) {
  std::string folder = std::filesystem::temp_directory_path() / "kith-test-XXXXXX";
  EXPECT_NE(::mkdtemp(folder.data()), nullptr);
  home_ = folder;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = home_ + "/daemon.sock";
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  listener_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(::listen(listener_.get(), 8), 0);
  thread_ = std::thread([this] { serve(); });
}

FakeDaemon::~FakeDaemon() {
  stopping_ = true;
  ::shutdown(listener_.get(), SHUT_RDWR); // ends accept()
  thread_.join();
  std::filesystem::remove_all(home_);
}

void FakeDaemon::serve() {
  while (!stopping_) {
    protocol::Fd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (client) clients_.emplace_back([this, socket = std::move(client)] { serve_one(socket.get()); });
  }
  for (std::thread& each : clients_) each.join(); // their clients have gone
}

void FakeDaemon::serve_one(int socket) {
  protocol::LineReader reader(protocol::default_max_call_bytes + protocol::line_overhead);
  protocol::FdQueue fds;
  Peer peer(socket);
  const auto fill = [&] {
    const protocol::Io io = protocol::receive_with_fds(socket, reader.prepare(), fds);
    reader.commit(io.count);
    return io.count > 0;
  };
  while (peer.open()) {
    const auto line = reader.take_line();
    if (!line) {
      if (!fill()) return;
      continue;
    }
    Seen seen{std::string(*line), {}, {}};
    std::string id;
    std::uint64_t octets = 0;
    const auto request = protocol::decode_request(seen.line, id, octets);
    if (!request) {
      peer.send(protocol::Answer::failed(id, request.error()).encode());
      continue;
    }
    while (reader.buffered() < octets) {
      if (!fill()) return;
    }
    seen.octets = as_text(*reader.take_octets(octets));
    seen.fds = fds.take(request->fds);
    if (request->type == "hello") {
      peer.send(protocol::Answer::ok(id, protocol::Body::of_json(hello_data)).encode());
      continue;
    }
    {
      const std::lock_guard lock(guard_);
      lines_.push_back(seen.line);
    }
    handler_(peer, *request, seen);
  }
}

} // namespace kith::test
