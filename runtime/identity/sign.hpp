// SPDX-License-Identifier: GPL-3.0-or-later
// Signatures. The key that signs here signs TLS handshakes too, so nothing is ever signed without a context in front of it (TLS 1.3 signs 64 spaces first:
// no context starts so). All functions are callable from any thread.
#pragma once

#include "identity/keys.hpp"

namespace kith::identity {

inline constexpr std::size_t signature_size = 64;
using Signature = std::array<std::uint8_t, signature_size>;

/// What a signature is for. Each ends with a zero octet and has no other, so that none is the beginning of another one.
enum class Context : std::uint8_t {
  ticket, ///< "kith-ticket/1\0"
  plugin, ///< "kith-sign-v1\0"; the message is that of plugin_message()
};

Signature sign(const SecretKey& key, Context context, ByteView message);

/// False for a wrong signature and for one of another size. Keys of small order verify nothing.
bool verify(const PeerId& signer, Context context, ByteView message, ByteView signature);

/// What is signed for a plugin (`kith.sign/1`): protocol, context and message, each with its length as a varint before it. `context` is the plugin's own.
Bytes plugin_message(std::string_view protocol, std::string_view context, ByteView message);

} // namespace kith::identity
