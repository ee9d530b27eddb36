/* bufpool.h - byte buffers of one shard, in powers of two.
 *
 * Taken and given back last in, first out, so that the bytes in use stay in the cache. What a burst needed is given back to the
 * system when the burst is over: bufpool_trim releases what nobody needed for BUFPOOL_KEEP_INTERVALS intervals of
 * BUFPOOL_INTERVAL_NS. A load that comes and goes within that time keeps its memory, and costs no system call.
 *
 * Shape    classes of 512 B << i, up to 1 MiB, each with regions of 4 MiB of its own, carved on demand into units: a
 *          unit is one buffer, or a page of buffers where they are smaller than a page. The notes about a region's
 *          units stand at its start; buffers that are free are never touched.
 *
 *              region: | notes | unit | unit | ...        unit: FRESH --> taken <--> IDLE --> COLD --> taken
 *                                                               (IDLE has memory behind it, COLD has none)
 *
 *          Above 1 MiB: single mappings in steps of a quarter of a power of two; a few that are free are kept.
 * Threads  the owning shard.
 * Memory   own: bufpool_take -> bufpool_give with the same cap. Steady state makes no system call and no malloc.
 *          Buffers above the smallest classes are aligned to pages, the others to their length.
 * Errors   NULL when the pool's limit is reached or the system has no memory: the caller refuses, drops the consumer
 *          or waits; it never crashes.
 */
#ifndef MIDGE_RT_BUFPOOL_H
#define MIDGE_RT_BUFPOOL_H

#include <stdbool.h>
#include <stdint.h>

enum {
    BUFPOOL_MIN_LEN = 512,
    BUFPOOL_CLASSES = 12,
    BUFPOOL_MAX_CLASS_LEN = BUFPOOL_MIN_LEN << (BUFPOOL_CLASSES - 1),
    BUFPOOL_MAX_LEN = 1 << 30,       /* nothing longer is ever given */
    BUFPOOL_INTERVAL_NS = 200000000,
    BUFPOOL_KEEP_INTERVALS = 4,
    BUFPOOL_KEEP_LEN = 16 << 10,     /* so many free bytes of each class stay for good once it was used */
    BUFPOOL_TRIM_LEN = 1 << 20,      /* bytes released by one bufpool_trim, about: a region of huge pages goes at once */
    BUFPOOL_TRIM_CALLS = 16,         /* system calls made by one bufpool_trim, about */
    BUFPOOL_BIG_KEPT_MAX = 64        /* free buffers above BUFPOOL_MAX_CLASS_LEN kept, at most */
};

struct bufpool;

/* limit_bytes: bound of the memory behind buffers, taken or free; 0 = none. own: bufpool_free, NULL without memory. */
struct bufpool *bufpool_new(uint64_t limit_bytes);
void bufpool_free(struct bufpool *bp); /* every buffer must be back; NULL is fine */
/* The owning thread has ended; whoever calls next owns it. NULL is fine. */
void bufpool_hand_over(struct bufpool *bp);

/* A buffer of at least len bytes; *ret_cap says how many (needed to give it back). NULL at the limit. Not zeroed. */
void *bufpool_take(struct bufpool *bp, uint32_t len, uint32_t *ret_cap);
void bufpool_give(struct bufpool *bp, void *buf, uint32_t cap);
/* Give memory back that was not needed lately; bounded work per call. Cheap when there is nothing to do: call it each
 * turn, or at least once an interval while !bufpool_settled. Returns the bytes released; not 0: there may be more at once. */
uint64_t bufpool_trim(struct bufpool *bp, int64_t now_ns);
/* No bufpool_trim, however late, would release anything: whatever calls it by the clock may rest until the next take. */
bool bufpool_settled(const struct bufpool *bp);

struct bufpool_stats {
    uint64_t used_bytes;   /* taken now */
    uint64_t cached_bytes; /* not taken, but with memory behind them */
    uint64_t mapped_bytes; /* of the address space */
    uint64_t n_sys;        /* times it asked the system (mmap, munmap, madvise): constant in a steady state */
    uint64_t n_refused;    /* NULL given */
};
void bufpool_stats(const struct bufpool *bp, struct bufpool_stats *ret);
/* Assert the invariants (slow). */
void bufpool_check(const struct bufpool *bp);

#endif
