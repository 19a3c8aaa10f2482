/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kith.clock/1: what time it is. FROZEN. Deadlines use now; the wall clock is for people and may jump. Tests run on a clock of their own, so ask here and
 * not the operating system.
 */
#ifndef KITH_ABI_CLOCK_H
#define KITH_ABI_CLOCK_H

#include <kith/abi/entry.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KITH_CLOCK_ID "kith.clock/1"

typedef struct kith_host_clock {
  uint32_t struct_size;
  uint32_t reserved;
  /* [any] [local] Nanoseconds of a clock that never goes back; its zero means nothing. */
  uint64_t (*now)(const kith_host* host);
  /* [any] [local] Seconds since 1970, UTC. */
  int64_t (*unix_now)(const kith_host* host);
} kith_host_clock;

#ifdef __cplusplus
}
#endif
#endif
