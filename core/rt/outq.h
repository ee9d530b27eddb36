/* outq.h - bytes on their way out of one connection.
 *
 * A chain of buffers from the shard's pool. Writers reserve contiguous room, fill it, commit it; the sender takes
 * views of what is queued and drops what went out. An empty queue holds no buffer.
 *
 *     head -> [sent....|queued.......] -> [queued.......] -> [queued...|room....] <- tail
 *                      ^ head_off                                       ^ tail->len
 *
 * Shape    buffers grow from 2 over 16 to 64 KiB while the queue does, and start at the size that was lately needed.
 * Threads  the owning shard.
 * Memory   buffers are the pool's. What was handed to io_send stays put until outq_drop.
 */
#ifndef MIDGE_RT_OUTQ_H
#define MIDGE_RT_OUTQ_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

#include "core/rt/bufpool.h"
#include "core/rt/util.h"

enum {
    OUTQ_CHUNK_MIN = 2048,
    OUTQ_CHUNK_MID = 16384,
    OUTQ_CHUNK_MAX = 65536,
};

struct outchunk {
    struct outchunk *next;
    uint32_t cap; /* of bytes[] */
    uint32_t len; /* filled */
    uint8_t bytes[];
};

struct outq {
    struct outchunk *head, *tail;
    uint64_t n_bytes;      /* queued, in flight included */
    uint32_t head_off;     /* bytes of head that went out */
    uint32_t next_cap;     /* size of the next buffer; 0: smallest */
    uint32_t turn_bytes;   /* queued since the queue was last empty, for next_cap */
};

/* Slow path of outq_reserve: append a buffer with at least len bytes of room. NULL: the pool refused. */
uint8_t *outq_grow(struct outq *q, struct bufpool *bp, uint32_t len);

/* Room for len contiguous bytes at the end; NULL when the pool refuses. Nothing is queued before outq_commit. */
static inline uint8_t *
outq_reserve(struct outq *q, struct bufpool *bp, uint32_t len)
{
    struct outchunk *t = q->tail;
    if (LIKELY(t != NULL && t->cap - t->len >= len))
        return t->bytes + t->len;
    return outq_grow(q, bp, len);
}

/* The first len bytes reserved are filled now. */
static inline void
outq_commit(struct outq *q, uint32_t len)
{
    q->tail->len += len;
    q->n_bytes += len;
}

/* Copy len bytes to the end, over as many buffers as it takes. False: the pool refused; nothing or a part is queued, and
 * the connection must be closed. */
bool outq_append(struct outq *q, struct bufpool *bp, const void *bytes, uint64_t len);

/* Views of what is queued, from the front; at most max pieces. Returns how many. */
uint32_t outq_iov(const struct outq *q, struct iovec *iov, uint32_t max);
/* How many buffers the first len queued bytes stand in. */
uint32_t outq_n_chunks(const struct outq *q, uint64_t len);
/* The first len queued bytes went out. */
void outq_drop(struct outq *q, struct bufpool *bp, uint64_t len);
/* Give everything back. */
void outq_fini(struct outq *q, struct bufpool *bp);

#endif
