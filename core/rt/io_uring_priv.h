/* io_uring_priv.h - the io_uring backend's state, shared by io_uring.c (the turn) and io_uring_new.c (making it).
 *
 * Threads  the owning shard; peers read io.ops, ring.ring_fd and write wake_pending and the eventfd.
 */
#ifndef MIDGE_RT_IO_URING_PRIV_H
#define MIDGE_RT_IO_URING_PRIV_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "core/rt/assert.h"
#include "core/rt/io_priv.h"
#include "core/rt/io_uring_ring.h"
#include "core/rt/util.h"

enum {
    UIO_SQES = 512,
    UIO_CQES = 4096, /* overflow is handled, so this only has to make it rare; a larger ring is a larger cache footprint */
    UIO_RECV_BYTES = 1024 * 1024,
    UIO_RECV_BYTES_MIN = 128 * 1024,
    UIO_RECV_BYTES_MAX = 64 * 1024 * 1024,
    UIO_BUF_LEN_BUNDLE = 4 * 1024, /* small: a short message takes a whole one */
    UIO_BUF_LEN_SINGLE = 16 * 1024,
    UIO_RECV_SHARE = 4, /* one socket gets at most this part of the buffers between two turns */
    UIO_ARM_SHARE = 16 * 1024, /* bytes of free buffer that justify arming one waiting socket */
    UIO_IOVS = 2048,           /* pieces of sends queued between two submits */
    UIO_MSGS = UIO_SQES,
    UIO_INLINE_MAX = 1, /* see uio_send */
    UIO_ACCEPT_PAUSE_MS = 100,
    UIO_SUBMIT_TRIES = 5000, /* of 1 ms each, while the kernel has no memory for a request */
    UIO_BGID = 0,
    UIO_TOKEN_SHIFT = 16, /* of io_event.buf: the first buffer of a run below, their number - 1 above */
};

/* What a completion is for: the low bits of its user_data. */
enum uio_tag {
    UIO_TAG_WAKE,    /* no pointer: a peer's ring message, or our eventfd's poll */
    UIO_TAG_ACCEPT,  /* struct io_sock */
    UIO_TAG_RECV,    /* struct io_sock */
    UIO_TAG_SEND,    /* struct io_sock */
    UIO_TAG_CONNECT, /* struct io_sock */
    UIO_TAG_CANCEL,  /* struct io_sock */
    UIO_TAG_FILE,    /* struct io_req */
    UIO_TAG_PEER,    /* struct io: a ring message to it failed */
};
enum { UIO_TAG_MASK = 7, UIO_WAKE_POLL = 8 /* with UIO_TAG_WAKE: our eventfd's poll */ };

/* io_sock.flags */
enum {
    UIO_RECV_WANTED = BIT(0),
    UIO_RECV_ARMED = BIT(1),     /* a receive request is in flight */
    UIO_RECV_CANCELING = BIT(2), /* ... and asked to stop */
    UIO_RECV_QUEUED = BIT(3),    /* in `rearm` or `starved` */
    UIO_RECV_DONE = BIT(4),      /* end of stream or failure was told */
    UIO_RECV_ONCE = BIT(5),      /* was armed before */
    UIO_SENDING = BIT(6),
    UIO_CONNECTING = BIT(7),
    UIO_ACCEPT_WANTED = BIT(8),
    UIO_ACCEPT_ARMED = BIT(9),
    UIO_ACCEPT_CANCELING = BIT(10),
    UIO_ACCEPT_PAUSED = BIT(11), /* in `paused` */
    UIO_CLOSING = BIT(12),
    UIO_RECV_STARVED = BIT(13), /* in `starved` */
};

struct uio_buf {
    uint16_t slot;  /* where in the ring it was put, as a count that wraps */
    bool in_kernel; /* else some of its bytes are with the user */
};

/* The backend. */
struct uio {
    struct io io;
    struct uring ring;

    uint8_t *area; /* n_bufs * buf_len, then slack */
    struct io_uring_buf_ring *br;
    struct uio_buf *bufs;
    size_t area_len, br_len;
    uint32_t buf_len, n_bufs, n_bufs_kernel; /* in_kernel ones */
    uint32_t br_mask, recv_limit;
    uint16_t br_tail, br_tail_pub; /* entries written, entries the kernel may see */
    bool bundle;                   /* one receive may fill several buffers */
    /* A receive that was taken in part: it made more events than there was room for. */
    struct {
        struct io_sock *s;
        uint32_t bid, len;
        bool more;
    } rest;

    bool msg_ring;
    uint32_t n_sends, n_inline_max; /* sends of this turn so far; how many of them go out at once */
    struct io_list rearm;  /* want to receive, wait for their turn */
    struct io_list starved; /* before those: found no buffer the last time */
    struct io_list closed; /* owe IO_EV_CLOSED */
    struct io_list paused; /* listeners out of descriptors */
    int64_t accept_resume_ns;

    /* Arguments of queued requests; the kernel copies them when they are submitted (IORING_FEAT_SUBMIT_STABLE). */
    uint32_t n_iovs, n_msgs;
    struct iovec iovs[UIO_IOVS];
    struct msghdr msgs[UIO_MSGS];

    int wake_fd;
    uint32_t wake_pending; /* atomic: our eventfd was written and the completion is not handled yet */
    bool wake_armed;
};

static inline struct uio *
uio_of(struct io *io)
{
    return CONTAINER_OF(io, struct uio, io);
}

static inline uint64_t
uio_data(const void *p, enum uio_tag tag)
{
    ASSERT_SLOW(((uintptr_t)p & UIO_TAG_MASK) == 0);
    return (uint64_t)(uintptr_t)p | (uint64_t)tag;
}

extern const struct io_ops uio_ops;

int uio_enter(struct uio *u, uint32_t min_done, bool get_events, int64_t deadline_ns);
struct io_uring_sqe *uio_sqe(struct uio *u, uint8_t op, int fd, uint64_t user_data);
void uio_buf_give(struct io *io, uint32_t bid);
void uio_wake_arm(struct uio *u);
void uio_free(struct io *io);

/* ---- Receive buffers ---- */

static inline void
uio_buf_add(struct uio *u, uint32_t bid)
{
    struct uio_buf *b = &u->bufs[bid];
    struct io_uring_buf *slot = &u->br->bufs[u->br_tail & u->br_mask];

    b->slot = u->br_tail++;
    b->in_kernel = true;
    u->n_bufs_kernel++;
    slot->addr = (uint64_t)(uintptr_t)(u->area + (size_t)bid * u->buf_len);
    slot->len = u->buf_len;
    slot->bid = (uint16_t)bid; /* not resv: that of the first slot is the ring's tail */
}

static inline void
uio_bufs_publish(struct uio *u)
{
    if (u->br_tail == u->br_tail_pub)
        return;
    __atomic_store_n(&u->br->tail, u->br_tail, __ATOMIC_RELEASE); /* slots are whole before the kernel sees them */
    u->br_tail_pub = u->br_tail;
}

/* The next run of a receive that filled `*bid` and, in the ring's order, the buffers behind it: as many as lie side by side and
 * make one event. They are the caller's now. Returns the bytes; *bid becomes the buffer after the run, if there is more. */
static inline const uint8_t *
uio_buf_run(struct uio *u, uint32_t *bid, uint32_t len, uint32_t *ret_len, uint32_t *ret_token)
{
    uint32_t first = *bid, n = 0, next = first;
    uint16_t slot = u->bufs[first].slot;

    do {
        ASSERT(next < u->n_bufs && u->bufs[next].in_kernel);
        u->bufs[next].in_kernel = false;
        n++;
        slot++;
        next = u->br->bufs[slot & u->br_mask].bid;
    } while (n * u->buf_len < len && n * u->buf_len < IO_RECV_BUF_LEN && next == first + n);
    u->n_bufs_kernel -= n;
    *bid = next;
    *ret_len = (uint32_t)min_u64(n * u->buf_len, len);
    *ret_token = first | (n - 1) << UIO_TOKEN_SHIFT;
    return u->area + (size_t)first * u->buf_len;
}

#endif
