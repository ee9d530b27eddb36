/* load_hist_test.c - the histogram keeps three digits. Plain asserts: no framework needed. */
#include "load_hist.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/rt/assert.h"

static struct hist hist;

/* Every value, alone in a histogram, comes back at most 0.1 % too large and never too small. */
static void
one_value_comes_back_within_a_thousandth(void)
{
    uint64_t n_tested = 0;
    for (uint64_t value = 1; value < HIST_VALUE_MAX; value += 1 + value / 300, n_tested++) {
        hist_init(&hist);
        hist_add(&hist, value, 1);
        hist_add(&hist, HIST_VALUE_MAX, 1); /* so that the exact maximum does not help */
        uint64_t got = hist_quantile(&hist, 0.5);
        ASSERT(got >= value);
        ASSERT(got - value <= value / 1000);
    }
    ASSERT(n_tested > 2000);
}

/* Of 1..1000 the median is 500, the 99th percentile 990, the maximum 1000. */
static void
quantiles_count_from_below(void)
{
    hist_init(&hist);
    for (uint64_t value = 1; value <= 1000; value++)
        hist_add(&hist, value, 3);
    ASSERT(hist.n_values == 3000);
    ASSERT(hist_quantile(&hist, 0.5) == 500);
    ASSERT(hist_quantile(&hist, 0.99) == 990);
    ASSERT(hist_quantile(&hist, 1.0) == 1000);
    ASSERT(hist.min == 1 && hist.max == 1000);
}

/* What lies beyond the range is counted in the last step, and the maximum stays exact. */
static void
values_beyond_the_range_are_counted(void)
{
    hist_init(&hist);
    hist_add(&hist, UINT64_MAX, 2);
    ASSERT(hist.n_values == 2);
    ASSERT(hist.max == UINT64_MAX);
    ASSERT(hist_quantile(&hist, 0.5) == HIST_VALUE_MAX);
    hist_init(&hist);
    ASSERT(hist_quantile(&hist, 0.5) == 0); /* empty */
}

int
main(void)
{
    one_value_comes_back_within_a_thousandth();
    quantiles_count_from_below();
    values_beyond_the_range_are_counted();
    (void)puts("load_hist: 3 passed");
    return EXIT_SUCCESS;
}
