/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kith.storage/1: small files in the instance's private folder. FROZEN.
 *
 * Names are relative: parts joined by '/', at most 8; a part has 1 to 128 of the characters [A-Za-z0-9._-] and does not begin with '.'. Links are not
 * followed. Operations of one instance run one after another, in the order they were asked for, away from the instance thread.
 *
 * For more than small files (a database, gigabytes) a plugin may use folder and its own threads; what it keeps there is its own.
 */
#ifndef KITH_ABI_STORAGE_H
#define KITH_ABI_STORAGE_H

#include <kith/abi/entry.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KITH_STORAGE_ID "kith.storage/1"

enum {
  KITH_STORAGE_MAX_FILE = 16777216, /* octets in one file read or replaced here */
  KITH_STORAGE_MAX_NAMES = 65536,   /* names that one list gives */
  KITH_STORAGE_MAX_PENDING = 256,   /* operations asked for and not completed */
};

/* One operation's outcome. Valid during on_completed. */
typedef struct kith_storage_completed {
  uint32_t struct_size;
  kith_status status;     /* KITH_OK, KITH_E_NOT_FOUND, KITH_E_LIMIT (too large), KITH_E_IO */
  uint64_t operation;     /* as the plugin numbered it */
  kith_bytes bytes;       /* read: the whole file */
  const kith_text* names; /* list: file names, and folder names with '/' at their end, sorted */
  size_t name_count;
} kith_storage_completed;

typedef struct kith_host_storage {
  uint32_t struct_size;
  uint32_t reserved;
  /* [instance] [async] Each: KITH_OK means that on_completed follows with this operation number (the plugin's own, any value). KITH_E_ARGUMENT: a bad
   * name; KITH_E_LIMIT: too many pending, or too large. */
  kith_status (*read)(const kith_host* host, uint64_t operation, kith_text name);
  /* Writes a new file, syncs it and renames it over the old one: after a crash there is the old content or the new. Makes missing folders. */
  kith_status (*replace)(const kith_host* host, uint64_t operation, kith_text name, kith_bytes content);
  /* A file, or an empty folder. */
  kith_status (*remove)(const kith_host* host, uint64_t operation, kith_text name);
  /* What is in a folder; the empty name is the private folder itself. */
  kith_status (*list)(const kith_host* host, uint64_t operation, kith_text folder);
  /* [instance] [local] The absolute path of the private folder (0700). Valid until destroy returns. */
  kith_status (*folder)(const kith_host* host, kith_text* path);
} kith_host_storage;

typedef struct kith_plugin_storage {
  uint32_t struct_size;
  uint32_t reserved;
  /* [instance] Once for every operation that returned KITH_OK, but none after stop. */
  void (*on_completed)(kith_instance* instance, const kith_storage_completed* completed);
} kith_plugin_storage;

#ifdef __cplusplus
}
#endif
#endif
