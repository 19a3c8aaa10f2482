// SPDX-License-Identifier: GPL-3.0-or-later
// Headers, replies and control streams: what is read, written again, reads as the same; pieces of any size read like the whole.
#include "wire/control.hpp"
#include "wire/open.hpp"

#include <algorithm>
#include <cstdlib>
#include <vector>

namespace {

using namespace kith;

template <class Decode> void round_trip(ByteView in, Decode decode) {
  const auto read = decode(in);
  if (!read || !*read) return;
  if ((*read)->used > in.size()) std::abort();
  const Bytes written = wire::encode((*read)->value);
  const auto again = decode(written);
  if (!again || !*again || !((*again)->value == (*read)->value)) std::abort();
}

struct Outcome {
  std::vector<wire::ControlFrame> frames;
  bool failed = false;
  bool operator==(const Outcome&) const = default;
};

Outcome control(ByteView in, std::size_t step) {
  wire::ControlDecoder decoder;
  Outcome out;
  while (!in.empty() && !out.failed) {
    const std::size_t size = std::min(step, in.size());
    decoder.push(in.first(size));
    in = in.subspan(size);
    for (auto frame = decoder.next(); frame ? frame->has_value() : !(out.failed = true); frame = decoder.next()) out.frames.push_back(**frame);
  }
  return out;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView in(data, size);
  round_trip(in, [](ByteView bytes) { return wire::decode_open(bytes); });
  round_trip(in, [](ByteView bytes) { return wire::decode_reply(bytes); });
  if (!(control(in, 1) == control(in, in.size()))) std::abort();
  return 0;
}
