// SPDX-License-Identifier: Apache-2.0
#include "base/base32.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kith {
namespace {

using ::testing::HasSubstr;

TEST(Base32, WritesTheExamplesOfRfc4648) { // §10, without padding
  const std::pair<std::string_view, std::string_view> examples[] = {
      {"", ""}, {"f", "my"}, {"fo", "mzxq"}, {"foo", "mzxw6"}, {"foob", "mzxw6yq"}, {"fooba", "mzxw6ytb"}, {"foobar", "mzxw6ytboi"}};
  for (const auto& [plain, text] : examples) {
    EXPECT_EQ(base32_encode(as_bytes(plain), rfc4648_alphabet), text);
    const auto back = base32_decode(text, rfc4648_alphabet, LetterCase::lower, "a text");
    ASSERT_TRUE(back) << text;
    EXPECT_EQ(as_text(*back), plain);
  }
  EXPECT_EQ(base32_encode(as_bytes("foobar"), id52_alphabet), "cpnmuoj1e8");
  EXPECT_EQ(as_text(*base32_decode("CPNMUOJ1E8", id52_alphabet, LetterCase::any, "a text")), "foobar");
}

TEST(Base32, RefusesWhatNoEncoderWrites) {
  const auto refusal = [](std::string_view text) {
    const auto result = base32_decode(text, rfc4648_alphabet, LetterCase::lower, "a text", 10);
    return result ? std::string() : result.error().text;
  };
  EXPECT_THAT(refusal("m"), HasSubstr("cut short after character 10"));
  EXPECT_THAT(refusal("mzx"), HasSubstr("cut short after character 12"));
  EXPECT_THAT(refusal("mzxw6y"), HasSubstr("cut short"));
  EXPECT_THAT(refusal("mz"), HasSubstr("character 11 ('z') sets spare bits"));
  EXPECT_THAT(refusal("m="), HasSubstr("character 11 ('=') does not belong"));
  EXPECT_THAT(refusal("MY"), HasSubstr("character 10 ('M') does not belong"));
}

} // namespace
} // namespace kith
