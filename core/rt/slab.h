/* slab.h - objects of one size, named by a 32-bit number, with stable addresses.
 *
 * Shape    pages of 2^k objects, found through a table: object i stands in page i >> k. Number 0 is never given: 0 means none.
 *          The lowest free number is given next, so that objects stay together and pages at the end run empty; the
 *          memory of empty pages that a recent peak did not need goes back to the system (slab_trim).
 *
 *              pages[p] -> | object | object | object | ...       and beside it
 *              meta[p].bits -> | full: a bit per word of taken | taken: a bit per object |
 *
 *          What is free is noted outside the objects: a stray write into one that was given back harms nobody else,
 *          and giving one back twice is caught.
 * Threads  the owning shard.
 * Memory   own: slab_take -> slab_give. Objects come zeroed. An object's alignment is the largest power of two
 *          that divides obj_len, up to 64.
 * Errors   0 when n_max objects are taken or the system has no memory.
 */
#ifndef MIDGE_RT_SLAB_H
#define MIDGE_RT_SLAB_H

#include <stdbool.h>
#include <stdint.h>

enum {
    SLAB_OBJ_LEN_MAX = 1 << 20,
    SLAB_PAGE_LEN = 256 << 10,  /* what a page's objects take at most, unless one object is longer ... */
    SLAB_PAGE_LEN_MIN = 4 << 10, /* ... and the target for slabs of few objects */
    SLAB_TRIM_PAGES = 8,        /* pages given back by one slab_trim, at most: some 30 us each on a virtual machine */
    SLAB_KEEP_CALLS = 4         /* slab_trim keeps what the peak since so many calls needs */
};

struct slab_page {
    uint64_t *bits;
    uint32_t n_used;
    bool warm; /* its objects may have memory behind them */
};

struct slab {
    uint8_t **pages;
    struct slab_page *meta; /* one per page */
    uint64_t *full;         /* bit per page: no free object in it */
    uint32_t obj_len, page_shift, n_pages, cap_pages;
    uint32_t page_low;      /* no page below has a free object */
    uint32_t n_used, n_max;
    uint32_t n_peaks[SLAB_KEEP_CALLS]; /* most objects taken at once: [0] since the last slab_trim, then call by call */
    uint64_t n_sys;         /* times it asked the system: constant in a steady state */
};

/* 8 <= obj_len <= SLAB_OBJ_LEN_MAX. n_max: the bound (1 .. 2^31). Allocates nothing until the first take. */
void slab_init(struct slab *s, uint32_t obj_len, uint32_t n_max);
/* Give all memory back, taken objects included. Zeroed memory is a valid argument. */
void slab_fini(struct slab *s);
uint32_t slab_take(struct slab *s);
void slab_give(struct slab *s, uint32_t i);
/* The lowest taken number above i; 0: none. Start with 0 to walk over all of them (giving the current one back is fine). */
uint32_t slab_next(const struct slab *s, uint32_t i);
/* Give memory back that has not been needed for SLAB_KEEP_CALLS calls; bounded work. To be called a few times a second.
 * Returns the bytes released. */
uint64_t slab_trim(struct slab *s);
/* Bytes of memory that stand behind pages, bookkeeping included. */
uint64_t slab_bytes(const struct slab *s);
/* Assert the invariants (slow). */
void slab_check(const struct slab *s);

/* The object i (taken). */
static inline void *
slab_at(const struct slab *s, uint32_t i)
{
    return s->pages[i >> s->page_shift] + (uint64_t)(i & ((1u << s->page_shift) - 1)) * s->obj_len;
}

#endif
