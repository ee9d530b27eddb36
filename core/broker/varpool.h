/* varpool.h - small objects of any size, named by a 32-bit number, with stable addresses.
 *
 * Shape    a slab per size: every 8 bytes up to 160, then coarser up to 320; what is longer comes from the allocator, and the
 *          last slab holds its address. A number is the class above the slab's own number.
 *
 *              31     27 26                       0
 *              | class  | number in that slab      |    0: none
 *
 * Threads  the owner's.
 * Memory   own: varpool_take -> varpool_give. Objects come zeroed, at addresses that are multiples of 8.
 * Errors   0 when the system has no memory, or 2^27 - 1 objects of that class are taken.
 */
#ifndef MIDGE_BROKER_VARPOOL_H
#define MIDGE_BROKER_VARPOOL_H

#include <stddef.h>
#include <stdint.h>

#include "core/rt/slab.h"

enum {
    VARPOOL_STEP = 8,
    VARPOOL_FINE_MIN = 40,
    VARPOOL_FINE_MAX = 160,
    VARPOOL_N_FINE = (VARPOOL_FINE_MAX - VARPOOL_FINE_MIN) / VARPOOL_STEP + 1,
    VARPOOL_N_COARSE = 5, /* 176 .. 320 */
    VARPOOL_FAR = VARPOOL_N_FINE + VARPOOL_N_COARSE,
    VARPOOL_N_CLASSES = VARPOOL_FAR + 1,
    VARPOOL_IDX_BITS = 27,
    VARPOOL_IDX_MASK = (1 << VARPOOL_IDX_BITS) - 1
};
_Static_assert(VARPOOL_N_CLASSES < 32, "the class takes 5 bits, and none is 31: callers may give that a meaning of their own");

struct varpool_far {
    size_t len;
    void *p;
};

struct varpool {
    struct slab classes[VARPOOL_N_CLASSES];
    uint64_t n_far_bytes;
};

void varpool_init(struct varpool *vp);
/* Gives everything back, taken objects included. */
void varpool_fini(struct varpool *vp);
uint32_t varpool_take(struct varpool *vp, size_t len);
void varpool_give(struct varpool *vp, uint32_t i);
/* The taken number after i; 0: none. Start with 0 to walk over all of them (giving the current one back is fine). */
uint32_t varpool_next(const struct varpool *vp, uint32_t i);
uint64_t varpool_bytes(const struct varpool *vp);

/* The object i (taken). */
static inline void *
varpool_at(const struct varpool *vp, uint32_t i)
{
    uint32_t c = i >> VARPOOL_IDX_BITS;
    void *obj = slab_at(&vp->classes[c], i & VARPOOL_IDX_MASK);
    if (__builtin_expect(c == VARPOOL_FAR, 0))
        return ((struct varpool_far *)obj)->p;
    return obj;
}

#endif
