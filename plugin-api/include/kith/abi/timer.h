/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kith.timer/1: one-shot deadlines. FROZEN.
 */
#ifndef KITH_ABI_TIMER_H
#define KITH_ABI_TIMER_H

#include <kith/abi/entry.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KITH_TIMER_ID "kith.timer/1"

typedef uint64_t kith_timer_id; /* 0 is never one; never reused */

typedef struct kith_host_timer {
  uint32_t struct_size;
  uint32_t reserved;
  /* [instance] [local] on_timer(*timer) once, at or after at_ns (kith.clock/1 now), in the order of the deadlines. KITH_E_LIMIT: 1024 are running. */
  kith_status (*start)(const kith_host* host, uint64_t at_ns, kith_timer_id* timer);
  /* [instance] [local] on_timer will not come. KITH_E_ID: it came already, or there was none. */
  kith_status (*cancel)(const kith_host* host, kith_timer_id timer);
} kith_host_timer;

typedef struct kith_plugin_timer {
  uint32_t struct_size;
  uint32_t reserved;
  /* [instance] The id is unknown from this call on. Timers that are left at stop never come. */
  void (*on_timer)(kith_instance* instance, kith_timer_id timer);
} kith_plugin_timer;

#ifdef __cplusplus
}
#endif
#endif
