// SPDX-License-Identifier: GPL-3.0-or-later
// What happens, for the programs that asked to hear of it.
#pragma once

#include "control/session.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace kith::control {

inline constexpr std::size_t max_topics = 64;               ///< Of one subscription.
inline constexpr std::size_t max_topic_queue = 1024 * 1024; ///< Octets queued on a socket from which on topics are dropped.

class Subscription;

/// The topic of one binding of an identity.
std::string instance_topic(std::string_view identity, std::string_view protocol, std::string_view alias);

/// Who wants to hear what. Network thread.
class Topics {
public:
  void add(Subscription& subscription) { subscriptions_.push_back(&subscription); }
  void remove(Subscription& subscription) { std::erase(subscriptions_, &subscription); }
  /// `data` is JSON on one line.
  void publish(std::string_view topic, std::string_view data);

private:
  std::vector<Subscription*> subscriptions_;
};

class Subscription final : public Operation {
public:
  Subscription(Session& session, std::string id) : session_(session), id_(std::move(id)) {}
  ~Subscription() override { session_.context().topics.remove(*this); }

  Result<void> start(const protocol::Request& request);
  void cancel() override;
  void publish(std::string_view topic, std::string_view data);

private:
  Session& session_;
  std::string id_;
  std::vector<std::string> topics_;
  std::uint64_t dropped_ = 0;
};

} // namespace kith::control
