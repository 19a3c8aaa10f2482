/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kith.peer/1: who a peer is to this identity, and changes of that. DRAFT: may change until two plugins have used it; a host may refuse it.
 */
#ifndef KITH_ABI_DRAFT_PEER_H
#define KITH_ABI_DRAFT_PEER_H

#include <kith/abi/entry.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KITH_PEER_ID "kith.peer/1"

typedef struct kith_peer_info {
  uint32_t struct_size;
  uint32_t role; /* KITH_ROLE_*; NONE: the identity no longer knows this peer */
  kith_peer_key peer;
  uint32_t online; /* 1: a connection is up now */
  uint32_t reserved;
  kith_text name; /* what the identity calls it; empty for a stranger */
} kith_peer_info;

typedef struct kith_host_peer {
  uint32_t struct_size;
  uint32_t reserved;
  /* [instance] [local] What is known of one peer; KITH_E_NOT_FOUND. Set info->struct_size first; the name is valid until the plugin returns to the host. */
  kith_status (*find)(const kith_host* host, const kith_peer_key* peer, kith_peer_info* info);
  /* [instance] [local] The known peer with the next higher key; after NULL the first; KITH_END after the last. */
  kith_status (*next)(const kith_host* host, const kith_peer_key* after, kith_peer_info* info);
} kith_host_peer;

typedef struct kith_plugin_peer {
  uint32_t struct_size;
  uint32_t reserved;
  /* [instance] Name, role or online of one peer is new. */
  void (*on_changed)(kith_instance* instance, const kith_peer_info* info);
} kith_plugin_peer;

#ifdef __cplusplus
}
#endif
#endif
