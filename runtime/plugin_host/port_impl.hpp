// SPDX-License-Identifier: GPL-3.0-or-later
// One stream between the two threads of an instance. Private to plugin_host.
#pragma once

#include "plugin_host/instance_host.hpp"

namespace kith::plugin_host {

/// What the instance is to hear, in this order.
enum ToInstance : std::uint32_t { opened_bit = 1, replied_bit = 2, readable_bit = 4, writable_bit = 8, closed_bit = 16 };
/// What the node is to hear, in this order.
enum ToNetwork : std::uint32_t {
  dial_bit = 1,
  accept_bit = 2,
  urgency_bit = 4,
  produced_bit = 8,
  consumed_bit = 16,
  reject_bit = 32,
  reset_bit = 64,
  blocked_bit = 128
};

/// Fields beside the flags are written before their bit is set and read after it was taken: the flags' acquire and release carry them over.
class Port final : public hosting::StreamPort, public std::enable_shared_from_this<Port> {
public:
  explicit Port(InstanceHost& host) : host_(host) {}

  void accept(std::string_view content_type) override {
    accept_type = content_type;
    host_.notify(*this, accept_bit);
  }
  void reject(Code code, std::string_view text) override { end_with(code, text, reject_bit); }
  void reset(Code code, std::string_view text) override { end_with(code, text, reset_bit); }
  void produced() override { host_.notify(*this, produced_bit); }
  void consumed() override { host_.notify(*this, consumed_bit); }
  void blocked() override { host_.notify(*this, blocked_bit); }
  void set_urgency(std::uint8_t value) override {
    urgency.store(value, std::memory_order_relaxed);
    host_.notify(*this, urgency_bit);
  }

  std::atomic<std::uint32_t> to_instance{0};
  std::atomic<std::uint32_t> to_network{0};
  std::atomic<std::uint8_t> urgency{3};
  // written by the network thread
  StreamKey key = StreamKey::none;
  bool over = false; ///< The node has forgotten it.
  IncomingStream incoming;
  Result<std::string> reply{std::string()};
  StreamEnd end;
  // written by the instance thread
  kith_stream_id id = 0;
  PipePtr in; // and read by the network thread, which is its consumer until the reply is told
  PipePtr out;
  StreamRequest request;
  std::string accept_type;
  Code end_code = Code::internal;
  std::string end_text;

private:
  void end_with(Code code, std::string_view text, std::uint32_t bit) {
    end_code = code;
    end_text = text;
    host_.notify(*this, bit);
  }

  InstanceHost& host_;
};

} // namespace kith::plugin_host
