/* sidmap.h - a connection's subscriptions by their sid.
 *
 * Shape    up to 2 sub numbers stand in the struct itself, up to 8 in an array that is searched from end to end; more in a
 *          table keyed by keyed hash of the sid (tagtab.h), whose bytes are read back through interest_sub.
 *          Nothing is allocated for a connection with up to 2 subscriptions; 9.4 bytes each for one with many.
 * Threads  the owning shard.
 * Memory   own: sidmap_fini. Zeroed memory is an empty map.
 */
#ifndef MIDGE_BROKER_SIDMAP_H
#define MIDGE_BROKER_SIDMAP_H

#include <stdbool.h>
#include <stdint.h>

#include "core/broker/interest.h"
#include "core/rt/err.h"

struct tagtab;

enum { SIDMAP_INLINE = 2, SIDMAP_FEW = 8 };

struct sidmap {
    uint32_t n;
    uint32_t cap; /* 0: in place, SIDMAP_FEW: few, else: many */
    union {
        uint32_t in[SIDMAP_INLINE];
        uint32_t *few;
        struct tagtab *many;
    } u;
};

/* The sub with this sid; 0 = none. */
uint32_t sidmap_find(const struct sidmap *m, struct interest *ix, const uint8_t *sid, uint32_t sid_len);
/* Add a sub whose sid is not in it. fail: ERR_NOMEM, unchanged */
enum err sidmap_add(struct sidmap *m, struct interest *ix, uint32_t sub);
/* Take it out; it is in it, and still there to be read (before interest_remove). */
void sidmap_remove(struct sidmap *m, struct interest *ix, uint32_t sub);
/* Any one sub of it, 0 when empty: to take all of them out one by one. *cursor starts at 0; the cost in all is O(n). */
uint32_t sidmap_any(const struct sidmap *m, uint32_t *cursor);
/* The next sub of it, 0 at the end: to look at all of them. *cursor starts at 0. What is added or removed meanwhile may move others: one may be
 * missed then, or come twice. */
uint32_t sidmap_next(const struct sidmap *m, uint64_t *cursor);
/* All of them, m->n, in no order: to go through them while they come and go. */
struct sidmap_item {
    uint32_t sub, tag;
};
void sidmap_list(const struct sidmap *m, struct interest *ix, struct sidmap_item *ret);
/* Whether a sub that was listed once is in it: the same, or a later one of the same number and sid. */
bool sidmap_has(const struct sidmap *m, struct sidmap_item item);
/* Memory beside the struct. */
uint64_t sidmap_bytes(const struct sidmap *m);
void sidmap_fini(struct sidmap *m);

#endif
