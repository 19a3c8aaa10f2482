// SPDX-License-Identifier: GPL-3.0-or-later
#include "control/subscription.hpp"

#include "control/roster.hpp"

#include <algorithm>

namespace kith::control {
namespace {

constexpr std::string_view instance_prefix = "instance:";

/// "instance:alice/Social" and "instance:alice/Social/default" are one topic.
Result<std::string> read_topic(const std::string& text, const Roster& roster) {
  if (text == "peers" || text == "identities" || text == "knocks") return text;
  if (text.starts_with(instance_prefix)) {
    const std::string rest = text.substr(instance_prefix.size());
    const std::size_t first = rest.find('/');
    if (first != std::string::npos) {
      const auto identity = roster.find_identity(rest.substr(0, first));
      if (!identity) return identity.error();
      const bool has_alias = rest.find('/', first + 1) != std::string::npos;
      return std::string(instance_prefix) + (*identity)->name + rest.substr(first) + (has_alias ? "" : "/" + std::string(default_alias));
    }
  }
  return bad_request("unknown topic \"" + text + "\": there are peers, identities, knocks and instance:IDENTITY/PROTOCOL[/ALIAS]");
}

} // namespace

void Topics::publish(std::string_view topic, std::string_view data) {
  for (Subscription* subscription : subscriptions_) subscription->publish(topic, data);
}

Result<void> Subscription::start(const protocol::Request& request) {
  const auto wanted = protocol::SubscribeRequest::decode(request);
  if (!wanted) return wanted.error();
  if (wanted->topics.size() > max_topics) return bad_request("more than " + std::to_string(max_topics) + " topics");
  for (const auto& text : wanted->topics) {
    auto topic = read_topic(text, session_.context().roster);
    if (!topic) return topic.error();
    topics_.push_back(std::move(*topic));
  }
  session_.context().topics.add(*this);
  session_.answer(protocol::Answer::ok(id_));
  session_.settle();
  return {};
}

void Subscription::cancel() {
  session_.context().topics.remove(*this);
  session_.ended(id_);
}

void Subscription::publish(std::string_view topic, std::string_view data) {
  if (std::find(topics_.begin(), topics_.end(), topic) == topics_.end()) return;
  if (session_.queued() > max_topic_queue) {
    ++dropped_;
    return;
  }
  if (dropped_ > 0) session_.send(protocol::LaggedEvent{id_, std::exchange(dropped_, 0)}.encode());
  session_.send(protocol::TopicEvent{id_, std::string(topic), data}.encode());
}

} // namespace kith::control
