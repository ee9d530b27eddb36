/* load_hist.h - a histogram of durations with three significant digits.
 *
 * Values below 2048 ns are counted exactly; above, each power of two is cut into 1024 equal
 * steps, so that a reported value is never more than 0.1 % above the true one. What is larger
 * than HIST_VALUE_MAX is counted in the last step.
 *
 * Shape    counts[0..2047] exact, then 1024 counts for each further power of two.
 * Threads  one at a time.
 * Memory   embedded by value, 264 KB; nothing is allocated.
 * Source   the bucket arithmetic of high dynamic range histograms, written anew.
 */
#ifndef MIDGE_LOAD_HIST_H
#define MIDGE_LOAD_HIST_H

#include <stdint.h>

enum {
    HIST_EXACT_BITS = 11, /* 2048 exact steps: 1024 steps per power of two = 3 digits */
    HIST_STEPS = 1 << (HIST_EXACT_BITS - 1),
    HIST_VALUE_BITS = 42, /* 2^42 ns = 73 minutes */
    HIST_N_COUNTS = (HIST_VALUE_BITS - HIST_EXACT_BITS + 2) * HIST_STEPS,
};
#define HIST_VALUE_MAX ((UINT64_C(1) << HIST_VALUE_BITS) - 1)

struct hist {
    uint64_t counts[HIST_N_COUNTS];
    uint64_t n_values;
    uint64_t min, max; /* exact; max is 0 and min is UINT64_MAX while empty */
};

void hist_init(struct hist *h);

/* Count value n times. */
void hist_add(struct hist *h, uint64_t value, uint64_t n);

/* The smallest recorded step's upper end below which at least fraction of all values lie
 * (0 < fraction <= 1); 0 when empty. Never above the exact maximum. */
uint64_t hist_quantile(const struct hist *h, double fraction);

#endif
