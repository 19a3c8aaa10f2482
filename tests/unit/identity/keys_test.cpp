// SPDX-License-Identifier: GPL-3.0-or-later
#include "samples.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace kith::identity {
namespace {

using ::testing::HasSubstr;

TEST(SecretKey, GivesThePublicKeyOfRfc8032) {
  const SecretKey key = rfc8032_key();
  EXPECT_TRUE(std::ranges::equal(key.id().bytes, from_hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")));
}

TEST(SecretKey, GeneratesFromTheGivenRandomness) {
  CountingRandom random;
  const SecretKey a = SecretKey::generate(random);
  const SecretKey b = SecretKey::generate(random);
  EXPECT_NE(a.id(), b.id());
  CountingRandom again;
  EXPECT_EQ(SecretKey::generate(again).id(), a.id());
  EXPECT_TRUE(check_point(a.id()));
}

TEST(SecretKey, WipesWhatItWasMovedFrom) {
  SecretKey a = rfc8032_key();
  const SecretKey copy = a.clone();
  SecretKey b = std::move(a);
  EXPECT_TRUE(std::ranges::all_of(a.seed(), [](std::uint8_t o) { return o == 0; })); // NOLINT(bugprone-use-after-move): what this test is about
  EXPECT_EQ(b.id(), copy.id());
  SecretKey c = rfc8032_key();
  c = std::move(b);
  EXPECT_TRUE(std::ranges::all_of(b.seed(), [](std::uint8_t o) { return o == 0; })); // NOLINT(bugprone-use-after-move)
  EXPECT_TRUE(std::ranges::equal(c.seed(), copy.seed()));
}

TEST(CheckPoint, RefusesWhatIsNoPublicKey) {
  EXPECT_TRUE(check_point(rfc8032_key().id()));
  EXPECT_FALSE(check_point(PeerId{})); // small order
  PeerId one;
  one.bytes[0] = 1; // the neutral element
  EXPECT_FALSE(check_point(one));
  PeerId not_canonical;
  not_canonical.bytes.fill(0xFF);
  EXPECT_FALSE(check_point(not_canonical));
  PeerId off_curve;
  off_curve.bytes[0] = 2;
  const auto refused = check_point(off_curve);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::bad_request);
  EXPECT_THAT(refused.error().text, HasSubstr("not a public key"));
}

// RFC 8410 §10.3, the first example: what openssl writes for this key too.
constexpr std::string_view rfc8410_pem = "-----BEGIN PRIVATE KEY-----\n"
                                         "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n"
                                         "-----END PRIVATE KEY-----\n";

TEST(Pem, ReadsAndWritesTheFormOfRfc8410) {
  const auto key = SecretKey::from_pem(rfc8410_pem);
  ASSERT_TRUE(key);
  EXPECT_TRUE(std::ranges::equal(key->id().bytes, from_hex("19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1")));
  EXPECT_EQ(key->to_pem(), rfc8410_pem);
}

TEST(Pem, ReadsOtherLineEndsAndTextBefore) {
  std::string text = "made on a Monday\r\n" + std::string(rfc8410_pem);
  text.replace(text.find("MC4CAQ"), 6, "MC4C\r\nAQ");
  const auto key = SecretKey::from_pem(text + "\r\n");
  ASSERT_TRUE(key);
  EXPECT_EQ(key->to_pem(), rfc8410_pem);
}

std::string refusal(std::string_view pem) {
  const auto key = SecretKey::from_pem(pem);
  if (key) return "";
  EXPECT_EQ(key.error().code, Code::bad_request);
  return key.error().text;
}

std::string labelled(const std::string& label, const std::string& base64 = "AAAA") {
  return "-----BEGIN " + label + "-----\n" + base64 + "\n-----END " + label + "-----\n";
}

TEST(Pem, SaysWhichOtherKindOfKeyItIs) {
  EXPECT_THAT(refusal(labelled("ENCRYPTED PRIVATE KEY")), HasSubstr("encrypted; take the password off first"));
  EXPECT_THAT(refusal(labelled("EC PRIVATE KEY")), HasSubstr("EC key"));
  EXPECT_THAT(refusal(labelled("RSA PRIVATE KEY")), HasSubstr("RSA key"));
  EXPECT_THAT(refusal(labelled("OPENSSH PRIVATE KEY")), HasSubstr("OpenSSH"));
  EXPECT_THAT(refusal(labelled("PUBLIC KEY")), HasSubstr("public key"));
  EXPECT_THAT(refusal(labelled("CERTIFICATE")), HasSubstr("certificate"));
  // PKCS#8 of a P-256 key: its head.
  EXPECT_THAT(refusal(labelled("PRIVATE KEY", "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0w")), HasSubstr("not an Ed25519 key"));
}

TEST(Pem, RefusesTheFormThatCarriesThePublicKey) { // RFC 8410 §10.3, the second example, and by length wolfSSL's 82 octets
  const std::string text = labelled("PRIVATE KEY", "MHICAQEwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n"
                                                   "oB8wHQYKKoZIhvcNAQkJFDEPDA1DdXJkbGUgQ2hhaXJzgSEAGb9ECWmEzf6FQbrB\n"
                                                   "Z9w7lshQhqowtrbLDFw4rXAxZuE=");
  EXPECT_THAT(refusal(text), HasSubstr("116 octets of PKCS#8; only the 48-octet form"));
}

TEST(Pem, RefusesBrokenFiles) {
  EXPECT_THAT(refusal(""), HasSubstr("no line -----BEGIN PRIVATE KEY-----"));
  EXPECT_THAT(refusal("hello"), HasSubstr("no line -----BEGIN PRIVATE KEY-----"));
  EXPECT_THAT(refusal("-----BEGIN PRIVATE KEY-----\nMC4C"), HasSubstr("no line -----END PRIVATE KEY-----"));
  EXPECT_THAT(refusal(labelled("PRIVATE KEY", "M!4C")), HasSubstr("base64 is broken"));
  EXPECT_THAT(refusal(labelled("PRIVATE KEY", "")), HasSubstr("not an Ed25519 key"));
  EXPECT_THAT(refusal(std::string(rfc8410_pem) + "more"), HasSubstr("something follows"));
  EXPECT_THAT(refusal(std::string(17 * 1024, 'x')), HasSubstr("longer than"));
}

TEST(Pem, NoCutOrChangedTextCrashes) {
  for (std::size_t i = 0; i < rfc8410_pem.size(); ++i) {
    static_cast<void>(SecretKey::from_pem(rfc8410_pem.substr(0, i)));
    std::string changed(rfc8410_pem);
    changed[i] = static_cast<char>(changed[i] ^ 0x11);
    static_cast<void>(SecretKey::from_pem(changed));
  }
}

} // namespace
} // namespace kith::identity
