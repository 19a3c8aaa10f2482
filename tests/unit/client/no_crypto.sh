#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Fails when a program defines or needs a symbol of wolfSSL, ngtcp2 or libsodium, or links one of them.
set -eu
program=$1
symbols=$(nm --defined-only "$program"; nm -D "$program")
test -n "$symbols" || { echo "no symbols in $program"; exit 1; }
if echo "$symbols" | grep -E ' (wolfSSL|wolfCrypt|wc_|ngtcp2_|sodium_|crypto_(sign|box|scalarmult|generichash))'; then
  echo "$program holds cryptography"
  exit 1
fi
if readelf -d "$program" | grep NEEDED | grep -E 'wolfssl|ngtcp2|sodium'; then
  echo "$program links a library that it must not"
  exit 1
fi
