/* util.h - the few macros everything uses. Threads  any. */
#ifndef MIDGE_RT_UTIL_H
#define MIDGE_RT_UTIL_H

#include <stddef.h>
#include <stdint.h>

#define BIT(n) (1u << (n))
#define BIT64(n) (UINT64_C(1) << (n))
#define N_ELEMS(a) (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

enum { CACHE_LINE = 64, CACHE_PAIR = 128 /* adjacent-line prefetch pulls lines in pairs */ };

#define NS_PER_S INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_US INT64_C(1000)

static inline uint64_t
min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t
max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static inline int64_t
min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* a rounded up to a multiple of the power of two b. */
static inline uint64_t
round_up_u64(uint64_t a, uint64_t b)
{
    return (a + b - 1) & ~(b - 1);
}

#endif
