#include "core/broker/varpool.h"

#include <stdlib.h>
#include <string.h>

#include "core/rt/assert.h"
#include "core/rt/fault.h"

static const uint16_t varpool_coarse[VARPOOL_N_COARSE] = {176, 192, 224, 256, 320};

static uint32_t
varpool_class_len(uint32_t c)
{
    return c < VARPOOL_N_FINE ? VARPOOL_FINE_MIN + c * VARPOOL_STEP : varpool_coarse[c - VARPOOL_N_FINE];
}

static uint32_t
varpool_class_of(size_t len)
{
    if (len <= VARPOOL_FINE_MIN)
        return 0;
    if (len <= VARPOOL_FINE_MAX)
        return (uint32_t)(len - VARPOOL_FINE_MIN + VARPOOL_STEP - 1) / VARPOOL_STEP;
    uint32_t c = VARPOOL_N_FINE;
    while (c < VARPOOL_FAR && varpool_class_len(c) < len)
        c++;
    return c;
}

void
varpool_init(struct varpool *vp)
{
    memset(vp, 0, sizeof *vp);
    for (uint32_t c = 0; c < VARPOOL_FAR; c++)
        slab_init(&vp->classes[c], varpool_class_len(c), VARPOOL_IDX_MASK);
    slab_init(&vp->classes[VARPOOL_FAR], sizeof(struct varpool_far), VARPOOL_IDX_MASK);
}

void
varpool_fini(struct varpool *vp)
{
    const struct slab *fars = &vp->classes[VARPOOL_FAR];
    for (uint32_t i = 0; (i = slab_next(fars, i)) != 0;)
        free(((struct varpool_far *)slab_at(fars, i))->p);
    for (uint32_t c = 0; c < VARPOOL_N_CLASSES; c++)
        slab_fini(&vp->classes[c]);
    vp->n_far_bytes = 0;
}

uint32_t
varpool_take(struct varpool *vp, size_t len)
{
    uint32_t c = varpool_class_of(len);
    uint32_t i = slab_take(&vp->classes[c]);
    if (i == 0)
        return 0;
    if (c == VARPOOL_FAR) {
        struct varpool_far *far = slab_at(&vp->classes[c], i);
        far->p = fault_calloc(1, len);
        if (far->p == NULL) {
            slab_give(&vp->classes[c], i);
            return 0;
        }
        far->len = len;
        vp->n_far_bytes += len;
    }
    return c << VARPOOL_IDX_BITS | i;
}

void
varpool_give(struct varpool *vp, uint32_t i)
{
    uint32_t c = i >> VARPOOL_IDX_BITS;
    ASSERT(c < VARPOOL_N_CLASSES);
    struct slab *s = &vp->classes[c];
    i &= VARPOOL_IDX_MASK;
    if (c == VARPOOL_FAR) {
        struct varpool_far *far = slab_at(s, i);
        ASSERT(far->p != NULL && vp->n_far_bytes >= far->len);
        vp->n_far_bytes -= far->len;
        free(far->p);
    }
    slab_give(s, i);
}

uint32_t
varpool_next(const struct varpool *vp, uint32_t i)
{
    uint32_t idx = i & VARPOOL_IDX_MASK;
    for (uint32_t c = i >> VARPOOL_IDX_BITS; c < VARPOOL_N_CLASSES; c++, idx = 0) {
        idx = slab_next(&vp->classes[c], idx);
        if (idx != 0)
            return c << VARPOOL_IDX_BITS | idx;
    }
    return 0;
}

uint64_t
varpool_bytes(const struct varpool *vp)
{
    uint64_t sum = vp->n_far_bytes;
    for (uint32_t c = 0; c < VARPOOL_N_CLASSES; c++)
        sum += slab_bytes(&vp->classes[c]);
    return sum;
}
