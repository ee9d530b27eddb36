/* tagtab.h - a growing multimap from 32-bit tags (hashes) to 32-bit numbers.
 *
 * The caller looks at each number that a tag has and decides which one it meant; the table never needs to see the key
 * behind a tag again, so it grows without touching the objects it names.
 *
 * Shape    Linear hashing over segments: the low bits of a tag choose a segment of some hundred slots, and the table
 *          grows and shrinks by splitting or merging one segment at a time. Inside a segment the slots are sorted by tag: a
 *          tag's home is tag * cap / 2^32, what is taken there moves up, nothing wraps round, and behind the last home are
 *          a few slots more. The last slot is always empty, so that searching needs no bounds.
 *
 *              segs[k] -> | 0a.. | 13.. | 13.. |  -  | 52.. |  -  | ... | f7.. |  -  |      a slot: {tag, val}, 8 bytes
 *
 *          Segments resize by themselves and stay between 5 and 9 tenths full: 9.4 bytes an entry while growing.
 *          Work for one call: copying two segments, about 1400 slots at most (a few microseconds), unless thousands of tags
 *          are equal; and, each time the number of segments doubles, copying 24 bytes for each.
 * Threads  the owner's.
 * Memory   own: tagtab_init -> tagtab_fini. The struct must not move while it holds anything.
 * Errors   ERR_NOMEM: unchanged. Removing never fails.
 * Source   Litwin, "Linear hashing: a new tool for file and table addressing", 1980; Amble and Knuth, "Ordered hash tables",
 *          1974.
 */
#ifndef MIDGE_BROKER_TAGTAB_H
#define MIDGE_BROKER_TAGTAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/rt/err.h"

struct tagtab_slot {
    uint32_t tag; /* 0xffffffff where empty, which real tags may be, too */
    uint32_t val; /* 0: empty */
};

struct tagtab_seg {
    struct tagtab_slot *slots;
    uint32_t cap;     /* homes */
    uint32_t n_slots; /* slots, those behind the last home and the empty one at the end included */
    uint32_t n;
};

struct tagtab {
    struct tagtab_seg *segs; /* &one while n_segs is 1 */
    struct tagtab_seg one;
    uint32_t n_segs, cap_segs;
    uint32_t mask; /* 2^(k+1) - 1, where 2^k <= n_segs < 2^(k+1) */
    uint32_t n;
    uint64_t n_bytes; /* all memory it holds, the allocator's share estimated */
    uint64_t n_sys;   /* times it asked for memory: constant in a steady state */
};

void tagtab_init(struct tagtab *t);
void tagtab_fini(struct tagtab *t);
/* val != 0. The pair may stand in it already: then it stands twice.
 *   fail  ERR_NOMEM */
enum err tagtab_add(struct tagtab *t, uint32_t tag, uint32_t val);
/* Take one such pair out. False: there is none. */
bool tagtab_del(struct tagtab *t, uint32_t tag, uint32_t val);
/* Put another number in the place of one that this tag has. Never fails. */
void tagtab_set(struct tagtab *t, uint32_t tag, uint32_t val_old, uint32_t val);
/* Some number in it at or after *cursor, going round; 0: the table is empty. To take everything out: start with 0, delete
 * what it gives, go on with the same cursor; the cost in all is O(n). */
uint32_t tagtab_any(const struct tagtab *t, uint32_t *cursor, uint32_t *ret_tag);
/* Assert the invariants (slow). */
void tagtab_check(const struct tagtab *t);

static inline struct tagtab_seg *
tagtab_seg_of(const struct tagtab *t, uint32_t tag)
{
    uint32_t i = tag & t->mask;
    if (i >= t->n_segs)
        i &= t->mask >> 1; /* not split yet */
    return &t->segs[i];
}

/* Where the search for a tag begins: to fetch it ahead of time. */
static inline const struct tagtab_slot *
tagtab_home(const struct tagtab *t, uint32_t tag)
{
    const struct tagtab_seg *g = tagtab_seg_of(t, tag);
    return g->slots + ((uint64_t)tag * g->cap >> 32);
}

/* The first number of a tag. All numbers of a tag:
 *     for (const struct tagtab_slot *p = tagtab_find(t, tag); tagtab_is(p, tag); p++) */
static inline const struct tagtab_slot *
tagtab_find(const struct tagtab *t, uint32_t tag)
{
    const struct tagtab_slot *p = tagtab_home(t, tag);
    while (p->tag < tag)
        p++;
    return p;
}

static inline bool
tagtab_is(const struct tagtab_slot *p, uint32_t tag)
{
    return p->tag == tag && p->val != 0;
}

#endif
