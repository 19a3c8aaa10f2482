// SPDX-License-Identifier: GPL-3.0-or-later
#include "control/server.hpp"

#include "control/session.hpp"

namespace kith::control {

Server::Server(Context& context) : context_(context) {}

Server::~Server() = default;

Result<void> Server::listen(const std::string& path) {
  auto listener = io::UnixListener::open(context_.reactor, path, context_.world.log(), [this](io::UniqueFd socket) { accept(std::move(socket)); });
  if (!listener) return listener.error();
  listener_ = std::move(*listener);
  return {};
}

void Server::accept(io::UniqueFd socket) {
  if (sessions_.size() >= context_.limits.max_clients) {
    const std::string line =
        protocol::Answer::failed("", {Code::busy, "the daemon has " + std::to_string(sessions_.size()) + " clients (max_clients)"}).encode() + "\n";
    static_cast<void>(protocol::send_with_fds(socket.get(), line, {}));
    return; // the socket closes here
  }
  auto key = std::make_shared<Session*>(nullptr);
  auto session = std::make_shared<Session>(context_, std::move(socket), [this, key] { sessions_.erase(*key); });
  *key = session.get();
  if (const auto started = session->start(); !started) {
    context_.world.log().warn("control", "a client is turned away: " + started.error().text);
    return;
  }
  sessions_.emplace(session.get(), session);
}

void Server::stop_listening() { listener_.reset(); }

void Server::close_all() {
  std::vector<std::shared_ptr<Session>> all;
  for (const auto& [key, session] : sessions_) all.push_back(session);
  for (const auto& session : all) session->close();
}

} // namespace kith::control
