/* bufpool.h - byte buffers of one shard, in powers of two.
 *
 * Taken and given back last in, first out, so that the bytes in use stay in the cache. What a burst needed is given back to the
 * system when the burst is over: bufpool_trim, called a few times a second, releases the pages of buffers that nobody
 * needed since the call before the last one.
 *
 * Shape    classes of 512 B << i, up to 1 MiB; above that, single mappings. Regions of 4 MiB are carved on demand.
 * Threads  the owning shard.
 * Memory   own: bufpool_take -> bufpool_give with the same cap. Steady state makes no system call and no malloc.
 * Errors   NULL when the pool's limit is reached or the system has no memory: the caller refuses, drops the consumer
 *          or waits; it never crashes.
 */
#ifndef MIDGE_RT_BUFPOOL_H
#define MIDGE_RT_BUFPOOL_H

#include <stdint.h>

enum { BUFPOOL_MIN_LEN = 512, BUFPOOL_CLASSES = 12, BUFPOOL_MAX_CLASS_LEN = BUFPOOL_MIN_LEN << (BUFPOOL_CLASSES - 1) };

struct bufpool;

/* limit_bytes: 0 = none. own: bufpool_free, NULL without memory. */
struct bufpool *bufpool_new(uint64_t limit_bytes);
void bufpool_free(struct bufpool *bp); /* every buffer must be back */

/* A buffer of at least len bytes; *ret_cap says how many (needed to give it back). NULL at the limit. Not zeroed. */
void *bufpool_take(struct bufpool *bp, uint32_t len, uint32_t *ret_cap);
void bufpool_give(struct bufpool *bp, void *buf, uint32_t cap);
/* Give unused pages back to the system; bounded work per call. Returns the bytes released. */
uint64_t bufpool_trim(struct bufpool *bp);

struct bufpool_stats {
    uint64_t used_bytes;   /* taken now */
    uint64_t cached_bytes; /* free, with pages behind them */
    uint64_t n_sys;        /* times it asked the system (mmap, madvise): constant in a steady state */
    uint64_t n_refused;    /* NULL given */
};
void bufpool_stats(const struct bufpool *bp, struct bufpool_stats *ret);

#endif
