// SPDX-License-Identifier: GPL-3.0-or-later
// The node as sessions see it, and the memory of who serves what: a binding that comes back finds its provider again.
#pragma once

#include "control/context.hpp"

#include <map>
#include <tuple>

namespace kith::control {

class NodeBackend final : public Backend {
public:
  explicit NodeBackend(node::Node& node) : node_(node) {}

  node::OpenedStream open(const node::OpenRequest& request, StreamUser& user) override { return node_.open(request, user); }
  node::OpenedStream open_local(const node::LocalRequest& request, StreamUser& user) override { return node_.open_local(request, user); }
  StreamControl& control() override { return node_.control(); }
  Result<void> attach_provider(const PeerId& identity, std::string_view protocol, std::string_view alias, node::Service& service) override;
  void detach_provider(const PeerId& identity, std::string_view protocol, std::string_view alias) override;
  Result<void> start_trace(const PeerId& identity, const PeerId& peer, std::shared_ptr<quic::TraceSink> sink,
                           std::function<void(Result<node::Path>)> connected) override {
    return node_.start_trace(identity, peer, std::move(sink), std::move(connected));
  }
  void stop_trace(const PeerId& identity, const PeerId& peer) override { node_.stop_trace(identity, peer); }
  /// An identity, or a binding of it, is there again: node forgot its providers when it went.
  void reattach(const PeerId& identity);

private:
  using Key = std::tuple<PeerId, std::string, std::string>;

  node::Node& node_;
  std::map<Key, node::Service*> providers_;
};

} // namespace kith::control
