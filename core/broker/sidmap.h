/* sidmap.h - a connection's subscriptions by their sid.
 *
 * Shape    open addressing, 4-byte slots of sub numbers, keyed hash of the sid's bytes (read back through interest_sub).
 *          Nothing is allocated for a connection without subscriptions; up to 2 stand in the struct itself.
 * Threads  the owning shard. Memory  own: sidmap_fini.
 */
#ifndef MIDGE_BROKER_SIDMAP_H
#define MIDGE_BROKER_SIDMAP_H

#include <stdint.h>

#include "core/broker/interest.h"

struct sidmap {
    uint32_t n, cap; /* cap 0: in place */
    union {
        uint32_t in[2];
        uint32_t *slots;
    } u;
};

/* The sub with this sid; 0 = none. */
uint32_t sidmap_find(const struct sidmap *m, struct interest *ix, const uint8_t *sid, uint32_t sid_len);
/* Add a sub that is not in it. fail: ERR_NOMEM */
enum err sidmap_add(struct sidmap *m, struct interest *ix, uint32_t sub);
void sidmap_remove(struct sidmap *m, struct interest *ix, uint32_t sub); /* it is in it */
/* Any one sub of it, 0 when empty: to take all of them out one by one (cost in all O(n)). */
uint32_t sidmap_any(const struct sidmap *m, uint32_t *cursor);
void sidmap_fini(struct sidmap *m);

#endif
