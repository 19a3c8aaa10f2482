// SPDX-License-Identifier: GPL-3.0-or-later
// The types that the YAML 1.2 core schema gives plain scalars (YAML 1.2.2 §10.3.2). Used for the `config:` of bindings and for settings, never for
// names.
#pragma once

#include "config/tree.hpp"

#include <optional>

namespace kith::config {

enum class ScalarType : std::uint8_t { null, boolean, integer, real, not_finite, string };

ScalarType scalar_type(const Node& scalar) noexcept;
ScalarType plain_type(std::string_view text) noexcept;

/// "012": YAML 1.1 takes it as octal, YAML 1.2 as decimal, JSON has no such number. Plain integers and reals only; "0o17" is clear.
bool has_leading_zero(std::string_view number) noexcept;

/// A plain integer or real as a JSON number, digits kept: "+1" is 1, ".5" is 0.5, "1." is 1.0, "0x10" is 16; what is JSON already stays
/// as written. Nothing when a hexadecimal or octal one is above 2^64-1.
std::optional<std::string> number_as_json(std::string_view text);

} // namespace kith::config
