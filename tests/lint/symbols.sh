#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The kith command holds no cryptography and no QUIC; kithd exports no symbol to plugins.  symbols.sh KITH KITHD
set -euo pipefail
bad=0
found=$(nm -C "$1" | grep -iE ' (wolfSSL_|wc_|ngtcp2_|crypto_(sign|box|hash|secretbox|scalarmult)|sodium_)' || true)
needed=$(readelf -d "$1" | grep -iE 'NEEDED.*(wolfssl|ngtcp2|sodium)' || true)
if [ -n "$found$needed" ]; then
  printf '%s: holds cryptography or QUIC; it may link base and client/protocol alone:\n%s\n%s\n' "$1" "$found" "$needed" | head -n 20
  bad=1
fi
exported=$(nm -D --defined-only "$2" | grep -vE ' [A-Za-z] (_init|_fini|_start|main|__.*|_IO_stdin_used|_edata|_end|data_start|environ|_environ)(@|$)' | grep -E ' kith' || true)
if [ -n "$exported" ]; then
  printf '%s: exports symbols that a plugin could bind to (is ENABLE_EXPORTS set?):\n%s\n' "$2" "$exported" | head -n 20
  bad=1
fi
exit $bad
