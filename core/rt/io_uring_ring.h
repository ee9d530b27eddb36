/* io_uring_ring.h - the two rings shared with the kernel: set up, submit, wait, reap, and why the kernel said no.
 *
 * Straight on the system calls: the wait with an absolute deadline, the ring without an index array and the iowait switch
 * are younger than the liburing of the distributions we support, and the rest is a page of code.
 *
 * Shape    head and tail of both rings only grow and are masked on use. `sq_tail` is ours and becomes visible to the kernel
 *          in uring_enter; the kernel moves the submission head during that call only (no SQPOLL).
 * Threads  the thread that opened it (single issuer). `ring_fd` is constant and may be read by peers that send to it.
 * Memory   own: uring_open -> uring_close.
 * Source   io_uring_setup(2), io_uring_enter(2), io_uring_register(2).
 */
#ifndef MIDGE_RT_IO_URING_RING_H
#define MIDGE_RT_IO_URING_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "core/rt/io_uring_compat.h"

struct uring {
    uint32_t *sq_khead, *sq_ktail, *sq_kflags;
    struct io_uring_sqe *sqes;
    uint32_t sq_mask, n_sqes;
    uint32_t sq_tail; /* entries taken, submitted or not */
    uint32_t sq_done; /* entries the kernel has consumed */
    uint32_t *cq_khead, *cq_ktail;
    struct io_uring_cqe *cqes;
    uint32_t cq_mask;
    int ring_fd, enter_fd; /* enter_fd: index of the registered ring, or ring_fd */
    uint32_t enter_flags, wait_flags;
    uint32_t setup_flags, features;
    void *ring_map, *sqe_map;
    size_t ring_map_len, sqe_map_len;
    bool fd_is_registered;
};

/* Where setting up failed, and with what, for uring_explain. */
struct uring_refusal {
    const char *step;
    int errnum; /* 0: the kernel lacks something that we need */
};

/* Set up with the best flags the kernel takes (no_defer: of those of old kernels). On failure nothing is left open. */
bool uring_open(struct uring *u, uint32_t n_sqes, uint32_t n_cqes, bool no_defer, struct uring_refusal *ret_why);
void uring_close(struct uring *u);

/* One line for the operator: cause and remedy. */
void uring_explain(const struct uring_refusal *why, char *buf, size_t cap);

int uring_register(struct uring *u, unsigned opcode, void *arg, unsigned n_args); /* 0.. or a negative errno */
/* Ask the kernel whether it knows all of these opcodes. */
bool uring_has_ops(struct uring *u, const uint8_t *ops, uint32_t n_ops);

/* Submit what is queued and, with min_done > 0, wait until that many completions are there or the deadline
 * (CLOCK_MONOTONIC, INT64_MAX: none) has passed. get_events runs the kernel's deferred work even if min_done is 0.
 * Returns entries consumed or a negative errno; -EINTR and -ETIME are ordinary. */
int uring_enter(struct uring *u, uint32_t min_done, bool get_events, int64_t deadline_ns);

static inline uint32_t
uring_n_queued(const struct uring *u)
{
    return u->sq_tail - u->sq_done;
}

/* Is there kernel work that only a call with get_events does: deferred completions, or overflown ones? */
static inline bool
uring_needs_enter(const struct uring *u)
{
    return (__atomic_load_n(u->sq_kflags, __ATOMIC_RELAXED) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

/* The next submission entry, zeroed; NULL when the ring is full: uring_enter first. */
static inline struct io_uring_sqe *
uring_sqe_take(struct uring *u)
{
    struct io_uring_sqe *sqe;

    if (u->sq_tail - u->sq_done == u->n_sqes)
        return NULL;
    sqe = &u->sqes[u->sq_tail++ & u->sq_mask];
    memset(sqe, 0, sizeof(*sqe));
    return sqe;
}

static inline uint32_t
uring_cq_head(const struct uring *u)
{
    return __atomic_load_n(u->cq_khead, __ATOMIC_RELAXED);
}

static inline uint32_t
uring_cq_tail(const struct uring *u)
{
    return __atomic_load_n(u->cq_ktail, __ATOMIC_ACQUIRE); /* pairs with the kernel's release: entries before it are whole */
}

static inline void
uring_cq_advance(struct uring *u, uint32_t head)
{
    __atomic_store_n(u->cq_khead, head, __ATOMIC_RELEASE); /* pairs with the kernel's acquire: we have read them */
}

#endif
