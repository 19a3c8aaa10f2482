// SPDX-License-Identifier: Apache-2.0
// The examples of docs/control-socket.md are what the code reads and writes, octet for octet.
#include "protocol/envelope.hpp"
#include "protocol/scanner.hpp"

#include <fstream>
#include <functional>
#include <gtest/gtest.h>
#include <map>

namespace kith::protocol {
namespace {

struct Example {
  bool request;
  std::string line;
};

std::vector<Example> examples() {
  std::ifstream doc(KITH_DOCS "/control-socket.md");
  std::vector<Example> found;
  bool inside = false;
  for (std::string line; std::getline(doc, line);) {
    if (line.starts_with("```")) inside = line == "```jsonl";
    else if (inside) found.push_back({line.starts_with("> "), line.substr(2)});
  }
  return found;
}

/// Through the struct of its type, where it has one; else member by member.
template <class T> Result<ObjectWriter> through(const Request& request) {
  const auto decoded = T::decode(request);
  if (!decoded) return decoded.error();
  return decoded->fields();
}

ObjectWriter copy_members(const Request& request) {
  ObjectWriter fields;
  for (const auto& [name, raw] : request.fields.members()) {
    if (name == "id" || name == "type" || name == "data" || name == "bytes" || name == "fds") continue;
    fields.raw(name, raw);
  }
  return fields;
}

/// Members that stand for their defaults may be written or left out: the line then is compared by its members and not by its octets.
const std::map<std::string, std::function<Result<ObjectWriter>(const Request&)>>& typed() {
  static const std::map<std::string, std::function<Result<ObjectWriter>(const Request&)>> table{
      {"hello", through<HelloRequest>},   {"call", through<CallRequest>},   {"stream", through<StreamRequest>},
      {"serve", through<ServeRequest>},   {"reply", through<ReplyRequest>}, {"reject", through<RejectRequest>},
      {"cancel", through<CancelRequest>}, {"local", through<LocalRequest>}, {"subscribe", through<SubscribeRequest>}};
  return table;
}

TEST(DocReplay, EveryRequestIsReadAndWrittenAsItStands) {
  std::size_t requests = 0;
  for (const auto& [request, line] : examples()) {
    if (!request || line == "nonsense") continue;
    ++requests;
    std::string id;
    std::uint64_t octets = 0;
    const auto decoded = decode_request(line, id, octets);
    ASSERT_TRUE(decoded) << line << "\n" << decoded.error().text;
    EXPECT_EQ(encode_request(id, decoded->type, copy_members(*decoded), decoded->body, decoded->fds), line);
    const auto found = typed().find(decoded->type);
    if (found == typed().end()) continue;
    const auto fields = found->second(*decoded);
    ASSERT_TRUE(fields) << line << "\n" << fields.error().text;
    const std::string written = encode_request(id, decoded->type, *fields, decoded->body, decoded->fds);
    const auto again = Object::parse(written);
    ASSERT_TRUE(again);
    for (const auto& [name, raw] : decoded->fields.members()) EXPECT_EQ(again->raw(name), raw) << name << " of " << line;
  }
  EXPECT_GT(requests, 30U);
}

std::string write_again(const Object& line) {
  const std::string event = line.text("event").value().value_or("");
  if (event == "closed") return ClosedEvent::decode(line)->encode();
  if (event == "incoming") return IncomingEvent::decode(line)->encode();
  if (event == "cancelled") return CancelledEvent::decode(line)->encode();
  if (event == "topic") return TopicEvent::decode(line)->encode();
  if (event == "traced") return TracedEvent::decode(line)->encode();
  if (event == "lagged") return LaggedEvent::decode(line)->encode();
  return event.empty() ? Answer::decode(line)->encode() : "unknown event " + event;
}

TEST(DocReplay, EveryAnswerAndEventIsWrittenAsItStands) {
  std::size_t answers = 0;
  for (const auto& [request, line] : examples()) {
    if (request) continue;
    ++answers;
    const auto object = Object::parse(line);
    ASSERT_TRUE(object) << line << "\n" << object.error().text;
    EXPECT_EQ(write_again(*object), line);
  }
  EXPECT_GT(answers, 40U);
}

TEST(DocReplay, AnErrorWithoutAnIdReadsAsPrinted) {
  const auto lines = examples();
  for (std::size_t i = 0; i + 1 < lines.size(); ++i) {
    if (lines[i].line != "nonsense") continue;
    std::string id;
    std::uint64_t octets = 0;
    EXPECT_EQ(Answer::failed(id, decode_request(lines[i].line, id, octets).error()).encode(), lines[i + 1].line);
    return;
  }
  FAIL() << "the example is gone";
}

} // namespace
} // namespace kith::protocol
