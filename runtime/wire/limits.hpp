// SPDX-License-Identifier: GPL-3.0-or-later
// Every limit of kith/1 (docs/wire.md, "Limits"). Those that a user may change are defaults here and have a name in kith.yaml.
#pragma once

#include "base/time.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace kith::wire {

inline constexpr std::string_view alpn = "kith/1";
inline constexpr std::uint8_t version = 1;           ///< The header version that we write, and the highest that we read.
inline constexpr std::size_t max_header_size = 4096; ///< Octets after the length of an open header; octets of a whole reply.
inline constexpr std::size_t max_text_size = 1024;   ///< Octets of an error's text.
inline constexpr std::size_t max_content_type_size = 64;
inline constexpr std::size_t max_trace_size = 64;
inline constexpr std::size_t max_meta_entries = 64;
inline constexpr std::size_t max_control_frame_size = 4096; ///< Octets of the payload of a frame that we know; unknown ones may have any size.
inline constexpr std::size_t boot_id_size = 16;
inline constexpr std::size_t max_headerless_streams = 32; ///< Incoming streams of one connection whose header is not complete.
inline constexpr Duration header_timeout = std::chrono::seconds(5);
inline constexpr std::size_t max_call_bytes = 1024 * 1024;  ///< Default: octets of a call's request, and of its response.
inline constexpr std::size_t max_resend_bytes = 256 * 1024; ///< Octets of a stream that are kept until its reply, to send them once more.

} // namespace kith::wire
