/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kith.stream/1: incoming calls and streams, and their bytes. FROZEN.
 *
 * A stream is two byte pipes between the plugin and a peer. The host owns the wire: the plugin says accept or reject, finish or reset, and moves bytes. A
 * call is a stream whose request and response are both read to their end; the host keeps both under max_call_bytes.
 *
 * States of a stream: opened -> accepted or rejected -> ended. "Ended" is: rejected, or reset, or closed by the peer or the host. Every function but those
 * that end it returns KITH_E_CLOSED from then on. on_closed comes exactly once for each stream, always from the host's loop and never from inside a host
 * function; after it returns, the id is unknown and all spans are dead. Ids are never reused while the process runs.
 *
 * Reading may begin in on_opened, before accept: a call reads its request first and then decides. Writing needs accept.
 *
 * Callbacks are edge-triggered and coalesced: on_readable comes after a read said KITH_WOULD_BLOCK and there is more (bytes or the end), on_writable after
 * a write or reserve said KITH_WOULD_BLOCK and there is room. Either may come without need; neither comes after on_closed.
 *
 * A stream that the plugin has finished ends when the plugin has read the peer's bytes to their end. Whoever wants no more of them reads on and drops them, or
 * resets the stream: one that both sides have finished, and of which no byte is read for a minute, or whose room others need, is closed too_slow.
 *
 * All functions here are [instance] [local]: they copy or hand out memory, or leave a note for the network thread.
 */
#ifndef KITH_ABI_STREAM_H
#define KITH_ABI_STREAM_H

#include <kith/abi/entry.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KITH_STREAM_ID "kith.stream/1"

typedef uint64_t kith_stream_id; /* 0 is never one */

enum {
  KITH_KIND_CALL = 1,
  KITH_KIND_STREAM = 2,
};

/* An incoming stream that the Gate has let in. Valid during on_opened. */
typedef struct kith_stream_opened {
  uint32_t struct_size;
  uint32_t kind; /* KITH_KIND_* */
  kith_stream_id stream;
  kith_peer_key peer;
  uint32_t role; /* KITH_ROLE_* of the peer on this binding */
  uint32_t reserved;
  uint64_t deadline_ns;   /* kith.clock/1 now; the host closes the stream then. KITH_NEVER: none */
  kith_text command;      /* empty: none */
  kith_text content_type; /* empty: bytes; "json" */
} kith_stream_opened;

/* How a stream ended. Valid during on_closed. */
typedef struct kith_stream_closed {
  uint32_t struct_size;
  uint32_t ok;     /* 1: both directions ended with FIN */
  uint64_t code;   /* otherwise: why. KITH_CODE_*, or the protocol's own */
  uint32_t remote; /* 1: the peer ended it */
  uint32_t reserved;
  uint64_t sent;
  uint64_t received;
  kith_text text;
} kith_stream_closed;

typedef struct kith_host_stream {
  uint32_t struct_size;
  uint32_t reserved;

  /* Answers an incoming stream with ok. content_type is that of the response ("" bytes, "json"), at most 64 octets. Once: KITH_E_STATE after that. */
  kith_status (*accept)(const kith_host* host, kith_stream_id stream, kith_text content_type);

  /* Refuses a stream that was not accepted, and ends it. code: the protocol's (from KITH_FIRST_APP_CODE on) or KITH_CODE_*, never 0; text: at most 1024
   * octets, longer ones are cut at a character. */
  kith_status (*reject)(const kith_host* host, kith_stream_id stream, uint64_t code, kith_text text);

  /* No more bytes will be written. What was written is still sent. Once. */
  kith_status (*finish)(const kith_host* host, kith_stream_id stream);

  /* Ends both directions at once; the peer sees code and text. Accepted or not. */
  kith_status (*reset)(const kith_host* host, kith_stream_id stream, uint64_t code, kith_text text);

  /* The first unread bytes, in one piece (KITH_OK, size > 0); KITH_WOULD_BLOCK: none now; KITH_END: all read and the peer has finished. The span is valid
   * until consume, read or on_closed's return. */
  kith_status (*peek)(const kith_host* host, kith_stream_id stream, kith_bytes* bytes);

  /* Marks the first size bytes of the last peek as read, which gives the peer credit for more. KITH_E_ARGUMENT beyond that span. */
  kith_status (*consume)(const kith_host* host, kith_stream_id stream, size_t size);

  /* Room for bytes, in one piece (KITH_OK, size > 0; about wanted, but more or less); KITH_WOULD_BLOCK: none now. The span is valid until commit, write,
   * finish or on_closed's return, and may be filled in part. */
  kith_status (*reserve)(const kith_host* host, kith_stream_id stream, size_t wanted, kith_buffer* buffer);

  /* Sends the first size bytes of the last reserve. KITH_E_ARGUMENT beyond that span, KITH_E_STATE without one. */
  kith_status (*commit)(const kith_host* host, kith_stream_id stream, size_t size);

  /* Copies: as many bytes as there are, up to buffer.size, into the caller's buffer. Returns as peek does; *done is set with KITH_OK. */
  kith_status (*read)(const kith_host* host, kith_stream_id stream, kith_buffer buffer, size_t* done);

  /* Copies: as many of the bytes as there is room for. KITH_OK with *done from 1 to bytes.size (0 for no bytes), or KITH_WOULD_BLOCK. */
  kith_status (*write)(const kith_host* host, kith_stream_id stream, kith_bytes bytes, size_t* done);

  /* 0 to 7, lower goes first on the wire (RFC 9218 section 4.1); 3 at first. */
  kith_status (*set_urgency)(const kith_host* host, kith_stream_id stream, uint32_t urgency);
} kith_host_stream;

/* What a plugin offers that takes streams. All [instance], between start and stop. */
typedef struct kith_plugin_stream {
  uint32_t struct_size;
  uint32_t reserved;
  /* A new stream. It must be accepted, rejected or reset sooner or later: the host closes it at its deadline, and not before. */
  void (*on_opened)(kith_instance* instance, const kith_stream_opened* opened);
  void (*on_readable)(kith_instance* instance, kith_stream_id stream);
  void (*on_writable)(kith_instance* instance, kith_stream_id stream);
  /* Exactly once for every stream, also for those that the plugin rejected or reset. Spans stay valid until it returns; host functions on it say
   * KITH_E_CLOSED. */
  void (*on_closed)(kith_instance* instance, kith_stream_id stream, const kith_stream_closed* closed);
} kith_plugin_stream;

#ifdef __cplusplus
}
#endif
#endif
