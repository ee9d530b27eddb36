/* load_hist.c - see load_hist.h. */
#include "load_hist.h"

#include <string.h>

#include "core/rt/assert.h"

_Static_assert(HIST_STEPS >= 1000, "three significant digits need 1000 steps per power of two");

void
hist_init(struct hist *h)
{
    memset(h, 0, sizeof(*h));
    h->min = UINT64_MAX;
}

/* Values with more than HIST_EXACT_BITS bits lose their lowest ones: shift tells how many. */
static uint32_t
hist_slot(uint64_t value)
{
    if (value < (UINT64_C(1) << HIST_EXACT_BITS))
        return (uint32_t)value;
    uint32_t n_bits = 64u - (uint32_t)__builtin_clzll(value);
    uint32_t shift = n_bits - HIST_EXACT_BITS;
    return shift * HIST_STEPS + (uint32_t)(value >> shift);
}

/* The largest value that falls into slot. */
static uint64_t
hist_slot_max(uint32_t slot)
{
    if (slot < 2 * HIST_STEPS)
        return slot;
    uint32_t shift = slot / HIST_STEPS - 1;
    uint64_t step = slot - shift * HIST_STEPS;
    return ((step + 1) << shift) - 1;
}

void
hist_add(struct hist *h, uint64_t value, uint64_t n)
{
    if (n == 0)
        return;
    uint32_t slot = hist_slot(value > HIST_VALUE_MAX ? HIST_VALUE_MAX : value);
    ASSERT(slot < HIST_N_COUNTS);
    h->counts[slot] += n;
    h->n_values += n;
    if (value < h->min)
        h->min = value;
    if (value > h->max)
        h->max = value;
}

uint64_t
hist_quantile(const struct hist *h, double fraction)
{
    ASSERT(fraction > 0.0 && fraction <= 1.0);
    if (h->n_values == 0)
        return 0;
    double exact = fraction * (double)h->n_values;
    uint64_t want = (uint64_t)exact;
    if ((double)want < exact || want == 0)
        want++;
    uint64_t seen = 0;
    for (uint32_t slot = 0; slot < HIST_N_COUNTS; slot++) {
        seen += h->counts[slot];
        if (seen >= want) {
            uint64_t value = hist_slot_max(slot);
            return value < h->max ? value : h->max;
        }
    }
    return h->max;
}
