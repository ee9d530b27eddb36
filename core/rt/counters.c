#include "core/rt/counters.h"

#define COUNTERS_INFO(name, help) {#name, help},
const struct counter_info counters_info[COUNTERS_N] = {COUNTERS_LIST(COUNTERS_INFO)};
#undef COUNTERS_INFO

#define COUNTERS_PLACE(name, help) \
    _Static_assert(offsetof(struct counters, name) == COUNTER_##name * sizeof(uint64_t), "the struct is an array, too");
COUNTERS_LIST(COUNTERS_PLACE)
#undef COUNTERS_PLACE

void
counters_sum(uint64_t *sums, const struct counters *c)
{
    const uint64_t *all = (const uint64_t *)(const void *)c;
    for (uint32_t i = 0; i < COUNTERS_N; i++)
        sums[i] += counters_read(&all[i]);
}
