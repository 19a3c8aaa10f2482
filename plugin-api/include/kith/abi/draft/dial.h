/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kith.dial/1: streams that the plugin opens to peers, in its identity's name. DRAFT. The descriptor must name KITH_NEED_DIAL. Bytes, finish, reset,
 * urgency and on_closed are those of kith.stream/1.
 */
#ifndef KITH_ABI_DRAFT_DIAL_H
#define KITH_ABI_DRAFT_DIAL_H

#include <kith/abi/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KITH_DIAL_ID "kith.dial/1"

typedef struct kith_dial_request {
  uint32_t struct_size;
  uint32_t kind; /* KITH_KIND_* */
  kith_peer_key peer;
  uint64_t deadline_ns; /* for a call, the whole of it; for a stream, its reply. KITH_NEVER: the host's own limits alone */
  kith_text protocol;
  kith_text alias; /* empty: "default" */
  kith_text command;
  kith_text content_type; /* of what this side sends */
} kith_dial_request;

/* The peer's answer. Valid during on_replied. */
typedef struct kith_dial_replied {
  uint32_t struct_size;
  uint32_t ok;
  uint64_t code; /* when not ok */
  kith_text text;
  kith_text content_type;
} kith_dial_replied;

typedef struct kith_host_dial {
  uint32_t struct_size;
  uint32_t reserved;
  /* [instance] [async] Opens a stream. With KITH_OK *stream is its id: write at once, need not wait for on_replied. Failures of any kind come as on_replied
   * with a code, then on_closed. KITH_E_LIMIT: too many are open. */
  kith_status (*open)(const kith_host* host, const kith_dial_request* request, kith_stream_id* stream);
} kith_host_dial;

typedef struct kith_plugin_dial {
  uint32_t struct_size;
  uint32_t reserved;
  /* [instance] At most once for each stream that open made; on_closed follows in any case. */
  void (*on_replied)(kith_instance* instance, kith_stream_id stream, const kith_dial_replied* replied);
} kith_plugin_dial;

#ifdef __cplusplus
}
#endif
#endif
