/* fault.h - allocations that fail on purpose, so that tests can walk every error path.
 *
 * Code that asks the system for memory asks through fault_malloc and friends. In builds with MIDGE_ASSERT_SLOW a test
 * arms a countdown for its thread and sweeps it (style.md, section 10, "Fault sweeps"):
 *
 *     for (int64_t n = 0;; n++) {
 *         fault_arm(n);                      the allocation number n (from 0) fails, those before and after succeed
 *         enum err e = thing_do(...);
 *         if (!fault_disarm())               true: it was reached
 *             break;                         ... no failure any more: the sweep is complete
 *         assert_int_equal(e, ERR_NOMEM);    ... and nothing has changed
 *     }
 *
 * In other builds the wrappers are the plain calls, and the sweep has one round (fault_armed_builds is false).
 *
 * Threads  the countdown belongs to the calling thread.
 * Memory   as the plain calls.
 */
#ifndef MIDGE_RT_FAULT_H
#define MIDGE_RT_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#ifdef MIDGE_ASSERT_SLOW

enum { fault_armed_builds = 1 };

/* Let the calling thread's allocation number n from now (0: the next) fail, once. */
void fault_arm(int64_t n);
/* Switch it off. True: it has failed an allocation since fault_arm. */
bool fault_disarm(void);
/* Count one allocation; true: fail it. */
bool fault_hit(void);

#else

enum { fault_armed_builds = 0 };

static inline void
fault_arm(int64_t n)
{
    (void)n;
}

static inline bool
fault_disarm(void)
{
    return false;
}

static inline bool
fault_hit(void)
{
    return false;
}

#endif

__attribute__((malloc)) static inline void *
fault_malloc(size_t len)
{
    return fault_hit() ? NULL : malloc(len);
}

__attribute__((malloc)) static inline void *
fault_calloc(size_t n, size_t len)
{
    return fault_hit() ? NULL : calloc(n, len);
}

static inline void *
fault_realloc(void *p, size_t len)
{
    return fault_hit() ? NULL : realloc(p, len);
}

/* align: a power of two, len a multiple of it. */
static inline void *
fault_aligned(size_t align, size_t len)
{
    return fault_hit() ? NULL : aligned_alloc(align, len);
}

/* Zeroed private pages; NULL when there are none. own: munmap */
static inline void *
fault_map(size_t len)
{
    if (fault_hit())
        return NULL;
    void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

#endif
