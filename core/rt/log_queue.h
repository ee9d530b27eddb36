/* log_queue.h - lines on their way from one thread to the log's writer.
 *
 * Shape    a ring of bytes; head and tail only grow and are masked on use. A line is {length, time, bytes} and may wrap.
 * Threads  push: the producer. next, done: the writer. n_dropped: written by the producer, read by any.
 * Memory   the ring is mapped by init; pages never touched cost nothing.
 */
#ifndef MIDGE_RT_LOG_QUEUE_H
#define MIDGE_RT_LOG_QUEUE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/rt/err.h"
#include "core/rt/util.h"

struct log_queue {
    uint8_t *ring;
    uint32_t len; /* a power of two */
    /* producer's */
    _Alignas(CACHE_PAIR) _Atomic uint64_t tail; /* Q1 pairs with Q2: the bytes of a line are written before it is seen */
    uint64_t head_seen;
    _Atomic uint64_t n_dropped;
    uint64_t n_dropped_told; /* so many of them the log has been told about */
    int64_t stamp_s;         /* the second whose text is `stamp` */
    bool stamp_utc;
    char stamp[32];
    /* writer's */
    _Alignas(CACHE_PAIR) _Atomic uint64_t head; /* Q3 pairs with Q4: the bytes of a line are read before they may be overwritten */
    uint64_t head_next;                         /* lines before it have been taken, though perhaps not written yet */
    _Atomic bool closed;                        /* the producer is gone: release the queue when it is empty */
};

/* fail: ERR_NOMEM */
enum err log_queue_init(struct log_queue *q, uint32_t len);
void log_queue_fini(struct log_queue *q);
/* tag: what the writer is to know of the line besides. False: no room. */
bool log_queue_push(struct log_queue *q, int64_t time_ns, uint32_t tag, const char *line, uint32_t len);
/* The time of the first line not taken yet. False: there is none. */
bool log_queue_peek(struct log_queue *q, int64_t *ret_time_ns, uint32_t *ret_len);
/* Copy it to `to` (of the length that peek told), which takes it. Returns its tag. */
uint32_t log_queue_take(struct log_queue *q, char *to);
/* Whatever was taken is written: its room is free. */
void log_queue_done(struct log_queue *q);
/* Nothing waits, taken or not. */
bool log_queue_empty(struct log_queue *q);

#endif
