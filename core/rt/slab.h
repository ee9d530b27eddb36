/* slab.h - objects of one size, named by a 32-bit number, with stable addresses.
 *
 * Shape    pages of 2^k objects, found through a table: object i stands in page i >> k. Number 0 is never given: 0 means none.
 *          Free objects are a list through themselves. The lowest pages are preferred; wholly empty pages at the end
 *          are given back to the system (slab_trim).
 * Threads  the owning shard.
 * Memory   own: slab_take -> slab_give. Objects come zeroed.
 * Errors   0 when n_max objects are taken or the system has no memory.
 */
#ifndef MIDGE_RT_SLAB_H
#define MIDGE_RT_SLAB_H

#include <stdint.h>

struct slab {
    uint8_t **pages;
    uint32_t obj_len, page_shift, n_pages, cap_pages;
    uint32_t free_head; /* 0: none */
    uint32_t n_used, n_max;
    uint32_t *page_used; /* taken objects per page, for slab_trim */
    uint64_t n_sys;      /* times it asked the system for memory */
};

/* obj_len >= 8. n_max: the bound (>= 1). Allocates nothing until the first take. */
void slab_init(struct slab *s, uint32_t obj_len, uint32_t n_max);
void slab_fini(struct slab *s);
uint32_t slab_take(struct slab *s);
void slab_give(struct slab *s, uint32_t i);
void slab_trim(struct slab *s);

/* The object i (taken). */
static inline void *
slab_at(const struct slab *s, uint32_t i)
{
    return s->pages[i >> s->page_shift] + (uint64_t)(i & ((1u << s->page_shift) - 1)) * s->obj_len;
}

#endif
