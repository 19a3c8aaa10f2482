// SPDX-License-Identifier: GPL-3.0-or-later
// The PEM form of keys: RFC 7468 around the PKCS#8 of RFC 8410 §7.
#include "identity/keys.hpp"
#include "identity/sodium_impl.hpp"

#include <algorithm>

namespace kith::identity {
namespace {

// SEQUENCE { version 0, SEQUENCE { OID 1.3.101.112 }, OCTET STRING { OCTET STRING (32) } }: the seed follows.
constexpr std::array<std::uint8_t, 16> der_head{0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20};
constexpr std::array<std::uint8_t, 5> ed25519_oid{0x06, 0x03, 0x2b, 0x65, 0x70};
constexpr std::size_t der_size = der_head.size() + seed_size;
constexpr std::string_view begin_mark = "-----BEGIN ";
constexpr std::string_view begin_key = "-----BEGIN PRIVATE KEY-----";
constexpr std::string_view end_key = "-----END PRIVATE KEY-----";
constexpr std::string_view blanks = " \t\r\n";
constexpr std::size_t max_pem_size = 16 * 1024; ///< Characters; what is longer is no key of ours.
constexpr std::string_view way_out = "; a key that kith reads is made by: openssl genpkey -algorithm ed25519";

Error not_a_key(std::string_view why) { return bad_request("not a key file: " + std::string(why) + std::string(way_out)); }

/// What stands where a PRIVATE KEY should.
Error other_label(std::string_view text) {
  const std::size_t begin = text.find(begin_mark);
  if (begin == std::string_view::npos) return not_a_key("it has no line -----BEGIN PRIVATE KEY-----");
  const std::string_view label = text.substr(begin + begin_mark.size());
  if (label.starts_with("ENCRYPTED PRIVATE KEY")) {
    return bad_request("the key is encrypted; take the password off first: openssl pkey -in FILE -out NEWFILE");
  }
  if (label.starts_with("EC PRIVATE KEY")) return not_a_key("it is an EC key, not an Ed25519 key");
  if (label.starts_with("RSA PRIVATE KEY")) return not_a_key("it is an RSA key, not an Ed25519 key");
  if (label.starts_with("OPENSSH PRIVATE KEY")) return not_a_key("it is in OpenSSH's own form");
  if (label.starts_with("PUBLIC KEY")) return not_a_key("it is a public key; the private one is needed");
  if (label.starts_with("CERTIFICATE")) return not_a_key("it is a certificate");
  return not_a_key("it has no line -----BEGIN PRIVATE KEY-----");
}

Result<SecretKey> from_der(ByteView der) {
  if (der.size() == der_size && std::equal(der_head.begin(), der_head.end(), der.begin())) {
    return SecretKey::from_seed(der.last<seed_size>());
  }
  const bool ed25519 = std::search(der.begin(), der.end(), ed25519_oid.begin(), ed25519_oid.end()) != der.end();
  if (!ed25519) return not_a_key("it is not an Ed25519 key");
  return not_a_key("it has " + std::to_string(der.size()) + " octets of PKCS#8; only the 48-octet form of RFC 8410, without the public key, is read");
}

} // namespace

std::string SecretKey::to_pem() const {
  start_sodium();
  std::array<std::uint8_t, der_size> der{};
  std::copy(der_head.begin(), der_head.end(), der.begin());
  std::copy(seed_.begin(), seed_.end(), der.begin() + der_head.size());
  std::array<char, sodium_base64_ENCODED_LEN(der_size, sodium_base64_VARIANT_ORIGINAL)> base64{};
  sodium_bin2base64(base64.data(), base64.size(), der.data(), der.size(), sodium_base64_VARIANT_ORIGINAL);
  std::string pem;
  pem.reserve(begin_key.size() + base64.size() + end_key.size() + 3); // one allocation, so that no copy of the key stays behind
  pem.append(begin_key).append("\n").append(base64.data()).append("\n").append(end_key).append("\n");
  wipe(der);
  sodium_memzero(base64.data(), base64.size());
  return pem;
}

Result<SecretKey> SecretKey::from_pem(std::string_view text) {
  start_sodium();
  if (text.size() > max_pem_size) return not_a_key("it is longer than " + std::to_string(max_pem_size) + " characters");
  const std::size_t begin = text.find(begin_key);
  if (begin == std::string_view::npos) return other_label(text);
  const std::string_view rest = text.substr(begin + begin_key.size());
  const std::size_t end = rest.find(end_key);
  if (end == std::string_view::npos) return not_a_key("it has no line -----END PRIVATE KEY-----");
  if (rest.find_first_not_of(blanks, end + end_key.size()) != std::string_view::npos) return not_a_key("something follows the key");
  const std::string_view base64 = rest.substr(0, end);

  Bytes der(base64.size());
  std::size_t size = 0;
  const int decoded =
      sodium_base642bin(der.data(), der.size(), base64.data(), base64.size(), blanks.data(), &size, nullptr, sodium_base64_VARIANT_ORIGINAL);
  auto key = decoded == 0 ? from_der(ByteView(der).first(size)) : Result<SecretKey>(not_a_key("its base64 is broken"));
  wipe(der);
  return key;
}

} // namespace kith::identity
