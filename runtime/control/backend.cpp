// SPDX-License-Identifier: GPL-3.0-or-later
#include "control/backend.hpp"

namespace kith::control {

Result<void> NodeBackend::attach_provider(const PeerId& identity, std::string_view protocol, std::string_view alias, node::Service& service) {
  const Key key(identity, protocol, alias);
  if (providers_.contains(key)) return Error{Code::busy, "another program serves " + std::string(protocol) + "/" + std::string(alias) + " already"};
  if (auto done = node_.attach_provider(identity, protocol, alias, service); !done) return done;
  providers_.emplace(key, &service);
  return {};
}

void NodeBackend::detach_provider(const PeerId& identity, std::string_view protocol, std::string_view alias) {
  if (providers_.erase(Key(identity, protocol, alias)) > 0) node_.detach_provider(identity, protocol, alias);
}

void NodeBackend::reattach(const PeerId& identity) {
  for (const auto& [key, service] : providers_) {
    const auto& [id, protocol, alias] = key;
    if (id == identity) static_cast<void>(node_.attach_provider(id, protocol, alias, *service)); // busy: it was never let go
  }
}

} // namespace kith::control
