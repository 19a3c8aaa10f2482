// SPDX-License-Identifier: GPL-3.0-or-later
#include "control/server.hpp"

#include "control/session.hpp"

namespace kith::control {

Server::Server(Context& context) : context_(context) {}

Server::~Server() = default;

Result<void> Server::listen(const std::string& path) {
  if (listener_ && listener_->in_place()) return {};
  auto listener = io::UnixListener::open(context_.reactor, path, context_.world.log(), [this](io::UniqueFd socket) { accept(std::move(socket)); });
  if (!listener) return listener.error();
  if (listener_) context_.world.log().warn("control", path + " was gone, and is made again");
  listener_ = std::move(*listener);
  return {};
}

void Server::accept(io::UniqueFd socket) {
  const bool full = sessions_.size() - reserve_used_ >= context_.limits.max_clients;
  if (full) log_full();
  if (full && reserve_used_ >= reserved_clients) {
    static_cast<void>(protocol::send_with_fds(socket.get(), protocol::Answer::failed("", socket_full(context_)).encode() + "\n", {}));
    return; // the socket closes here
  }
  auto key = std::make_shared<Session*>(nullptr);
  const auto kind = full ? Session::Kind::reserve : Session::Kind::ordinary;
  auto session = std::make_shared<Session>(context_, std::move(socket), kind, [this, key, full] {
    if (full) --reserve_used_;
    sessions_.erase(*key);
  });
  *key = session.get();
  if (const auto started = session->start(); !started) {
    context_.world.log().warn("control", "a client is turned away: " + started.error().text);
    return;
  }
  sessions_.emplace(session.get(), session);
  if (full) ++reserve_used_;
}

void Server::log_full() {
  ++turned_away_;
  const TimePoint now = context_.world.now();
  if (now < next_log_) return;
  context_.world.log().warn("control", "the socket is full (max_clients: " + std::to_string(context_.limits.max_clients) +
                                           "): whoever comes may only look, reload and stop; since the last such line came " +
                                           std::to_string(turned_away_));
  turned_away_ = 0;
  next_log_ = now + full_log_interval;
}

void Server::stop_listening() { listener_.reset(); }

void Server::close_all() {
  std::vector<std::shared_ptr<Session>> all;
  for (const auto& [key, session] : sessions_) all.push_back(session);
  for (const auto& session : all) session->close();
}

} // namespace kith::control
