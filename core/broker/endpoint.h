/* endpoint.h - what the broker knows of a connection: where to write, what to count, what it must not do.
 *
 * Embedded as the first member of whatever core/net calls a connection; found by its slot in the slab that net handed to
 * the broker.
 *
 * Threads  the owning shard. Memory  net's slab.
 */
#ifndef MIDGE_BROKER_ENDPOINT_H
#define MIDGE_BROKER_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/broker/sidmap.h"
#include "core/rt/outq.h"

enum endpoint_flag {
    EP_ECHO = 1,       /* gets its own publishes */
    EP_HEADERS = 2,    /* understands HMSG */
    EP_NO_RESPOND = 4, /* wants 503 when nobody answers */
    EP_DEAD = 8,       /* gets nothing any more; will be closed */
    EP_DIRTY = 16,     /* in the broker's list of endpoints with something to send */
    EP_CHECKED = 32,   /* ask broker_ops.may_take, and tell on_take, of every delivery to it */
};

struct endpoint {
    struct outq out;
    struct sidmap sids;
    uint64_t n_pending_max; /* bytes in out above which it is a slow consumer */
    uint64_t in_msgs, in_bytes, out_msgs, out_bytes;
    uint32_t slot; /* own number in the slab */
    uint32_t acc;  /* account */
    uint32_t hint; /* interest_match's */
    uint32_t n_subs;
    uint32_t next_dirty; /* slot; 0 ends the list */
    uint8_t flags;       /* enum endpoint_flag */
};

#endif
