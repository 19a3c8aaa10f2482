/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kith.config/1: the binding's config, and its change while the instance runs. FROZEN.
 *
 * A config is a JSON text, an object that the descriptor's schema accepts. Changing it is check, then apply: check may refuse and has no side effects,
 * apply takes over what check accepted.
 */
#ifndef KITH_ABI_CONFIG_H
#define KITH_ABI_CONFIG_H

#include <kith/abi/entry.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KITH_CONFIG_ID "kith.config/1"

typedef struct kith_host_config {
  uint32_t struct_size;
  uint32_t reserved;
  /* [instance] [local] The config in force, from configure on. Valid until the plugin returns to the host. */
  kith_status (*current)(const kith_host* host, kith_text* config);
  /* [instance] [local] The alias of this binding, and the identity that it belongs to. The text is valid until destroy returns. */
  kith_status (*binding)(const kith_host* host, kith_text* alias, kith_peer_key* identity);
} kith_host_config;

typedef struct kith_plugin_config {
  uint32_t struct_size;
  uint32_t reserved;
  /* [any] One at a time for a protocol, without an instance and without side effects: what the schema can't say. On refusal returns KITH_E_ARGUMENT with a
   * text for people through set_error(context, text), which names the field. */
  kith_status (*check)(kith_text config, void* context, void (*set_error)(void* context, kith_text text));
  /* [instance] While running: takes over a config that check accepted. Streams that are open may keep to the old one. May be NULL: then a change restarts
   * the instance. Other than KITH_OK: the old config stays in force, with set_error's text. */
  kith_status (*apply)(kith_instance* instance, kith_text config);
} kith_plugin_config;

#ifdef __cplusplus
}
#endif
#endif
