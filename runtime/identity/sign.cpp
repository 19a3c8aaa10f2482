// SPDX-License-Identifier: GPL-3.0-or-later
#include "identity/sign.hpp"

#include "base/varint.hpp"
#include "identity/sodium_impl.hpp"

#include <algorithm>

namespace kith::identity {
namespace {

using namespace std::string_view_literals;

std::string_view prefix(Context context) noexcept { return context == Context::ticket ? "kith-ticket/1\0"sv : "kith-sign-v1\0"sv; }

Bytes with_prefix(Context context, ByteView message) {
  const ByteView head = as_bytes(prefix(context));
  Bytes out;
  out.reserve(head.size() + message.size());
  out.insert(out.end(), head.begin(), head.end());
  out.insert(out.end(), message.begin(), message.end());
  return out;
}

void append_sized(Bytes& out, ByteView part) {
  append_varint(out, part.size());
  out.insert(out.end(), part.begin(), part.end());
}

} // namespace

Signature sign(const SecretKey& key, Context context, ByteView message) {
  start_sodium();
  const Bytes all = with_prefix(context, message);
  std::array<std::uint8_t, crypto_sign_SECRETKEYBYTES> expanded{}; // libsodium's form: the seed, then the public key
  std::copy(key.seed().begin(), key.seed().end(), expanded.begin());
  std::copy(key.id().bytes.begin(), key.id().bytes.end(), expanded.begin() + seed_size);
  Signature signature{};
  crypto_sign_detached(signature.data(), nullptr, all.data(), all.size(), expanded.data());
  wipe(expanded);
  return signature;
}

bool verify(const PeerId& signer, Context context, ByteView message, ByteView signature) {
  start_sodium();
  if (signature.size() != signature_size) return false;
  const Bytes all = with_prefix(context, message);
  return crypto_sign_verify_detached(signature.data(), all.data(), all.size(), signer.bytes.data()) == 0;
}

Bytes plugin_message(std::string_view protocol, std::string_view context, ByteView message) {
  Bytes out;
  append_sized(out, as_bytes(protocol));
  append_sized(out, as_bytes(context));
  append_sized(out, message);
  return out;
}

} // namespace kith::identity
