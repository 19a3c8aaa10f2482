/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kith plugin ABI 1.0: the entry function, descriptors, the life of an instance. FROZEN: structs grow at their end only.
 *
 * A plugin is a shared library that exports one function, kith_plugin_entry, and nothing else. It includes these headers (C11) and links nothing of kith.
 * Everything else is asked for by id, in both directions: the host's capabilities by kith_host.get_capability, the plugin's by
 * kith_protocol.get_capability. No answer means: not supported. Ids look like "kith.stream/1"; third parties use "com.example.name/1".
 *
 * Tags on each function:
 *   [instance]  only on the instance thread. That is a promise, not an OS thread: calls for one instance never overlap and never re-enter, but may come
 *               from different OS threads one after another.
 *   [any]       on any thread, also the plugin's own.
 *   [local]     answered without a round trip.          [async]  completed later by a callback on the instance thread.
 * No host function calls the plugin before it returns. No C++ type, allocator or exception crosses. The caller owns every buffer; the callee copies what
 * it keeps. Texts are UTF-8, not terminated; pointers in what one side passes are valid during that call unless the comment says otherwise.
 *
 * Rationale for struct_size: a side that was built with an older header sees a prefix of what it gets. Check it with KITH_HAS before reading a member
 * that was added after 1.0. kith_text, kith_bytes, kith_buffer and kith_peer_key are values and never grow.
 */
#ifndef KITH_ABI_ENTRY_H
#define KITH_ABI_ENTRY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KITH_ABI_MAJOR 1 /* must be equal on both sides */
#define KITH_ABI_MINOR 0 /* the host's must be at least what the plugin needs */

/* Whether the struct that `ptr` points to is long enough to have `member`. */
#define KITH_HAS(ptr, type, member) ((ptr)->struct_size >= offsetof(type, member) + sizeof((ptr)->member))

#if defined(__GNUC__)
#define KITH_EXPORT __attribute__((visibility("default")))
#else
#define KITH_EXPORT
#endif

typedef struct kith_text {
  const char* data; /* may be NULL when size is 0 */
  size_t size;
} kith_text;

typedef struct kith_bytes {
  const uint8_t* data;
  size_t size;
} kith_bytes;

typedef struct kith_buffer {
  uint8_t* data;
  size_t size;
} kith_buffer;

/* A peer's PeerId: its 32-byte Ed25519 public key. */
typedef struct kith_peer_key {
  uint8_t bytes[32];
} kith_peer_key;

/* What functions return. Negative: the call did nothing, and was counted against the side that made it. */
typedef int32_t kith_status;
enum {
  KITH_OK = 0,
  KITH_WOULD_BLOCK = 1, /* nothing now; one callback will say when */
  KITH_END = 2,         /* the peer's FIN, or the end of a list */
  KITH_E_ARGUMENT = -1, /* NULL, out of range, not UTF-8, a name against the rules */
  KITH_E_ID = -2,       /* never was the id of a stream or timer of this instance, or is that of one long gone */
  KITH_E_STATE = -3,    /* not now: write before accept, accept twice, commit without reserve, ... */
  KITH_E_CLOSED = -4,   /* the stream has ended; its closed callback has come or is on its way */
  KITH_E_STOPPED = -5,  /* the instance has stopped: nothing will run any more */
  KITH_E_LIMIT = -6,    /* a limit of the host: too many streams, timers, operations, too large */
  KITH_E_NOT_FOUND = -7,
  KITH_E_IO = -8,      /* the file system said no; the log has the reason */
  KITH_E_THREAD = -9,  /* an [instance] function called from elsewhere */
  KITH_E_FAILED = -10, /* anything else; set_error may hold a text */
};

/* Roles, rising. 0 is no role. */
enum {
  KITH_ROLE_NONE = 0,
  KITH_ROLE_PUBLIC = 1,
  KITH_ROLE_VIEWER = 2,
  KITH_ROLE_MEMBER = 3,
  KITH_ROLE_ADMIN = 4,
  KITH_ROLE_OWNER = 5,
};

/* Result codes of streams (docs/wire.md). Codes from KITH_FIRST_APP_CODE on belong to the protocol: an application error is such a code and a text. */
enum {
  KITH_CODE_BAD_REQUEST = 1,
  KITH_CODE_UNKNOWN_COMMAND = 5,
  KITH_CODE_DENIED = 9,
  KITH_CODE_BUSY = 11,
  KITH_CODE_TOO_LARGE = 14,
  KITH_CODE_CANCELLED = 15,
  KITH_CODE_PLUGIN_FAILED = 16,
  KITH_CODE_TOO_SLOW = 17,
  KITH_CODE_SHUTTING_DOWN = 19,
  KITH_CODE_INTERNAL = 20,
  KITH_CODE_TIMEOUT = 21,
  KITH_FIRST_APP_CODE = 1000,
};

#define KITH_NEVER UINT64_MAX /* a deadline that does not come */

/* ---- what the host offers ------------------------------------------------------------------------------------------------------------------------ */

typedef struct kith_host kith_host;

/* The host's side of one instance. Owned by the host, valid from create until destroy returns; pass the pointer itself to every host function. */
struct kith_host {
  uint32_t struct_size;
  uint16_t abi_major;
  uint16_t abi_minor;

  /* [any] [local] A kith_host_* struct of the capability's header, valid until destroy returns; NULL: this host has none. Allowed from create on. */
  const void* (*get_capability)(const kith_host* host, kith_text id);

  /* [any] [async] Runs run(arg) on the instance thread, in the order of the posts. The one way back from a plugin's own threads. KITH_E_STOPPED once stop
   * was called: then it never runs, and arg stays the caller's. What was posted before stop and has not run by then never runs either. KITH_E_LIMIT:
   * too many wait already. */
  kith_status (*post)(const kith_host* host, void (*run)(void* arg), void* arg);

  /* [instance] [local] A text for people, about the failure that the plugin function now running is going to return. The host copies it. */
  void (*set_error)(const kith_host* host, kith_text text);

  /* [any] [local] 1 when the calling thread is the instance thread now. */
  int32_t (*on_instance_thread)(const kith_host* host);
};

/* ---- what the plugin offers ---------------------------------------------------------------------------------------------------------------------- */

enum {
  KITH_SCOPE_LOCAL = 1,  /* only from this machine's socket; the host refuses a remote stream that names it, before any plugin code */
  KITH_SCOPE_REMOTE = 2, /* only from peers */
  KITH_SCOPE_BOTH = 3,
};

/* A command that streams may name. Streams without a command are always possible and are for KITH_ROLE_PUBLIC (that is: whom the binding's access admits). */
typedef struct kith_command {
  uint32_t struct_size;
  uint32_t scope;      /* KITH_SCOPE_* */
  uint32_t least_role; /* KITH_ROLE_*, for remote streams */
  uint32_t reserved;   /* 0 */
  kith_text name;      /* a kith name: [A-Za-z0-9_][A-Za-z0-9._-]{0,63} */
  kith_text summary;   /* one line for people */
} kith_command;

/* kith_protocol.flags */
enum {
  KITH_PROTOCOL_SUGGEST_INLINE = 1, /* callbacks take well under 100 us and never block: may run on the network thread */
  KITH_PROTOCOL_SHARED = 2,         /* an old and a new instance may run beside each other during a handover */
};

/* kith_protocol.needs: what the plugin needs beyond its streams, printed by add-protocol. */
enum {
  KITH_NEED_EXEC = 1, /* runs programs with the user's full rights */
  KITH_NEED_FS = 2,   /* files outside its data folder */
  KITH_NEED_NET = 4,  /* sockets of its own */
  KITH_NEED_DIAL = 8, /* opens streams to peers */
  KITH_NEED_SIGN = 16,
};

typedef struct kith_instance kith_instance; /* the plugin's own, opaque to the host */

/*
 * One protocol. Life of an instance; each arrow is one call on the instance thread:
 *
 *   create -> configure -> start -> (streams, timers, reconfigure)* -> drain -> stop -> destroy
 *
 * A call that returns other than KITH_OK makes the instance failed (with set_error's text); then only destroy follows. drain may be left out, stop and
 * destroy never, for an instance that was started (destroy also after create alone).
 */
typedef struct kith_protocol {
  uint32_t struct_size;
  uint32_t flags;                      /* KITH_PROTOCOL_* */
  uint32_t needs;                      /* KITH_NEED_* */
  uint32_t default_access;             /* least role when the binding names no access: MEMBER, ADMIN, OWNER; NONE is nobody. Nothing wider */
  kith_text name;                      /* a kith name; "kith.*" is reserved */
  kith_text version;                   /* of the protocol's implementation, for people: "1.0.0" */
  kith_text summary;                   /* one line for people */
  kith_text config_schema;             /* JSON Schema (draft 7) of the binding's config, an object; empty: any object */
  kith_text cli_noun;                  /* the NOUN of `kith NOUN VERB ...`, no command of kith's own; empty: none */
  const kith_command* const* commands; /* NULL when command_count is 0 */
  uint32_t command_count;
  uint32_t reserved; /* 0 */

  /* [any] [local] A kith_plugin_* struct of the capability's header, static; NULL: not offered. Same answer each time. */
  const void* (*get_capability)(kith_text id);

  /* [instance] Makes an instance. Of host only get_capability, set_error, log and clock may be used before start. */
  kith_status (*create)(const kith_host* host, kith_instance** instance);

  /* [instance] The first config, a JSON text that check and the schema have accepted. Later ones come through kith.config/1. */
  kith_status (*configure)(kith_instance* instance, kith_text config);

  /* [instance] From here on streams come. */
  kith_status (*start)(kith_instance* instance);

  /* [instance] No new streams come. Finish those that are open before deadline (kith.clock/1 now); the host resets what is left, then stops. */
  void (*drain)(kith_instance* instance, uint64_t deadline_ns);

  /* [instance] Every stream has had its closed. Join all threads of the instance before returning. */
  void (*stop)(kith_instance* instance);

  /* [instance] Frees the instance. Host functions must not be called any more, nor from inside. */
  void (*destroy)(kith_instance* instance);
} kith_protocol;

typedef struct kith_plugin {
  uint32_t struct_size;
  uint16_t abi_major;        /* KITH_ABI_MAJOR of the headers it was built with */
  uint16_t abi_minor_needed; /* the least host minor it can live with */
  kith_text name;            /* of the file, for people */
  kith_text version;
  const kith_protocol* const* protocols;
  uint32_t protocol_count; /* 1 to 64 */
  uint32_t reserved;       /* 0 */
} kith_plugin;

typedef struct kith_entry_args {
  uint32_t struct_size;
  uint16_t abi_major; /* the host's */
  uint16_t abi_minor;
  void* context;
  /* Why the entry function returns NULL. The host copies the text. */
  void (*set_error)(void* context, kith_text text);
} kith_entry_args;

/* The one exported function. Called once after loading, on any thread, without side effects: it starts nothing and opens nothing. Returns a static
 * descriptor that stays valid for as long as the library is mapped (to the end of the process), or NULL after set_error. */
typedef const kith_plugin* (*kith_entry_function)(const kith_entry_args* args);
#define KITH_ENTRY_SYMBOL "kith_plugin_entry"
KITH_EXPORT const kith_plugin* kith_plugin_entry(const kith_entry_args* args);

#ifdef __cplusplus
}
#endif
#endif
