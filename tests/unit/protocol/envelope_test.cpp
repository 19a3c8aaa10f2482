// SPDX-License-Identifier: Apache-2.0
#include "protocol/envelope.hpp"

#include <gtest/gtest.h>

namespace kith::protocol {
namespace {

struct Decoded {
  explicit Decoded(std::string_view line) : request(decode_request(line, id, octets)) {}
  std::string id;
  std::uint64_t octets = 0;
  Result<Request> request;
};

TEST(Request, CallDataIsTheSpanOfTheLine) {
  const std::string line = R"({"id":"1","type":"call","target":"bob","protocol":"Echo","data":{"b":1.50,"a":1,"a":2}})";
  const Decoded d(line);
  ASSERT_TRUE(d.request) << d.request.error().text;
  const auto call = CallRequest::decode(*d.request);
  ASSERT_TRUE(call) << call.error().text;
  EXPECT_EQ(call->target.target, "bob");
  EXPECT_EQ(call->target.alias, "default");
  EXPECT_EQ(call->target.timeout_ms, default_timeout_ms);
  EXPECT_EQ(d.request->body, Body::of_json(R"({"b":1.50,"a":1,"a":2})"));
}

TEST(Request, EncodedRequestsDecodeToTheSame) {
  const StreamRequest stream{{"alice", "bob", "Echo", "a", "c", 5}, true};
  const std::string line = encode_request("9", "stream", stream.fields());
  const auto back = StreamRequest::decode(*Decoded(line).request);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->target, stream.target);
  EXPECT_TRUE(back->inline_mode);
  const std::string with_fds = encode_request("9", "identity.export", ObjectWriter().text("identity", "alice"), {}, 1);
  EXPECT_EQ(with_fds, R"({"id":"9","type":"identity.export","identity":"alice","fds":1})");
  EXPECT_EQ(Decoded(with_fds).request->fds, 1U);
}

TEST(Request, ErrorsKeepTheIdAndTheOctetsToSkip) {
  const Decoded no_type(R"({"id":"7","bytes":12})");
  EXPECT_EQ(no_type.id, "7");
  EXPECT_EQ(no_type.octets, 12U);
  EXPECT_EQ(no_type.request.error(), bad_request("\"type\" is missing"));
  EXPECT_EQ(Decoded("nonsense").request.error().text, "not a JSON object: unexpected character at octet 2");
  EXPECT_EQ(Decoded("[]").request.error().text, "not a JSON object: unexpected character at octet 1");
}

TEST(Request, RefusesWhatNoDaemonShouldGuessAbout) {
  for (const std::string_view line : {R"({"type":"call"})", R"({"id":1,"type":"call"})", R"({"id":"","type":"call"})",
                                      R"({"id":"1","type":"call","data":1,"bytes":1})", R"({"id":"1","type":"call","bytes":-1})",
                                      R"({"id":"1","type":"call","fds":9})", R"({"id":"1","type":7})", R"({"id":"1","id":"1","type":"call"})"}) {
    EXPECT_FALSE(Decoded(line).request) << line;
  }
  const std::string long_id = R"({"id":")" + std::string(65, 'x') + R"(","type":"call"})";
  EXPECT_FALSE(Decoded(long_id).request);
  EXPECT_EQ(Decoded(long_id).id, "");
  for (const std::string_view line : {R"({"id":"1","type":"call","protocol":"Echo"})", R"({"id":"1","type":"call","target":"b"})",
                                      R"({"id":"1","type":"call","target":"b","protocol":"E","alais":"x"})",
                                      R"({"id":"1","type":"call","target":"b","protocol":"E","timeout_ms":0})",
                                      R"({"id":"1","type":"call","target":"b","protocol":"E","timeout_ms":3600001})"}) {
    const Decoded d(line);
    ASSERT_TRUE(d.request) << line;
    EXPECT_FALSE(CallRequest::decode(*d.request)) << line;
  }
  EXPECT_FALSE(StreamRequest::decode(*Decoded(R"({"id":"1","type":"stream","target":"b","protocol":"E","mode":"x"})").request));
  EXPECT_FALSE(ServeRequest::decode(*Decoded(R"({"id":"1","type":"serve","protocol":"E","max_in_flight":0})").request));
  EXPECT_FALSE(SubscribeRequest::decode(*Decoded(R"({"id":"1","type":"subscribe","topics":[]})").request));
  EXPECT_FALSE(RejectRequest::decode(*Decoded(R"({"type":"reject","call":"c","code":999})").request));
  EXPECT_FALSE(RejectRequest::decode(*Decoded(R"({"type":"reject","call":"c"})").request));
}

TEST(Answer, EveryFormGoesBothWays) {
  for (const Answer& answer : {Answer::ok("1"), Answer::ok("1", Body::of_json("[1.0]")), Answer::ok("1", Body::of_octets(3)), Answer::stream("2", 1),
                               Answer::failed("3", {Code::denied, "no \"way\"\n"}), Answer::failed("4", {Code{1001}, "too long"})}) {
    const std::string line = answer.encode();
    const auto back = Answer::decode(*Object::parse(line));
    ASSERT_TRUE(back) << line;
    EXPECT_EQ(back->encode(), line);
    EXPECT_EQ(back->error, answer.error);
  }
}

TEST(Answer, AReplyWithLineFeedsStaysOneLine) {
  const std::string line = Answer::ok("1", Body::of_json("{\"a\":1,\n\"b\":\r\n2}")).encode();
  EXPECT_EQ(line, "{\"id\":\"1\",\"status\":\"ok\",\"data\":{\"a\":1, \"b\":  2}}");
}

TEST(Answer, CodesOfANewerDaemonAreInternal) {
  const std::string line = R"({"id":"1","status":"error","code":"new_one","data":"x"})";
  EXPECT_EQ(Answer::decode(*Object::parse(line))->error->code, Code::internal);
}

} // namespace
} // namespace kith::protocol
