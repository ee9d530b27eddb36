/* io_priv.h - what the io backends share: the table of operations behind io.h, and small helpers.
 *
 * Included by the backends (io_uring.c, io_epoll.c, io_sim.c), by io.c and by nobody else.
 *
 * Shape    each backend embeds `struct io` as its first member and casts. io.c does nothing but dispatch.
 * Threads  as io.h: `ops`, `kind` and whatever wake_any touches are constant after the backend was made, because peers
 *          read them; the rest belongs to the owning shard.
 * Memory   ops->free releases the whole backend, `struct io` with it.
 */
#ifndef MIDGE_RT_IO_PRIV_H
#define MIDGE_RT_IO_PRIV_H

#include "core/rt/io.h"

struct io_ops {
    void (*free)(struct io *io);

    int64_t (*now)(struct io *io);
    int64_t (*wall)(struct io *io);
    uint64_t (*random)(struct io *io);

    void (*wait)(struct io *io, int64_t deadline_ns);
    uint32_t (*take)(struct io *io, struct io_event *evs, uint32_t max); /* 0 < max <= IO_TAKE_MAX */
    uint32_t (*take_more)(struct io *io, struct io_event *evs, uint32_t max); /* the same; NULL: nothing ever comes of it */
    void (*flush)(struct io *io);
    void (*buf_give)(struct io *io, uint32_t buf);
    /* peer may be of another kind: then use peer->ops->wake_any(peer). */
    void (*wake)(struct io *self, struct io *peer);
    void (*wake_any)(struct io *peer);

    void (*sock_init)(struct io *io, struct io_sock *s); /* fd, owner are set, all else is zero */
    /* s->owner is set, s->fd is -1, all else is zero. On failure s->fd is -1 again. */
    enum err (*listen)(struct io *io, struct io_sock *s, const struct sockaddr *addr, socklen_t addr_len, int backlog,
                       uint32_t retry_ms, uint16_t *ret_port);
    enum err (*connect)(struct io *io, struct io_sock *s, const struct sockaddr *addr, socklen_t addr_len);
    void (*accept_start)(struct io *io, struct io_sock *s);
    void (*accept_stop)(struct io *io, struct io_sock *s);
    void (*recv_start)(struct io *io, struct io_sock *s);
    void (*recv_stop)(struct io *io, struct io_sock *s);
    /* 0 < n_iov <= IO_IOV_MAX, and at least one byte in all */
    enum err (*send)(struct io *io, struct io_sock *s, const struct iovec *iov, uint32_t n_iov, size_t *ret_sent);
    void (*close)(struct io *io, struct io_sock *s);

    void (*file_open)(struct io *io, struct io_req *r, const char *path, int flags, uint32_t mode);
    void (*file_read)(struct io *io, struct io_req *r, int fd, void *to, uint32_t len, uint64_t off);
    void (*file_write)(struct io *io, struct io_req *r, int fd, const void *from, uint32_t len, uint64_t off, bool dsync);
    void (*file_sync)(struct io *io, struct io_req *r, int fd, bool data_only);
    void (*file_rename)(struct io *io, struct io_req *r, const char *from, const char *to);
    void (*file_close)(struct io *io, struct io_req *r, int fd);

    void (*fd_drop)(struct io *io, int fd); /* NULL: close(2) */
};

/* The part every backend starts with. */
struct io {
    const struct io_ops *ops;
    struct io_features features;
    struct io_stats stats;
    uint64_t rng[2]; /* real backends' io_random */
};

/* The backends. *ret_io is written on OK only.
 * io_sim_new is weak: only programs that link the simulation have it (io.c answers ERR_UNSUPPORTED without). */
enum err io_uring_new(const struct io_cfg *cfg, struct io **ret_io);
enum err io_epoll_new(const struct io_cfg *cfg, struct io **ret_io);
__attribute__((weak)) enum err io_sim_new(const struct io_cfg *cfg, struct io **ret_io);

/* What tests and the micro-benchmark may set by hand; production takes the defaults (io_uring.c says what they are and why).
 * 0 = default. */
struct io_uring_tune {
    uint32_t n_cqes;
    uint32_t recv_buf_len;     /* with io_cfg.recv_bufs_bytes gives their number */
    uint32_t recv_limit_bytes; /* one socket receives at most this between two turns */
    bool no_bundle;            /* as on kernels before 6.17: one buffer a receive, no limit */
    bool no_defer;             /* as on kernels before 6.1: completions run whenever the kernel likes */
    bool no_msg_ring;          /* wake by eventfd only */
    bool no_inline;            /* every send is queued */
    uint32_t n_inline_max;     /* sends of a turn that go out at once, before the rest is queued */
};
enum err io_uring_new_tuned(const struct io_cfg *cfg, const struct io_uring_tune *tune, struct io **ret_io);

/* Counters have one writer and relaxed readers: a plain add that a reader never sees torn. */
#define IO_STAT_ADD(io, field, n) __atomic_store_n(&(io)->stats.field, (io)->stats.field + (uint64_t)(n), __ATOMIC_RELAXED)

/* A FIFO of sockets through their own links; a socket is in one list at most, and `prev`/`next` are NULL in none.
 * Shape: circular, `head` is the oldest. */
struct io_list {
    struct io_sock *head;
};

static inline void
io_list_push(struct io_list *l, struct io_sock *s)
{
    struct io_sock *h = l->head;

    if (h == NULL) {
        s->next = s->prev = s;
        l->head = s;
        return;
    }
    s->next = h;
    s->prev = h->prev;
    h->prev->next = s;
    h->prev = s;
}

static inline void
io_list_remove(struct io_list *l, struct io_sock *s)
{
    if (s->next == s) {
        l->head = NULL;
    } else {
        s->prev->next = s->next;
        s->next->prev = s->prev;
        if (l->head == s)
            l->head = s->next;
    }
    s->next = s->prev = NULL;
}

/* The oldest, taken out; NULL when empty. */
static inline struct io_sock *
io_list_pop(struct io_list *l)
{
    struct io_sock *s = l->head;

    if (s != NULL)
        io_list_remove(l, s);
    return s;
}

/* Real backends only. */
int64_t io_real_now(struct io *io);
int64_t io_real_wall(struct io *io);
uint64_t io_real_random(struct io *io);
void io_real_seed(struct io *io);
/* socket + bind + listen with the retries of io_listen. own: *ret_fd */
enum err io_real_listen(const struct sockaddr *addr, socklen_t addr_len, int backlog, uint32_t retry_ms, int sock_flags, int *ret_fd,
                        uint16_t *ret_port);
void io_real_nodelay(int fd);

#endif
