/* replies.h - the reply subjects that one connection may publish to although its permissions say no (allow_responses).
 *
 * A reply is noted when a message that carries it is delivered, may be used so often within such a time, and is forgotten when it was used up, when
 * its time is over, or when there are too many: then the oldest goes.
 *
 *     table, by keyed hash --> slot --> slot          oldest <-> ... <-> latest     (their times are all equally long: the oldest expires first)
 *
 * Shape    visible; slots of 96 bytes, kept when free, so that requests that are answered allocate nothing; longer subjects are allocated.
 * Threads  the owning shard.
 * Memory   zeroed memory is an empty one; own: replies_fini. Grows by doubling to REPLIES_MAX slots.
 * Source   sheet 03, section 4.5. As there: every look at a noted reply counts as a use, also the one that asks, when a second message
 *          brings the same reply, whether it must be noted.
 */
#ifndef MIDGE_AUTH_REPLIES_H
#define MIDGE_AUTH_REPLIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/rt/hash.h"

enum {
    REPLIES_MAX = 65536,
    REPLIES_FAR_MAX = 4 << 20, /* bytes of subjects that do not fit into slots */
    REPLY_INLINE = 56,
};

struct reply {
    int64_t at_ns;
    uint32_t n;          /* times used */
    uint32_t hash;
    uint32_t next_same;  /* in the table; or in the list of free slots. Numbers from 1 */
    uint32_t next, prev; /* by age */
    uint32_t len;
    union {
        uint8_t in[REPLY_INLINE];
        uint8_t *far;
    } subject;
};

struct replies {
    struct reply *slots; /* [cap], slot i is slots[i - 1] */
    uint32_t *table;     /* [cap] */
    uint32_t cap, n, free, oldest, latest;
    uint64_t far_bytes;
};

/* The terms on which they are noted. */
struct replies_terms {
    int64_t max;       /* -1: no limit */
    int64_t expire_ns; /* -1: never */
    struct hash_key key;
};

/* Whether the subject is noted and may still be used: counts as a use. */
bool replies_use(struct replies *r, const struct replies_terms *t, const uint8_t *subject, size_t len, int64_t now_ns);
/* Note it (it is not noted). Without memory nothing happens, and the response will be refused.
 * Returns how many were given up for want of room: older ones, or this one. */
uint32_t replies_add(struct replies *r, const struct replies_terms *t, const uint8_t *subject, size_t len, int64_t now_ns);
void replies_fini(struct replies *r);

#endif
