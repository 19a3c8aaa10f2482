// SPDX-License-Identifier: Apache-2.0
// Requests, answers and events: what decodes must encode to something that decodes to the same.
#include "base/bytes.hpp"
#include "protocol/envelope.hpp"

#include <cstdlib>

namespace {

using namespace kith::protocol;

template <class T> void request_again(const Request& request) {
  const auto decoded = T::decode(request);
  if (!decoded) return;
  const std::string line = encode_request(request.id, request.type, decoded->fields(), request.body, request.fds);
  std::string id;
  std::uint64_t octets = 0;
  const auto again = decode_request(line, id, octets);
  if (!again || !T::decode(*again) || octets != request.octets()) std::abort();
  if (line.find('\n') != std::string::npos) std::abort();
}

template <class T> void line_again(const Object& object) {
  const auto decoded = T::decode(object);
  if (!decoded) return;
  const std::string line = decoded->encode();
  const auto again = Object::parse(line);
  if (!again || line.find('\n') != std::string::npos) std::abort();
  const auto same = T::decode(*again);
  if (!same || same->encode() != line) std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = kith::as_text({data, size});
  std::string id;
  std::uint64_t octets = 0;
  if (const auto request = decode_request(text, id, octets)) {
    request_again<HelloRequest>(*request);
    request_again<CallRequest>(*request);
    request_again<StreamRequest>(*request);
    request_again<ServeRequest>(*request);
    request_again<ReplyRequest>(*request);
    request_again<RejectRequest>(*request);
    request_again<CancelRequest>(*request);
    request_again<SubscribeRequest>(*request);
    request_again<LocalRequest>(*request);
  }
  if (const auto object = Object::parse(text)) {
    line_again<Answer>(*object);
    line_again<ClosedEvent>(*object);
    line_again<IncomingEvent>(*object);
    line_again<CancelledEvent>(*object);
    line_again<TopicEvent>(*object);
    line_again<LaggedEvent>(*object);
  }
  return 0;
}
