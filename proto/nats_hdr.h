/* nats_hdr.h - the header block of a message: what the server itself has to find in it.
 *
 *     NATS/1.0\r\n
 *     Name: value\r\n
 *     \r\n
 *
 * Clients' blocks are passed on unseen, and are read as nats-server reads them, so that both find the same: the block begins with exactly
 * `NATS/1.0` and CRLF; a name reaches to the next colon, wherever that is, so a line without one belongs to the name behind it; a value
 * reaches to the next CRLF, and loses blanks and tabs at its ends; a field without a name or without a value is none. Names are
 * case-sensitive.
 *
 * Threads  any; pure.
 * Memory   views into the block. Nothing behind its end is read.
 * Source   sheet 01, sections 5 and 17; nats-server 2.14.5's answers for odd blocks.
 */
#ifndef MIDGE_PROTO_NATS_HDR_H
#define MIDGE_PROTO_NATS_HDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/nats_text.h"

struct nats_hdr_field {
    struct nats_view name, value;
};

/* The field at *off (begin with 0), which moves behind it. False: there is none any more. */
bool nats_hdr_next(const uint8_t *hdr, size_t len, size_t *off, struct nats_hdr_field *ret);
/* The first value of this name; ptr NULL: none. */
struct nats_view nats_hdr_find(const uint8_t *hdr, size_t len, const char *name);

/* Whether a line might begin with `Nats-T`: asked of every message with headers, answered in some ten instructions for 64 bytes. A block without
 * it has no field whose name begins like that. */
bool nats_hdr_maybe_trace(const uint8_t *hdr, size_t len);

/* The block with every line of this name left out and `name: value` as its last. Room: len + strlen(name) + strlen(value) + 6.
 * Returns its bytes. */
size_t nats_hdr_set(const uint8_t *hdr, size_t len, const char *name, const char *value, uint8_t *to);

#endif
