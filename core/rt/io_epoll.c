/* The epoll backend: the same events from a kernel that only tells when a socket is ready.
 *
 * Readiness is edge-triggered and registered once per socket: a flag remembers it, so starting and stopping to receive costs
 * nothing, and a socket is asked again only when it said that there is more. io_take does the reading: sockets with something
 * to read stand in `ready` and are served in turn, one piece each, round after round, until the events, the buffers or the
 * rounds are used up. So a noisy socket has one piece more than a quiet one, and only after it.
 *
 * Receive buffers. Pieces of many sockets share a buffer, cut from its front; a buffer is free again when all its pieces were
 * given back. Free ones are a stack, so that a lightly loaded shard stays in the cache lines it just used.
 *
 * Sending. At once, in the caller's turn. When the socket takes nothing, its first piece is remembered and sent when it is
 * writable: the caller gets a short count and goes on from there, as after any short send.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/rt/assert.h"
#include "core/rt/io_epoll_file.h"
#include "core/rt/io_priv.h"
#include "core/rt/util.h"

enum {
    EIO_EVENTS = 256, /* of one epoll_wait */
    EIO_RECV_BYTES = 1024 * 1024,
    EIO_RECV_BYTES_MIN = 128 * 1024,
    EIO_RECV_BYTES_MAX = 64 * 1024 * 1024,
    EIO_PIECE_MIN = 8 * 1024, /* with less than this left, a buffer is full */
    EIO_PIECE_ALIGN = 64,
    EIO_ROUNDS = 8,       /* pieces one socket may have in one io_take: as much as io_uring gives it; with half of it, 16 KiB messages cost a quarter more */
    EIO_ACCEPT_MAX = 64,  /* connections one listener may give in one round */
    EIO_ACCEPT_PAUSE_MS = 100,
};

/* io_sock.flags */
enum {
    EIO_LISTENER = BIT(0),
    EIO_WANTED = BIT(1),   /* receive (or accept) was started */
    EIO_READABLE = BIT(2), /* the kernel said so, and we have not read it dry since */
    EIO_HANGUP = BIT(3),   /* the end of the stream is behind the bytes: read until it comes */
    EIO_READY = BIT(4),    /* in `ready` */
    EIO_DONE = BIT(5),     /* end of stream or failure was told */
    EIO_SENDING = BIT(6),  /* tx, aux: the piece that waits for room */
    EIO_OUT_ARMED = BIT(7), /* registered for EPOLLOUT */
    EIO_CONNECTING = BIT(8),
    EIO_CONNECTED = BIT(9), /* in `ready`: the result is known (aux2: errno) */
    EIO_PAUSED = BIT(10),   /* in `paused` */
    EIO_CLOSING = BIT(11),
    EIO_STARVED = BIT(12),
    EIO_BROKEN = BIT(13), /* could not be registered (aux2: errno): told when receiving starts */
    EIO_URGENT = BIT(14), /* the peer sent urgent data: reads end at its mark, and a short one does not mean dry */
};

struct eio {
    struct io io;
    int ep_fd, wake_fd;
    uint32_t wake_pending; /* atomic: the eventfd was written and not seen yet */
    bool no_pwait2;        /* only milliseconds here */

    struct epoll_event got[EIO_EVENTS]; /* of the last wait; [i_got, n_got) are not looked at yet */
    uint32_t i_got, n_got;
    struct io_list ready, closed, paused;
    int64_t accept_resume_ns;

    uint8_t *area; /* n_bufs * IO_RECV_BUF_LEN, then slack */
    size_t area_len;
    uint16_t *n_out; /* pieces of each buffer with the user */
    uint32_t *spare; /* stack of free buffers */
    uint32_t n_bufs, n_spare;
    uint32_t cur, cur_off; /* the buffer being cut, or IO_BUF_NONE */

    struct fileq *files;
};

static struct eio *
eio_of(struct io *io)
{
    return CONTAINER_OF(io, struct eio, io);
}

/* ---- Receive buffers ---- */

static void
eio_buf_give(struct io *io, uint32_t buf)
{
    struct eio *e = eio_of(io);

    ASSERT(buf < e->n_bufs && e->n_out[buf] > 0);
    if (--e->n_out[buf] > 0)
        return;
    if (buf == e->cur)
        e->cur_off = 0; /* all of it is free again: the warmest bytes there are */
    else
        e->spare[e->n_spare++] = buf;
}

/* Have a buffer with room for a piece. False: all are with the user. */
static inline bool
eio_buf_ready(struct eio *e)
{
    if (LIKELY(e->cur != IO_BUF_NONE && e->cur_off <= IO_RECV_BUF_LEN - EIO_PIECE_MIN))
        return true;
    ASSERT(e->cur == IO_BUF_NONE || e->n_out[e->cur] > 0); /* else cur_off were 0 */
    e->cur = IO_BUF_NONE; /* comes back with its last piece */
    if (e->n_spare == 0)
        return false;
    e->cur = e->spare[--e->n_spare];
    e->cur_off = 0;
    return true;
}

/* ---- Lists ---- */

static void
eio_ready_push(struct eio *e, struct io_sock *s)
{
    if (s->flags & EIO_READY)
        return;
    s->flags |= EIO_READY;
    io_list_push(&e->ready, s);
}

static void
eio_unlink(struct eio *e, struct io_sock *s)
{
    if (s->flags & EIO_READY)
        io_list_remove(&e->ready, s);
    if (s->flags & EIO_PAUSED)
        io_list_remove(&e->paused, s);
    s->flags &= (uint16_t)~(EIO_READY | EIO_PAUSED);
}

/* ---- Sockets ---- */

static int
eio_register(struct eio *e, struct io_sock *s, int op, bool out)
{
    struct epoll_event ev = {.events = EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLET, .data.ptr = s};

    if (out) {
        ev.events |= EPOLLOUT;
        s->flags |= EIO_OUT_ARMED;
    }
    return epoll_ctl(e->ep_fd, op, s->fd, &ev) == 0 ? 0 : errno;
}

static void
eio_sock_init(struct io *io, struct io_sock *s)
{
    s->aux2 = (uint32_t)eio_register(eio_of(io), s, EPOLL_CTL_ADD, false);
    if (s->aux2 != 0)
        s->flags |= EIO_BROKEN | EIO_READABLE; /* no memory, or too many watches: it would be deaf */
}

static void
eio_close(struct io *io, struct io_sock *s)
{
    struct eio *e = eio_of(io);

    if (s->flags & EIO_CLOSING)
        return;
    eio_unlink(e, s);
    s->flags |= EIO_CLOSING;
    for (uint32_t i = e->i_got; i < e->n_got; i++)
        if (e->got[i].data.ptr == s)
            e->got[i].data.ptr = e; /* nobody's now; see eio_look */
    if (s->fd >= 0)
        (void)close(s->fd); /* leaves the epoll set with it */
    s->fd = -1;
    io_list_push(&e->closed, s);
    e->accept_resume_ns = 0; /* a descriptor is free: paused listeners may try */
}

/* IO_EV_CLOSED, and before it the completions that closing cut short. */
static uint32_t
eio_take_closed(struct eio *e, struct io_event *evs, uint32_t max)
{
    struct io_sock *s;
    uint32_t n = 0;

    while (n < max && (s = e->closed.head) != NULL) {
        struct io_event *ev = &evs[n++];
        *ev = (struct io_event){.owner = s->owner, .buf = IO_BUF_NONE, .kind = IO_EV_CLOSED};
        if (s->flags & (EIO_SENDING | EIO_CONNECTING)) {
            ev->kind = s->flags & EIO_SENDING ? IO_EV_SEND : IO_EV_CONNECT;
            ev->err = ERR_CANCELED;
            ev->raw = ECANCELED;
            s->flags &= (uint16_t)~(EIO_SENDING | EIO_CONNECTING);
        } else {
            io_list_remove(&e->closed, s);
        }
    }
    return n;
}

/* ---- Accepting and connecting ---- */

static enum err
eio_listen(struct io *io, struct io_sock *s, const struct sockaddr *addr, socklen_t addr_len, int backlog, uint32_t retry_ms,
           uint16_t *ret_port)
{
    enum err err = io_real_listen(addr, addr_len, backlog, retry_ms, SOCK_NONBLOCK, &s->fd, ret_port);

    if (err != OK)
        return err;
    s->flags |= EIO_LISTENER;
    if (eio_register(eio_of(io), s, EPOLL_CTL_ADD, false) != 0) {
        (void)close(s->fd);
        s->fd = -1;
        return ERR_NOMEM;
    }
    return OK;
}

static void
eio_start(struct io *io, struct io_sock *s)
{
    ASSERT((s->flags & EIO_CONNECTING) == 0);
    if (s->flags & (EIO_CLOSING | EIO_WANTED | EIO_DONE))
        return;
    s->flags |= EIO_WANTED;
    if (s->flags & EIO_READABLE)
        eio_ready_push(eio_of(io), s);
}

static void
eio_stop(struct io *io, struct io_sock *s)
{
    if ((s->flags & (EIO_CLOSING | EIO_WANTED)) != EIO_WANTED)
        return;
    s->flags &= (uint16_t)~EIO_WANTED;
    eio_unlink(eio_of(io), s);
}

static void
eio_accept_resume(struct eio *e)
{
    struct io_sock *s;

    if (e->accept_resume_ns > 0 && io_real_now(&e->io) < e->accept_resume_ns)
        return;
    while ((s = io_list_pop(&e->paused)) != NULL) {
        s->flags &= (uint16_t)~EIO_PAUSED;
        IO_STAT_ADD(&e->io, n_rearm, 1);
        eio_ready_push(e, s); /* it is still readable */
    }
}

static bool
eio_accept_is_transient(int errnum)
{
    return errnum == ECONNABORTED || errnum == EPROTO || errnum == EPERM || errnum == EINTR || errnum == ETIMEDOUT;
}

static uint32_t
eio_accept(struct eio *e, struct io_sock *s, struct io_event *evs, uint32_t max)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < EIO_ACCEPT_MAX && n < max; i++) {
        int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC); /* blocking: it may go to a shard that has io_uring */
        int errnum = fd < 0 ? errno : 0;
        if (errnum == EAGAIN) {
            s->flags &= (uint16_t)~EIO_READABLE;
            break;
        }
        if (errnum != 0)
            IO_STAT_ADD(&e->io, n_accept_fail, 1);
        if (eio_accept_is_transient(errnum))
            continue;
        evs[n++] = (struct io_event){.owner = s->owner,
                                     .buf = IO_BUF_NONE,
                                     .res = fd,
                                     .raw = errnum,
                                     .kind = IO_EV_ACCEPT,
                                     .err = (uint8_t)err_from_errno(errnum)};
        if (errnum != 0) {
            s->flags |= EIO_PAUSED;
            io_list_push(&e->paused, s);
            e->accept_resume_ns = io_real_now(&e->io) + EIO_ACCEPT_PAUSE_MS * NS_PER_MS;
            break;
        }
        IO_STAT_ADD(&e->io, n_accept, 1);
    }
    return n;
}

static enum err
eio_connect(struct io *io, struct io_sock *s, const struct sockaddr *addr, socklen_t addr_len)
{
    struct eio *e = eio_of(io);
    int errnum = 0;

    s->fd = socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->fd < 0)
        return err_from_errno(errno);
    io_real_nodelay(s->fd);
    if (connect(s->fd, addr, addr_len) != 0)
        errnum = errno;
    if (eio_register(e, s, EPOLL_CTL_ADD, true) != 0) {
        (void)close(s->fd);
        s->fd = -1;
        return ERR_NOMEM;
    }
    s->flags |= EIO_CONNECTING;
    if (errnum != EINPROGRESS && errnum != EINTR) { /* known at once: a local address */
        s->flags |= EIO_CONNECTED;
        s->aux2 = (uint32_t)errnum;
        eio_ready_push(e, s);
    }
    return OK;
}

static uint32_t
eio_connect_done(struct io_sock *s, struct io_event *ev)
{
    s->flags &= (uint16_t)~(EIO_CONNECTING | EIO_CONNECTED);
    *ev = (struct io_event){.owner = s->owner,
                            .buf = IO_BUF_NONE,
                            .raw = (int32_t)s->aux2,
                            .kind = IO_EV_CONNECT,
                            .err = (uint8_t)err_from_errno((int)s->aux2)};
    return 1;
}

/* ---- Receiving ---- */

static void
eio_recv_end(struct io_sock *s, int errnum, struct io_event *ev)
{
    s->flags = (uint16_t)((s->flags | EIO_DONE) & ~(EIO_WANTED | EIO_READABLE));
    *ev = (struct io_event){.owner = s->owner,
                            .buf = IO_BUF_NONE,
                            .raw = errnum,
                            .kind = IO_EV_RECV,
                            .err = (uint8_t)(errnum == 0 ? ERR_CLOSED : err_from_errno(errnum))};
}

/* One piece. Returns 1 if that is an event. */
static inline uint32_t
eio_recv(struct eio *e, struct io_sock *s, struct io_event *ev)
{
    uint32_t room = IO_RECV_BUF_LEN - e->cur_off;
    uint8_t *to = e->area + (size_t)e->cur * IO_RECV_BUF_LEN + e->cur_off;
    ssize_t n;

    do {
        n = recv(s->fd, to, room, MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (LIKELY(n > 0)) {
        ev->owner = s->owner;
        ev->data = to;
        ev->len = (uint32_t)n;
        ev->buf = e->cur;
        ev->res = 0;
        ev->raw = 0;
        ev->kind = IO_EV_RECV;
        ev->err = OK;
        e->n_out[e->cur]++;
        e->cur_off += (uint32_t)round_up_u64((uint64_t)n, EIO_PIECE_ALIGN);
        if ((uint32_t)n < room && (s->flags & (EIO_HANGUP | EIO_URGENT)) == 0)
            s->flags &= (uint16_t)~EIO_READABLE; /* read dry: more of it is a new edge */
        IO_STAT_ADD(&e->io, n_recv, 1);
        return 1;
    }
    if (n < 0 && errno == EAGAIN) {
        s->flags &= (uint16_t)~EIO_READABLE;
        return 0;
    }
    eio_recv_end(s, n == 0 ? 0 : errno, ev);
    return 1;
}

/* ---- Sending ---- */

static enum err
eio_send(struct io *io, struct io_sock *s, const struct iovec *iov, uint32_t n_iov, size_t *ret_sent)
{
    struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = n_iov};
    ssize_t n;

    ASSERT((s->flags & (EIO_SENDING | EIO_CLOSING)) == 0 && s->fd >= 0);
    IO_STAT_ADD(io, n_send, 1);
    do {
        n = n_iov == 1 ? send(s->fd, iov->iov_base, iov->iov_len, MSG_DONTWAIT | MSG_NOSIGNAL)
                       : sendmsg(s->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n >= 0) {
        *ret_sent = (size_t)n;
        return OK;
    }
    if (errno != EAGAIN)
        return err_from_errno(errno);
    while (iov->iov_len == 0)
        iov++; /* some piece has bytes, else the send had succeeded */
    s->tx = iov->iov_base;
    s->aux = (uint32_t)min_u64(iov->iov_len, UINT32_MAX);
    s->flags |= EIO_SENDING;
    if ((s->flags & EIO_OUT_ARMED) == 0 && eio_register(eio_of(io), s, EPOLL_CTL_MOD, true) != 0)
        return ERR_NOMEM;
    return ERR_PENDING;
}

/* The socket may have room. Returns 1 if the waiting piece is done with. */
static uint32_t
eio_send_more(struct io_sock *s, struct io_event *ev)
{
    ssize_t n = send(s->fd, s->tx, s->aux, MSG_DONTWAIT | MSG_NOSIGNAL);
    int errnum = n < 0 ? errno : 0;

    if (errnum == EAGAIN || errnum == EINTR)
        return 0;
    s->flags &= (uint16_t)~EIO_SENDING;
    *ev = (struct io_event){.owner = s->owner,
                            .buf = IO_BUF_NONE,
                            .len = n > 0 ? (uint32_t)n : 0,
                            .raw = errnum,
                            .kind = IO_EV_SEND,
                            .err = (uint8_t)err_from_errno(errnum)};
    return 1;
}

/* ---- Waking ---- */

static void
eio_wake_any(struct io *peer)
{
    struct eio *e = eio_of(peer);
    uint64_t one = 1;
    int saved = errno; /* may run in a signal handler */

    /* W1 pairs with W2: what the caller did before is seen by the turn that finds the eventfd written. Somebody who finds
     * the flag set leaves it to an edge that is not handled yet. */
    if (__atomic_exchange_n(&e->wake_pending, 1, __ATOMIC_ACQ_REL) == 0)
        (void)!write(e->wake_fd, &one, sizeof(one)); /* fails only when the counter is full: then it is readable anyway */
    errno = saved;
}

static void
eio_wake(struct io *self, struct io *peer)
{
    ASSERT(self != peer);
    IO_STAT_ADD(self, n_wake_sent, 1);
    peer->ops->wake_any(peer);
}

/* ---- Files ---- */

static void
eio_file_open(struct io *io, struct io_req *r, const char *path, int flags, uint32_t mode)
{
    struct fileq_args a = {.op = FILEQ_OPEN, .ptr = (void *)(uintptr_t)path, .flags = flags, .len = mode};
    fileq_push(eio_of(io)->files, r, &a);
}

static void
eio_file_read(struct io *io, struct io_req *r, int fd, void *to, uint32_t len, uint64_t off)
{
    struct fileq_args a = {.op = FILEQ_READ, .fd = fd, .ptr = to, .len = len, .u.off = off};
    fileq_push(eio_of(io)->files, r, &a);
}

static void
eio_file_write(struct io *io, struct io_req *r, int fd, const void *from, uint32_t len, uint64_t off, bool dsync)
{
    struct fileq_args a = {
        .op = FILEQ_WRITE, .fd = fd, .ptr = (void *)(uintptr_t)from, .len = len, .u.off = off, .data_only = dsync};
    fileq_push(eio_of(io)->files, r, &a);
}

static void
eio_file_sync(struct io *io, struct io_req *r, int fd, bool data_only)
{
    struct fileq_args a = {.op = FILEQ_SYNC, .fd = fd, .data_only = data_only};
    fileq_push(eio_of(io)->files, r, &a);
}

static void
eio_file_rename(struct io *io, struct io_req *r, const char *from, const char *to)
{
    struct fileq_args a = {.op = FILEQ_RENAME, .ptr = (void *)(uintptr_t)from, .u.to = to};
    fileq_push(eio_of(io)->files, r, &a);
}

static void
eio_file_close(struct io *io, struct io_req *r, int fd)
{
    struct fileq_args a = {.op = FILEQ_CLOSE, .fd = fd};
    fileq_push(eio_of(io)->files, r, &a);
}

static uint32_t
eio_take_files(struct eio *e, struct io_event *evs, uint32_t max)
{
    struct io_req *r;
    uint32_t n = 0;

    while (n < max && (r = fileq_pop(e->files)) != NULL) {
        int64_t res = fileq_result(r);
        evs[n++] = (struct io_event){.owner = r->owner,
                                     .buf = IO_BUF_NONE,
                                     .res = res < 0 ? -1 : res,
                                     .raw = res < 0 ? (int32_t)-res : 0,
                                     .kind = IO_EV_FILE,
                                     .err = (uint8_t)(res < 0 ? err_from_errno((int)-res) : OK)};
    }
    return n;
}

/* ---- The turn ---- */

static void
eio_poll(struct eio *e, int64_t timeout_ns)
{
    struct timespec ts = {.tv_sec = timeout_ns / NS_PER_S, .tv_nsec = timeout_ns % NS_PER_S};
    int n = -1;

    IO_STAT_ADD(&e->io, n_enter, 1);
    if (timeout_ns > 0 && timeout_ns != INT64_MAX && !e->no_pwait2) {
        n = (int)syscall(SYS_epoll_pwait2, e->ep_fd, e->got, EIO_EVENTS, &ts, NULL, 0);
        if (n < 0 && errno != EINTR)
            e->no_pwait2 = true; /* an older kernel, or a filter that does not know it */
    }
    if (n < 0 && (timeout_ns <= 0 || timeout_ns == INT64_MAX || e->no_pwait2)) {
        int64_t ms = (timeout_ns + NS_PER_MS - 1) / NS_PER_MS; /* late by less than one rather than spinning */
        n = epoll_wait(e->ep_fd, e->got, EIO_EVENTS, timeout_ns == INT64_MAX ? -1 : (int)(ms < 60000 ? ms : 60000));
    }
    ASSERT(n >= 0 || errno == EINTR);
    e->n_got = n > 0 ? (uint32_t)n : 0;
    e->i_got = 0;
}

static void
eio_wait(struct io *io, int64_t deadline_ns)
{
    struct eio *e = eio_of(io);
    int64_t timeout_ns = deadline_ns;

    if (e->i_got < e->n_got)
        return; /* io_take was not finished with the last ones */
    if (UNLIKELY(e->paused.head != NULL)) {
        eio_accept_resume(e);
        if (e->paused.head != NULL && e->accept_resume_ns < deadline_ns)
            timeout_ns = e->accept_resume_ns;
    }
    if (e->closed.head != NULL || (e->ready.head != NULL && eio_buf_ready(e)))
        timeout_ns = 0;
    if (timeout_ns > 0 && timeout_ns != INT64_MAX) {
        timeout_ns -= io_real_now(io);
        if (timeout_ns < 0)
            timeout_ns = 0;
    }
    eio_poll(e, timeout_ns > 0 ? timeout_ns : 0);
}

static void
eio_flush(struct io *io)
{
    (void)io; /* nothing waits: sends go out at once */
}

/* What did the kernel say about one socket? Returns 1 if that is an event already. */
static uint32_t
eio_look(struct eio *e, const struct epoll_event *got, struct io_event *ev)
{
    struct io_sock *s = got->data.ptr;

    if (got->data.ptr == e)
        return 0; /* it was closed since */
    if (got->data.ptr == &e->wake_fd) {
        (void)__atomic_exchange_n(&e->wake_pending, 0, __ATOMIC_ACQ_REL); /* W2 pairs with W1 */
        return 0;
    }
    if (got->events & (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLERR | EPOLLHUP)) {
        s->flags |= EIO_READABLE;
        if (UNLIKELY(got->events & EPOLLPRI))
            s->flags |= EIO_URGENT; /* for good: who sends it once may do so again */
        if (got->events & (EPOLLRDHUP | EPOLLERR | EPOLLHUP))
            s->flags |= EIO_HANGUP;
        if ((s->flags & (EIO_WANTED | EIO_PAUSED)) == EIO_WANTED)
            eio_ready_push(e, s);
    }
    if (LIKELY((s->flags & (EIO_CONNECTING | EIO_SENDING)) == 0) || (got->events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) == 0)
        return 0;
    if (s->flags & EIO_SENDING)
        return eio_send_more(s, ev);
    if ((s->flags & EIO_CONNECTED) == 0) { /* else it stands in `ready` with its result */
        int errnum = 0;
        socklen_t len = sizeof(errnum);
        (void)getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &errnum, &len); /* cannot fail on a socket */
        s->aux2 = (uint32_t)errnum;
        return eio_connect_done(s, ev);
    }
    return 0;
}

static uint32_t
eio_serve(struct eio *e, struct io_sock *s, struct io_event *evs, uint32_t max)
{
    if (UNLIKELY(s->flags & (EIO_CONNECTED | EIO_LISTENER | EIO_BROKEN))) {
        if (s->flags & EIO_LISTENER)
            return eio_accept(e, s, evs, max);
        if (s->flags & EIO_CONNECTED)
            return eio_connect_done(s, evs);
        eio_recv_end(s, (int)s->aux2, evs);
        return 1;
    }
    s->flags &= (uint16_t)~EIO_STARVED;
    return eio_recv(e, s, evs);
}

/* One piece for each ready socket. Those with more stay in `ready`, behind the others. */
static uint32_t
eio_take_round(struct eio *e, struct io_event *evs, uint32_t max)
{
    struct io_sock *s = NULL, *last = e->ready.head->prev;
    uint32_t n = 0;

    while (n < max && s != last) {
        s = e->ready.head;
        if (UNLIKELY(!eio_buf_ready(e))) {
            if ((s->flags & EIO_STARVED) == 0)
                IO_STAT_ADD(&e->io, n_starved, 1);
            s->flags |= EIO_STARVED;
            break;
        }
        io_list_remove(&e->ready, s);
        s->flags &= (uint16_t)~EIO_READY;
        n += eio_serve(e, s, evs + n, max - n);
        if ((s->flags & (EIO_READABLE | EIO_WANTED | EIO_PAUSED)) == (EIO_READABLE | EIO_WANTED))
            eio_ready_push(e, s);
    }
    return n;
}

static uint32_t
eio_take(struct io *io, struct io_event *evs, uint32_t max)
{
    struct eio *e = eio_of(io);
    uint32_t n = 0;

    if (UNLIKELY(e->closed.head != NULL))
        n += eio_take_closed(e, evs, max);
    n += eio_take_files(e, evs + n, max - n);
    while (e->i_got < e->n_got && n < max)
        n += eio_look(e, &e->got[e->i_got++], &evs[n]);
    for (uint32_t i = 0; i < EIO_ROUNDS && n < max && e->ready.head != NULL; i++) {
        uint32_t n_more = eio_take_round(e, evs + n, max - n);
        n += n_more;
        if (n_more == 0)
            break;
    }
    return n;
}

static void
eio_free(struct io *io)
{
    struct eio *e = eio_of(io);

    ASSERT(e->ready.head == NULL && e->closed.head == NULL && e->paused.head == NULL);
    fileq_free(e->files);
    if (e->ep_fd >= 0)
        (void)close(e->ep_fd);
    if (e->wake_fd >= 0)
        (void)close(e->wake_fd);
    if (e->area != NULL)
        (void)munmap(e->area, e->area_len);
    free(e->n_out);
    free(e->spare);
    free(e);
}

static const struct io_ops eio_ops = {
    .free = eio_free,
    .now = io_real_now,
    .wall = io_real_wall,
    .random = io_real_random,
    .wait = eio_wait,
    .take = eio_take,
    .flush = eio_flush,
    .buf_give = eio_buf_give,
    .wake = eio_wake,
    .wake_any = eio_wake_any,
    .sock_init = eio_sock_init,
    .listen = eio_listen,
    .connect = eio_connect,
    .accept_start = eio_start,
    .accept_stop = eio_stop,
    .recv_start = eio_start,
    .recv_stop = eio_stop,
    .send = eio_send,
    .close = eio_close,
    .file_open = eio_file_open,
    .file_read = eio_file_read,
    .file_write = eio_file_write,
    .file_sync = eio_file_sync,
    .file_rename = eio_file_rename,
    .file_close = eio_file_close,
};

static bool
eio_alloc(struct eio *e, uint32_t total)
{
    e->n_bufs = total / IO_RECV_BUF_LEN;
    e->area_len = total + IO_RECV_SLACK;
    e->area = mmap(NULL, e->area_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (e->area == MAP_FAILED)
        e->area = NULL;
    e->n_out = calloc(e->n_bufs, sizeof(*e->n_out));
    e->spare = calloc(e->n_bufs, sizeof(*e->spare));
    e->files = fileq_new(eio_wake_any, &e->io);
    if (e->area == NULL || e->n_out == NULL || e->spare == NULL || e->files == NULL)
        return false;
    for (uint32_t i = 0; i < e->n_bufs; i++)
        e->spare[e->n_spare++] = e->n_bufs - 1 - i;
    return true;
}

static int
eio_open(struct eio *e)
{
    struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.ptr = &e->wake_fd}; /* edges: nobody has to read it */

    e->ep_fd = epoll_create1(EPOLL_CLOEXEC);
    if (e->ep_fd < 0)
        return errno;
    e->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (e->wake_fd < 0 || epoll_ctl(e->ep_fd, EPOLL_CTL_ADD, e->wake_fd, &ev) != 0)
        return errno;
    return 0;
}

enum err
io_epoll_new(const struct io_cfg *cfg, struct io **ret_io)
{
    uint32_t total = cfg->recv_bufs_bytes > 0 ? cfg->recv_bufs_bytes : EIO_RECV_BYTES;
    struct eio *e = calloc(1, sizeof(*e));
    int errnum;

    if (e == NULL)
        return ERR_NOMEM;
    e->io.ops = &eio_ops;
    e->io.features.backend = IO_EPOLL;
    e->ep_fd = e->wake_fd = -1;
    e->cur = IO_BUF_NONE;
    total = (uint32_t)round_up_u64(max_u64(EIO_RECV_BYTES_MIN, min_u64(total, EIO_RECV_BYTES_MAX)), IO_RECV_BUF_LEN);
    errnum = eio_alloc(e, total) ? eio_open(e) : ENOMEM;
    if (errnum != 0) {
        eio_free(&e->io);
        return err_from_errno(errnum);
    }
    io_real_seed(&e->io);
    *ret_io = &e->io;
    return OK;
}
