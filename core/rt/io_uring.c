/* The io_uring backend.
 *
 * Receive buffers. All sockets receive into one ring of buffers that the kernel picks from, in the order in which they came
 * back. Where one receive may fill several of them (a bundle), buffers are small, so that a short message does not waste
 * much, and a long run of bytes lies in buffers side by side: one event, as long as they come back in the order taken. Where
 * it may not, buffers are larger. (Filling buffers piece by piece, IOU_PBUF_RING_INC, was measured and dropped: a piece
 * begins wherever the last one ended, and copying to such an address costs up to three times as much.)
 *
 * Receiving. One multishot request per socket. It ends by itself when buffers run out (ENOBUFS), when the socket had its
 * share (recv_limit) or when the kernel likes; then the socket queues, and as many are armed again in a turn as there are
 * buffers to serve them, those that got none (`starved`) before those that had some (`rearm`). In one queue for all, a few
 * noisy sockets that are armed anew each turn would take all buffers each turn, and a quiet one behind them would never
 * get any. So a noisy socket waits behind everyone it made wait, and a thousand starved ones do not storm.
 *
 * Sending. See uio_send.
 *
 * Closing. Cancel what is in flight, by its user_data: canceling by descriptor would walk every armed request of the ring
 * for each close. The descriptor is closed when the last completion is in, so that nothing can hit a reused number.
 *
 * user_data is the address of the socket or request with a tag in its low bits; the memory stays put until IO_EV_CLOSED or
 * IO_EV_FILE, which come after every completion counted in n_inflight.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/rt/io_uring_priv.h"

/* ---- Submitting ---- */

int
uio_enter(struct uio *u, uint32_t min_done, bool get_events, int64_t deadline_ns)
{
    int ret = uring_enter(&u->ring, min_done, get_events, deadline_ns);

    IO_STAT_ADD(&u->io, n_enter, 1);
    if (uring_n_queued(&u->ring) == 0)
        u->n_iovs = u->n_msgs = 0;
    /* The others are about us: a bad descriptor, the wrong thread, a bad argument. */
    ASSERT(ret >= 0 || ret == -EINTR || ret == -ETIME || ret == -EAGAIN || ret == -EBUSY || ret == -ENOMEM);
    return ret;
}

/* Make room: submit all there is. The kernel takes fewer than all only while it has no memory for a request; nothing can be
 * sent or received then, so we wait for it. */
static void
uio_submit_all(struct uio *u)
{
    static const struct timespec pause = {.tv_nsec = NS_PER_MS};

    for (uint32_t n_tries = 1;; n_tries++) {
        (void)uio_enter(u, 0, false, 0); /* what it did not take is still queued: looked at below */
        if (uring_n_queued(&u->ring) == 0)
            return;
        ASSERT(n_tries < UIO_SUBMIT_TRIES);
        (void)nanosleep(&pause, NULL);
    }
}

struct io_uring_sqe *
uio_sqe(struct uio *u, uint8_t op, int fd, uint64_t user_data)
{
    struct io_uring_sqe *sqe = uring_sqe_take(&u->ring);

    if (UNLIKELY(sqe == NULL)) {
        uio_submit_all(u);
        sqe = uring_sqe_take(&u->ring);
        ASSERT(sqe != NULL);
    }
    sqe->opcode = op;
    sqe->fd = fd;
    sqe->user_data = user_data;
    return sqe;
}

static void
uio_cancel(struct uio *u, struct io_sock *s, enum uio_tag tag)
{
    struct io_uring_sqe *sqe = uio_sqe(u, IORING_OP_ASYNC_CANCEL, -1, uio_data(s, UIO_TAG_CANCEL));

    sqe->addr = uio_data(s, tag);
    s->n_inflight++;
}

/* ---- Receive buffers ---- */

void
uio_buf_give(struct io *io, uint32_t token)
{
    struct uio *u = uio_of(io);
    uint32_t first = token & (BIT(UIO_TOKEN_SHIFT) - 1), last = first + (token >> UIO_TOKEN_SHIFT);

    ASSERT(last < u->n_bufs);
    for (uint32_t bid = first; bid <= last; bid++) {
        ASSERT(!u->bufs[bid].in_kernel);
        uio_buf_add(u, bid);
    }
}

/* ---- Sockets: starting and ending ---- */

static void
uio_sock_init(struct io *io, struct io_sock *s)
{
    (void)io;
    (void)s; /* it is as its listener was: without delay, and blocking, which io_uring needs in order to wait */
}

/* The last request is in. */
static void
uio_sock_finish(struct uio *u, struct io_sock *s)
{
    if (s->fd >= 0)
        (void)close(s->fd); /* a socket's close fails only after it closed */
    s->fd = -1;
    io_list_push(&u->closed, s);
    u->accept_resume_ns = 0; /* a descriptor is free: paused listeners may try */
}

static inline void
uio_sock_put(struct uio *u, struct io_sock *s)
{
    ASSERT(s->n_inflight > 0);
    if (--s->n_inflight == 0 && (s->flags & UIO_CLOSING))
        uio_sock_finish(u, s);
}

static void
uio_unlink(struct uio *u, struct io_sock *s)
{
    if (s->flags & UIO_RECV_QUEUED)
        io_list_remove(s->flags & UIO_RECV_STARVED ? &u->starved : &u->rearm, s);
    if (s->flags & UIO_ACCEPT_PAUSED)
        io_list_remove(&u->paused, s);
    s->flags &= (uint16_t)~(UIO_RECV_QUEUED | UIO_RECV_STARVED | UIO_ACCEPT_PAUSED);
}

static void
uio_close(struct io *io, struct io_sock *s)
{
    struct uio *u = uio_of(io);

    if (s->flags & UIO_CLOSING)
        return;
    uio_unlink(u, s);
    s->flags = (uint16_t)((s->flags | UIO_CLOSING) & ~(UIO_RECV_WANTED | UIO_ACCEPT_WANTED));
    if ((s->flags & (UIO_RECV_ARMED | UIO_RECV_CANCELING)) == UIO_RECV_ARMED)
        uio_cancel(u, s, UIO_TAG_RECV);
    if ((s->flags & (UIO_ACCEPT_ARMED | UIO_ACCEPT_CANCELING)) == UIO_ACCEPT_ARMED)
        uio_cancel(u, s, UIO_TAG_ACCEPT);
    if (s->flags & UIO_SENDING)
        uio_cancel(u, s, UIO_TAG_SEND);
    if (s->flags & UIO_CONNECTING)
        uio_cancel(u, s, UIO_TAG_CONNECT);
    if (s->n_inflight == 0)
        uio_sock_finish(u, s);
}

static void
uio_on_cancel(struct uio *u, struct io_sock *s, int32_t res)
{
    /* Not found: its completion is on the way, as a rule. Should the kernel have looked in the wrong moment, shutting the
     * socket down ends what is left on it. */
    if (res < 0 && (s->flags & UIO_CLOSING) && s->n_inflight > 1)
        (void)shutdown(s->fd, SHUT_RDWR); /* not connected: fine */
    uio_sock_put(u, s);
}

/* ---- Accepting and connecting ---- */

static enum err
uio_listen(struct io *io, struct io_sock *s, const struct sockaddr *addr, socklen_t addr_len, int backlog, uint32_t retry_ms,
           uint16_t *ret_port)
{
    (void)io;
    return io_real_listen(addr, addr_len, backlog, retry_ms, 0, &s->fd, ret_port);
}

static void
uio_accept_arm(struct uio *u, struct io_sock *s)
{
    struct io_uring_sqe *sqe = uio_sqe(u, IORING_OP_ACCEPT, s->fd, uio_data(s, UIO_TAG_ACCEPT));

    sqe->ioprio = IORING_ACCEPT_MULTISHOT;
    sqe->accept_flags = SOCK_CLOEXEC;
    s->flags |= UIO_ACCEPT_ARMED;
    s->n_inflight++;
}

static void
uio_accept_start(struct io *io, struct io_sock *s)
{
    if (s->flags & (UIO_CLOSING | UIO_ACCEPT_WANTED))
        return;
    s->flags |= UIO_ACCEPT_WANTED;
    if ((s->flags & UIO_ACCEPT_ARMED) == 0) /* else it is being canceled, and armed again when that is done */
        uio_accept_arm(uio_of(io), s);
}

static void
uio_accept_stop(struct io *io, struct io_sock *s)
{
    struct uio *u = uio_of(io);

    if ((s->flags & UIO_ACCEPT_WANTED) == 0)
        return;
    uio_unlink(u, s);
    s->flags &= (uint16_t)~UIO_ACCEPT_WANTED;
    if ((s->flags & (UIO_ACCEPT_ARMED | UIO_ACCEPT_CANCELING)) == UIO_ACCEPT_ARMED) {
        s->flags |= UIO_ACCEPT_CANCELING;
        uio_cancel(u, s, UIO_TAG_ACCEPT);
    }
}

static void
uio_accept_resume(struct uio *u)
{
    struct io_sock *s;

    if (u->accept_resume_ns > 0 && io_real_now(&u->io) < u->accept_resume_ns)
        return;
    while ((s = io_list_pop(&u->paused)) != NULL) {
        s->flags &= (uint16_t)~UIO_ACCEPT_PAUSED;
        IO_STAT_ADD(&u->io, n_rearm, 1);
        uio_accept_arm(u, s);
    }
}

/* Errors of one connection that died in the queue; the next may be fine. The rest is about this machine. */
static bool
uio_accept_is_transient(int errnum)
{
    return errnum == ECONNABORTED || errnum == EPROTO || errnum == EPERM || errnum == EINTR || errnum == EAGAIN ||
           errnum == ETIMEDOUT || errnum == ECONNRESET;
}

/* The accept request ended. Returns 1 if that is an event. */
static uint32_t
uio_accept_ended(struct uio *u, struct io_sock *s, int32_t res, struct io_event *ev)
{
    uint32_t n = 0;

    s->flags &= (uint16_t)~(UIO_ACCEPT_ARMED | UIO_ACCEPT_CANCELING);
    if (res < 0 && res != -ECANCELED)
        IO_STAT_ADD(&u->io, n_accept_fail, 1);
    if ((s->flags & UIO_ACCEPT_WANTED) == 0) {
        /* stopped or closing */
    } else if (res >= 0 || res == -ECANCELED || uio_accept_is_transient(-res)) {
        IO_STAT_ADD(&u->io, n_rearm, 1);
        uio_accept_arm(u, s);
    } else {
        s->flags |= UIO_ACCEPT_PAUSED;
        io_list_push(&u->paused, s);
        u->accept_resume_ns = io_real_now(&u->io) + UIO_ACCEPT_PAUSE_MS * NS_PER_MS;
        *ev = (struct io_event){.owner = s->owner,
                                .buf = IO_BUF_NONE,
                                .res = -1,
                                .raw = -res,
                                .kind = IO_EV_ACCEPT,
                                .err = (uint8_t)err_from_errno(-res)};
        n = 1;
    }
    uio_sock_put(u, s);
    return n;
}

static uint32_t
uio_on_accept(struct uio *u, struct io_sock *s, int32_t res, uint32_t cflags, struct io_event *ev)
{
    uint32_t n = 0;

    if (res >= 0 && (s->flags & UIO_CLOSING)) {
        (void)close(res); /* nobody is there for it */
    } else if (res >= 0) {
        *ev = (struct io_event){.owner = s->owner, .buf = IO_BUF_NONE, .res = res, .kind = IO_EV_ACCEPT};
        IO_STAT_ADD(&u->io, n_accept, 1);
        n = 1;
    }
    if ((cflags & IORING_CQE_F_MORE) == 0)
        n += uio_accept_ended(u, s, res, ev);
    return n;
}

static enum err
uio_connect(struct io *io, struct io_sock *s, const struct sockaddr *addr, socklen_t addr_len)
{
    enum { N_IOVS = sizeof(struct sockaddr_storage) / sizeof(struct iovec) };
    struct uio *u = uio_of(io);
    struct io_uring_sqe *sqe;
    void *copy;

    s->fd = socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->fd < 0)
        return err_from_errno(errno);
    io_real_nodelay(s->fd);
    if (u->n_iovs + N_IOVS > UIO_IOVS || uring_n_queued(&u->ring) == u->ring.n_sqes)
        uio_submit_all(u);
    copy = &u->iovs[u->n_iovs]; /* the address must stay put until it is submitted */
    u->n_iovs += N_IOVS;
    memcpy(copy, addr, addr_len);
    sqe = uio_sqe(u, IORING_OP_CONNECT, s->fd, uio_data(s, UIO_TAG_CONNECT));
    sqe->addr = (uint64_t)(uintptr_t)copy;
    sqe->off = addr_len;
    s->flags |= UIO_CONNECTING;
    s->n_inflight++;
    return OK;
}

static uint32_t
uio_on_connect(struct uio *u, struct io_sock *s, int32_t res, struct io_event *ev)
{
    s->flags &= (uint16_t)~UIO_CONNECTING;
    *ev = (struct io_event){.owner = s->owner,
                            .buf = IO_BUF_NONE,
                            .raw = res < 0 ? -res : 0,
                            .kind = IO_EV_CONNECT,
                            .err = (uint8_t)(res < 0 ? err_from_errno(-res) : OK)};
    uio_sock_put(u, s);
    return 1;
}

/* ---- Receiving ---- */

static void
uio_recv_arm(struct uio *u, struct io_sock *s)
{
    struct io_uring_sqe *sqe = uio_sqe(u, IORING_OP_RECV, s->fd, uio_data(s, UIO_TAG_RECV));

    sqe->ioprio = u->bundle ? IORING_RECV_MULTISHOT | IORING_RECVSEND_BUNDLE : IORING_RECV_MULTISHOT;
    if ((s->flags & UIO_RECV_ONCE) == 0)
        sqe->ioprio |= IORING_RECVSEND_POLL_FIRST; /* nothing there yet, as a rule: do not try in vain */
    sqe->flags = IOSQE_BUFFER_SELECT;
    sqe->buf_group = UIO_BGID;
    io_compat_recv_limit(sqe, u->recv_limit);
    s->flags |= UIO_RECV_ARMED | UIO_RECV_ONCE;
    s->n_inflight++;
}

static void
uio_recv_queue(struct uio *u, struct io_sock *s, bool starved)
{
    if (starved || u->n_bufs_kernel == 0)
        IO_STAT_ADD(&u->io, n_starved, 1);
    s->flags |= starved ? UIO_RECV_QUEUED | UIO_RECV_STARVED : UIO_RECV_QUEUED;
    io_list_push(starved ? &u->starved : &u->rearm, s);
}

static bool
uio_recv_waits(const struct uio *u)
{
    return u->starved.head != NULL || u->rearm.head != NULL;
}

static void
uio_recv_start(struct io *io, struct io_sock *s)
{
    struct uio *u = uio_of(io);

    ASSERT((s->flags & UIO_CONNECTING) == 0);
    if (s->flags & (UIO_CLOSING | UIO_RECV_WANTED | UIO_RECV_DONE))
        return;
    s->flags |= UIO_RECV_WANTED;
    if (s->flags & UIO_RECV_ARMED)
        return; /* being canceled: armed again when that is done */
    if (u->n_bufs_kernel > 0 && !uio_recv_waits(u))
        uio_recv_arm(u, s);
    else
        uio_recv_queue(u, s, false);
}

static void
uio_recv_stop(struct io *io, struct io_sock *s)
{
    struct uio *u = uio_of(io);

    if ((s->flags & UIO_RECV_WANTED) == 0)
        return;
    uio_unlink(u, s);
    s->flags &= (uint16_t)~UIO_RECV_WANTED;
    if ((s->flags & (UIO_RECV_ARMED | UIO_RECV_CANCELING)) == UIO_RECV_ARMED) {
        s->flags |= UIO_RECV_CANCELING;
        uio_cancel(u, s, UIO_TAG_RECV);
    }
}

/* Arm sockets that wait, as many as the free buffers can serve. True when some still wait although there are
 * buffers: those armed may have nothing to receive, so the caller must not sleep on them. */
static bool
uio_recv_rearm(struct uio *u)
{
    uint32_t n = u->n_bufs_kernel == 0 ? 0 : (uint32_t)max_u64(1, (uint64_t)u->n_bufs_kernel * u->buf_len / UIO_ARM_SHARE);

    while (n-- > 0 && uio_recv_waits(u)) {
        struct io_sock *s = io_list_pop(u->starved.head != NULL ? &u->starved : &u->rearm);
        s->flags &= (uint16_t)~(UIO_RECV_QUEUED | UIO_RECV_STARVED);
        IO_STAT_ADD(&u->io, n_rearm, 1);
        uio_recv_arm(u, s);
    }
    return uio_recv_waits(u) && u->n_bufs_kernel > 0;
}

/* The receive request ended. Returns 1 if that is an event. */
static uint32_t
uio_recv_ended(struct uio *u, struct io_sock *s, int32_t res, struct io_event *ev)
{
    uint32_t n = 0;
    bool goes_on = res > 0 || res == -ENOBUFS || res == -ECANCELED || res == -EINTR || res == -EAGAIN;

    s->flags &= (uint16_t)~(UIO_RECV_ARMED | UIO_RECV_CANCELING);
    if (goes_on) {
        if (s->flags & UIO_RECV_WANTED)
            uio_recv_queue(u, s, res == -ENOBUFS);
    } else if ((s->flags & UIO_CLOSING) == 0) {
        s->flags = (uint16_t)((s->flags | UIO_RECV_DONE) & ~UIO_RECV_WANTED);
        *ev = (struct io_event){.owner = s->owner,
                                .buf = IO_BUF_NONE,
                                .raw = -res,
                                .kind = IO_EV_RECV,
                                .err = (uint8_t)(res == 0 ? ERR_CLOSED : err_from_errno(-res))};
        n = 1;
    }
    uio_sock_put(u, s);
    return n;
}

/* Tell the bytes of one receive, run by run. What finds no room stays in `rest` for the next io_take. */
static uint32_t
uio_take_rest(struct uio *u, struct io_event *evs, uint32_t max)
{
    struct io_sock *s = u->rest.s;
    uint32_t n = 0;

    while (u->rest.len > 0 && n < max) {
        struct io_event *ev = &evs[n];
        ev->data = uio_buf_run(u, &u->rest.bid, u->rest.len, &ev->len, &ev->buf);
        u->rest.len -= ev->len;
        if (UNLIKELY(s->flags & UIO_CLOSING)) {
            uio_buf_give(&u->io, ev->buf);
            continue;
        }
        ev->owner = s->owner;
        ev->res = 0;
        ev->raw = 0;
        ev->kind = IO_EV_RECV;
        ev->err = OK;
        n++;
    }
    IO_STAT_ADD(&u->io, n_recv, n);
    if (u->rest.len == 0 && UNLIKELY(!u->rest.more))
        (void)uio_recv_ended(u, s, 1, NULL); /* ended after bytes: no event */
    return n;
}

static inline uint32_t
uio_on_recv(struct uio *u, struct io_sock *s, int32_t res, uint32_t cflags, struct io_event *evs, uint32_t max)
{
    /* With neither bytes nor an end there is nothing to tell; the kernel does not do that. No buffer comes without bytes:
     * uio_try_recv has seen it. */
    if (UNLIKELY(res <= 0))
        return cflags & IORING_CQE_F_MORE ? 0 : uio_recv_ended(u, s, res, evs);
    ASSERT(cflags & IORING_CQE_F_BUFFER);
    u->rest.s = s;
    u->rest.bid = cflags >> IORING_CQE_BUFFER_SHIFT;
    u->rest.len = (uint32_t)res;
    u->rest.more = (cflags & IORING_CQE_F_MORE) != 0;
    return uio_take_rest(u, evs, max);
}

/* ---- Sending ---- */

static void
uio_send_queue(struct uio *u, struct io_sock *s, const struct iovec *iov, uint32_t n_iov, uint16_t ioprio)
{
    struct io_uring_sqe *sqe;

    if (u->n_iovs + n_iov > UIO_IOVS || u->n_msgs == UIO_MSGS || uring_n_queued(&u->ring) == u->ring.n_sqes)
        uio_submit_all(u);
    if (n_iov == 1) {
        sqe = uio_sqe(u, IORING_OP_SEND, s->fd, uio_data(s, UIO_TAG_SEND));
        sqe->addr = (uint64_t)(uintptr_t)iov->iov_base;
        sqe->len = (uint32_t)iov->iov_len;
    } else {
        struct msghdr *msg = &u->msgs[u->n_msgs++];
        *msg = (struct msghdr){.msg_iov = &u->iovs[u->n_iovs], .msg_iovlen = n_iov};
        memcpy(msg->msg_iov, iov, n_iov * sizeof(*iov));
        u->n_iovs += n_iov;
        sqe = uio_sqe(u, IORING_OP_SENDMSG, s->fd, uio_data(s, UIO_TAG_SEND));
        sqe->addr = (uint64_t)(uintptr_t)msg;
        sqe->len = 1;
    }
    sqe->msg_flags = MSG_NOSIGNAL;
    sqe->ioprio = ioprio;
    s->flags |= UIO_SENDING;
    s->n_inflight++;
}

static enum err
uio_send(struct io *io, struct io_sock *s, const struct iovec *iov, uint32_t n_iov, size_t *ret_sent)
{
    struct uio *u = uio_of(io);
    struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = n_iov};
    ssize_t n;

    ASSERT((s->flags & (UIO_SENDING | UIO_CLOSING)) == 0 && s->fd >= 0);
    IO_STAT_ADD(io, n_send, 1);
    if (u->n_sends++ >= u->n_inline_max) {
        uio_send_queue(u, s, iov, n_iov, 0);
        return ERR_PENDING;
    }
    do {
        n = n_iov == 1 ? send(s->fd, iov->iov_base, iov->iov_len, MSG_DONTWAIT | MSG_NOSIGNAL)
                       : sendmsg(s->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN) {
        uio_send_queue(u, s, iov, n_iov, IORING_RECVSEND_POLL_FIRST);
        return ERR_PENDING;
    }
    if (n < 0)
        return err_from_errno(errno);
    *ret_sent = (size_t)n;
    return OK;
}

static inline uint32_t
uio_on_send(struct uio *u, struct io_sock *s, int32_t res, struct io_event *ev)
{
    s->flags &= (uint16_t)~UIO_SENDING;
    *ev = (struct io_event){.owner = s->owner,
                            .buf = IO_BUF_NONE,
                            .len = res > 0 ? (uint32_t)res : 0,
                            .raw = res < 0 ? -res : 0,
                            .kind = IO_EV_SEND,
                            .err = (uint8_t)(res < 0 ? err_from_errno(-res) : OK)};
    uio_sock_put(u, s);
    return 1;
}

/* ---- Waking ---- */

static void
uio_wake_any(struct io *peer)
{
    struct uio *u = uio_of(peer);
    uint64_t one = 1;
    int saved = errno; /* may run in a signal handler */

    /* W1 pairs with W2: what the caller did before is seen by whoever takes the completion. Somebody who finds the flag set
     * leaves it to a completion that is not handled yet. */
    if (__atomic_exchange_n(&u->wake_pending, 1, __ATOMIC_ACQ_REL) == 0)
        (void)!write(u->wake_fd, &one, sizeof(one)); /* fails only when the counter is full: then it is readable anyway */
    errno = saved;
}

static void
uio_wake(struct io *self, struct io *peer)
{
    struct uio *u = uio_of(self);
    struct io_uring_sqe *sqe;

    ASSERT(self != peer);
    IO_STAT_ADD(self, n_wake_sent, 1);
    if (peer->ops != &uio_ops || !u->msg_ring) {
        peer->ops->wake_any(peer);
        return;
    }
    sqe = uio_sqe(u, IORING_OP_MSG_RING, uio_of(peer)->ring.ring_fd, uio_data(peer, UIO_TAG_PEER));
    sqe->off = UIO_TAG_WAKE; /* the user_data of its completion over there */
    sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
}

void
uio_wake_arm(struct uio *u)
{
    struct io_uring_sqe *sqe = uio_sqe(u, IORING_OP_POLL_ADD, u->wake_fd, UIO_TAG_WAKE | UIO_WAKE_POLL);

    /* Edge-triggered: each write completes it once more, and nobody has to read the counter. */
    sqe->len = IORING_POLL_ADD_MULTI;
    sqe->poll32_events = POLLIN;
}

static void
uio_on_wake(struct uio *u, uint64_t user_data, uint32_t cflags)
{
    if ((user_data & UIO_WAKE_POLL) == 0)
        return; /* a peer's message: that we returned from the wait is all it wants */
    (void)__atomic_exchange_n(&u->wake_pending, 0, __ATOMIC_ACQ_REL); /* W2 pairs with W1 */
    if ((cflags & IORING_CQE_F_MORE) == 0)
        uio_wake_arm(u);
}

/* ---- Files ---- */

static struct io_uring_sqe *
uio_file_sqe(struct io *io, struct io_req *r, uint8_t op, int fd)
{
    return uio_sqe(uio_of(io), op, fd, uio_data(r, UIO_TAG_FILE));
}

static void
uio_file_open(struct io *io, struct io_req *r, const char *path, int flags, uint32_t mode)
{
    struct io_uring_sqe *sqe = uio_file_sqe(io, r, IORING_OP_OPENAT, AT_FDCWD);

    sqe->addr = (uint64_t)(uintptr_t)path;
    sqe->len = mode;
    sqe->open_flags = (uint32_t)(flags | O_CLOEXEC);
}

static void
uio_file_read(struct io *io, struct io_req *r, int fd, void *to, uint32_t len, uint64_t off)
{
    struct io_uring_sqe *sqe = uio_file_sqe(io, r, IORING_OP_READ, fd);

    sqe->addr = (uint64_t)(uintptr_t)to;
    sqe->len = len;
    sqe->off = off;
}

static void
uio_file_write(struct io *io, struct io_req *r, int fd, const void *from, uint32_t len, uint64_t off, bool dsync)
{
    struct io_uring_sqe *sqe = uio_file_sqe(io, r, IORING_OP_WRITE, fd);

    sqe->addr = (uint64_t)(uintptr_t)from;
    sqe->len = len;
    sqe->off = off;
    sqe->rw_flags = dsync ? RWF_DSYNC : 0;
}

static void
uio_file_sync(struct io *io, struct io_req *r, int fd, bool data_only)
{
    struct io_uring_sqe *sqe = uio_file_sqe(io, r, IORING_OP_FSYNC, fd);

    sqe->fsync_flags = data_only ? IORING_FSYNC_DATASYNC : 0;
}

static void
uio_file_rename(struct io *io, struct io_req *r, const char *from, const char *to)
{
    struct io_uring_sqe *sqe = uio_file_sqe(io, r, IORING_OP_RENAMEAT, AT_FDCWD);

    sqe->addr = (uint64_t)(uintptr_t)from;
    sqe->addr2 = (uint64_t)(uintptr_t)to;
    sqe->len = (uint32_t)AT_FDCWD;
}

static void
uio_file_close(struct io *io, struct io_req *r, int fd)
{
    (void)uio_file_sqe(io, r, IORING_OP_CLOSE, fd);
}

static uint32_t
uio_on_file(const struct io_req *r, int32_t res, struct io_event *ev)
{
    *ev = (struct io_event){.owner = r->owner,
                            .buf = IO_BUF_NONE,
                            .res = res < 0 ? -1 : res,
                            .raw = res < 0 ? -res : 0,
                            .kind = IO_EV_FILE,
                            .err = (uint8_t)(res < 0 ? err_from_errno(-res) : OK)};
    return 1;
}

/* ---- The turn ---- */

static void
uio_wait(struct io *io, int64_t deadline_ns)
{
    struct uio *u = uio_of(io);
    bool poll = deadline_ns <= 0;

    u->n_sends = 0;
    if (UNLIKELY(u->paused.head != NULL)) {
        uio_accept_resume(u);
        if (u->paused.head != NULL && u->accept_resume_ns < deadline_ns)
            deadline_ns = u->accept_resume_ns;
    }
    if (UNLIKELY(uio_recv_waits(u)) && uio_recv_rearm(u))
        poll = true;
    uio_bufs_publish(u);
    if (poll || u->closed.head != NULL || u->rest.len > 0 || uring_cq_tail(&u->ring) != uring_cq_head(&u->ring)) {
        if (uring_n_queued(&u->ring) > 0 || uring_needs_enter(&u->ring))
            (void)uio_enter(u, 0, true, 0); /* whatever it answers, there is a next turn */
        return;
    }
    (void)uio_enter(u, 1, true, deadline_ns); /* interrupted, late or out of memory: an early return is allowed */
}

static void
uio_flush(struct io *io)
{
    struct uio *u = uio_of(io);

    uio_bufs_publish(u);
    if (uring_n_queued(&u->ring) > 0)
        (void)uio_enter(u, 0, false, 0); /* what it did not take goes with the next wait */
}

static uint32_t
uio_on_cqe(struct uio *u, const struct io_uring_cqe *cqe, struct io_event *ev, uint32_t max)
{
    uint64_t data = cqe->user_data;
    int32_t res = cqe->res;
    uint32_t cflags = cqe->flags;
    void *p = (void *)(uintptr_t)(data & ~(uint64_t)UIO_TAG_MASK);

    switch ((enum uio_tag)(data & UIO_TAG_MASK)) {
    case UIO_TAG_RECV: return uio_on_recv(u, p, res, cflags, ev, max);
    case UIO_TAG_SEND: return uio_on_send(u, p, res, ev);
    case UIO_TAG_ACCEPT: return uio_on_accept(u, p, res, cflags, ev);
    case UIO_TAG_CONNECT: return uio_on_connect(u, p, res, ev);
    case UIO_TAG_FILE: return uio_on_file(p, res, ev);
    case UIO_TAG_CANCEL: uio_on_cancel(u, p, res); return 0;
    case UIO_TAG_WAKE: uio_on_wake(u, data, cflags); return 0;
    case UIO_TAG_PEER: uio_wake_any(p); return 0; /* its ring took no message (overflow, old kernel) */
    }
    return 0; /* the tags are all that three bits can say */
}

static uint32_t
uio_take_closed(struct uio *u, struct io_event *evs, uint32_t max)
{
    struct io_sock *s;
    uint32_t n = 0;

    while (n < max && (s = io_list_pop(&u->closed)) != NULL)
        evs[n++] = (struct io_event){.owner = s->owner, .buf = IO_BUF_NONE, .kind = IO_EV_CLOSED};
    return n;
}

static uint32_t
uio_take(struct io *io, struct io_event *evs, uint32_t max)
{
    struct uio *u = uio_of(io);
    uint32_t head = uring_cq_head(&u->ring), tail = uring_cq_tail(&u->ring);
    uint32_t n = uio_take_closed(u, evs, max);

    if (UNLIKELY(u->rest.len > 0) && n < max)
        n += uio_take_rest(u, evs + n, max - n);
    while (head != tail && n < max)
        n += uio_on_cqe(u, &u->ring.cqes[head++ & u->ring.cq_mask], &evs[n], max - n);
    uring_cq_advance(&u->ring, head);
    if (UNLIKELY(u->closed.head != NULL))
        n += uio_take_closed(u, evs + n, max - n);
    return n;
}

const struct io_ops uio_ops = {
    .free = uio_free,
    .now = io_real_now,
    .wall = io_real_wall,
    .random = io_real_random,
    .wait = uio_wait,
    .take = uio_take,
    .take_more = uio_take, /* without a wait the kernel tells of sends alone: receiving goes on in its task work */
    .flush = uio_flush,
    .buf_give = uio_buf_give,
    .wake = uio_wake,
    .wake_any = uio_wake_any,
    .sock_init = uio_sock_init,
    .listen = uio_listen,
    .connect = uio_connect,
    .accept_start = uio_accept_start,
    .accept_stop = uio_accept_stop,
    .recv_start = uio_recv_start,
    .recv_stop = uio_recv_stop,
    .send = uio_send,
    .close = uio_close,
    .file_open = uio_file_open,
    .file_read = uio_file_read,
    .file_write = uio_file_write,
    .file_sync = uio_file_sync,
    .file_rename = uio_file_rename,
    .file_close = uio_file_close,
};
