// SPDX-License-Identifier: Apache-2.0
#include "base/name.hpp"

#include "base/peer_id.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

namespace kith {
namespace {

using ::testing::HasSubstr;

std::string refusal(std::string_view name) {
  const auto result = check_name(name, "identity name");
  if (result) return "";
  EXPECT_EQ(result.error().code, Code::bad_request);
  return result.error().text;
}

TEST(Name, AllowsWhatPeopleUse) {
  for (const std::string_view name : {"alice", "a", "_", "Alice.2-b_c", "1e5", "on", "null", "kith.peer", "9"}) EXPECT_EQ(refusal(name), "") << name;
  EXPECT_EQ(refusal(std::string(64, 'x')), "");
}

TEST(Name, RefusesEmptyAndTooLong) {
  EXPECT_THAT(refusal(""), HasSubstr("identity name is empty"));
  EXPECT_THAT(refusal(std::string(65, 'x')), HasSubstr("65 characters"));
}

TEST(Name, RefusesPathsAndNamesThePlace) {
  EXPECT_THAT(refusal(".."), HasSubstr("'.' at position 1"));
  EXPECT_THAT(refusal("."), HasSubstr("position 1"));
  EXPECT_THAT(refusal("-x"), HasSubstr("'-' at position 1"));
  EXPECT_THAT(refusal("a/b"), HasSubstr("'/' at position 2"));
  EXPECT_THAT(refusal("a b"), HasSubstr("a space at position 2"));
  EXPECT_THAT(refusal("ali\n"), HasSubstr("0x0a at position 4"));
  EXPECT_THAT(refusal(std::string_view("a\0b", 3)), HasSubstr("0x00 at position 2"));
  EXPECT_THAT(refusal("alic\xC3\xA9"), HasSubstr("'\xC3\xA9' at position 5; a to z, A to Z, digits and _"));
  EXPECT_THAT(refusal("a\xFF"), HasSubstr("0xff at position 2"));
}

TEST(Name, RefusesATrailingDot) {
  EXPECT_THAT(refusal("alice."), HasSubstr("may not end in '.'"));
  EXPECT_THAT(refusal("a.."), HasSubstr("may not end in '.'"));
}

TEST(Name, RefusesWhatHasTheFormOfAnId) {
  EXPECT_THAT(refusal(PeerId{}.text()), HasSubstr("form of an id"));
  EXPECT_THAT(refusal(std::string(52, 'v')), HasSubstr("form of an id")); // spare bits set: still the form
  EXPECT_THAT(refusal(std::string(52, 'A')), HasSubstr("form of an id"));
  EXPECT_THAT(refusal(std::string(64, 'F')), HasSubstr("form of an id"));
  EXPECT_EQ(refusal(std::string(51, 'v')), "");
  EXPECT_EQ(refusal(std::string(64, 'g')), "");
}

TEST(NearestName, FindsTyposAndNothingElse) {
  const std::array<std::string_view, 3> known{"list-identities", "create-identity", "call"};
  EXPECT_EQ(nearest_name("list-identites", known), "list-identities");
  EXPECT_EQ(nearest_name("clal", known), "call");
  EXPECT_EQ(nearest_name("lis", known), "list-identities");
  EXPECT_EQ(nearest_name("create_identity", known), "create-identity");
  EXPECT_EQ(nearest_name("frobnicate", known), "");
  EXPECT_EQ(nearest_name("", known), "");
  EXPECT_EQ(nearest_name(std::string(10000, 'c'), known), "");
}

} // namespace
} // namespace kith
