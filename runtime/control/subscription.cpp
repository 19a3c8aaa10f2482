// SPDX-License-Identifier: GPL-3.0-or-later
#include "control/subscription.hpp"

#include "control/roster.hpp"

#include <algorithm>

namespace kith::control {
namespace {

constexpr std::string_view instance_prefix = "instance:";

/// The parts of IDENTITY/PROTOCOL[/ALIAS].
std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> parts;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find('/', at), text.size());
    parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

/// "instance:alice/Social" and "instance:alice/Social/default" are one topic.
Result<std::string> read_topic(const std::string& text, const Roster& roster) {
  if (text == "peers" || text == "identities" || text == "knocks") return text;
  if (text.starts_with(instance_prefix)) {
    auto parts = split(std::string_view(text).substr(instance_prefix.size()));
    if (parts.size() == 2) parts.push_back(default_alias);
    if (parts.size() == 3 && !parts[0].empty() && check_name(parts[1], "protocol name") && check_name(parts[2], "alias")) {
      const auto identity = roster.find_identity(parts[0]);
      if (!identity) return identity.error();
      return instance_topic((*identity)->name, parts[1], parts[2]);
    }
  }
  return bad_request("unknown topic \"" + text + "\": there are peers, identities, knocks and instance:IDENTITY/PROTOCOL[/ALIAS]");
}

} // namespace

std::string instance_topic(std::string_view identity, std::string_view protocol, std::string_view alias) {
  return std::string(instance_prefix) + std::string(identity) + "/" + std::string(protocol) + "/" + std::string(alias);
}

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
