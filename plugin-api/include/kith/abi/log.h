/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kith.log/1: lines in the daemon's log. FROZEN. The host adds time, identity, protocol and alias, escapes control characters, and limits the rate.
 */
#ifndef KITH_ABI_LOG_H
#define KITH_ABI_LOG_H

#include <kith/abi/entry.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KITH_LOG_ID "kith.log/1"

enum {
  KITH_LOG_DEBUG = 1,
  KITH_LOG_INFO = 2,
  KITH_LOG_WARN = 3,
  KITH_LOG_ERROR = 4,
  KITH_LOG_HOST_MISBEHAVING = 5, /* the host broke this contract; kithd logs it as an error of its own */
};

typedef struct kith_host_log {
  uint32_t struct_size;
  uint32_t reserved;
  /* [any] [local] One line; what is beyond 4096 octets is cut. Never put contents of messages or secrets into it. */
  void (*write)(const kith_host* host, uint32_t level, kith_text text);
  /* [any] [local] 0: a line of this level would be dropped, so don't make one. */
  int32_t (*enabled)(const kith_host* host, uint32_t level);
} kith_host_log;

#ifdef __cplusplus
}
#endif
#endif
